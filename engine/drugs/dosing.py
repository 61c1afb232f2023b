"""From an arm to numbers: drug slots, individual pharmacokinetics, and the dose events.

Drugs take slots in the order of their first appearance in the arm: GHRH analogues ghrh_a, ghrh_b; ghrelin agonists
ghs_a, ghs_b.  A drug given both subcutaneously and intravenously takes two.  Individual clearance, volume, absorption
and EC50 are typical x (weight/70 kg)^b x a log-normal factor keyed by (seed, patient, drug), the same in every arm.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.as_given import Given, Levels, Rule, as_given, body_size, from_table
from pulsatile.engine.drugs.drug import (
    DRAWN,
    GROWTH_HORMONES,
    INTRAVENOUS,
    KE_INTRAVENOUS,
    NANOMOLAR,
    REFERENCE_WEIGHT,
    UNDER_THE_SKIN,
    Drug,
)
from pulsatile.engine.drugs.presets import PRESETS, Preset, preset
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.table import INPUTS
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.events import EventTable, merge, on_clock, target_of
from pulsatile.engine.parameters import GHRH_SLOTS, GHS_SLOTS, ROW
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.patients.layers import log_normal
from pulsatile.engine.people.covariates import WOMAN

__all__ = ["PRESETS", "Arm", "Dose", "Preset", "arm_parameters", "dose_events", "preset", "slots", "slots_used"]


_SLOTS = {"ghrh": GHRH_SLOTS, "ghs": GHS_SLOTS}
_KIND_WORDS = {"ghrh": "GHRH analogues", "ghs": "ghrelin agonists"}


class SlotUse(NamedTuple):
    """What takes a slot: a drug, and whether it is given intravenously."""

    drug: Drug
    intravenous: bool


def _slot_use(dose: Dose) -> SlotUse:
    return SlotUse(dose.substance, dose.route in INTRAVENOUS)


def slots(arm: Arm) -> dict[SlotUse, str]:
    """Return the slot of each drug of the arm that needs one; `InputError` for more than two of a kind."""
    taken: dict[SlotUse, str] = {}
    for kind, names in _SLOTS.items():
        uses = list(dict.fromkeys(_slot_use(dose) for dose in arm.doses if dose.substance.kind == kind))
        if len(uses) > len(names):
            drugs = ", ".join(f"{use.drug.name}{' (IV)' if use.intravenous else ''}" for use in uses)
            raise InputError(
                f"arm {arm.name} holds {len(uses)} {_KIND_WORDS[kind]} ({drugs}): at most {len(names)} are allowed; "
                "drop one, or split the arm."
            )
        taken.update(zip(uses, names, strict=False))
    return taken


def depot_drug(arm: Arm) -> Drug | None:
    """Return the drug that feeds GH from under the skin; `InputError` for two, which would share one depot."""
    drugs = list(dict.fromkeys(
        dose.substance for dose in arm.doses if dose.substance.kind in GROWTH_HORMONES and dose.route in UNDER_THE_SKIN
    ))  # fmt: skip
    if len(drugs) > 1:
        raise InputError(
            f"arm {arm.name} holds {' and '.join(drug.name for drug in drugs)} under the skin, which the model absorbs "
            "from one depot: give one of them, or split the arm."
        )
    return drugs[0] if drugs else None


def slots_used(arm: Arm) -> tuple[str, ...]:
    """Return the groups of drug states that the arm moves, out of gh_depot, ghs_tolerance and the four slots."""
    taken = slots(arm)
    active = set(taken.values())
    if depot_drug(arm) is not None:
        active.add("gh_depot")
    if any(use.drug.value("k_tolerance") > 0 for use in taken):
        active.add("ghs_tolerance")
    return tuple(name for name in ("gh_depot", "ghs_tolerance", *GHRH_SLOTS, *GHS_SLOTS) if name in active)


def individual_figures(drug: Drug, cohort: Cohort) -> dict[str, Floats]:
    """Return the figures of `DRAWN` that the drug has, of every patient, each (n,): L/h, L, 1/h, nmol/L."""
    layer = draws.layer(f"drug {drug.name}")
    size = cohort.parameters["weight"] / REFERENCE_WEIGHT
    figures = {}
    for counter, name in enumerate(DRAWN):
        if name not in drug.figures:
            continue
        z = draws.normals(cohort.seed, cohort.keys, layer, counter) if cohort.layers.between else np.zeros(len(cohort))
        figures[name] = drug.value(name) * log_normal(z, drug.cv(name))
    if not drug.in_plasma:
        return figures
    figures["cl"] *= np.exp(drug.value("weight_on_cl") * np.log(size))
    figures["v"] *= np.exp(drug.value("weight_on_v") * np.log(size))
    figures["ec50"] *= np.where(cohort.covariates["sex"] == WOMAN, drug.value("women"), 1.0)
    return figures


def arm_parameters(arm: Arm, cohort: Cohort) -> npt.NDArray[Any]:
    """Return a copy of ``cohort.parameters`` (n,) with the arm's drugs in their slots."""
    return drug_parameters(arm, cohort, cohort.parameters)


