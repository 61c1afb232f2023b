"""Array types that signatures use."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int64]
"""Patient ids, the keys of random draws."""
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
"""Codes of `engine.errors.Status`."""
Record = npt.NDArray[Any]
"""Parameter records of patients, dtype `engine.parameters.DTYPE`."""
