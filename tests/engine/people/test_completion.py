"""People of whom some covariates are known: these stay to the last bit, the others are as in people like them."""

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsatile.engine.errors import InputError
from pulsatile.engine.people.completion import KNOWABLE, NEEDED, complete
from pulsatile.engine.people.draw import KEYS, People, PeopleSpec, draw_adults
from pulsatile.engine.people.margins import BOUNDS, DIABETES, WAIST_OF_HEIGHT

N = 10_000
IDS = np.arange(N)
Completed = Callable[..., People]
DRAWN = tuple(name for name in KEYS if name not in (*NEEDED, "bmi"))


@pytest.fixture(scope="module")
def adults() -> People:
    return draw_adults(11, IDS)


@pytest.fixture(scope="module")
def completed(adults: People) -> Completed:
    """The first adults, of whom only what is known is kept and all else is drawn anew."""
    return cache(lambda known, n=N: complete(12, IDS[:n], take(adults, known, slice(n))))


def take(people: People, names: Iterable[str], index: object = slice(None)) -> dict[str, np.ndarray]:
    return {name: np.asarray(people[name], float)[index] for name in names}


def log(people: People, name: str) -> np.ndarray:
    x = people[name]
    return x if name in ("age", "igf1_sds", "height", "hba1c") else np.log(x)


@pytest.mark.parametrize("known", [NEEDED, (*NEEDED, "glucose", "hdl"), KNOWABLE], ids=["needed", "some", "all"])
def test_known_values_stay_and_all_others_come(adults: People, completed: Completed, known: tuple[str, ...]) -> None:
    found = completed(known) if known == NEEDED else completed(known, 2000)
    assert set(found) == set(adults)
    for name in known:
        np.testing.assert_array_equal(found[name], adults[name][: len(found[name])], err_msg=name)
    np.testing.assert_array_equal(found["bmi"], found["weight"] / found["height"] ** 2)
    for name in KEYS:
        low, high, _ = BOUNDS[name]
        assert np.all((found[name] >= low) & (found[name] <= high)), name
        if name not in known and name not in ("bmi", "serum_glucose"):
            assert not np.any(found[name][:100] == adults[name][:100]), name
    assert found["sex"].dtype == np.int64
    ratio = found["waist"] / (100 * found["height"])
    assert ratio.min() > WAIST_OF_HEIGHT[0] - 1e-12
    assert ratio.max() < WAIST_OF_HEIGHT[1]


@pytest.mark.parametrize("sex", [0, 1])
@pytest.mark.parametrize("known", [NEEDED, (*NEEDED, "waist", "glucose", "triglyceride")], ids=["few", "more"])
def test_the_others_are_as_in_people_like_them(
    adults: People, completed: Completed, sex: int, known: tuple[str, ...]
) -> None:
    """Mean, SD and regression on what is known agree with those of people who are drawn whole."""
    at = adults["sex"] == sex
    wanted, found = (take(p, KEYS, at) for p in (adults, completed(known)))
    by = [name for name in ("age", "bmi", "height", "waist", "glucose", "triglyceride") if name in (*known, "bmi")]
    design = np.column_stack([np.ones(at.sum()), *((log(wanted, k) - log(wanted, k).mean()) for k in by)])
    for name in DRAWN:
        if name in known or name == "serum_glucose":
            continue
        a, b = log(wanted, name), log(found, name)
        assert abs(b.mean() - a.mean()) < 0.03 * a.std() + 4 * a.std() * np.sqrt(2 / len(a)), name
        assert b.std() == pytest.approx(a.std(), rel=0.07), name
        # in SDs of the covariate per SD of what is known, 4 standard errors and 0.04 for the bends of the margins
        fits = [np.linalg.lstsq(design, y)[0][1:] * design[:, 1:].std(axis=0) / a.std() for y in (a, b)]
        error = 4 * np.sqrt(2 * np.diag(np.linalg.inv(np.corrcoef(design[:, 1:].T))) / len(a))
        assert np.all(np.abs(fits[1] - fits[0]) < 0.04 + error), (name, fits)


