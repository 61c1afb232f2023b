"""The file of a frozen population: read, and its seal checked."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.identity import canonical
from pulsatile.sweeps.study.tables.table import PatientTable

FILE = "population.json"

FORMAT = 1
TABLES = ("table", "balanced")
"""Entries that are packed tables of patients."""
LARGEST_FILE = 200_000_000  # bytes; 200,000 patients of 15 numbers take some 30 million


def seal(record: Mapping[str, Any]) -> str:
    """Return the id: SHA-256 of the other entries of ``population.json``, with the content hashes of its tables."""
    sealed = {name: value for name, value in record.items() if name != "id"}
    for name in TABLES:
        if name in record:
            sealed[name] = PatientTable.model_validate(record[name]).content
    return hashlib.sha256(canonical(sealed).encode()).hexdigest()


def read_frozen(path: str | Path) -> dict[str, Any]:
    """Return the content of ``population.json`` in (or at) ``path``; `InputError` where it is missing or changed."""
    try:
        file = Path(path) / FILE if Path(path).is_dir() else Path(path)
        if file.exists() and not file.is_file():  # a pipe or a device may never end
            raise InputError(f"{file}: this is not a plain file; give the folder of a frozen population.")
        if file.stat().st_size > LARGEST_FILE:
            raise InputError(f"{file}: {file.stat().st_size} bytes are too many; at most {LARGEST_FILE}.")
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except InputError:  # is a ValueError too
        raise
    except OSError:
        raise InputError(
            f"{path}: there is no frozen population; make one by `pulsatile population build NAME --n N --out {path}`."
        ) from None
    except ValueError:
        raise InputError(f"{path}: the file is damaged; build the population again.") from None
    try:
        sound = isinstance(record, dict) and record.get("format") == FORMAT and record.get("id") == seal(record)
    except (KeyError, ValueError, zlib.error):
        sound = False
    if not sound:
        raise InputError(f"{file}: its id is not that of its content: it was changed; build the population again.")
    if wrong := _wrong(record):
        raise InputError(f"{file}: {wrong}, which `pulsatile population build` does not write; build it again.")
    return record


def _wrong(record: Mapping[str, Any]) -> str:
    """Return what a sealed record holds that cannot be; the id seals any content, also of another program."""
    for name, kind in (("people", dict), ("seed", int), ("engine", str), ("run", str)):
        if not isinstance(record.get(name), kind) or isinstance(record.get(name), bool):
            return f"{name} is missing or is not what it must be"
    table = PatientTable.model_validate(record["table"])
    columns = table.columns
    ids = columns.get("patient", np.empty(0))
    if len(ids) != table.rows or not len(ids):
        return f"its table has {len(ids)} patients and says {table.rows}"
    if not (np.isfinite(ids) & (ids >= 0) & (ids <= 2**53) & (ids == np.floor(ids))).all():
        return "a patient is not a whole number"
    if len(np.unique(ids)) != len(ids):
        return "a patient stands in two rows"
    weights = columns.get("prevalence", np.ones(1))
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.sum() > 0:
        return "its prevalence weights are not weights"
    return ""
