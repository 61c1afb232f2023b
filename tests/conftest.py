"""What many tests share: small studies, as data and as files."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

Write = Callable[..., Path]


SMALL: dict[str, Any] = {
    "title": "three patients",
    "seed": 5,
    "weeks": 1,
    "population": {"n": 3, "phenotype": "obese"},
    "arms": [
        {"name": "no treatment", "preset": "control"},
        {"name": "tesamorelin", "regimen": [{"drug": "tesamorelin", "dose": "2 mg", "at": ["08:00"]}]},
    ],
    "tests": [{"test": "fasting", "weeks": [0, 1]}],
}


@pytest.fixture
def small() -> dict[str, Any]:
    """Three patients, two arms, one week; everybody's own to change."""
    return deepcopy(SMALL)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a study file and return its path."""

    def write_file(data: Any, name: str = "study.yaml") -> Path:
        path = tmp_path / name
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return path

    return write_file