def test_that_test_can_fail(completed: Completed) -> None:
    """Insulin drawn without regard to BMI would be told by its regression."""
    found = completed(NEEDED)
    r = np.corrcoef(np.log(found["insulin"]), np.log(found["bmi"]))[0, 1]
    shuffled = np.corrcoef(np.log(found["insulin"]), np.log(np.roll(found["bmi"], 1)))[0, 1]
    assert r > 0.3
    assert abs(shuffled) < 0.04


def test_unknown_cells_are_drawn_for_that_patient_alone(adults: People) -> None:
    whole = take(adults, (*NEEDED, "glucose", "insulin"), slice(300))
    holes = {name: values.copy() for name, values in whole.items()}
    holes["glucose"][::3] = np.nan
    holes["insulin"][::2] = np.nan
    found, full = complete(5, IDS[:300], holes), complete(5, IDS[:300], whole)
    some = {name: np.isfinite(values) for name, values in holes.items()}
    for name in ("glucose", "insulin"):
        np.testing.assert_array_equal(found[name][some[name]], whole[name][some[name]])
        assert np.all(np.isfinite(found[name]))
        assert not np.any(found[name][~some[name]] == whole[name][~some[name]])
    untouched = some["glucose"] & some["insulin"]
    for name in KEYS:
        np.testing.assert_array_equal(found[name][untouched], full[name][untouched], err_msg=name)
    # a column of nothing but holes is none
    none = complete(5, IDS[:300], take(adults, NEEDED, slice(300)) | {"glucose": np.full(300, np.nan)})
    without = complete(5, IDS[:300], take(adults, NEEDED, slice(300)))
    for name in KEYS:
        np.testing.assert_array_equal(none[name], without[name], err_msg=name)


@given(st.permutations(range(40)), st.integers(1, 40), st.integers(0, 2**40))
@settings(deadline=None, max_examples=15)
def test_a_patient_does_not_depend_on_the_others(order: list[int], size: int, seed: int) -> None:
    people = draw_adults(3, np.arange(40))
    known = take(people, (*NEEDED, "glucose", "vat"))
    known["vat"][::4] = np.nan
    ids = np.arange(40) * 1000
    whole = complete(seed, ids, known)
    some = np.array(order[:size])
    part = complete(seed, ids[some], take(known, known, some))
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name][some], err_msg=name)


def test_the_order_of_columns_does_not_matter(adults: People) -> None:
    known = take(adults, (*NEEDED, "glucose", "hdl", "vat"), slice(200))
    backwards = dict(reversed(known.items()))
    one, other = (complete(1, IDS[:200], k) for k in (known, backwards))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_the_seed_and_id_decide(adults: People) -> None:
    known = take(adults, NEEDED, slice(50))
    one = complete(1, IDS[:50], known)
    assert not np.any(complete(2, IDS[:50], known)["insulin"] == one["insulin"])
    assert not np.any(complete(1, IDS[50:100], known)["insulin"] == one["insulin"])


def test_own_margins_and_shifts_are_of_what_is_drawn(adults: People) -> None:
    known = take(adults, NEEDED, slice(2000))
    plain = complete(1, IDS[:2000], known)
    moved = complete(1, IDS[:2000], known, PeopleSpec(shifts={"igf1_sds": -3.0}))
    np.testing.assert_allclose(moved["igf1_sds"], plain["igf1_sds"] - 3.0, rtol=1e-12)
    np.testing.assert_array_equal(moved["insulin"], plain["insulin"])


def same_people(n: int, **change: float) -> dict[str, np.ndarray]:
    one = {"age": 50.0, "sex": 1.0, "weight": 70.0, "height": 1.6} | change
    return {name: np.full(n, value) for name, value in one.items()}


