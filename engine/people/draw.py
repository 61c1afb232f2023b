"""The virtual population's covariates: adults without diabetes, or a stratum or special group of them.

A person depends on the seed and the patient id only: independent normal draws keyed by (seed, id, "covariate <name>",
attempt).  Age comes first, from its margin; the others are correlated within age by `engine.people.copula` and
`engine.people.pairs` (population 1.8) and become values of the own sex and age by `engine.people.values`.

People outside the bounds or ranges are drawn again as a whole under the next attempt: the accepted ones are distributed
exactly as the population within the ranges.  Only age is drawn within its range at once.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.checks import is_whole
from pulsatile.engine.errors import InputError
from pulsatile.engine.people import copula
from pulsatile.engine.people.correlations import COVARIATES
from pulsatile.engine.people.margins import BOUNDS, MAN, SEXES, WAIST_OF_HEIGHT, WOMAN
from pulsatile.engine.people.shapes import TINY
from pulsatile.engine.people.spec import RAREST, DrawPlan, PeopleSpec, check, plan
from pulsatile.engine.people.values import People, score_of_age, values_of

__all__ = ["ADULTS", "KEYS", "People", "PeopleSpec", "draw_adults"]

ADULTS = PeopleSpec()
"""Adults of 20-79 y without diabetes."""
KEYS = (
    "age", "height", "weight", "bmi", "waist", "glucose", "serum_glucose", "hba1c", "insulin", "triglyceride", "hdl",
    "vat", "ffa", "igf1_sds",
)  # fmt: skip
_SLICE = 1 << 14
"""People drawn per pass, to limit memory; values do not depend on it."""
_AT_ONCE = 4096
"""Draws per pass (patients times attempts) when few patients remain."""
_ATTEMPTS = 1 << 20
"""Largest number of attempts; at an acceptance of `RAREST` a patient needs more with a probability of e^-100."""
_TRIALS, _ENOUGH = 200_000, 20
assert _ENOUGH == RAREST * _TRIALS
_FIRST_TRIALS = 2048


def draw_adults(seed: int, ids: npt.ArrayLike, spec: PeopleSpec = ADULTS) -> People:
    """Draw the covariates of the patients ``ids``.

    Parameters
    ----------
    seed
        0 ... 2**64 - 1.
    ids
        Patient ids (n,), whole numbers from 0, each once, in any order and from anywhere.
    spec
        The people to draw; the default is the whole adult population of the table.

    Returns
    -------
    Arrays (n,) by name: ``age`` y, ``sex`` 0 man, 1 woman, ``height`` m, ``weight`` kg, ``bmi`` kg/m2, ``waist`` cm,
    ``glucose`` fasting plasma, ``serum_glucose`` mmol/L, ``hba1c`` %, ``insulin`` fasting, pmol/L, ``triglyceride``,
    ``hdl`` mmol/L, ``vat`` cm2, ``ffa`` fasting, mmol/L, ``igf1_sds``, and ``attempts``, draws until within bounds.

    Raises
    ------
    InputError
        For invalid ids or an invalid specification, and for ranges that fewer than 1 in 10,000 people meet.

    Source: population 1.1-1.8.

    >>> people = draw_adults(1, [7, 8, 9], PeopleSpec(ranges={"bmi": (27, 40)}))
    >>> bool((people["bmi"] >= 27).all()), len(people["age"])
    (True, 3)
    """
    patients = _checked_ids(seed, ids)
    plans = _table_plans() if spec is ADULTS else _plans(spec)
    sex = np.where(draws.uniforms(seed, patients, draws.SEX) < spec.women, WOMAN, MAN).astype(np.int64)
    people: People = {"sex": sex, "attempts": np.zeros(len(patients), np.int64)}
    people |= {name: np.empty(len(patients)) for name in KEYS}
    for draw_plan in plans:
        of_sex = np.flatnonzero(sex == draw_plan.sex)
        for start in range(0, len(of_sex), _SLICE):
            _fill(people, draw_plan, seed, patients, of_sex[start : start + _SLICE])
    return people


def _fill(people: People, draw_plan: DrawPlan, seed: int, ids: Ids, pending: Ids) -> None:
    """Draw the people at positions ``pending``, all of one sex, in place, until each is within the limits."""
    attempt = 0
    while len(pending):
        if attempt >= _ATTEMPTS:
            raise InputError(f"patient {ids[pending[0]]} is outside the ranges after {attempt} draws; widen them.")
        # few remain: several attempts of each per pass, of draw_plan the first within the limits counts
        several = max(1, _AT_ONCE // len(pending)) if attempt else 1
        tried = np.repeat(attempt + np.arange(several), len(pending))
        drawn = _values(draw_plan, _draw("covariate", seed, np.tile(ids[pending], several), tried, draw_plan))
        good = _inside(draw_plan, drawn).reshape(several, len(pending))
        done = np.flatnonzero(good.any(axis=0))
        first = good.argmax(axis=0)[done]
        rows = first * len(pending) + done
        for name in KEYS:
            people[name][pending[done]] = drawn[name][rows]
        people["attempts"][pending[done]] = attempt + first + 1
        pending = np.delete(pending, done)
        attempt += several


def _draw(layer: str, seed: int, ids: Ids, attempt: Ids, draw_plan: DrawPlan) -> list[Floats]:
    """Return the independent normals (n,) of each covariate, age within its window."""
    independent = []
    for name in COVARIATES:
        u = draws.uniforms(seed, ids, draws.layer(f"{layer} {name}"), attempt)
        if name == "age":
            low, high = draw_plan.age_window
            u = np.clip(low + (high - low) * u, TINY, 1 - TINY)
        independent.append(draws.normal_quantile(u))
    return independent


def _values(draw_plan: DrawPlan, independent: Sequence[Floats]) -> People:
    """Return the covariates that the independent normals of `COVARIATES` give."""
    correlated = dict(zip(COVARIATES, copula.correlate(draw_plan.factor, independent), strict=True))
    age_score = correlated.pop("age")
    # age is drawn within its range; only rounding can leave it
    age = np.clip(draw_plan.margins["age"].value(age_score), *draw_plan.limits["age"])
    if "age" in draw_plan.own:
        age_score = score_of_age(draw_plan.sex, age)
    return values_of(draw_plan, age, age_score, correlated)


def _inside(draw_plan: DrawPlan, people: People) -> npt.NDArray[np.bool_]:
    """Return who is within all limits (n,); a NaN is outside."""
    ratio = people["waist"] / (100 * people["height"])
    inside = (ratio > WAIST_OF_HEIGHT[0]) & (ratio < WAIST_OF_HEIGHT[1])
    for name, limits in draw_plan.limits.items():
        inside &= _within(people[name], limits)
    return np.asarray(inside)


def _within(values: Floats, limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))


@lru_cache(maxsize=1)
def _table_plans() -> tuple[DrawPlan, ...]:
    return plan(ADULTS, MAN), plan(ADULTS, WOMAN)


def _plans(spec: PeopleSpec) -> tuple[DrawPlan, ...]:
    """Return the plans of the sexes in ``spec``, each tried on separate trial people."""
    check(spec)
    plans = tuple(plan(spec, sex) for sex, share in ((MAN, 1 - spec.women), (WOMAN, spec.women)) if share > 0)
    for draw_plan in plans:
        _try_out(draw_plan)
    return plans


def _try_out(draw_plan: DrawPlan) -> None:
    """Refuse limits that fewer than `RAREST` of the trial people meet, who depend on neither seed nor patients."""
    accepted = start = 0
    while accepted < _ENOUGH and start < _TRIALS:
        stop = min(_TRIALS, start + (_SLICE if start else _FIRST_TRIALS))
        accepted += int(_inside(draw_plan, _trial(draw_plan, start, stop)).sum())
        start = stop
    if accepted >= _ENOUGH:
        return
    people = _trial(draw_plan, 0, _SLICE)
    alone = {name: int(_within(people[name], limits).sum()) for name, limits in draw_plan.limits.items()}
    name = min(alone, key=lambda name: alone[name])
    low, high = draw_plan.limits[name]
    raise InputError(
        f"range of {name} = {low:g} ... {high:g} {BOUNDS[name][2]} ({alone[name]} of {_SLICE} trial "
        f"{SEXES[draw_plan.sex]} meet it alone) and the other ranges leave {accepted} of {_TRIALS}, under 1 in "
        f"{1 / RAREST:.0f}; widen it, or give a margin."
    )


def _trial(draw_plan: DrawPlan, start: int, stop: int) -> People:
    ids = np.arange(start, stop, dtype=np.int64)
    return _values(draw_plan, _draw("trial covariate", 0, ids, np.zeros(len(ids), np.int64), draw_plan))


def _checked_ids(seed: int, ids: npt.ArrayLike) -> Ids:
    if not is_whole(seed) or not 0 <= seed < 2**64:
        raise InputError(f"seed = {seed!r} must be a whole number from 0 to {2**64 - 1}.")
    try:
        patients = np.asarray(ids)
    except ValueError:
        raise InputError("ids must be one row of whole numbers.") from None
    if patients.ndim != 1 or not len(patients):
        raise InputError(f"ids has the shape {patients.shape}; give one row of at least one patient id.")
    if patients.dtype.kind not in "iu":
        raise InputError(f"ids are of the type {patients.dtype}; patient ids are whole numbers from 0.")
    wrong = patients[(patients < 0) | (patients > np.int64(2**63 - 1))]
    if len(wrong):
        raise InputError(f"patient id {wrong[0]} must be from 0 to {2**63 - 1}.")
    if len(np.unique(patients)) < len(patients):
        raise InputError("patient ids repeat; give every patient an id of its own.")
    return patients.astype(np.int64)
