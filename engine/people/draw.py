"""The virtual population's covariates: adults without diabetes, or a stratum or special group of them.

Who someone is hangs on the seed and the patient id alone: independent normal draws keyed by (seed, id, "covariate
<name>", attempt), made to correlate by `engine.people.copula`, and taken through the margins of
`engine.people.margins`.  Then

- waist follows BMI, age and height by the printed regression; its own draw is the residual (population 1.1);
- VAT follows age, waist and a residual, its log-normal margin that of the table (1.4, 1.7);
- serum glucose is fasting plasma glucose's other margin: the same score (1.1, 1.3);
- weight is BMI x height^2.

Who is outside the bounds or ranges is drawn again whole under the next attempt: what is left is distributed exactly as
the population within them.  Age alone is drawn within its range at once.

Known limit: a Gaussian copula has everything rise or fall evenly with age, while BMI rises to 50 y and then falls, and
spreads less in the old.  Of the men here 32 % are 30-64 y with a BMI of 27-40, printed are 36 % (women 28 and 30 %).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.checks import is_whole
from pulsatile.engine.errors import InputError
from pulsatile.engine.people import copula
from pulsatile.engine.people.correlations import COVARIATES
from pulsatile.engine.people.margins import BOUNDS, MAN, SEXES, WAIST_LOG, WAIST_OF_HEIGHT, WOMAN
from pulsatile.engine.people.shapes import TINY
from pulsatile.engine.people.spec import RAREST, DrawPlan, PeopleSpec, check, plan

__all__ = ["ADULTS", "KEYS", "People", "PeopleSpec", "draw_adults"]

People = dict[str, npt.NDArray[Any]]
Draws = Callable[[Ids, Ids], list[Floats]]

ADULTS = PeopleSpec()
"""Adults of 20-79 y without diabetes."""
KEYS = (
    "age", "height", "weight", "bmi", "waist", "glucose", "serum_glucose", "hba1c", "insulin", "triglyceride", "hdl",
    "vat", "ffa", "igf1_sds",
)  # fmt: skip
_SLICE = 1 << 14
"""People drawn at once, so that memory stays small; no one's values depend on it."""
_AT_ONCE = 4096
"""Draws of patients and attempts together when few patients are left."""
_ATTEMPTS = 1 << 20
"""At an acceptance of `RAREST` a patient needs more with a probability of e^-100."""
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
        Who is wanted; the default is the whole adult population of the table.

    Returns
    -------
    Arrays (n,) by name: ``age`` y, ``sex`` 0 man, 1 woman, ``height`` m, ``weight`` kg, ``bmi`` kg/m2, ``waist`` cm,
    ``glucose`` fasting plasma, ``serum_glucose`` mmol/L, ``hba1c`` %, ``insulin`` fasting, pmol/L, ``triglyceride``,
    ``hdl`` mmol/L, ``vat`` cm2, ``ffa`` fasting, mmol/L, ``igf1_sds``, and ``attempts``, draws until within bounds.

    Raises
    ------
    InputError
        For ids or a specification without sense, and for ranges that fewer than 1 in 10,000 people meet.

    Source: population 1.1-1.7.

    >>> people = draw_adults(1, [7, 8, 9], PeopleSpec(ranges={"bmi": (27, 40)}))
    >>> bool((people["bmi"] >= 27).all()), len(people["age"])
    (True, 3)
    """
    patients = _checked_ids(seed, ids)
    plans = _table_plans() if spec is ADULTS else _plans(spec)
    sex = np.where(draws.uniforms(seed, patients, draws.SEX) < spec.women, WOMAN, MAN).astype(np.int64)
    people: People = {"sex": sex, "attempts": np.zeros(len(patients), np.int64)}
    people |= {name: np.empty(len(patients)) for name in KEYS}
    for which in plans:
        of_sex = np.flatnonzero(sex == which.sex)
        for start in range(0, len(of_sex), _SLICE):
            _fill(people, which, seed, patients, of_sex[start : start + _SLICE])
    return people


def _fill(people: People, which: DrawPlan, seed: int, ids: Ids, open_: Ids) -> None:
    """Draw the people at the positions ``open_``, all of one sex, until each is within the limits; in place."""
    attempt = 0
    while len(open_):
        if attempt >= _ATTEMPTS:
            raise InputError(f"patient {ids[open_[0]]} is outside the ranges after {attempt} draws; widen them.")
        # few left: several attempts of each at once, of which the first within the limits counts
        several = max(1, _AT_ONCE // len(open_)) if attempt else 1
        tried = np.repeat(attempt + np.arange(several), len(open_))
        drawn = _values(which, _draw("covariate", seed, np.tile(ids[open_], several), tried, which))
        good = _inside(which, drawn).reshape(several, len(open_))
        done = np.flatnonzero(good.any(axis=0))
        first = good.argmax(axis=0)[done]
        rows = first * len(open_) + done
        for name in KEYS:
            people[name][open_[done]] = drawn[name][rows]
        people["attempts"][open_[done]] = attempt + first + 1
        open_ = np.delete(open_, done)
        attempt += several


def _draw(layer: str, seed: int, ids: Ids, attempt: Ids, which: DrawPlan) -> list[Floats]:
    """Return the independent normals (n,) of each covariate, age within its window."""
    independent = []
    for name in COVARIATES:
        u = draws.uniforms(seed, ids, draws.layer(f"{layer} {name}"), attempt)
        if name == "age":
            low, high = which.age_window
            u = np.clip(low + (high - low) * u, TINY, 1 - TINY)
        independent.append(draws.normal_quantile(u))
    return independent


def _values(which: DrawPlan, independent: Sequence[Floats]) -> People:
    """Return the covariates that the independent normals of `COVARIATES` give."""
    score = dict(zip(COVARIATES, copula.correlate(which.factor, independent), strict=True))
    own = dict(zip(COVARIATES, independent, strict=True))
    score["serum_glucose"] = score["glucose"]
    log_mean, log_sd = WAIST_LOG[which.sex]

    def value(name: str, z: Floats) -> Floats:
        return which.margins[name].value(z + which.shifts[name] if name in which.shifts else z)

    # the range of age is drawn from; only rounding can leave it
    age = np.clip(value("age", score["age"]), *which.limits["age"])
    height, bmi = value("height", score["height"]), value("bmi", score["bmi"])
    with np.errstate(invalid="ignore", divide="ignore"):  # an own margin may go below 0: not within the limits
        if which.waist is None:
            waist = value("waist", score["waist"])
        else:
            w = which.waist
            log_waist = w.constant + w.by_log_bmi * np.log(bmi) + w.by_age * age + w.by_height * height
            waist = np.exp(log_waist + w.residual * own["waist"] + log_sd * which.shifts.get("waist", 0.0))
        # VAT follows the waist that someone has, not that of his rank in the table
        score["vat"] = score["vat"] + which.vat_by_waist * ((np.log(waist) - log_mean) / log_sd - score["waist"])
    people = {"age": age, "height": height, "weight": bmi * height**2, "bmi": bmi, "waist": waist}
    return people | {name: value(name, score[name]) for name in KEYS if name not in people}


def _inside(which: DrawPlan, people: People) -> npt.NDArray[np.bool_]:
    """Tell who is within all limits (n,); who has a value that is no number is not."""
    ratio = people["waist"] / (100 * people["height"])
    inside = (ratio > WAIST_OF_HEIGHT[0]) & (ratio < WAIST_OF_HEIGHT[1])
    for name, limits in which.limits.items():
        inside &= _within(people[name], limits)
    return np.asarray(inside)


def _within(values: Floats, limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))


@lru_cache(maxsize=1)
def _table_plans() -> tuple[DrawPlan, ...]:
    return plan(ADULTS, MAN), plan(ADULTS, WOMAN)


def _plans(spec: PeopleSpec) -> tuple[DrawPlan, ...]:
    """Return the plans of the sexes that ``spec`` has, each tried on people of its own."""
    check(spec)
    plans = tuple(plan(spec, sex) for sex, share in ((MAN, 1 - spec.women), (WOMAN, spec.women)) if share > 0)
    for which in plans:
        _try_out(which)
    return plans


def _try_out(which: DrawPlan) -> None:
    """Refuse limits that fewer than `RAREST` of trial people meet; who they are hangs on neither seed nor patients."""
    accepted = start = 0
    while accepted < _ENOUGH and start < _TRIALS:
        stop = min(_TRIALS, start + (_SLICE if start else _FIRST_TRIALS))
        accepted += int(_inside(which, _trial(which, start, stop)).sum())
        start = stop
    if accepted >= _ENOUGH:
        return
    people = _trial(which, 0, _SLICE)
    alone = {name: int(_within(people[name], limits).sum()) for name, limits in which.limits.items()}
    name = min(alone, key=lambda name: alone[name])
    low, high = which.limits[name]
    raise InputError(
        f"range of {name} = {low:g} ... {high:g} {BOUNDS[name][2]} ({alone[name]} of {_SLICE} trial {SEXES[which.sex]} "
        f"meet it alone) and the other ranges leave {accepted} of {_TRIALS}, under 1 in {1 / RAREST:.0f}; "
        "widen it, or give a margin."
    )


def _trial(which: DrawPlan, start: int, stop: int) -> People:
    ids = np.arange(start, stop, dtype=np.int64)
    return _values(which, _draw("trial covariate", 0, ids, np.zeros(len(ids), np.int64), which))


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
