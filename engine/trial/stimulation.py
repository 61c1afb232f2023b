"""GH stimulation tests: boluses of GHRH, ghrelin agonists or arginine, and the GH that follows.

The named tests give GHRH or GHRP-6: a bolus enters the effect site (GHRH) or plasma (ghrelin agonists) of the spare
slot b.  The test `stimulation` gives the drugs of its settings, with their own pharmacokinetics.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.errors import InputError
from pulsatile.engine.outputs import Evaluated
from pulsatile.engine.trial.virtual_test import Person, Rows, TestSettings, VirtualTest, area

ARGININE_FACTOR = 0.05  # on the somatostatin target; fitted: 75-y arginine + GHRH peak of 41.5, docs/validation.md
ARGININE_LEAD, ARGININE_HOURS = 0.5, 1.5  # h from its start to the GHRH bolus [assumed], and of its effect (axis)
STIMULATION_HOURS = 2.0
GHRH_JUMP, GHRH_DECAY = 5.0, 5.0  # EC50 units and 1/h for 1 ug/kg iv; axis, drug interface
GHRP6_JUMP, GHRP6_DECAY = 0.72, 2.0  # EC50 units and 1/h for GHRP-6 1 ug/kg iv; axis, drug interface
SPARE_SLOTS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "ghrh_b": ("effect_ghrh_b", {"ke_ghrh_b": GHRH_DECAY, "potency_ghrh_b": 0.0}),
    "ghs_b": ("central_ghs_b", {"k_el_ghs_b": GHRP6_DECAY, "potency_ghs_b": 1.0, "k_tolerance_ghs_b": 0.0}),
}
"""Slot of a stimulation test -> the state that jumps and the slot's drug parameters during the test."""
SECRETAGOGUES = {"GHRH": ("ghrh_b", GHRH_JUMP), "GHRP-6": ("ghs_b", GHRP6_JUMP)}
"""Secretagogue of a named test -> its spare slot and its jump after 1 ug/kg."""


def _read(lead: float) -> Callable[[Floats, Evaluated, Person], dict[str, Floats]]:
    def read(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
        first = int(np.searchsorted(times, lead - 1e-9))
        gh = e.output("gh")[:, first:]
        return {"gh_peak": gh.max(axis=1), "gh_auc": area(times[first:], gh) * 60}

    return read


def named(name: str, s: TestSettings, *secretagogues: str, arginine: bool = False) -> VirtualTest:
    """Return a test with an intravenous bolus of each of ``secretagogues``, after arginine where it is given too."""
    lead = ARGININE_LEAD if arginine else 0.0
    span = STIMULATION_HOURS if s.hours is None else s.hours - lead
    if span <= 0:
        raise InputError(f"hours = {s.hours} of test {name} end before its bolus; give more.", ("hours",))

    def give(person: Person) -> Rows:
        rows: list[tuple[float, str, npt.ArrayLike]]
        rows = [(0.0, "sst_factor", ARGININE_FACTOR), (ARGININE_HOURS, "sst_factor", 1.0)] if arginine else []
        for secretagogue in secretagogues:
            slot, jump = SECRETAGOGUES[secretagogue]
            rows.append((lead, SPARE_SLOTS[slot][0], jump * s.micrograms_per_kg(person)))
        return rows

    amount = f"{1 if s.dose is None else s.dose:g} {s.dose_unit} iv"
    if arginine:
        meaning = f"arginine infusion and, 30 min later, {secretagogues[0]} {amount}"
    elif len(secretagogues) > 1:
        meaning = f"{' and '.join(secretagogues)}, {amount} each"
    else:
        meaning = f"{secretagogues[0]} {amount}"
    return VirtualTest(
        name, meaning, lead + span, give, _read(lead),
        {
            "gh_peak": ("ug/L", f"highest GH within {span:g} h of the bolus"),
            "gh_auc": ("ug/L*min", f"area under GH, 0-{60 * span:g} min from the bolus"),
        },
        ("gh",), spare=tuple(SECRETAGOGUES[secretagogue][0] for secretagogue in secretagogues),
    )  # fmt: skip


def stimulation(name: str, s: TestSettings) -> VirtualTest:
    """Return a test of the GH that follows the settings' drugs; endpoints of the k-th dosing time end in ``_k``."""
    hours = STIMULATION_HOURS if s.hours is None else s.hours
    starts = sorted({given.after for given in s.give})
    if not starts:
        raise InputError(f"give of test {name} is missing; name at least one drug, for example sermorelin 1 ug/kg IV.")
    if not 0 <= starts[-1] < hours:
        raise InputError(
            f"test {name}: its last drug is given {starts[-1]:g} h after the start of {hours:g} h.", ("give",)
        )
    windows = list(zip(starts, [*starts[1:], hours], strict=True))
    suffixes = ("",) if len(starts) == 1 else tuple(f"_{k + 1}" for k in range(len(starts)))

    def read(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
        gh = e.output("gh")
        values: dict[str, Floats] = {}
        for (begin, end), suffix in zip(windows, suffixes, strict=True):
            part = slice(*np.searchsorted(times, (begin - 1e-9, end + 1e-9)))
            x, t = gh[:, part], times[part]
            values |= {
                f"gh_peak{suffix}": x.max(axis=1), f"gh_rise{suffix}": x.max(axis=1) - x[:, 0],
                f"gh_tmax{suffix}": t[x.argmax(axis=1)] - begin, f"gh_auc{suffix}": area(t, x) * 60,
                f"gh_net_auc{suffix}": area(t, x - x[:, :1]) * 60,
            }  # fmt: skip
        return values

    endpoints: dict[str, tuple[str, str]] = {}
    for (begin, end), suffix in zip(windows, suffixes, strict=True):
        span = f"{60 * begin:g}-{60 * end:g} min"
        endpoints |= {
            f"gh_peak{suffix}": ("ug/L", f"highest GH, {span}"),
            f"gh_rise{suffix}": ("ug/L", f"highest GH above that at the dose, {span}"),
            f"gh_tmax{suffix}": ("h", f"time of the highest GH after the dose, {span}"),
            f"gh_auc{suffix}": ("ug/L*min", f"area under GH, {span}"),
            f"gh_net_auc{suffix}": ("ug/L*min", f"area under GH above that at the dose, {span}"),
        }
    drugs = ", ".join(f"{g.dose.drug} {g.dose.amount:g} {g.dose.unit} {g.dose.route}" for g in s.give)
    return VirtualTest(
        name, f"GH after {drugs}", hours, lambda person: [], read, endpoints, ("gh",),
        per_hour=6 if s.every is None else 1 / s.every,
    )  # fmt: skip
