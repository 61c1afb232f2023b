"""A table of patients packed into a study: columns of numbers, one row per patient."""

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.fields import Resolved

MOST_IN_TABLE = 200_000
"""Patients of a user's table or of a frozen population, which is stored in the study."""


class PatientTable(Resolved):
    """Columns of numbers (float64), one row per patient, packed as text for the JSON of a study.

    ``packed_ids`` holds the patients' ids where they are text; the column "patient" then has their `keys`.
    """

    names: tuple[str, ...]
    rows: int
    packed: str
    packed_ids: str = ""

    @classmethod
    def of(cls, columns: Mapping[str, npt.ArrayLike]) -> Self:
        """Return the table of equally long ``columns``; those of numbers but for "patient", which may be text."""
        ids = np.asarray(columns.get("patient", ()))
        packed_ids = ""
        if ids.dtype.kind in "OUT":
            columns = {**columns, "patient": keys(ids)}
            packed_ids = _packed("\0".join(map(str, ids)).encode())
        block = np.array([np.asarray(column, np.float64) for column in columns.values()]).reshape(len(columns), -1)
        text = _packed(np.ascontiguousarray(block.T).astype("<f8").tobytes())
        return cls(names=tuple(columns), rows=block.shape[1], packed=text, packed_ids=packed_ids)

    @property
    def content(self) -> str:
        """SHA-256 of names and numbers; it depends neither on their order nor on the compression library."""
        digest = hashlib.sha256()
        for name, column in sorted(self.columns.items()):
            digest.update(name.encode() + b"\0" + column.tobytes())
        if self.packed_ids:
            digest.update(b"ids\0" + "\0".join(self.ids).encode())
        return digest.hexdigest()

    @property
    def columns(self) -> dict[str, Floats]:
        """The columns by name, bit-equal to what was packed."""
        return dict(zip(self.names, _unpacked(self.packed, len(self.names)), strict=True))

    @property
    def ids(self) -> npt.NDArray[Any]:
        """The patients' ids (rows,) as the user gave them: int64, or text (object)."""
        if self.packed_ids:
            return _texts(self.packed_ids)
        return self.columns["patient"].astype(np.int64)


def keys(ids: Iterable[str]) -> Floats:
    """Return the numbers (n,) that key the draws of patients with text ids: the first 53 bits of BLAKE2b of each.

    They are exact in a float64, and leave room above for the occasions of a variance budget.

    >>> keys(["01-701-1015"]).astype(np.int64)
    array([4545190447828868])
    """
    hashes = (hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids)
    return np.array([int.from_bytes(digest, "big") >> 11 for digest in hashes], np.float64)


def _packed(data: bytes) -> str:
    return base64.b85encode(zlib.compress(data, 9)).decode()


@lru_cache(4)
def _texts(packed: str) -> npt.NDArray[np.object_]:
    texts = np.array(zlib.decompress(base64.b85decode(packed)).decode().split("\0"), object)
    texts.flags.writeable = False  # the cache shares it
    return texts


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
