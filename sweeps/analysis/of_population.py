"""Sensitivity of the results of a population: the covariates and parameters that matter, and who has which events.

It needs no design: the patients are the sample (`sweeps.sensitivity.given_data`).

    S1           first-order index with a 95 % interval, weighted by prevalence: what one input explains alone,
                 including through its correlations
    prcc         partial rank correlation: effect and sign of one input with all others fixed, for monotone outputs
    shapley      shares of the whole variance of a handful of dependent inputs, and the share that is left unexplained;
                 they add up to 1; none where the inputs explain less than a tenth
    scenarios    in whom an event happens (`sweeps.analysis.stories`)

The last three take no weights: for weighted patients they use a sample that includes each patient with a probability
proportional to the weight.
"""

from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.errors import InputError, Status
from pulsatile.sweeps.analysis.indices import indices_of
from pulsatile.sweeps.analysis.inputs import Inputs, inputs_of
from pulsatile.sweeps.analysis.labels import output_label
from pulsatile.sweeps.analysis.result import Analysis
from pulsatile.sweeps.analysis.selection import Selection, at_weeks
from pulsatile.sweeps.analysis.shapley_effects import shapley_of
from pulsatile.sweeps.analysis.stories import stories
from pulsatile.sweeps.contrast import ARM, label, of_kind, paired_difference
from pulsatile.sweeps.sensitivity.given_data import HALVES
from pulsatile.sweeps.sensitivity.intervals import LEVEL
from pulsatile.sweeps.study.resolve import ResolvedStudy

if TYPE_CHECKING:
    import xarray as xr


def of_population(
    dataset: "xr.Dataset", resolved: ResolvedStudy, engine: str, selection: Selection, *,
    handful: tuple[str, ...] = (), resamples: int = HALVES, seed: int = 0, level: float = LEVEL,
) -> Analysis:  # fmt: skip
    """Return the sensitivity of results; ``engine`` is the hash of the engine that ran them; see `analysis.analyse`."""
    selection.check_contrast([str(arm) for arm in dataset["arm"].values])
    inputs = inputs_of(dataset, resolved, engine)
    if not inputs.names:
        raise InputError(
            "the patients do not differ in any input, so there is nothing to analyse; run patients that vary."
        )
    outputs = _good(at_weeks(dataset.rename(patient="design"), selection).load(), dataset, inputs)
    start = _good(_start(dataset, tuple(map(str, outputs.data_vars))), dataset, inputs)
    both, differences = with_contrast(outputs, selection.contrast)
    notes = list(inputs.notes)
    indices = indices_of(inputs, both, resamples, seed, level, notes).assign_coords(
        kind=both["kind"], factor_label=("factor", [inputs.label(name) for name in inputs.names]),
        output_label=("output", [output_label(str(n), v.attrs.get("long_name", "")) for n, v in outputs.items()]),
    )  # fmt: skip
    shapley = shapley_of(inputs, both, indices, handful, seed, notes)
    if inputs.weights is not None:
        notes.append(
            f"PRCC, Shapley effects and scenarios use {int(inputs.included(seed).sum())} of {len(inputs.values)} "
            "patients, each taken with a probability proportional to the prevalence weight"
        )
    people = resolved.population.people
    if resolved.noise is None and (people is None or not people.layers.residual):
        notes.append("values are without assay noise: fewer patients cross a threshold than in a trial")
    contrast = selection.contrast
    indices.attrs |= {
        "method": "given data: first-order indices by polynomials in ranks, PRCC (Marino 2008)",
        "interval": f"t, {level:.0%}, by {resamples} half samples of patients" if resamples else "none",
        "patients": len(inputs.values), "weights": "none" if inputs.weights is None else "prevalence",
        "contrast": "none" if contrast is None else f"{label('each arm', contrast)}, within the patient",
        "run": resolved.identity,
    }  # fmt: skip
    events = tuple(stories(inputs, outputs, start, differences, seed))
    return Analysis(
        indices=indices, shapley=shapley, scenarios=tuple(event.sentence for event in events), notes=tuple(notes),
        stories=events, inputs=inputs,
    )  # fmt: skip


def _good(outputs: "xr.Dataset", dataset: "xr.Dataset", inputs: Inputs) -> "xr.Dataset":
    """Return the outputs of the patients in ``inputs``, NaN where a run failed."""
    import xarray as xr

    status = dataset["status"].transpose("patient", "arm").values
    good = xr.DataArray(status == int(Status.OK), dims=("design", "arm"), coords={"arm": outputs["arm"]})
    return outputs.where(good).isel(design=np.flatnonzero(inputs.known))


def _start(dataset: "xr.Dataset", names: tuple[str, ...]) -> "xr.Dataset":
    """Return the outputs that were measured in week 0, dims (design, arm)."""
    import xarray as xr

    parts = []
    for name in names:
        try:
            parts.append(at_weeks(dataset.rename(patient="design"), Selection((name,), (0.0,))).load().isel(week=0))
        except InputError:
            continue
    arms = [str(arm) for arm in dataset["arm"].values]
    return xr.merge([part.drop_vars("week") for part in parts] or [xr.Dataset(coords={"arm": arms})])


def with_contrast(outputs: "xr.Dataset", contrast: str | None) -> "tuple[xr.Dataset, xr.Dataset | None]":
    """Return the outputs with paired differences as additional arms, and the differences alone."""
    import xarray as xr

    arms = of_kind(outputs, ARM)
    if contrast is None:
        return arms, None
    difference = paired_difference(outputs, contrast)
    return xr.concat([arms, difference], dim="arm"), difference
