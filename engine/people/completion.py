"""People of whom some covariates are known: the others are drawn as they are among people like them.

The known values become normal scores by their margins; the scores of the others are drawn from the Gaussian copula,
given these.  The draws are those of `engine.people.draw` (keyed by seed, id and covariate), so a patient's unknown
covariates do not depend on the other patients of a table.
"""

from collections.abc import Mapping

import numpy as np

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.errors import InputError
from pulsatile.engine.people import copula
from pulsatile.engine.people.correlations import COVARIATES, matrix
from pulsatile.engine.people.draw import ADULTS, KEYS, People
from pulsatile.engine.people.margins import BOUNDS, MAN, WAIST_LOG, WAIST_OF_HEIGHT, WOMAN
from pulsatile.engine.people.shapes import Margin
from pulsatile.engine.people.spec import PeopleSpec, plan

NEEDED = ("age", "sex", "weight", "height")
LARGEST_SCORE = 5.0
"""Normal score of a value beyond the margin, so that one odd value does not push all others out [assumed]."""
LARGEST_AGE_SCORE = 2.338
"""Normal score of the oldest and youngest, the mean of those beyond the last printed quantile of age (97.5 %): nothing
is known of who is older there, and the score of the very end of the table would be that of no one [DERIVED]."""
KNOWABLE = (*NEEDED, *(name for name in KEYS if name not in (*NEEDED, "bmi", "serum_glucose")))


def complete(seed: int, ids: Ids, known: Mapping[str, Floats], spec: PeopleSpec = ADULTS) -> People:
    """Return all covariates of the people ``ids`` (n,), of whom ``known`` (n,) are given.

    Parameters
    ----------
    known
        Needs age (y), sex (0 man, 1 woman), weight (kg) and height (m); may have waist (cm), glucose (fasting plasma,
        mmol/L), hba1c (%), insulin (pmol/L), triglyceride, hdl (mmol/L), vat (cm2), ffa (mmol/L), igf1_sds.  A value
        that is NaN is drawn for that patient.
    spec
        Margins and shifts of the covariates that are drawn; its ranges do not apply to people who are there.

    Raises
    ------
    InputError
        For a covariate that is missing or not known, or a value that no one has.
    """
    given = check_known(ids, known)
    n = len(ids)
    people: People = {"sex": given["sex"].astype(np.int64), "attempts": np.ones(n, np.int64)}
    people |= {name: np.full(n, np.nan) for name in KEYS}
    for sex in (MAN, WOMAN):
        of_sex = np.flatnonzero(people["sex"] == sex)
        patterns: dict[tuple[str, ...], list[int]] = {}
        for i in of_sex:
            names = tuple(name for name in COVARIATES if name in given and np.isfinite(given[name][i]))
            patterns.setdefault(names, []).append(int(i))
        for names, rows in patterns.items():
            at = np.array(rows)
            drawn = _draw(seed, ids[at], sex, {name: given[name][at] for name in names}, spec)
            if "waist" in drawn:
                height = 100 * given["height"][at]
                drawn["waist"] = np.clip(drawn["waist"], *(share * height for share in WAIST_OF_HEIGHT))
            for name in KEYS:
                own = given[name][at] if name in given else np.full(len(at), np.nan)
                people[name][at] = np.where(np.isfinite(own), own, drawn.get(name, own))
    return people


