"""What a sweep will need, estimated before it starts."""

from dataclasses import asdict, dataclass
from typing import Any

from pulsatile.sweeps.run.estimate import RunEstimate, estimate, prepare
from pulsatile.sweeps.scenarios.grouping import grouped
from pulsatile.sweeps.scenarios.table import scenarios
from pulsatile.sweeps.study.schema import Study
from pulsatile.sweeps.workers.resources import Resources


@dataclass(frozen=True, repr=False)
class SweepEstimate:
    """What a sweep will need: counts, patient-weeks of all arms, minutes, bytes, and its largest run."""

    scenarios: int
    runs: int
    patient_weeks: float
    minutes: float
    bytes_on_disk: int
    largest: RunEstimate

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as plain data, for programs."""
        return asdict(self) | {"largest": asdict(self.largest) | {"spread": self.largest.spread._asdict()}}

    def lines(self) -> list[str]:
        """Return the estimate in words."""
        size, tasks, *_ = self.largest.lines()
        return [
            f"{self.scenarios} scenarios in {self.runs} run{'s' * (self.runs != 1)}, "
            f"{self.patient_weeks:,.0f} patient-weeks in all arms",
            f"about {self.minutes:.1f} min of integration, from a probe of the largest run",
            f"at most {self.bytes_on_disk / 1e6:.1f} MB on disk before compression",
            f"largest run: {size}; {tasks}",
        ]


def dry_run_of_sweep(study: Study, resources: Resources = Resources()) -> SweepEstimate:
    """Return what a sweep would need on these resources, from a probe of its largest run; nothing is written."""
    rows = scenarios(study)
    ready = [prepare(run.study, resources) for run in grouped(rows)]
    weeks = [one.resolved.population.n * len(one.resolved.arms) * one.resolved.weeks for one in ready]
    largest = ready[weeks.index(max(weeks))]
    of = estimate(largest.resolved, largest.chunk, largest.spread)  # the others by their patient-weeks
    share = sum(weeks) / max(weeks)
    return SweepEstimate(len(rows), len(ready), sum(weeks), of.minutes * share, int(of.bytes_on_disk * share), of)
