"""Array types that signatures use, and the handling of floating-point errors that public functions compute with."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

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

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def usual_float_errors(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Decorate a public function that computes: numpy handles floating-point errors as by default.

    Under ``np.errstate(all="raise")`` of a caller, a NaN of a failed patient would end the function.
    """
    decorated: Callable[_Given, _Result] = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")(
        function
    )
    return decorated
