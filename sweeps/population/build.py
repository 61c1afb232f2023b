"""A frozen population: people drawn, run untreated, selected and weighted once, and reused by every study.

The folder holds a finished run (one arm without treatment, one week, a fasting sample and an OGTT at its start), with
the safety of any run, and ``population.json``: the selected patients and their weights, sealed by an id.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, usual_float_errors
from pulsatile.engine.errors import InputError
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.sweeps.disk.check import open_results
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.population.plausible import KEPT, counts, reasons
from pulsatile.sweeps.population.published import targets
from pulsatile.sweeps.run.driver import Outcome
from pulsatile.sweeps.run.progress import Progress, SilentProgress
from pulsatile.sweeps.run.run import run_or_resume
from pulsatile.sweeps.study.identity import engine_hash
from pulsatile.sweeps.study.patients import ResolvedPopulation, resolved_population
from pulsatile.sweeps.study.read import read_mapping
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.study.schema import Study, study_from
from pulsatile.sweeps.study.tables.population_file import FILE, FORMAT, read_frozen, seal
from pulsatile.sweeps.study.tables.table import MOST_IN_TABLE, PatientTable
from pulsatile.sweeps.study.tables.table_file import TEXT_FILES
from pulsatile.sweeps.summary.weights import LEAST_EFFECTIVE, MOST_WEIGHT, Balance, balance, effective_number
from pulsatile.sweeps.workers.resources import Resources

WEEK_0 = ("fasting", "ogtt")
INCLUSION = draws.layer("allen inclusion")
LEFT_OUT = "left out by inclusion, so that the margins are as published"
"""Why a plausible patient is not kept."""
SELECTIONS = ("weights", "inclusion", "plausible")


def of_survey(population: ResolvedPopulation) -> bool:
    """Return whether the published margins describe these people: adults of the survey, all of them."""
    people = population.people
    if people is None or population.table is not None or population.recruitment is not None:
        return False
    asked = people.women is not None or people.ranges or people.margins or people.shifts
    return people.population().survey and not asked


def untreated_study(population: Mapping[str, Any], seed: int, where: str) -> Study:
    """Return the study that runs a population untreated; ``population`` is the entry of a study file."""
    data = {
        "title": "untreated population", "seed": seed, "weeks": 1, "population": dict(population),
        "arms": [{"name": "untreated", "preset": "control"}],
        "outputs": {"names": ["igf1", "vat", "sat", "lean"], "dtype": "float64"},
        "reductions": {"names": ["gh_mean"], "every": "1 week"},
        "tests": [{"test": test, "weeks": [0]} for test in WEEK_0],
    }  # fmt: skip
    study = study_from(data, where)
    people = study.population
    if people.from_phenotypes or people.frozen is not None or people.parameters is not None:
        raise InputError(f"{where}: only a population of people can be built; give named or patients.")
    if study.population.n is not None and study.population.n > MOST_IN_TABLE:
        raise InputError(
            f"{where}: population.n = {study.population.n} is too large: at most {MOST_IN_TABLE} are allowed, because "
            "every study stores its frozen population; a study with `named` draws more."
        )
    return study


@dataclass(frozen=True)
class Untreated:
    """Results of every patient of a finished run: ids, status, and numbers by name, each (n,)."""

    ids: npt.NDArray[Any]
    status: npt.NDArray[np.int8]
    columns: dict[str, Floats]

    @classmethod
    def of(cls, folder: Path) -> "Untreated":
        """Read the outputs of week 0, the week's mean GH, and all covariates of the run in ``folder``."""
        dataset = open_results(RunFolder.open(folder))
        first = dataset.isel(arm=0)
        columns: dict[str, Floats] = {}
        for name in (*dataset.coords, *dataset.data_vars):
            variable = first[name]
            along = [dim for dim in variable.dims if dim != "patient"]
            if "patient" not in variable.dims or name in ("patient", "status") or len(along) > 1:
                continue
            values = variable.transpose("patient", ...).values
            columns[str(name)] = np.asarray(values[:, 0] if along else values, np.float64)
        return cls(dataset["patient"].values, first["status"].values, columns)


