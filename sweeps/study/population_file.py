"""The file of a frozen population: read, and its seal checked."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study.identity import canonical
from pulsatile.sweeps.study.table import PatientTable

FILE = "population.json"

FORMAT = 1


def seal(told: Mapping[str, Any]) -> str:
    """Return the id: SHA-256 of all else that ``population.json`` says, of its table the content."""
    said = {name: value for name, value in told.items() if name != "id"}
    said["table"] = PatientTable.model_validate(told["table"]).content
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def read_frozen(path: str | Path) -> dict[str, Any]:
    """Return what ``population.json`` in (or at) ``path`` says; `InputError` where it is none or was changed."""
    try:
        file = Path(path) / FILE if Path(path).is_dir() else Path(path)
        told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(
            f"{path}: there is no frozen population; make one by `pulsatile population build NAME --n N --out {path}`."
        ) from None
    except ValueError:
        raise InputError(f"{path}: the file is damaged; build the population again.") from None
    try:
        sound = isinstance(told, dict) and told.get("format") == FORMAT and told.get("id") == seal(told)
    except (KeyError, ValueError, zlib.error):
        sound = False
    if not sound:
        raise InputError(f"{file}: its id is not that of its content: it was changed; build the population again.")
    return told
