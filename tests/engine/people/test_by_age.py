"""Margins by age: through the decades' quantiles, smooth in age, rising with the score, below their limits."""

import numpy as np
import pytest
from scipy.stats import norm

from pulsatile.engine.people import margins
from pulsatile.engine.people.by_age import FARTHEST, OverAges, margin_by_age
from pulsatile.engine.people.correlations import by_age, pairs, within
from pulsatile.engine.people.draw import draw_adults
from pulsatile.engine.people.margins import BOUNDS, DIABETES, MAN, SEXES, WOMAN
from pulsatile.engine.people.survey import BY_AGE, DECADES, PROBABILITIES, WITHIN_AGE

SEX = pytest.mark.parametrize("sex", [MAN, WOMAN], ids=SEXES)
ROW = pytest.mark.parametrize("row", BY_AGE, ids=[row.name for row in BY_AGE])
Z = norm.ppf(PROBABILITIES)


def test_every_row_has_its_unit_its_source_and_rising_quantiles() -> None:
    for row in BY_AGE:
        assert row.mark == "COMPUTED"
        assert row.source.startswith("population, section 1.8")
        low, high, unit = BOUNDS[row.name]
        assert row.unit == unit
        for table in (row.men, row.women):
            assert np.shape(table) == (len(DECADES), len(PROBABILITIES))
            assert np.all(np.diff(table, axis=1) >= 0)
            assert low < np.min(table) < np.max(table) < high
    matrix = np.array(WITHIN_AGE)
    np.testing.assert_array_equal(np.diag(matrix), 1.0)


@SEX
@ROW
def test_the_decades_mean_is_theirs_and_their_neighbours(row, sex: int) -> None:  # type: ignore[no-untyped-def]
    """Over an inner decade the logarithm of a quantile has the mean 1/6, 4/6, 1/6 of the three decades' ones."""
    margin, logs = margins.by_age(sex)[row.name], np.log((row.men, row.women)[sex])
    for decade in range(1, len(DECADES) - 1):
        ages = DECADES[decade] - 0.5 + (np.arange(1000) + 0.5) / 100
        for k, z in enumerate(Z):
            got = np.mean(np.log(margin.value(ages, np.full(1000, z))))
            assert got == pytest.approx(np.dot([1 / 6, 4 / 6, 1 / 6], logs[decade - 1 : decade + 2, k]), abs=1e-4)


@SEX
@ROW
def test_values_rise_with_the_score_at_every_age(row, sex: int) -> None:  # type: ignore[no-untyped-def]
    z = np.linspace(-8, 8, 641)
    for age in np.linspace(20, 79, 60):
        x = margins.by_age(sex)[row.name].value(np.full(len(z), age), z)
        assert np.all(np.diff(x[np.abs(z) < 5]) > 0)
        assert np.all(np.diff(x) >= 0)


@SEX
@ROW
def test_scores_undo_values(row, sex: int) -> None:  # type: ignore[no-untyped-def]
    margin = margins.by_age(sex)[row.name]
    rng = np.random.default_rng(1)
    age, z = rng.uniform(20, 79, 4000), np.clip(1.4 * rng.standard_normal(4000), -5, 5)
    np.testing.assert_allclose(margin.score(age, margin.value(age, z)), z, atol=1e-6)


@SEX
@ROW
def test_values_are_smooth_in_age(row, sex: int) -> None:  # type: ignore[no-untyped-def]
    """A year changes no quantile by more than 4 %, and no step begins or ends suddenly."""
    age = np.linspace(20, 79, 5901)
    for z in (-2.0, 0.0, 2.0):
        log = np.log(margins.by_age(sex)[row.name].value(age, np.full(len(age), z)))
        assert np.max(np.abs(np.diff(log))) < 0.04 / 100
        assert np.max(np.abs(np.diff(log, 2))) < 1e-5


