"""Power and assurance of a trial of n patients per arm, from one finished run.

Every patient of the run has been in all its arms, so its means, SDs and correlations are known; a trial has other
patients, of whom each is in one arm (parallel groups) or in both (paired).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pulsatile.engine.checks import choices, is_whole
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.analyse import finished
from pulsatile.sweeps.analysis.trials.power_curve import ENDS, curve_of
from pulsatile.sweeps.analysis.trials.power_result import COLUMNS, Power, needed_sentences, nnt_sentence
from pulsatile.sweeps.analysis.trials.power_values import MEASURES, Compared, compared
from pulsatile.sweeps.contrast import check_arm
from pulsatile.sweeps.disk.check import open_results
from pulsatile.sweeps.study.resolve import ResolvedStudy
from pulsatile.sweeps.summary.paired_statistics import LEVEL, Statistics, moments, statistics
from pulsatile.sweeps.summary.shares import wilson
from pulsatile.sweeps.summary.success import Success, success_of

SIZES = (20, 30, 50, 75, 100, 150, 200, 300, 400, 500)
LARGEST = 10_000
TRIALS, DRAWS = 1000, 1000
DESIGNS = ("parallel", "paired")


def power(
    folder: str | Path,
    endpoint: str,
    *,
    arm: str,
    against: str | None = None,
    week: float | None = None,
    n: Sequence[int] = SIZES,
    measure: str = "change",
    design: str = "parallel",
    success: str | None = None,
    responder: str | None = None,
    trials: int = TRIALS,
    draws: int = DRAWS,
    seed: int = 1,
) -> Power:
    """Return how likely a trial of ``n`` patients per arm is to succeed, for each n.

    Parameters
    ----------
    folder
        Folder of a finished run.
    endpoint
        A variable of the run such as "vat" or "clamp_m", or a named event such as "vat_responder".
    arm, against
        The arm, and the one that it is compared with; default the run's control.
    week
        Treatment week; default the last one with a value.
    n
        Patients per arm, or pairs.
    measure
        What a patient counts with: the "change" from week 0, the same in "percent", or the "value".
    design
        "parallel": groups of different patients; "paired": each patient is in both arms.
    success
        When a trial succeeds, such as "difference < 0 at p < 0.05" (two-sided p); default on the side on which the
        run's own difference is, at p < 0.05.
    responder
        Compare shares of responders in place of means: the rule on the measure, such as "<= -8".
    trials
        Trials drawn from the run's patients for each n.
    draws, seed
        Draws of the uncertainty of the run, and the seed of all draws.

    Raises
    ------
    FolderRefuses, Damage
        As `analysis.analyse.analyse`.
    InputError
        For a name, week or rule that the run does not have, and for patients who do not differ.
    """
    import pandas as pd

    _check(n, measure, design, trials, draws, seed)
    run = finished(folder)
    if run.resolved.population.design is not None:
        raise InputError(f"{folder} is a run of a design, whose points are no patients; give a run of a population.")
    dataset = open_results(run)
    against = run.resolved.control if against is None else against
    arms = [str(name) for name in dataset["arm"].values]
    check_arm("arm", arm, arms)
    check_arm("against", against, arms)
    if arm == against:
        raise InputError(f"arm = {arm!r} is compared with itself; give another as against.")
    rows = arms.index(arm), arms.index(against)
    data = compared(dataset, endpoint, rows, week, measure, responder)
    paired = design == "paired"
    if data.of_events and paired:
        raise InputError("design = paired is for means; shares of responders are compared in parallel groups.")
    scale = 100.0 if data.of_events else 1.0
    weights = data.weights if data.weighted else None
    point = statistics(scale * data.arm, scale * data.control, weights, of_events=data.of_events)
    rule = Success("<" if point.difference < 0 else ">") if success is None else success_of(success)
    if data.of_events and rule.margin != 0:
        raise InputError(f"success = {success!r}: shares of responders are compared with the margin 0; write 0.")
    rng = np.random.default_rng(seed)
    curve = curve_of(data, rule, paired, draws, rng)
    table = []
    for size in map(int, n):
        uncertain, share = curve.uncertain(size), curve.simulated(size, trials, rng)
        low, high = map(float, np.quantile(uncertain, ENDS))
        table.append((size, curve.at(size), low, high, float(uncertain.mean()), share, *wilson(share, trials, LEVEL)))
    sentences = [_head(data, point, rule, success is None), *needed_sentences(curve, paired)]
    sentences += [nnt_sentence(point, data.desired)] if data.of_events else []
    sentences += _limits(run.resolved, paired)
    label = f"{data.what}, {arm} against {against}, week {data.week:g}, {design}"
    return Power(pd.DataFrame(table, columns=list(COLUMNS)), label, rule.words, tuple(sentences))


def _head(data: Compared, point: Statistics, rule: Success, by_default: bool) -> str:
    """Return what the run itself shows, in words."""
    unit = f" {data.unit}" if data.unit else ""
    own = f"difference {point.difference:.4g}{unit} (95 % interval {point.low:.4g} to {point.high:.4g})"
    count = f"In the run, {len(data.arm)} patients in both arms: {own}"
    if not data.of_events:
        sds = [moments(values, data.weights)[1] for values in (data.arm, data.control, data.arm - data.control)]
        count += f", SD {sds[0]:.4g} and {sds[1]:.4g}, of the paired differences {sds[2]:.4g}"
    side = f"; success is on the side of that difference ({rule.words})" if by_default else ""
    return f"{count}{side}."


def _limits(resolved: ResolvedStudy, paired: bool) -> list[str]:
    """Return what the power leaves out, in words."""
    sentences = [
        "The interval is of the run's number of patients; that the model may be wrong is not in it."
        + ("" if resolved.population.people is None or not resolved.population.people.layers.uncertainty else
           " The typical values are one draw of their uncertainty.")
    ]  # fmt: skip
    residual = resolved.population.people is not None and resolved.population.people.layers.residual
    if not residual:
        sentences.append("The run has no assay noise (layers: {residual: true} adds it), so measured values vary more.")
    if paired:
        noise = " and the same assay noise" if residual else ""
        sentences.append(
            f"In pairs both arms have the same days{noise}, so what differs between two occasions of a patient is left "
            "out; a crossover trial needs more patients."
        )
    return sentences


def _check(n: Sequence[int], measure: str, design: str, trials: int, draws: int, seed: int) -> None:
    sizes = list(n) if isinstance(n, list | tuple | range | np.ndarray) else []
    if not sizes or any(not is_whole(size) or not 2 <= size <= LARGEST for size in sizes):
        raise InputError(f"n = {n!r} is not a list of whole numbers from 2 to {LARGEST}; give for example 20, 50, 100.")
    if sorted(set(sizes)) != sizes:
        raise InputError(f"n = {', '.join(map(str, sizes))} is not in ascending order, each once; sort it.")
    for name, value, allowed in (("measure", measure, MEASURES), ("design", design, DESIGNS)):
        if value not in allowed:
            raise InputError(f"{name} = {value!r} is unknown: {choices(value, allowed)}.")
    for name, number, least, most in (
        ("trials", trials, 100, 100_000),
        ("draws", draws, 100, 10_000),
        ("seed", seed, 0, 2**63),
    ):
        if not is_whole(number) or not least <= number <= most:
            raise InputError(f"{name} = {number!r} must be a whole number from {least} to {most}.")
