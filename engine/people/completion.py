"""People with some known covariates: the others are drawn from their conditional distribution.

The known values become normal scores within age by the margins; the scores of the others are drawn from the copula,
conditional on these.  BMI, the root of the pair copulas, is always known.  The draws are those of `engine.people.draw`
(keyed by seed, id and covariate), so a patient's unknown covariates do not depend on the other patients of a table.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.errors import InputError
from pulsatile.engine.people import copula
from pulsatile.engine.people.correlations import COVARIATES, within
from pulsatile.engine.people.draw import ADULTS, KEYS
from pulsatile.engine.people.margins import BOUNDS, MAN, WAIST_OF_HEIGHT, WOMAN
from pulsatile.engine.people.spec import PeopleSpec, plan
from pulsatile.engine.people.values import People, gaussian_of, score_of_age, values_of

NEEDED = ("age", "sex", "weight", "height")
LARGEST_SCORE = 5.0
"""Largest normal score, also of values beyond the margin, so that one odd value does not distort the rest [assumed]."""
KNOWABLE = (*NEEDED, *(name for name in KEYS if name not in (*NEEDED, "bmi", "serum_glucose")))


def complete(seed: int, ids: Ids, known: Mapping[str, Floats], spec: PeopleSpec = ADULTS) -> People:
    """Return all covariates of the people ``ids`` (n,), given the ``known`` ones.

    Parameters
    ----------
    known
        Arrays (n,): requires age (y), sex (0 man, 1 woman), weight (kg) and height (m); may have waist (cm), glucose
        (fasting plasma, mmol/L), hba1c (%), insulin (pmol/L), triglyceride, hdl (mmol/L), vat (cm2), ffa (mmol/L),
        igf1_sds.  A value that is NaN is drawn for that patient.
    spec
        Margins and shifts of the covariates that are drawn; its ranges do not apply to existing people.

    Raises
    ------
    InputError
        For a covariate that is missing or unknown, or an impossible value.
    """
    known = check_known(ids, known)
    n = len(ids)
    people: People = {"sex": known["sex"].astype(np.int64), "attempts": np.ones(n, np.int64)}
    people |= {name: np.full(n, np.nan) for name in KEYS}
    for sex in (MAN, WOMAN):
        of_sex = np.flatnonzero(people["sex"] == sex)
        patterns: dict[tuple[str, ...], list[int]] = {}
        for i in of_sex:
            names = tuple(name for name in COVARIATES if name in known and np.isfinite(known[name][i]))
            patterns.setdefault(names, []).append(int(i))
        for names, rows in patterns.items():
            at = np.array(rows)
            drawn = _draw(seed, ids[at], sex, {name: known[name][at] for name in names}, spec)
            if "waist" in drawn:
                height = 100 * known["height"][at]
                drawn["waist"] = np.clip(drawn["waist"], *(share * height for share in WAIST_OF_HEIGHT))
            for name in KEYS:
                values = known[name][at] if name in known else np.full(len(at), np.nan)
                people[name][at] = np.where(np.isfinite(values), values, drawn.get(name, values))
    return people


def check_known(ids: npt.NDArray[Any], known: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the known covariates of `complete` and the BMI; `InputError` for input that `complete` refuses.

    ``ids`` (n,), numbers or text, are for its sentences.
    """
    for name in NEEDED:
        if name not in known:
            raise InputError(f"own patients have no {name}: give {', '.join(NEEDED)}; other covariates can be drawn.")
    for name, values in known.items():
        if name not in KNOWABLE:
            raise InputError(f"own patients: {name!r} is no covariate; known are {', '.join(KNOWABLE)}.")
        low, high, unit = (0.0, 1.0, "(0 man, 1 woman)") if name == "sex" else BOUNDS[name]
        if name == "age":
            low, high = 18.0, 100.0  # the tables end at 79 y; older people have the score of that age
        x = np.asarray(values, np.float64)
        if x.shape != (len(ids),):
            raise InputError(f"{name} of own patients has the shape {x.shape} for {len(ids)} patients; give one each.")
        wrong = np.flatnonzero((x < low) | (x > high) | (np.isnan(x) & (name in NEEDED)) | np.isinf(x))
        if name == "sex":
            wrong = np.union1d(wrong, np.flatnonzero(~np.isin(x, (MAN, WOMAN))))
        if len(wrong):
            k = wrong[0]
            got = "missing" if np.isnan(x[k]) else f"{x[k]:g}"
            raise InputError(
                f"{name} of own patient {ids[k]} is {got}, allowed is {low:g} ... {high:g} {unit}; correct it, or its "
                "unit."
            )
    arrays = {name: np.asarray(values, np.float64) for name, values in known.items()}
    if "waist" in arrays:
        _check_waist(ids, arrays["waist"], arrays["height"])
    return arrays | {"bmi": _body_mass_index(ids, arrays)}