@dataclass(frozen=True)
class PatientSelection:
    """The patients kept.

    ``why`` (n,) reasons of rejection, `KEPT` for the others; ``weights`` (n,), 0 for rejected patients; ``balance`` the
    prevalence weights, None where none were computed; ``missed`` the sentence on the published numbers that these do
    not give, empty where they give all; ``features`` the numbers (n,) of the plausible patients whose weighted means
    these weights give, by name; none where not all means are reached.
    """

    why: npt.NDArray[np.object_]
    weights: Floats
    balance: Balance | None
    missed: str = ""
    features: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Flags (n,) of the patients kept."""
        return np.asarray(self.weights > 0)


def select(untreated: Untreated, how: str, seed: int, survey: bool) -> PatientSelection:
    """Select and weight the patients.

    Parameters
    ----------
    how
        "weights": every plausible patient is kept, with a prevalence weight; "inclusion": a subset that has the margins
        without weights (Allen2016: kept with a probability proportional to the weight); "plausible": every plausible
        patient, without weights.
    survey
        Whether the published margins describe these people; if not, nobody is weighted.
    """
    why = reasons(untreated.status, untreated.columns)
    fine = why == KEPT
    weights = np.where(fine, 1.0, 0.0)
    if not survey or how == "plausible" or not fine.any():
        return PatientSelection(why, weights, None)
    part = {name: values[fine] for name, values in untreated.columns.items()}
    used = [target for target in targets() if target.used and target.output in part]
    features = np.column_stack([target.feature(part) for target in used])
    names = np.array([f"{target.output} of {target.group.words}, {target.words}" for target in used])
    varied = features.std(axis=0) > 0
    inside = varied & (features.min(axis=0) <= 0) & (features.max(axis=0) >= 0)
    prevalence = balance(features[:, inside], np.zeros(int(inside.sum())), names[inside])
    outside = [f"no patients on either side of the published {', '.join(names[~inside])}"] if not inside.all() else []
    missed = "; ".join(filter(None, (prevalence.sentence.rstrip("."), *outside)))
    if how == "inclusion":
        lot = draws.uniforms(seed, untreated.ids[fine], INCLUSION)
        included = lot < prevalence.weights / prevalence.weights.max()
        weights[fine] = included
        why = why.copy()
        why[np.flatnonzero(fine)[~included]] = LEFT_OUT
    else:
        weights[fine] = prevalence.weights
    reached = {} if prevalence.sentence else dict(zip(names[inside], features[:, inside].T, strict=True))
    return PatientSelection(why, weights, prevalence, f"{missed}." if missed else "", reached)


def freeze(folder: Path, resolved: ResolvedStudy, digest: str, how: str) -> dict[str, Any]:
    """Select the patients of a finished untreated run, write ``population.json``, and return its content."""
    people = resolved.population.people
    assert people is not None
    if resolved.population.weighted:
        raise InputError(
            f"{folder}: its patients have prevalence weights of their own, which a frozen population would lose; leave "
            "the column out, or run a study of the table as it is."
        )
    untreated = Untreated.of(folder)
    selection = select(untreated, how, resolved.seed, of_survey(resolved.population))
    kept = np.flatnonzero(selection.kept)
    if not len(kept):
        raise InputError(
            f"{folder}: no patient is plausible; {reasons_in_words(selection.why)}; change the population."
        )
    given, rows = resolved.population.table, resolved.population.rows(0, resolved.population.n)[kept]
    columns: dict[str, npt.NDArray[Any]] = {} if given is None else {
        name: values[rows] for name, values in given.columns.items() if name != "prevalence"
    }  # fmt: skip
    columns["patient"] = untreated.ids[kept]
    if selection.balance is not None and how == "weights":
        columns["prevalence"] = selection.weights[kept]
    record: dict[str, Any] = {
        "format": FORMAT,
        "people": people.model_dump(mode="json"),
        "seed": resolved.seed,
        "engine": engine_hash(),
        "run": digest,
        "selection": how,
        "patients": {"run": len(untreated.ids), "kept": len(kept)},
        "rejected": counts(selection.why),
        "table": PatientTable.of(columns).model_dump(mode="json"),
    }
    if resolved.population.screening_sentence:
        record["screening"] = resolved.population.screening_sentence
    if selection.balance is not None:
        w = selection.weights[kept]
        record["weights"] = {
            "effective_number": round(effective_number(w), 1), "share": round(effective_number(w) / len(w), 4),
            "largest": float(w.max()), "ridge": selection.balance.ridge, "within_gates": selection.balance.within,
            "missed": selection.missed,
            "gates": {"least_share": LEAST_EFFECTIVE, "largest": MOST_WEIGHT},
        }  # fmt: skip
    if "prevalence" in columns and selection.features:
        known = {"patient": columns["patient"], **selection.features}
        record["balanced"] = PatientTable.of(known).model_dump(mode="json")
    record = {"id": seal(record), **record}
    write_all(folder, {FILE: (json.dumps(record, indent=1) + "\n").encode()})
    return record


def reasons_in_words(why: npt.NDArray[np.object_]) -> str:
    """Return the reasons of rejection with their counts, in words."""
    return ", ".join(f"{n} {reason}" for reason, n in counts(why).items())


def population_entry(name_or_file: str, n: int | None) -> dict[str, Any]:
    """Return the population entry of a study for a name, a table of patients, or a YAML file with the entry."""
    if name_or_file in POPULATIONS:
        entry: dict[str, Any] = {"named": name_or_file}
    elif Path(name_or_file).suffix.lower() in (*TEXT_FILES, ".parquet"):
        entry = {"patients": name_or_file}
    elif Path(name_or_file).suffix.lower() in (".yaml", ".yml") or Path(name_or_file).exists():
        entry = read_mapping(Path(name_or_file), "population", "named, ranges and n")
    else:
        raise InputError(
            f"{name_or_file!r} is no named population ({', '.join(POPULATIONS)}) and no file; give one of these."
        )
    return entry if n is None else entry | {"n": n}


@usual_float_errors
def build_population(
    source: str, out: str | Path, *, n: int | None = None, seed: int = 1, how: str | None = None,
    resources: Resources = Resources(), progress: Progress | None = None,
) -> tuple[Outcome, dict[str, Any] | None]:  # fmt: skip
    """Draw people, run them untreated, select and weight them, and freeze them; an interrupted build goes on.

    Parameters
    ----------
    source
        A named population, a population entry in a YAML file, or a table of own patients.
    out
        Folder to make, or the folder of the same build.
    n, seed
        Number of patients, default that of the source; seed of every random draw.
    how
        One of `SELECTIONS`; default "weights" for people that the published margins describe, else "plausible".
    resources, progress
        As for `sweeps.run.run.run`.

    Returns
    -------
    Outcome, dict or None
        How the untreated run ended, and the content of ``population.json``; None where the run is not finished.

    Raises
    ------
    InputError, FolderRefuses, CannotWrite
        With one plain sentence; ``out`` may not hold a run of other people or a population selected in another way.
    """
    study = untreated_study(population_entry(source, n), seed, source)
    how = _selection(study, how, source)
    _refuse_other_selection(Path(out), how, progress or SilentProgress())
    outcome = run_or_resume(study, out, resources, progress)
    return outcome, freeze(Path(out), outcome.resolved, outcome.digest, how) if outcome.digest else None


def _selection(study: Study, how: str | None, source: str) -> str:
    """Return the way of selection; only people that the published margins describe can be weighted."""
    if how is not None and how not in SELECTIONS:
        raise InputError(f"how = {how!r} is not a way to select; choose from {', '.join(SELECTIONS)}.")
    population = resolved_population(study.population)
    if population.weighted:
        raise InputError(
            f"{source}: a built population gets its own weights, so those of the column prevalence would be lost; "
            "leave the column out, or name the file in the study itself, by patients."
        )
    if of_survey(population):
        return how or "weights"
    if how in ("weights", "inclusion"):
        raise InputError(
            f"--select {how}: {source} is not the whole population of adults, which the published margins describe; "
            "use --select plausible."
        )
    return "plausible"


def _refuse_other_selection(out: Path, how: str, progress: Progress) -> None:
    """Refuse to freeze a folder again in another way: studies may use it already."""
    if not (out / FILE).is_file():
        return
    try:
        selection = read_frozen(out)["selection"]
    except InputError as error:
        progress.note(f"{error} It is written again.")
        return
    if selection != how:
        raise FolderRefuses(
            f"{out} holds a population selected by {selection} already, the selection asked for is {how}; give another "
            "folder."
        )
