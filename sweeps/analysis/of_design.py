"""Sensitivity of the results of a design: its indices, their convergence, and the points that gain or lose.

All results come from the committed values in the order of the points, so indices are bit-equal however the run was
executed.
"""

from typing import TYPE_CHECKING

import numpy as np

from pulsatile.engine.errors import Status
from pulsatile.sweeps.analysis.convergence import convergence, has_convergence
from pulsatile.sweeps.analysis.failed_region import failed_region, region_sentence
from pulsatile.sweeps.analysis.labels import factor_label, output_label
from pulsatile.sweeps.analysis.result import Analysis
from pulsatile.sweeps.analysis.selection import Selection, at_weeks
from pulsatile.sweeps.contrast import ARM, CONTRAST, label, of_kind, rows
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.intervals import LEVEL
from pulsatile.sweeps.sensitivity.methods import method_of
from pulsatile.sweeps.sensitivity.outputs import prepare
from pulsatile.sweeps.sensitivity.scenarios import LEAST_CASES, scenario
from pulsatile.sweeps.study.resolve import ResolvedStudy

if TYPE_CHECKING:
    import xarray as xr

SINGLE = 2.0**-23
"""Relative precision of outputs stored as float32."""


def of_design(
    dataset: "xr.Dataset", resolved: ResolvedStudy, selection: Selection, *, resamples: int = 0, level: float = LEVEL
) -> Analysis:
    """Return the sensitivity of results along ``design`` of a study; see `analysis.analyse`."""
    import xarray as xr

    assert resolved.population.design is not None
    design = resolved.population.design.design()
    method = method_of(design)
    method.check(design)
    outputs = at_weeks(dataset, selection).load()
    # runs fail as a whole; a NaN of a good run would count as missing too
    status = dataset["status"].load().drop_vars([c for c in dataset["status"].coords if c != "arm"])
    status = status.assign_coords(arm=[str(arm) for arm in status["arm"].values])
    stored = [str(name) for name in outputs.data_vars if name in dataset]
    precision = {name: SINGLE for name in stored if dataset[name].dtype == np.float32}
    parts, ready = [], []
    for contrast in (None,) if selection.contrast is None else (None, selection.contrast):
        part = indices(
            design, outputs, status=status, contrast=contrast, level=level, resamples=resamples, precision=precision
        )
        kind = ARM if contrast is None else CONTRAST
        names = [str(arm) if contrast is None else label(str(arm), contrast) for arm in part["arm"].values]
        parts.append(of_kind(part.assign_coords(arm=names), kind))
        values = prepare(design, outputs, status, contrast, precision).assign_coords(arm=names)
        ready.append(of_kind(values, kind))
    combined = xr.concat(parts, dim="arm", data_vars="minimal", join="outer", combine_attrs="drop_conflicts")
    combined = combined.assign_coords(
        factor_label=("factor", [factor_label(str(name)) for name in combined["factor"].values]),
        output_label=("output", [output_label(str(n), v.attrs.get("long_name", "")) for n, v in outputs.items()]),
    )
    combined.attrs = parts[0].attrs | {
        "contrast": parts[-1].attrs.get("contrast", "none"),
        "run": str(dataset.attrs["identity"]),
    }
    both = xr.concat(ready, dim="arm")
    bad = (status != int(Status.OK)).any("arm").values
    steps = None
    if has_convergence(design):
        steps = convergence(design, outputs, status, selection.contrast, level, precision)
    region = failed_region(design, bad) if bad.any() and not bad.all() else None
    return Analysis(
        indices=combined,
        curves=None if method.curves is None else method.curves(design, both, level),
        steps=steps,
        failed=region,
        notes=() if region is None else (region_sentence(region),),
        verdicts=() if method.verdicts is None else method.verdicts(design, both, level),
        scenarios=() if selection.contrast is None else tuple(_scenarios(design, ready[-1])),
    )


def _scenarios(design: Design, differences: "xr.Dataset") -> list[str]:
    """Return sentences on where, among independent points, an arm's first output ends above or below the contrast's."""
    name, independent = next(iter(differences.data_vars)), method_of(design).independent(design)
    sentences = []
    for arm, difference in rows(differences[name].isel(week=-1)):
        end = difference.values
        fine = np.isfinite(end) & independent
        for words, flags in (("higher", end > 0), ("lower", end < 0)):
            count = int(flags[fine].sum())
            if min(count, int(fine.sum()) - count) < LEAST_CASES:
                sentences.append(f"{arm}, {name}: {count} of {int(fine.sum())} points are {words} in the last week.")
                continue
            box = scenario(design.values[fine], flags[fine], [f.name for f in design.factors],
                           [f.unit for f in design.factors])  # fmt: skip
            sentences.append(f"{arm}, {name}, last week: {count / fine.sum():.0%} of the points are {words}. "
                             f"{box.sentence(f'{words} ones', 'points')}")  # fmt: skip
    return sentences