def _check_waist(ids: npt.NDArray[Any], waist: Floats, height: Floats) -> None:
    """Refuse a waist (cm) that is impossible at that height (m); the limits are those of people who are drawn."""
    share = waist / (100 * height)
    wrong = np.flatnonzero((share < WAIST_OF_HEIGHT[0]) | (share > WAIST_OF_HEIGHT[1]))
    if len(wrong):
        k = wrong[0]
        low, high = (100 * height[k] * limit for limit in WAIST_OF_HEIGHT)
        raise InputError(
            f"waist of own patient {ids[k]} is {waist[k]:g} cm, allowed at a height of {height[k]:g} m is {low:.0f} "
            f"... {high:.0f} cm; correct it, or its unit."
        )


def _body_mass_index(ids: npt.NDArray[Any], known: Mapping[str, Floats]) -> Floats:
    """Return weight over height squared (kg/m2); refuse impossible values."""
    bmi: Floats = known["weight"] / known["height"] ** 2
    low, high, unit = BOUNDS["bmi"]
    wrong = np.flatnonzero((bmi < low) | (bmi > high))
    if len(wrong):
        k = wrong[0]
        raise InputError(
            f"weight {known['weight'][k]:g} kg and height {known['height'][k]:g} m of own patient {ids[k]} make a BMI "
            f"of {bmi[k]:.3g}, allowed is {low:g} ... {high:g} {unit}; correct them, or their units."
        )
    return bmi


def _draw(seed: int, ids: Ids, sex: int, known: dict[str, Floats], spec: PeopleSpec) -> People:
    """Return the unknown covariates of people of one sex of whom the same covariates are known."""
    draw_plan = plan(spec, sex)
    age = known["age"]
    age_score = score_of_age(sex, age)
    given = {name: values for name, values in known.items() if name != "age"}
    scores = gaussian_of(draw_plan, age, age_score, given, LARGEST_SCORE)
    unknown = [name for name in COVARIATES if name not in known]
    if unknown:
        correlation = within(sex).matrix
        k, u = ([COVARIATES.index(name) for name in names] for names in (given, unknown))
        weights = np.linalg.solve(correlation[np.ix_(k, k)], correlation[np.ix_(k, u)])
        covariance = correlation[np.ix_(u, u)] - correlation[np.ix_(u, k)] @ weights
        sd, conditional = copula.from_covariance(unknown, (covariance + covariance.T) / 2)
        normals = [draws.normals(seed, ids, draws.layer(f"covariate {name}")) for name in unknown]
        residuals = copula.correlate(conditional.factor, normals)
        for j, name in enumerate(unknown):
            z = sd[j] * residuals[j]
            for i, known_name in enumerate(given):
                z = z + weights[i, j] * scores[known_name]
            scores[name] = z
    people = values_of(draw_plan, age, age_score, scores)
    found = {name: np.clip(people[name], *draw_plan.limits[name]) for name in unknown}
    return found | {"serum_glucose": people["serum_glucose"]}