def check_known(ids: Ids, known: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the known covariates of `complete`, and their BMI; `InputError` for what `complete` would refuse."""
    for name in NEEDED:
        if name not in known:
            raise InputError(f"own patients have no {name}: give {', '.join(NEEDED)}; other covariates can be drawn.")
    for name, values in known.items():
        if name not in KNOWABLE:
            raise InputError(f"own patients: {name!r} is no covariate; known are {', '.join(KNOWABLE)}.")
        low, high, unit = (0.0, 1.0, "(0 man, 1 woman)") if name == "sex" else BOUNDS[name]
        if name == "age":
            low, high = 18.0, 100.0  # the tables end at 79 y; older people are given their scores there
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
    given = {name: np.asarray(values, np.float64) for name, values in known.items()}
    if "waist" in given:
        _check_waist(ids, given["waist"], given["height"])
    return given | {"bmi": _body_mass_index(ids, given)}


def _check_waist(ids: Ids, waist: Floats, height: Floats) -> None:
    """Refuse a waist (cm) that no one of that height (m) has; the limits are those of people who are drawn."""
    share = waist / (100 * height)
    wrong = np.flatnonzero((share < WAIST_OF_HEIGHT[0]) | (share > WAIST_OF_HEIGHT[1]))
    if len(wrong):
        k = wrong[0]
        low, high = (100 * height[k] * limit for limit in WAIST_OF_HEIGHT)
        raise InputError(
            f"waist of own patient {ids[k]} is {waist[k]:g} cm, allowed at a height of {height[k]:g} m is {low:.0f} "
            f"... {high:.0f} cm; correct it, or its unit."
        )


def _body_mass_index(ids: Ids, given: Mapping[str, Floats]) -> Floats:
    """Return weight over height squared (kg/m2); refuse what no one has."""
    bmi: Floats = given["weight"] / given["height"] ** 2
    low, high, unit = BOUNDS["bmi"]
    wrong = np.flatnonzero((bmi < low) | (bmi > high))
    if len(wrong):
        k = wrong[0]
        raise InputError(
            f"weight {given['weight'][k]:g} kg and height {given['height'][k]:g} m of own patient {ids[k]} make a BMI "
            f"of {bmi[k]:.3g}, allowed is {low:g} ... {high:g} {unit}; correct them, or their units."
        )
    return bmi


def _draw(seed: int, ids: Ids, sex: int, known: dict[str, Floats], spec: PeopleSpec) -> People:
    """Return the covariates that are not known of people of one sex and one pattern of known ones."""
    which = plan(spec, sex)
    margins: dict[str, Margin] = which.margins
    scores = {name: _scores(name, values, sex, margins) for name, values in known.items()}
    others = [name for name in COVARIATES if name not in known]
    if not others:
        return {"serum_glucose": margins["serum_glucose"].value(scores["glucose"])}
    correlation = matrix(sex).matrix
    k, o = ([COVARIATES.index(name) for name in names] for names in (known, others))
    weights = np.linalg.solve(correlation[np.ix_(k, k)], correlation[np.ix_(k, o)])
    left = correlation[np.ix_(o, o)] - correlation[np.ix_(o, k)] @ weights
    sd, rest = copula.from_covariance(others, (left + left.T) / 2)
    normals = [draws.normals(seed, ids, draws.layer(f"covariate {name}")) for name in others]
    residuals = copula.correlate(rest.factor, normals)
    for j, name in enumerate(others):
        z = sd[j] * residuals[j] + which.shifts.get(name, 0.0)
        for i, by in enumerate(known):
            z = z + weights[i, j] * scores[by]
        scores[name] = z
    log_mean, log_sd = WAIST_LOG[sex]
    people: People = {}
    for name in others:
        value = np.exp(log_mean + log_sd * scores[name]) if name == "waist" and which.waist is not None else (
            margins[name].value(scores[name])
        )  # fmt: skip
        people[name] = np.clip(value, *which.limits[name])
    people["serum_glucose"] = margins["serum_glucose"].value(scores["glucose"])
    return people


def _scores(name: str, values: Floats, sex: int, margins: Mapping[str, Margin]) -> Floats:
    if name == "waist":
        log_mean, log_sd = WAIST_LOG[sex]
        z = (np.log(values) - log_mean) / log_sd
    else:
        z = np.array([margins[name].score(float(x)) for x in values])
    most = LARGEST_AGE_SCORE if name == "age" else LARGEST_SCORE
    return np.clip(z, -most, most)
