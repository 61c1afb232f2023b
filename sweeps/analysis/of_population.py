"""Sensitivity on a finished run of a population: which covariates and parameters decide, in whom what happens.

No design is needed: the patients are the sample (`sweeps.sensitivity.given_data`).

    S1           first-order index with a 95 % interval, weighted by prevalence: what one input tells alone, through
                 whatever it is correlated with
    prcc         partial rank correlation: how one input acts with all others held, its sign, for monotone outputs
    shapley      shares of what a handful of dependent inputs explain together, linear in ranks; they add up to 1, and
                 ``explained`` says how much of the variance that is
    scenarios    in whom an event happens (`sweeps.analysis.stories`)

The last three know no weights: where patients are weighted they look at a sample in which each patient is with a
probability proportional to the weight.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.errors import InputError, Status
from pulsatile.sweeps.analysis.indices import indices_of, shapley_of
from pulsatile.sweeps.analysis.inputs import Inputs, inputs_of
from pulsatile.sweeps.analysis.of_design import Wanted, at_weeks, table
from pulsatile.sweeps.analysis.stories import Story, stories
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.disk.folder import RunFolder, unfinished
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.sensitivity.intervals import LEVEL
from pulsatile.sweeps.study.resolve import ResolvedStudy

if TYPE_CHECKING:
    import xarray as xr

NOT_CLINICAL = "Research model, not for clinical use."


@dataclass(frozen=True)
class Given:
    """What was found.

    Attributes
    ----------
    indices : ``S1``, ``S1_low``, ``S1_high``, ``prcc``, ``p_value`` (output, factor, arm, week), ``dummy`` and
        ``threshold`` of prcc and ``n_effective`` (output, arm, week); arms are the study's and "ARM minus CONTRAST"
    shapley : ``shapley`` (output, member, arm) and ``explained`` (output, arm), of the last week; None where too few
    stories : events of the last week
    inputs : of the patients
    notes : what was left out, and why
    """

    indices: "xr.Dataset"
    shapley: "xr.Dataset | None"
    stories: tuple[Story, ...]
    inputs: Inputs
    notes: tuple[str, ...]


def given(
    folder: str | Path, wanted: Wanted, *, handful: tuple[str, ...] = (), resamples: int = 100, seed: int = 0,
    level: float = LEVEL,
) -> Given:  # fmt: skip
    """Return the sensitivity of a finished run of a population.

    Parameters
    ----------
    folder
        Of the run.
    wanted
        Outputs and treatment weeks, and the arm that the others are compared with, patient by patient.
    handful
        Inputs of the Shapley effects, at most 12; default the covariates that tell most.
    resamples, seed, level
        Of the intervals of S1.

    Raises
    ------
    FolderRefuses
        When the folder is the run of a design, or not finished.
    InputError
        For outputs, weeks, an arm or inputs that are not there, or fewer than 50 patients.
    """
    run = RunFolder.open(Path(folder))
    if run.resolved.population.design is not None:
        raise FolderRefuses(f"{folder} is the run of a design; `pulsatile sensitivity` takes it as such.")
    if not run.digest:
        raise FolderRefuses(f"{folder} is not finished ({run.state}); {unfinished(run)}.")
    dataset = store.open_dataset(run.store)
    return of_dataset(
        dataset, run.resolved, str(run.facts["engine"]), wanted, handful=handful, resamples=resamples, seed=seed,
        level=level,
    )  # fmt: skip


def of_dataset(
    dataset: "xr.Dataset", resolved: ResolvedStudy, engine: str, wanted: Wanted, *, handful: tuple[str, ...] = (),
    resamples: int = 100, seed: int = 0, level: float = LEVEL,
) -> Given:  # fmt: skip
    """Return the sensitivity of results, their study and the hash of the engine that ran it; see `given`."""
    arms = [str(arm) for arm in dataset["arm"].values]
    if wanted.contrast is not None and (wanted.contrast not in arms or len(arms) < 2):
        raise InputError(f"contrast = {wanted.contrast!r} is none of two or more arms; the arms are {', '.join(arms)}.")
    inputs = inputs_of(dataset, resolved, engine)
    if not inputs.names:
        raise InputError("the patients do not differ in anything: there is no input to tell; run patients that vary.")
    outputs = _good(at_weeks(dataset.rename(patient="design"), wanted).load(), dataset, inputs)
    start = _good(_start(dataset, tuple(map(str, outputs.data_vars))), dataset, inputs)
    both, differences = _with_contrast(outputs, wanted.contrast)
    notes = list(inputs.notes)
    indices = indices_of(inputs, both, resamples, seed, level, notes)
    found = shapley_of(inputs, both, indices, handful, seed, notes)
    if inputs.weights is not None:
        notes.append(
            f"PRCC, Shapley effects and scenarios look at {int(inputs.included(seed).sum())} of {len(inputs.values)} "
            "patients, each taken with a probability proportional to the prevalence weight"
        )
    if (people := resolved.population.people) is None or not people.layers.residual:
        notes.append("values are without assay noise: fewer patients cross a threshold than in a trial")
    indices.attrs |= {
        "method": "given data: first-order indices by polynomials in ranks, PRCC (Marino 2008)",
        "interval": f"{level:.0%}, by half samples of patients",
        "patients": len(inputs.values), "weights": "none" if inputs.weights is None else "prevalence",
        "contrast": "none" if wanted.contrast is None else f"each arm minus {wanted.contrast}, within the patient",
        "run": resolved.identity,
    }  # fmt: skip
    told = stories(inputs, outputs, start, differences, seed)
    return Given(indices, found, tuple(told), inputs, tuple(notes))


def _good(outputs: "xr.Dataset", dataset: "xr.Dataset", inputs: Inputs) -> "xr.Dataset":
    """Return the outputs of the patients with inputs, NaN where a run failed."""
    import xarray as xr

    status = dataset["status"].transpose("patient", "arm").values
    good = xr.DataArray(status == int(Status.OK), dims=("design", "arm"), coords={"arm": outputs["arm"]})
    return outputs.where(good).isel(design=np.flatnonzero(inputs.known))


def _start(dataset: "xr.Dataset", names: tuple[str, ...]) -> "xr.Dataset":
    """Return those of the outputs that were measured in week 0, dims (design, arm)."""
    import xarray as xr

    found = []
    for name in names:
        try:
            found.append(at_weeks(dataset.rename(patient="design"), Wanted((name,), (0.0,))).load().isel(week=0))
        except InputError:
            continue
    arms = [str(arm) for arm in dataset["arm"].values]
    return xr.merge([part.drop_vars("week") for part in found] or [xr.Dataset(coords={"arm": arms})])


def _with_contrast(outputs: "xr.Dataset", contrast: str | None) -> "tuple[xr.Dataset, xr.Dataset | None]":
    """Return the outputs with paired differences as more arms, and the differences alone."""
    import xarray as xr

    if contrast is None:
        return outputs, None
    others = [arm for arm in outputs["arm"].values if str(arm) != contrast]
    difference = outputs.sel(arm=others) - outputs.sel(arm=contrast, drop=True)
    difference = difference.assign_coords(arm=[f"{arm} minus {contrast}" for arm in others])
    for name, variable in difference.data_vars.items():
        variable.attrs = dict(outputs[name].attrs)
    return xr.concat([outputs, difference], dim="arm"), difference


def sentences(found: Given) -> list[str]:
    """Return what was found in words: the three inputs that tell most of each output, then the scenarios and notes."""
    told = []
    last = found.indices.isel(week=-1)
    for output in last["output"].values:
        for arm in last["arm"].values:
            part = last.sel(output=output, arm=arm)
            s1 = np.nan_to_num(part["S1"].values, nan=-np.inf)
            if not np.isfinite(s1).any():
                continue
            words = [
                f"{part['factor'].values[k]} {float(part['S1'][k]):.2f} "
                f"[{float(part['S1_low'][k]):.2f}, {float(part['S1_high'][k]):.2f}]"
                for k in np.argsort(-s1, kind="stable")[:3]
            ]
            told.append(f"{output}, {arm}, week {float(last['week']):g}: S1 of {', '.join(words)}.")
    told += [story.sentence for story in found.stories]
    return [*told, *(f"Note: {note}." for note in found.notes)]


def write(folder: str | Path, found: Given) -> list[Path]:
    """Write the tables and what they say into a folder; return the paths."""

    def text(dataset: "xr.Dataset") -> str:
        return str(table(dataset).to_csv(index=False, float_format="%.17g", lineterminator="\n"))

    files = {"given_indices.csv": text(found.indices.drop_vars("factor_unit"))}
    if found.shapley is not None:
        frame = found.shapley.to_dataframe(dim_order=["output", "arm", "member"]).reset_index()
        files["given_shapley.csv"] = frame.to_csv(index=False, float_format="%.17g", lineterminator="\n")
    attrs = [f"{name}: {value}" for name, value in found.indices.attrs.items()]
    files["given.txt"] = "\n".join([*sentences(found), *attrs, NOT_CLINICAL]) + "\n"
    write_all(Path(folder), {name: content.encode() for name, content in files.items()})
    return [Path(folder) / name for name in files]
