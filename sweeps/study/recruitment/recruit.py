"""Candidates are screened in the order of their ids until every place of a study is taken.

A place belongs to a stratum (`order_of`), and is taken by the next candidate of that stratum who meets the criteria.
Who is taken depends neither on how many candidates are screened at once nor on the number of places: a study of fewer
patients has the first of those of a larger one, so that an expansion screens further.

A candidate of a stratum without a free place is not screened.
"""

from collections.abc import Callable
from math import ceil
from typing import Self

import numpy as np

from pulsatile.engine.arrays import Flags, Floats, Ids
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import LEAST_WEEKS
from pulsatile.engine.errors import InputError, Status
from pulsatile.engine.kernel.solver import Solver
from pulsatile.engine.patients.cohort import Cohort
from pulsatile.engine.trial.plan import Plan
from pulsatile.sweeps.study.fields import Resolved
from pulsatile.sweeps.study.recruitment.criteria import Screening
from pulsatile.sweeps.study.recruitment.strata import Stratum, order_of, stratum_of
from pulsatile.sweeps.study.tables.table import PatientTable

AT_ONCE, LEAST_AT_ONCE = 2048, 64
"""Candidates looked at in one pass; who is taken does not depend on it."""
PER_PLACE, LEAST_SCREENED, MOST_SCREENED = 100, 1000, 1_000_000
"""Candidates for each place, and in all, by default at least; and the most that a study may ask for."""

Draw = Callable[[int, int], Cohort]
"""Returns the candidates at positions ``start`` to before ``stop``."""


class Recruitment(Resolved):
    """How patients are recruited: what is screened, the strata, and the most candidates looked at."""

    screening: Screening = Screening()
    strata: tuple[Stratum, ...] = ()
    most: int | None = None

    def limit(self, n: int) -> int:
        """Return the most candidates that are looked at for ``n`` places."""
        return max(LEAST_SCREENED, PER_PLACE * n) if self.most is None else self.most


class Recruited(Resolved):
    """The candidates taken, as a column "place" of positions among them, and how many were screened and failed."""

    places: PatientTable
    screened: int
    failed: int

    @classmethod
    def of(cls, places: Ids, screened: int, failed: int) -> Self:
        """Return the recruited patients at ``places`` (n,)."""
        return cls(places=PatientTable.of({"place": places}), screened=screened, failed=failed)

    @property
    def positions(self) -> Ids:
        """Positions (n,) among the candidates, in the order of the study's places."""
        found: Ids = self.places.columns["place"].astype(np.int64)
        return found

    def sentence(self, recruitment: Recruitment) -> str:
        """Return how many were screened and kept, in words."""
        n, criteria = self.places.rows, recruitment.screening.words
        if not criteria:
            return f"Recruitment: {n} patients in strata ({'; '.join(s.name for s in recruitment.strata)})."
        rate = f"{100 * n / self.screened:.3g} %"
        unfit = self.screened - n - self.failed
        failed = f", {self.failed} failed" if self.failed else ""
        strata = f", in strata ({'; '.join(s.name for s in recruitment.strata)})" if recruitment.strata else ""
        return (
            f"Screening: {n} of {self.screened} candidates kept ({rate}), by {criteria}{strata}; {unfit} did not fit"
            f"{failed}."
        )


