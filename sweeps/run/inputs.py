"""The study file of a run and the tables it names: what they were when the run began, and what they are now."""

import json
from pathlib import Path
from typing import Any

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.study.patients import ResolvedPopulation
from pulsatile.sweeps.study.population import OF_FILES
from pulsatile.sweeps.study.read import parse_yaml, read_mapping
from pulsatile.sweeps.study.schema import Study, load_study
from pulsatile.sweeps.study.tables.own_patients import Headings, own_patients
from pulsatile.sweeps.study.tables.parameter_file import own_parameters
from pulsatile.sweeps.study.tables.population_file import read_frozen
from pulsatile.sweeps.study.tables.table import PatientTable

WORDS_ONLY = ("title", "description")
"""Entries of a study file that decide no number."""


def named_files(study: Study) -> dict[str, str]:
    """Return the absolute path of the table or the frozen population that a study names, by its key."""
    given = {key: getattr(study.population, key) for key in OF_FILES}
    return {key: str(Path(path).absolute()) for key, path in given.items() if path is not None}


def same_study(folder: RunFolder) -> bool:
    """Return whether study.yaml in a run says what it said when the run began, but for comments, layout and title."""
    try:
        was, now = _begun(folder), read_mapping(folder.path / "study.yaml")
    except InputError:
        return False
    return _deciding(was) == _deciding(now)


def _deciding(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in WORDS_ONLY}


def _begun(folder: RunFolder) -> dict[str, Any]:
    data = parse_yaml(folder.begin["study"], str(folder.path))
    return data if isinstance(data, dict) else {}


def study_of(folder: RunFolder) -> Study:
    """Return the study that study.yaml in a run is now; a relative path in it is still that of the file as given.

    Raises
    ------
    InputError
        Where it is not a study, or names a file that is gone.
    """
    settings, path = list(folder.facts.get("settings", ())), folder.path / "study.yaml"
    was, now = (data.get("population") for data in (_begun(folder), read_mapping(path)))
    for key, file in folder.facts.get("reads", {}).items():
        if isinstance(was, dict) and isinstance(now, dict) and was.get(key) == now.get(key):
            settings.append(f"population.{key}={json.dumps(file)}")
    return load_study(path, settings, shorten=folder.facts.get("shorten", False))


def changed_files(folder: RunFolder, population: ResolvedPopulation) -> list[str]:
    """Return a sentence for each file of patients that has changed since the run began; a file may be gone."""
    sentences = []
    for key, file in folder.facts.get("reads", {}).items():
        if Path(file).exists() and (change := _change(key, file, population, _headings(folder))):
            sentences.append(
                f"{file} has changed since the run began ({change}); the expansion goes on with the patients of the "
                "run, as they were."
            )
    return sentences


def _headings(folder: RunFolder) -> Headings:
    """Return what the study of a run said of the columns of its table."""
    entry = _begun(folder).get("population")
    given = entry if isinstance(entry, dict) else {}
    codes = given.get("codes") or {}
    return Headings(
        given.get("columns") or {}, {str(k): v for k, v in (codes.get("sex") or {}).items()}, given.get("units") or {}
    )


def _change(key: str, file: str, population: ResolvedPopulation, headings: Headings) -> str:
    """Return how a table or a frozen population differs from the one in a run; "" where it does not."""
    assert population.table is not None
    try:
        if key == "frozen":
            new = str(read_frozen(file)["id"])
            return "" if new == population.id else f"its id was {population.id[:12]} and is {new[:12]}"
        now = own_parameters(file) if key == "parameters" else own_patients(file, headings)
        return _difference(population.table, now)
    except InputError as error:
        return f"it cannot be read now: {str(error).rstrip('.')}"


def _difference(was: PatientTable, now: PatientTable) -> str:
    if was.content == now.content:
        return ""
    if was.rows != now.rows:
        return f"it had {was.rows} patients and has {now.rows}"
    columns, others = was.columns, now.columns
    if names := sorted({*columns} ^ {*others}):
        return f"the columns differ: {', '.join(names)}"
    return f"other values of {', '.join(name for name in columns if columns[name].tobytes() != others[name].tobytes())}"