def test_the_oldest_are_as_the_last_of_the_table() -> None:
    """Beyond the ages that are known nothing rises on: the score of the table's very end would be that of no one."""
    medians = {age: {k: np.median(v) for k, v in complete(1, IDS[:2000], same_people(2000, age=age)).items()}
               for age in (70.0, 77.0, 79.0, 80.0, 100.0)}  # fmt: skip
    for name in DRAWN:
        assert medians[79.0][name] == medians[80.0][name] == medians[100.0][name], name
    assert medians[79.0]["vat"] < 1.1 * medians[77.0]["vat"]
    assert medians[79.0]["hba1c"] < 1.02 * medians[77.0]["hba1c"]


def test_a_value_beyond_the_margin_is_kept() -> None:
    known = same_people(500, weight=90.0) | {"glucose": np.full(500, 9.0)}
    found = complete(1, IDS[:500], known)
    assert np.all(found["glucose"] == 9.0)
    assert found["hba1c"].max() <= DIABETES["hba1c"]  # the margin of the others is that of the table
    assert np.median(found["insulin"]) < 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": None}, "no age"), ({"sex": None}, "no sex"), ({"weight": None}, "no weight"),
        ({"height": None}, "no height"),
        ({"ethnicity": 1.0}, "ethnicity"), ({"bmi": 27.0}, "bmi"), ({"serum_glucose": 5.0}, "serum_glucose"),
        ({"age": np.nan}, "missing"), ({"sex": np.nan}, "missing"), ({"height": np.nan}, "missing"),
        ({"age": 17.9}, "18 ... 100"), ({"age": 540.0}, "18 ... 100"), ({"sex": 0.5}, "0 man, 1 woman"),
        ({"sex": 2.0}, "0 man, 1 woman"), ({"weight": -70.0}, "25 ... 400"), ({"weight": np.inf}, "25 ... 400"),
        ({"height": 160.0}, "1 ... 2.5"), ({"waist": 0.9}, "40 ... 250"), ({"glucose": 97.0}, "3.5 ... 15"),
        ({"insulin": 3.0}, "8 ... 500"), ({"vat": 0.0}, "5 ... 500"), ({"igf1_sds": 150.0}, "-10 ... 10"),
        ({"ffa": -np.inf}, "0.1 ... 1.6"), ({"weight": 390.0, "height": 1.2}, "BMI"),
        ({"weight": 26.0, "height": 2.0}, "BMI"),
    ],
)  # fmt: skip
def test_what_no_one_has_is_told_in_one_sentence(change: dict[str, float | None], words: str) -> None:
    known = same_people(3)
    for name, value in change.items():
        known.setdefault(name, np.full(3, np.nan))
        if value is None:
            del known[name]
        else:
            known[name][1] = value
    with pytest.raises(InputError) as caught:
        complete(1, np.array([4, 5, 6]), known)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    if None not in change.values() and not {"ethnicity", "bmi", "serum_glucose"} & set(change):
        assert "patient 5" in str(caught.value)


def test_columns_are_of_one_length() -> None:
    with pytest.raises(InputError, match="one each"):
        complete(1, np.arange(3), same_people(3) | {"glucose": np.full(2, 5.0)})


def test_a_waist_that_no_one_of_that_height_has_is_refused() -> None:
    known = {
        name: np.array([value]) for name, value in (("age", 40.0), ("sex", 0.0), ("weight", 90.0), ("height", 1.8))
    }
    complete(1, np.array([3]), known | {"waist": np.array([190.0])})
    complete(1, np.array([3]), known | {"waist": np.array([np.nan])})
    for waist in (200.0, 60.0):
        with pytest.raises(InputError, match=r"waist of own patient 3 .* at a height of 1\.8 m is 63 \.\.\. 198 cm"):
            complete(1, np.array([3]), known | {"waist": np.array([waist])})