def drug_parameters(arm: Arm, cohort: Cohort, parameters: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy of ``parameters`` (n,) of the cohort's patients with the arm's drugs in their slots."""
    record = parameters.copy()
    depot = depot_drug(arm)
    if depot is not None and "ka" in depot.figures:  # rhGH of the table has the patient's own
        record["ka_gh"] = individual_figures(depot, cohort)["ka"]
    for use, slot in slots(arm).items():
        drug = use.drug
        figures = individual_figures(drug, cohort)
        potency = NANOMOLAR / (figures["v"] * drug.value("molar_mass") * figures["ec50"])
        if "ka" in figures:
            record[f"ka_{slot}"] = figures["ka"]
        record[f"k_el_{slot}"] = figures["cl"] / figures["v"]
        if drug.kind == "ghrh":
            record[f"ke_{slot}"] = KE_INTRAVENOUS if use.intravenous else drug.value("ke")
            potency = potency * (1.0 if use.intravenous else drug.effect_factor)
        else:
            record[f"k_tolerance_{slot}"] = drug.value("k_tolerance")
        record[f"potency_{slot}"] = potency
    return record


def _rule(dose: Dose, cohort: Cohort, slot_of: dict[SlotUse, str]) -> Rule:
    drug = dose.substance
    p = cohort.parameters
    if drug.kind == "input":
        return Rule(INPUTS[drug.name][0], True, np.full(len(cohort), float(dose.amount)))
    amount = dose.micrograms * body_size(dose, cohort)
    rate = amount / dose.duration if dose.duration else amount
    if drug.kind == "long_gh":
        return Rule("gh_depot_2", False, drug.value("f") * amount)
    if drug.kind == "gh":
        f = drug.value("f") if "f" in drug.figures else p["f_gh"]
        by_route: dict[str, Callable[[], Rule]] = {
            "SC": lambda: Rule("gh_depot_1", False, f * amount),
            "IV": lambda: Rule("gh", False, amount / p["v_gh"]),
            "infusion": lambda: Rule("gh_infusion", True, rate),
            "pump": lambda: Rule("gh_pump", True, f * rate),
        }
        return by_route[dose.route]()
    slot = slot_of[_slot_use(dose)]
    if dose.route == "infusion":
        return Rule(f"rate_{slot}", True, rate)
    if dose.route == "IV":
        return Rule(f"central_{slot}", False, amount)
    return Rule(f"depot_{slot}", False, drug.value("f") * amount)


def dose_events(arm: Arm, cohort: Cohort, start: float, stop: float, levels: Levels | None = None) -> EventTable:
    """Return the arm's dose events from ``start`` to before ``stop`` (h).

    A bolus is a jump of a state; an infusion sets its input at every change of the total rate, which is summed anew
    each time and therefore ends at exactly the input's own value.  An infusion that is running at ``start`` is set at
    ``start``.
    ``levels`` are the amounts of the arm's titrated rule; without them it keeps its first amount.
    """
    slot_of = slots(arm)
    n = len(cohort)
    columns: list[tuple[float, int, int, Floats]] = []  # time, order within the instant, target, amount of each patient
    own: list[Given] = []
    held: dict[str, list[tuple[float, float, Floats]]] = {}
    for dose in arm.doses:
        rule = _rule(dose, cohort, slot_of)
        if dose.table is not None:
            own.append(from_table(dose, cohort, rule, start, stop))
        elif rule.held:
            begins = dose.starts(start - dose.duration, stop)
            ends = on_clock(begins + dose.duration)
            spans = [(max(b, start), e, rule.size) for b, e in zip(begins, ends, strict=True) if e > start]
            held.setdefault(rule.name, []).extend(spans)
        elif dose.alike and (levels is None or dose.titration is None):
            columns.extend((t, 1, target_of(rule.name), rule.size) for t in dose.starts(start, stop))
        else:
            own.append(as_given(dose, cohort, rule, start, stop, levels if dose.titration is not None else None))
    for name, spans in held.items():
        columns.extend((t, 0, target_of(name), level) for t, level in _levels(name, spans, n) if t < stop)
    columns.sort(key=lambda column: (column[0], column[1], column[2]))
    m = len(columns)
    table = EventTable.empty(n)
    if m:
        amount = np.stack([column[3] for column in columns], axis=1)
        table = EventTable(
            np.arange(n + 1, dtype=np.int64) * m,
            np.tile(np.array([column[0] for column in columns]), n),
            np.tile(np.array([column[2] for column in columns], np.int64), n),
            amount.ravel(),
        )
    for given in own:
        table = merge(table, given.events(n))
    return table


def given_rows(arm: Arm, given: Sequence[tuple[Dose, float]], cohort: Cohort) -> list[tuple[float, str, Floats]]:
    """Return single doses, each with its hour, as rows (hour, state that jumps or input that is set, amount (n,)).

    ``arm`` holds the drugs of all of them and decides their slots.
    """
    slot_of = slots(arm)
    rows: list[tuple[float, str, Floats]] = []
    held: dict[str, list[tuple[float, float, Floats]]] = {}
    for dose, hour in given:
        rule = _rule(dose, cohort, slot_of)
        if rule.held:
            held.setdefault(rule.name, []).append((hour, hour + dose.duration, rule.size))
        else:
            rows.append((hour, rule.name, rule.size))
    for name, spans in held.items():
        rows.extend((hour, name, level) for hour, level in _levels(name, spans, len(cohort)))
    return rows


def _levels(name: str, spans: list[tuple[float, float, Floats]], n: int) -> list[tuple[float, Floats]]:
    """Return the instants at which the total of overlapping ``spans`` (begin, end, level) changes, with the total."""
    levels = []
    before: list[int] = []
    running: list[int] = []
    begins = sorted(range(len(spans)), key=lambda k: spans[k][0])
    at = 0
    for t in sorted({edge for span in spans for edge in span[:2]}):
        running = [k for k in running if spans[k][1] > t]
        while at < len(begins) and spans[begins[at]][0] <= t:
            running.append(begins[at])
            at += 1
        now = sorted(running)
        # a pump refilled at the same rate causes no event
        if [id(spans[k][2]) for k in now] != [id(spans[k][2]) for k in before]:
            total = sum((spans[k][2] for k in now), np.full(n, ROW[name].value))
            levels.append((t, np.minimum(total, 1.0) if name == "acipimox" else total))
        before = now
    return levels
