"""The folder of a new run, with its empty stores."""

from pathlib import Path

from pulsatile.engine.dataset import template
from pulsatile.sweeps.chunk.compute import state_columns
from pulsatile.sweeps.disk import store
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.disk.one_piece import PATIENTS, empty_rows
from pulsatile.sweeps.disk.store import RESULTS, STATES
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.summary.allocation import design_coordinates
from pulsatile.sweeps.workers.resources import Resources


def begin_run(
    path: Path, resolved: ResolvedStudy, resources: Resources, chunk: int, source: str, facts: dict[str, object]
) -> RunFolder:
    """Make the folder of a run with its empty stores."""
    spread = resources.spread(resolved.solver.device)
    n, arms = resolved.population.n, len(resolved.arms)
    facts = facts | {"seed": resolved.seed, "patients": n, "arms": arms, "chunk": chunk, "chunks": -(-n // chunk)}
    facts |= {
        "workers": spread.workers,
        "threads": spread.threads,
        "gate": 0.05 if resources.gate is None else resources.gate,
    }
    facts["approximation"] = resolved.approximation or "none: every day is integrated"
    return RunFolder.create(path, source, resolved, facts, empty_stores(resolved, chunk))


def empty_stores(resolved: ResolvedStudy, chunk: int) -> dict[str, bytes]:
    """Return the files of a run's stores before anything has run, by path relative to its folder."""
    population, n, arms = resolved.population, resolved.population.n, len(resolved.arms)
    whole = template(population.labels(0, n), resolved.arms, resolved.plan(), population.covariates, population.kinds)
    whole = whole.assign_coords(design_coordinates(resolved.groups, resolved.crossover, whole))
    attrs = {"identity": resolved.identity, "seed": resolved.seed, "control": resolved.control}
    attrs |= {"title": resolved.title} if resolved.title else {}
    attrs["resolved_study"] = resolved.model_dump_json()  # describes a copied store; a second copy for `heal`
    columns = state_columns(resolved)
    shapes = {
        "baseline": (("patient", "column"), (n, columns.baseline)),
        "ends": (("arm", "patient", "number"), (arms, n, columns.ends)),
    }
    files = {f"{RESULTS}/{k}": data for k, data in store.template_files(whole, chunk, resolved.dtype, attrs).items()}
    of_arms = 1 if resolved.dropout is None else 2  # status, and when patients leave
    rows = empty_rows(n, len(population.covariates), arms, chunk, {"identity": resolved.identity}, of_arms)
    kept = store.plain_files(shapes, chunk, {"identity": resolved.identity})
    files |= {f"{PATIENTS}/{k}": data for k, data in rows.items()}
    return files | {f"{STATES}/{k}": data for k, data in kept.items()}