def test_a_line_in_age_stays_a_line_to_the_ends() -> None:
    """What rises by the same factor in each decade does so from 20 to 79 y; older and younger people stay there."""
    rows = tuple(tuple(np.exp(0.3 * z + 0.1 * k)) for k, z in ((k, Z) for k in range(len(DECADES))))
    margin = margin_by_age(rows)  # type: ignore[arg-type]
    age = np.linspace(20, 79, 50)
    z = np.full(50, 0.7)
    np.testing.assert_allclose(np.log(margin.value(age, z)), 0.3 * 0.7 + 0.01 * (age - 24.5), atol=1e-12)
    for young, old in ((18.0, 20.0), (100.0, 79.0)):
        assert margin.value(np.array([young]), z[:1]) == margin.value(np.array([old]), z[:1])
    # beyond the table's probabilities the line of the score goes on
    np.testing.assert_allclose(np.log(margin.value(np.array([44.5, 44.5]), np.array([-5.0, 5.0]))), [-1.3, 1.7])


@SEX
def test_tails_are_of_living_people(sex: int) -> None:
    """One in 30,000 of any age is within the bounds, and nobody reaches the limit of diabetes."""
    age = np.linspace(20, 79, 60)
    for name, margin in margins.by_age(sex).items():
        low, high, _ = BOUNDS[name]
        assert np.all(margin.value(age, np.full(60, -4.0)) > low), name
        assert np.all(margin.value(age, np.full(60, 4.0)) < high), name
    for name, limit in (("serum_glucose", DIABETES["glucose"]), ("hba1c", DIABETES["hba1c"])):
        assert np.all(margins.by_age(sex)[name].value(age, np.full(60, FARTHEST)) <= limit)
        assert np.all(margins.by_age(sex)[name].value(age, np.full(60, 4.0)) < limit)
        assert np.all(margins.by_age(sex)[name].score(age, np.full(60, 1.2 * limit)) > 5)


@SEX
def test_over_all_ages_is_the_mixture_of_the_ages(sex: int) -> None:
    age = margins.table(sex)["age"].value(norm.ppf((np.arange(2000) + 0.5) / 2000))
    for name, margin in margins.by_age(sex).items():
        whole = margins.over_all_ages(sex, name)
        assert isinstance(whole, OverAges)
        for z in (-2.5, -1.0, 0.0, 1.0, 2.5):
            x = float(whole.value(np.array([z]))[0])
            share = np.mean(norm.cdf(margin.score(age, np.full(len(age), x))))
            assert norm.ppf(share) == pytest.approx(z, abs=0.006), name
            assert whole.score(x) == pytest.approx(z, abs=1e-9)
        assert whole.score(1e-3) == -np.inf
        assert whole.score(1e4) == np.inf


@SEX
def test_correlations_within_age_are_those_of_the_table(sex: int) -> None:
    r = within(sex)
    assert r.changes == ()
    assert np.linalg.eigvalsh(r.matrix)[0] > 0.03
    assert r.of("bmi", "triglyceride") == (0.2780, 0.2340)[sex]
    assert r.of("glucose", "hba1c") == (0.2764, 0.3680)[sex]
    np.testing.assert_array_equal(r.matrix[0, 1:], 0.0)
    # of those without a table by age the correlation with age is the one over all ages
    assert [by_age(name, sex) for name in ("ffa", "igf1_sds")] == [0.0, 0.0]
    assert by_age("vat", sex) == pairs(sex)["age", "vat"] > 0.2


@SEX
def test_decades_have_the_means_and_sds_of_all_rows(sex: int) -> None:
    """Printed by decade from all rows of the survey, not from the half that the table holds (population 1.1)."""
    from benchmarks.population import BY_AGE as PRINTED_BY_AGE

    people = draw_adults(3, np.arange(200_000))
    z = []
    for decade, printed in enumerate(PRINTED_BY_AGE):
        age = np.rint(people["age"])
        of = (people["sex"] == sex) & (age >= DECADES[decade]) & (age < DECADES[decade] + 10)
        n = 8_000 / 1.5 * of.sum() / np.sum(people["sex"] == sex)  # people of the survey over the design effect
        for name, factor, (mean, sd) in zip(("bmi", "waist", "height"), (1, 1, 100), printed[sex], strict=True):
            x = factor * people[name][of]
            z += [(np.mean(x) - mean) / (sd / np.sqrt(n)), (np.std(x) - sd) / (sd / np.sqrt(2 * n))]
    assert np.max(np.abs(z)) < 4
    assert np.sqrt(np.mean(np.square(z))) < 1.5
