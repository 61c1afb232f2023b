"""A table of patients packed into a study: columns of numbers, one row per patient."""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.fields import Resolved

MOST_IN_TABLE = 200_000
"""Patients of a user's table or of a frozen population, which is stored in the study."""


class PatientTable(Resolved):
    """Columns of numbers (float64), one row per patient, packed as text for the JSON of a study."""

    names: tuple[str, ...]
    rows: int
    packed: str

    @classmethod
    def of(cls, columns: Mapping[str, npt.ArrayLike]) -> Self:
        """Return the table of equally long ``columns``."""
        block = np.array([np.asarray(column, np.float64) for column in columns.values()]).reshape(len(columns), -1)
        text = base64.b85encode(zlib.compress(np.ascontiguousarray(block.T).astype("<f8").tobytes(), 9)).decode()
        return cls(names=tuple(columns), rows=block.shape[1], packed=text)

    @property
    def content(self) -> str:
        """SHA-256 of names and numbers; it depends neither on their order nor on the compression library."""
        digest = hashlib.sha256()
        for name, column in sorted(self.columns.items()):
            digest.update(name.encode() + b"\0" + column.tobytes())
        return digest.hexdigest()

    @property
    def columns(self) -> dict[str, Floats]:
        """The columns by name, bit-equal to what was packed."""
        return dict(zip(self.names, _unpacked(self.packed, len(self.names)), strict=True))


@lru_cache(4)
def _unpacked(packed: str, width: int) -> tuple[Floats, ...]:
    block = np.frombuffer(zlib.decompress(base64.b85decode(packed)), "<f8").reshape(-1, width)
    columns = tuple(np.ascontiguousarray(block[:, k]) for k in range(width))
    for column in columns:
        column.flags.writeable = False  # the cache shares them
    return columns


def patient_count(n: int | None, first: int, rows: int, where: str) -> int:
    """Return the number of patients to take from a table of ``rows``, default all from row ``first`` on.

    Raises
    ------
    InputError
        When the table has fewer patients than that.
    """
    available = rows - first
    if available < 1 or (n is not None and n > available):
        raise InputError(
            f"{where} has {rows} patients; n = {'all' if n is None else n} from place {first} on is more than that."
        )
    return available if n is None else n