def recruit(
    recruitment: Recruitment, n: int | None, available: int | None, draw: Draw, solver: Solver, threads: int = 1,
    begun: Recruited | None = None, at_once: int = AT_ONCE,
) -> Recruited:  # fmt: skip
    """Return the candidates who take the ``n`` places of a study; with None, all who fit.

    Parameters
    ----------
    available
        Number of candidates, None where they are drawn without end; then ``n`` is a number.
    draw
        The candidates by position.
    begun
        The patients of a smaller study with the same candidates and criteria; screening goes on after them.

    Raises
    ------
    InputError
        Where too few candidates fit, with the rate at which they do.
    """
    strata = recruitment.strata
    wanted = available if n is None else n
    assert wanted is not None
    order = order_of(tuple(stratum.share for stratum in strata), wanted)
    quota = np.bincount(order, minlength=max(1, len(strata)))
    taken: list[list[int]] = [[] for _ in quota]
    following = [0] * len(quota)
    screened = failed = 0
    if begun is not None:
        positions = begun.positions
        for place, stratum in zip(positions.tolist(), order.tolist(), strict=False):
            taken[stratum].append(place)
        following = [places[-1] + 1 if places else 0 for places in taken]
        screened, failed = begun.screened, begun.failed
    end = recruitment.limit(wanted) if available is None else min(available, recruitment.limit(wanted))
    while any(len(t) < q for t, q in zip(taken, quota, strict=True)):
        open_ = [s for s, q in enumerate(quota) if len(taken[s]) < q]
        start = min(following[s] for s in open_)
        if start >= end:
            break
        stop = min(end, start + _pass(sum(map(len, taken)), screened, sum(quota), at_once))
        cohort = draw(start, stop)
        stratum = stratum_of(cohort, strata)
        first = np.array([following[s] if s in open_ else stop for s in range(len(quota))] + [stop])
        index = np.flatnonzero(np.arange(start, stop) >= first[stratum])  # the last is of those in no stratum
        fits, fails = _judge(recruitment.screening, cohort.subset(index), solver, threads)
        for i, fit, fail in zip(index.tolist(), fits.tolist(), fails.tolist(), strict=True):
            s = int(stratum[i])
            if len(taken[s]) < quota[s]:
                screened += 1
                failed += fail
                taken[s] += [start + i] if fit else []
        for s in open_:
            following[s] = max(following[s], stop)
    if n is not None or not any(taken):
        _refuse_too_few(recruitment, taken, quota.tolist(), screened, n, end, available)
    following_of = [iter(places) for places in taken]
    places = [next(following_of[s]) for s in order.tolist()] if n is not None else taken[0]
    return Recruited.of(np.array(places, np.int64), screened, failed)


def _pass(kept: int, screened: int, wanted: int, at_once: int) -> int:
    """Return how many candidates to look at next: some more than are expected to be needed."""
    rate = (kept + 1) / (screened + 1)
    return int(min(at_once, max(min(LEAST_AT_ONCE, at_once), ceil(1.25 * (wanted - kept) / rate))))


def _judge(screening: Screening, cohort: Cohort, solver: Solver, threads: int) -> tuple[Flags, Flags]:
    """Return who meets all criteria (n,), and whose run failed (n,)."""
    n = len(cohort)
    fits, failed = np.ones(n, bool), np.zeros(n, bool)
    if not n:
        return fits, failed
    values: dict[str, Floats] = {name: np.asarray(row, np.float64) for name, row in cohort.covariates.items()}
    known = [c for c in screening.criteria if c.name in values]
    for criterion in known:
        fits &= criterion.met(values[criterion.name])
    index = np.flatnonzero(fits)  # only these are simulated
    if not screening.simulated or not len(index):
        return fits, failed
    from pulsatile.engine.simulate import simulate

    plan = Plan(weeks=LEAST_WEEKS, outputs=screening.outputs, tests=screening.tests, solver=solver)
    dataset = simulate(cohort.subset(index), [Arm("untreated")], plan, threads=threads)
    bad = dataset["status"].values[0] != int(Status.OK)
    met = ~bad
    for criterion in screening.criteria:
        if criterion.name not in values:
            met &= criterion.met(np.asarray(dataset[criterion.name].values[0, :, 0], np.float64))
    failed[index], fits[index] = bad, met
    return fits, failed


def _refuse_too_few(
    recruitment: Recruitment, taken: list[list[int]], quota: list[int], screened: int, n: int | None, end: int,
    available: int | None,
) -> None:  # fmt: skip
    """Refuse a study with places that nobody takes; the sentence has the rate at which candidates fit."""
    lacking = next((s for s, q in enumerate(quota) if len(taken[s]) < q), None)
    if lacking is None:
        return
    kept, everyone = sum(map(len, taken)), end == available
    rate = f" ({100 * kept / screened:.3g} %)" if screened else ""
    words = recruitment.screening.words or "the strata"
    stratum = ""
    if recruitment.strata:
        stratum = f"; the stratum {recruitment.strata[lacking].name} has {len(taken[lacking])} of {quota[lacking]}"
    asked = f"n = {n} asks for {n - kept} more" if n is not None else "nobody is left to treat"
    raise InputError(
        f"population: of {'all ' if everyone else ''}{end} candidates {screened} were screened and {kept} fit {words}"
        f"{rate}{stratum}; {asked}: loosen the limits{', lower n' if n is not None else ''}"
        f"{'' if everyone else ' or raise most_screened'}."
    )
