"""Covariates, status and when patients left: committed chunk by chunk, stored in one piece.

Analysts group, mask and select patients by them, so the results hold each in one chunk.  Several tasks cannot share a
file; therefore a task commits its patients' rows to the store `PATIENTS`, and the driver writes the pieces from the
committed rows when a run ends.  They can be made again from the rows at any time, bit for bit.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.errors import Status
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.store import Arrays, Files

PATIENTS = "patients.zarr"
ROWS = "rows"
"""The array of the store: (patient, column), the variables sorted by name, those of arms with a column for each arm."""
_STATUS = "status"


def empty_rows(patients: int, covariates: int, arms: int, chunk: int, attrs: dict[str, Any], of_arms: int = 1) -> Files:
    """Return the files of the store before anything has run; ``of_arms`` variables have a column for each arm."""
    return store.plain_files({ROWS: (("patient", "column"), (patients, covariates + of_arms * arms))}, chunk, attrs)


def rows_of(values: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return the rows of a chunk's patients, given all their variables, axes as stored."""
    columns = [np.atleast_2d(values[name]) for name in sorted(values) if values[name].ndim <= 2]
    return {ROWS: np.concatenate(columns, dtype=np.float64).T}


def one_piece(results: Path, patients: Path, n: int, more: Callable[[Arrays], Arrays] | None = None) -> Files:
    """Return the files of ``results`` with covariates and status of all ``n`` patients, from the committed rows.

    Patients without a committed row are "never run", and have NaN for covariates.  ``more`` returns further variables
    of all patients, which no row holds, from those of the rows.
    """
    columns = store.patients_stored(patients, 0, n)[ROWS].T
    pieces = {name: dims for name, dims in store.dims(results).items() if "patient" in dims and store.is_whole(dims)}
    values: Arrays = {}
    at = 0
    computed = store.texts(results)
    arms = store.sizes(results)["arm"]
    for name in sorted(pieces.keys() - {"patient"} - computed):
        width = arms if "arm" in pieces[name] else 1
        block = columns[at : at + width]
        if name == _STATUS:
            block = np.where(np.isnan(block), Status.NEVER_RUN, block)
        values[name] = block if "arm" in pieces[name] else block[0]
        at += width
    if more is not None:
        values |= more(values)
    return store.chunk_files(results, 0, n, values, whole=True)
