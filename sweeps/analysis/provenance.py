"""Where results come from: study, seed, digest, versions, date, as the attributes of every analysis."""

from pulsatile.sweeps.disk.folder import RunFolder, environment, now
from pulsatile.sweeps.study.resolve import ResolvedStudy

PROVENANCE = ("study", "run", "seed", "digest", "versions", "date")
"""Names of the attributes, in the order in which a page shows them."""
_SHOWN = ("pulsatile", "python", "numpy", "numba")


def of_run(run: RunFolder) -> dict[str, str]:
    """Return the provenance of a finished run."""
    return _facts(run.resolved, str(run.facts["name"]), run.facts["versions"], str(run.facts["started"])) | {
        "digest": run.digest
    }


def of_study(resolved: ResolvedStudy) -> dict[str, str]:
    """Return the provenance of runs made here and now, which have no folder and no digest."""
    return _facts(resolved, "", environment()["versions"], now())


def _facts(resolved: ResolvedStudy, name: str, versions: dict[str, str], date: str) -> dict[str, str]:
    study = ", ".join(filter(None, (resolved.title, name))) or "without a title"
    words = ", ".join(f"{package} {versions[package]}" for package in _SHOWN if package in versions)
    return {"study": study, "run": resolved.identity, "seed": str(resolved.seed), "versions": words, "date": date}
