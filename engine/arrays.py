"""The kinds of arrays that signatures name."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int64]
"""Of patients: what keyed draws follow from."""
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
"""Of `engine.errors.Status`."""
Record = npt.NDArray[Any]
"""Parameters of patients, of `engine.parameters.DTYPE`."""
