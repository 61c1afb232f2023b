"""Entry point: the sensitivity of a finished run, of a design or of a population, from its folder."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pulsatile.engine.arrays import usual_float_errors
from pulsatile.engine.drugs.presets import EXTRAPOLATION, EXTRAPOLATION_WORDS
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.of_design import of_design
from pulsatile.sweeps.analysis.of_population import of_population
from pulsatile.sweeps.analysis.provenance import of_run
from pulsatile.sweeps.analysis.result import Analysis
from pulsatile.sweeps.analysis.selection import EVERYTHING, Selection
from pulsatile.sweeps.disk.check import open_results
from pulsatile.sweeps.disk.folder import RunFolder, unfinished
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.sensitivity.given_data import HALVES
from pulsatile.sweeps.sensitivity.intervals import LEVEL

if TYPE_CHECKING:
    import xarray as xr


@usual_float_errors
def analyse(
    folder: str | Path,
    selection: Selection = EVERYTHING,
    *,
    handful: tuple[str, ...] = (),
    resamples: int | None = None,
    seed: int = 0,
    level: float = LEVEL,
) -> Analysis:
    """Return the sensitivity of a finished run.

    For a design: indices of its factors for all outputs, arms and weeks, by the method of the design.  For a population
    the patients are the sample: indices of the inputs in which they differ, and the patients in whom events happen.

    Parameters
    ----------
    folder
        Folder of the run.
    selection
        Outputs and treatment weeks, and the arm with which the others are compared, point by point or patient by
        patient; default all outputs and common weeks, without comparison.
    handful
        For a population: inputs of the Shapley effects, at most 12; default for each output and arm the six inputs with
        the largest S1, drawn parameters and drug kinetics among them.
    resamples
        For a population: number of half samples for the intervals of S1, default 12.  For Saltelli blocks: resamples
        of the bootstrap intervals in ``indices``, next to those across replicates, default 0.
    seed
        For a population: seed of the half samples and of the sample for methods without weights.
    level
        Level of the intervals.

    Raises
    ------
    FolderRefuses
        When the folder is not a run, or the run is not finished.
    Damage
        When its results were changed since they were committed; the sentence names the chunks.
    InputError
        When outputs, weeks, an arm or inputs are missing from the run, or it has fewer than 50 patients.
    """
    run = finished(folder)
    dataset = open_results(run)
    if run.resolved.population.design is not None:
        if handful:
            raise InputError(f"handful = {handful} is for runs of a population, {folder} is of a design; leave it out.")
        analysis = of_design(_points(run, dataset), run.resolved, selection, resamples=resamples or 0, level=level)
    else:
        analysis = of_population(
            dataset, run.resolved, str(run.facts["engine"]), selection, handful=handful,
            resamples=HALVES if resamples is None else resamples, seed=seed, level=level,
        )  # fmt: skip
    analysis.indices.attrs |= of_run(run)
    return replace(analysis, notes=(*analysis.notes, *extrapolations(dataset)))


def extrapolations(dataset: "xr.Dataset") -> tuple[str, ...]:
    """Return the note on the arms whose standing is an extrapolation; empty where there is none."""
    pairs = zip(dataset["arm"].values, dataset["standing"].values, strict=True)
    marked = [str(arm) for arm, standing in pairs if standing == EXTRAPOLATION]
    return (f"{EXTRAPOLATION} ({', '.join(marked)}): {EXTRAPOLATION_WORDS}",) if marked else ()


def open_design(folder: str | Path) -> "xr.Dataset":
    """Open the results of a finished run of a design, dims arm, design, time and those of tests.

    The factors' values, and each point's replicate, row and block, are coordinates along ``design``; the covariates are
    those of the patient of all points.

    Raises
    ------
    FolderRefuses
        When the folder is not a run of a design, or the run is not finished.
    Damage
        When its results were changed since they were committed; the sentence names the chunks.
    """
    run = finished(folder)
    if run.resolved.population.design is None:
        raise FolderRefuses(f"{folder} is not a run of a design; give its study a design, or use open_dataset.")
    return _points(run, open_results(run))


def finished(folder: str | Path) -> RunFolder:
    """Return the folder of a finished run; `FolderRefuses` for any other."""
    run = RunFolder.open(Path(folder))
    if not run.digest:
        raise FolderRefuses(f"{folder} is not finished ({run.state}); {unfinished(run)}.")
    return run


def _points(run: RunFolder, dataset: "xr.Dataset") -> "xr.Dataset":
    """Return results along ``design``, with the factors and positions of the points as coordinates."""
    assert run.resolved.population.design is not None
    table = run.resolved.population.design.design().table()
    columns = {name: table[name].variable for name in (*table.data_vars, "replicate", "row", "block")}
    return dataset.rename(patient="design").assign_coords(columns)
