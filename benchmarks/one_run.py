"""One measured sweep in a process of its own: ``python -m benchmarks.one_run '{"patients": 1000, "weeks": 1}'``.

Prints one JSON line: seconds, CPU seconds, largest memory of this process and of its largest worker, bytes stored.
Keys: patients, weeks, every (h), arms, chunk, workers, threads; cluster: number of workers of a Dask cluster started
beforehand; run_in: false starts every patient from the closed-form fasting state, so that many patients can be measured
without their 28-day run-ins.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ARMS = ("control", "tesamorelin_label", "rhgh_mid", "sermorelin_1mg_bid", "rhgh_low")
TASKS = 200
DEFAULTS: dict[str, Any] = {
    "patients": 1000, "weeks": 1.0, "every": 168.0, "arms": 1, "chunk": None, "workers": 0, "threads": 1, "cluster": 0,
    "run_in": True,
}  # fmt: skip


def start_at_rest() -> None:
    """Put the closed-form fasting state in place of the run-in, in this process."""
    from pulsatile.engine import simulate
    from pulsatile.engine.patients.basal import fasting_state
    from pulsatile.engine.patients.pulses import block_events
    from pulsatile.engine.patients.run_in import Baseline

    def at_rest(cohort: Any, **others: Any) -> Baseline:
        record = cohort.parameters.copy()
        zeros = np.zeros(len(cohort), np.int8)
        return Baseline(cohort, record, fasting_state(record), block_events(cohort), zeros, zeros.astype(np.int64))

    simulate.run_in = at_rest  # type: ignore[assignment]


def study(given: dict[str, Any]) -> Any:
    """Return the study: obese patients, IGF-1 and visceral fat on a grid, one weekly mean."""
    from pulsatile.sweeps.study.schema import study_from

    return study_from(
        {
            "weeks": given["weeks"],
            "seed": 3,
            "population": {"n": given["patients"], "phenotype": "obese"},
            "arms": [{"name": name, "preset": name} for name in ARMS[: given["arms"]]],
            "outputs": {"names": ["igf1", "vat"], "every": f"{given['every']:g} h"},
            "reductions": {"names": ["gh_mean"] if given["weeks"] >= 1 else [], "every": "1 week"},
            "tests": [],
        },
        "benchmark",
    )


def measure(given: dict[str, Any]) -> dict[str, Any]:
    """Carry the run out and return its figures."""
    from pulsatile.sweeps.run.run import Resources, run

    given = DEFAULTS | given
    if not given["run_in"]:
        start_at_rest()
    cpu = _cpu()
    with tempfile.TemporaryDirectory() as folder, _cluster(given) as cluster:
        resources = Resources(given["chunk"], given["workers"], given["threads"], cluster.get("address"))
        begin = time.perf_counter()
        outcome = run(study(given), Path(folder) / "run", resources)
        wall = time.perf_counter() - begin
        files = [f.stat().st_size for f in outcome.folder.rglob("*") if f.is_file()]
        lines = [json.loads(line) for line in (outcome.folder / "journal.jsonl").read_text().splitlines()]
        journal = [line for line in lines if line["kind"] == "chunk"]
    return given | {
        "code": int(outcome.code), "wall": wall, "cpu": _cpu() - cpu, "chunks_wall": outcome.seconds["integration"],
        "chunks": len(journal), "simulate": sum(r["seconds"] for r in journal),
        "write": sum(r["write_seconds"] for r in journal), "bytes": sum(files), "files": len(files),
        "patient_days": 7 * given["weeks"] * given["patients"] * given["arms"],
        "memory_mb": _largest(resource.RUSAGE_SELF), "worker_mb": _largest(resource.RUSAGE_CHILDREN), **cluster,
    }  # fmt: skip


@contextmanager
def _cluster(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Start the wanted Dask cluster; yield its address, seconds to start, and seconds of one task that does nothing."""
    if not given["cluster"]:
        yield {}
        return
    from distributed import Client, LocalCluster

    begin = time.perf_counter()
    with (
        LocalCluster(n_workers=given["cluster"], threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        started = time.perf_counter() - begin
        if not given["run_in"]:
            client.run(start_at_rest)
        client.gather([client.submit(int, k) for k in range(20)])
        begin = time.perf_counter()
        client.gather([client.submit(int, 100 + k) for k in range(TASKS)])
        nothing = (time.perf_counter() - begin) / TASKS
        yield {"address": cluster.scheduler_address, "start": started, "nothing": nothing}


def _cpu() -> float:
    """Return the CPU seconds of this process and of those it has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _largest(who: int) -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kB elsewhere
    return resource.getrusage(who).ru_maxrss / unit


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
