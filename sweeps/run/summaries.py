"""The summaries of a finished run, from its results."""

from typing import TYPE_CHECKING

from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.errors import Damage
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.summary.as_run import TrialSummary, is_a_trial, trial_summary
from pulsatile.sweeps.summary.summarise import Summary, summarise

if TYPE_CHECKING:
    import xarray as xr


def summary_of(folder: RunFolder, resolved: ResolvedStudy, results: "xr.Dataset") -> Summary:
    """Return the summary of a run from its results, which were checked; `Damage` where they cannot be read."""
    try:
        return summarise(results, resolved.control)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise _unreadable(folder, error) from None


def _unreadable(folder: RunFolder, error: Exception) -> Damage:
    reason = " ".join(str(error).split())[:100]
    return Damage(f"{folder.path}: the results cannot be read ({reason}); `pulsatile heal {folder.path}` mends them.")


def trial_of(folder: RunFolder, resolved: ResolvedStudy, results: "xr.Dataset") -> TrialSummary | None:
    """Return the summary of the trial as run; None where nothing but the ordinary summary is asked for."""
    if not is_a_trial(results):
        return None
    try:
        return trial_summary(results, resolved.control)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise _unreadable(folder, error) from None
