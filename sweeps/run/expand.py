"""Expansion of a finished run by patients, arms or weeks: the old part stays bit for bit, only new work is done.

The larger run is an ordinary run in the subfolder ``expanding``, whose chunks reuse the values of the finished one.  At
its end it takes the place of the finished run by renames, which any later command completes if they were cut short.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from pulsatile.engine.arrays import usual_float_errors
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dose_rule import MOST_WEEKS
from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.arms import check_arms, check_doses
from pulsatile.engine.trial.plan import TestAt
from pulsatile.sweeps.disk import side
from pulsatile.sweeps.disk.check import without_states
from pulsatile.sweeps.disk.files import sweep, writing
from pulsatile.sweeps.disk.folder import RunFolder, unfinished
from pulsatile.sweeps.disk.lock import check_run, held, refuse_held
from pulsatile.sweeps.disk.side import GROWING
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.run.begin import begin_run
from pulsatile.sweeps.run.compare import differences, refuse_other_inputs
from pulsatile.sweeps.run.driver import Outcome, drive
from pulsatile.sweeps.run.estimate import chunk_size
from pulsatile.sweeps.run.inputs import changed_files, named_files
from pulsatile.sweeps.run.progress import Progress, SilentProgress
from pulsatile.sweeps.run.settle import growing, refuse_damaged, settle
from pulsatile.sweeps.study.arms import ArmEntry
from pulsatile.sweeps.study.fields import MOST_PATIENTS
from pulsatile.sweeps.study.patients import ResolvedPopulation, recruited, with_design
from pulsatile.sweeps.study.read import sentences
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve
from pulsatile.sweeps.study.schema import Study
from pulsatile.sweeps.study.tables.table import patient_count
from pulsatile.sweeps.workers.preflight import refuse_unusable
from pulsatile.sweeps.workers.resources import Resources
from pulsatile.sweeps.workers.workers import capacity

FREE = ("title", "weeks", "arms", "control", "outputs", "reductions", "tests", "matched")
"""Entries of a resolved study that an expansion may change (arms and weeks may only grow)."""


@dataclass(frozen=True)
class Growth:
    """The new size: total patients, weeks or replicates of a design, further arms; or the whole larger ``study``."""

    patients: int | None = None
    weeks: float | None = None
    arms: tuple[tuple[str, str], ...] = ()
    """(name, preset) each."""
    study: Study | None = None
    replicates: int | None = None

    def words(self) -> str:
        """Return the growth as options of the command line."""
        options = [] if self.patients is None else [f"--patients {self.patients}"]
        options += [] if self.weeks is None else [f"--weeks {self.weeks:g}"]
        options += [] if self.replicates is None else [f"--replicates {self.replicates}"]
        options += [f"--arm {name}={preset}" for name, preset in self.arms]
        return " ".join(options) if self.study is None else "another study"


@usual_float_errors
def expand(
    path: str | Path,
    growth: Growth,
    resources: Resources = Resources(),
    progress: Progress | None = None,
    source: str = "",
    settings: tuple[str, ...] = (),
) -> Outcome:
    """Make a finished run larger, in its folder.

    The result has the identity, values and digest of one fresh run of the full size.  Existing patients and arms are
    kept, longer runs go on from the stored end states, other outputs are computed anew; until all is done the finished
    run stays as it is.

    Raises
    ------
    InputError
        Where an entry would change that an expansion may not change.
    FolderRefuses, Damage
        Where the run is not finished, or differs from what was committed.
    """
    refuse_unusable(resources)
    progress, path, begin = progress or SilentProgress(), Path(path), time.perf_counter()
    check_run(path)
    refuse_held(path)
    with writing(path), held(path, {"command": f"expand {path}"}, progress.note) as lock:
        settle(path)
        if growing(path):
            raise FolderRefuses(
                f"{path} has an expansion that is not finished; go on with it by `pulsatile resume {path}`, or delete "
                f"{path / GROWING} to give it up."
            )
        old = RunFolder.open(path)
        side.refuse_taken(path, old)
        resolved = refuse_other_inputs(old)
        if not old.digest:
            raise FolderRefuses(f"{path} is not finished ({old.state}); {unfinished(old)}.")
        for sentence in changed_files(old, resolved.population):
            progress.note(sentence)
        if resolved.population.recruitment is not None and growth.patients is not None:
            progress.note("Screening further candidates ...")
        grown = _grown(resolved, growth, resources)
        _check(resolved, grown)
        progress.note("Checking the run that is expanded ...")
        refuse_damaged(path)
        for sentence in (*_announcements(resolved, grown), *_anew(old)):
            progress.note(sentence)
        folder = _begin(old, grown, growth, resources, source, settings)
        return settle(path, drive(folder, grown, resources, progress, begin, lock))


def _grown(resolved: ResolvedStudy, growth: Growth, resources: Resources) -> ResolvedStudy:
    """Return the larger study."""
    threads = resources.spread(resolved.solver.device).planning_threads
    if growth.study is not None:
        return resolve(growth.study, threads)
    population = _more_patients(resolved, growth, threads)
    weeks = resolved.weeks if growth.weeks is None else float(growth.weeks)
    if not weeks <= MOST_WEEKS:
        raise InputError(f"--weeks {weeks:g} is too large or no number: at most {MOST_WEEKS:g} are allowed.")
    further = tuple(_arm(name, preset) for name, preset in growth.arms)
    tests = tuple(_also_at_the_end(test, resolved.weeks, weeks) for test in resolved.tests)
    changes = {"population": population, "weeks": weeks, "tests": tests, "arms": resolved.arms + further}
    return resolved.model_copy(update=changes)


def _more_patients(resolved: ResolvedStudy, growth: Growth, threads: int) -> ResolvedPopulation:
    """Return the larger population, or design; further candidates are screened where patients were recruited."""
    population = resolved.population
    if population.design is not None:
        if growth.patients is not None:
            raise InputError("the run has a design, which sets the number of points; give --replicates.")
        return with_design(population, population.design.grown(growth.replicates))
    if growth.replicates is not None:
        raise InputError("--replicates is for a run with a design, and this run has none; give --patients.")
    n = population.n if growth.patients is None else growth.patients
    if n > MOST_PATIENTS:
        raise InputError(f"--patients {n} is too large: at most {MOST_PATIENTS} are allowed.")
    if population.recruitment is not None and n > population.n:
        return recruited(population, n, resolved.seed, resolved.solver, threads)
    if population.table is not None:
        patient_count(n, population.first, population.table.rows, "the population of the run")
    return population.model_copy(update={"n": n})


def _arm(name: str, preset: str) -> Arm:
    try:
        return ArmEntry(name=name, preset=preset).resolved()
    except ValidationError as error:
        raise sentences(error, ArmEntry, f"--arm {name}={preset}") from None


def _also_at_the_end(test: TestAt, was: float, weeks: float) -> TestAt:
    """Return ``test``, with the new end added where it was made at the old end."""
    if weeks <= was or test.weeks[-1] != was or weeks != int(weeks):
        return test
    return replace(test, weeks=(*test.weeks, weeks))


def _check(was: ResolvedStudy, now: ResolvedStudy) -> None:
    """Refuse a change that is not an expansion."""
    run, wanted = (study.model_dump(mode="json", exclude=set(FREE)) for study in (was, now))
    for data in (run, wanted):
        del data["population"]["n"], data["population"]["recruited"]
        if data["population"]["recruitment"] is not None:
            del data["population"]["recruitment"]["most"]
        if data["population"]["design"] is not None:
            del data["population"]["design"]["replicates"]
    if changed := list(differences(run, wanted)):
        raise InputError(f"an expansion cannot change this: {'; '.join(changed)}; start a new run.")
    for name, old, new, unit in (
        ("patients", was.population.n, now.population.n, ""), ("weeks", was.weeks, now.weeks, " weeks"),
    ):  # fmt: skip
        if new < old:
            raise InputError(f"{name} = {new:g} is fewer than the {old:g}{unit} of the run; give at least that.")
    lost = [arm.name for arm in was.arms if arm.treatment not in {a.treatment for a in now.arms}]
    if lost:
        raise InputError(f"arm {', '.join(lost)} of the run is not in the larger study; an expansion keeps every arm.")
    if now.matched and now.population.table is not None and now.population.n > was.population.n:
        raise InputError(
            f"arm {now.matched[0].arm} is matched on the {was.population.n} patients of the run, and more patients "
            f"have another dose; start a new run, or write the dose ({now.matched[0].dose_mg:g} mg) in the study."
        )
    check_arms(now.arms, now.plan())
    check_doses(now.arms, now.weeks)
    if now.identity == was.identity:
        raise InputError("the run has all that already; give more --patients, --weeks or an --arm.")


def _announcements(was: ResolvedStudy, now: ResolvedStudy) -> list[str]:
    """Return the sentences for the user before the work begins."""
    plan, earlier = now.plan(), was.plan()
    reason = "" if plan == earlier else plan.goes_on_from(earlier)
    sentences = [f"Everything but the run-in is computed anew: {reason}."] if reason else []
    if now.population.recruited is not None and now.population.n > was.population.n:
        sentences.append(now.population.screening_sentence)
    for test, before in zip(now.tests, was.tests, strict=False):
        if test.weeks != before.weeks and test.test == before.test:
            sentences.append(f"Test {test.test} at weeks {', '.join(f'{week:g}' for week in test.weeks)}.")
    return sentences


def _anew(old: RunFolder) -> list[str]:
    """Return a sentence on the patients whose states were not stored with their results."""
    missing = without_states(old)
    if not missing or not old.states.exists():  # deleted by its owner, who knows it
        return []
    count = sum(stop - first for first, stop in missing)
    return [
        f"{count} of {old.facts['patients']} patients have no run-in and end states, because {old.states.name} was not "
        "there when they were committed; they are computed anew."
    ]


def _begin(
    old: RunFolder, grown: ResolvedStudy, growth: Growth, resources: Resources, source: str, settings: tuple[str, ...]
) -> RunFolder:
    """Make the folder of the larger run inside the finished one."""
    wanted = replace(resources, gate=old.gate)
    spread = resources.spread(grown.solver.device)
    slots, room = spread.slots, spread.room
    if resources.scheduler is not None:  # before any work, so that a wrong address leaves nothing behind
        slots, room = capacity(resources.scheduler, grown.solver.device)
    chunk = chunk_size(grown, grown.plan(), resources.chunk, slots, room)
    step = {"identity": old.facts["identity"], "digest": old.digest, "certified": old.end["certified"]}
    expanded = [*old.facts.get("expanded", []), step | {"by": growth.words()}]
    facts = {"command": old.facts["command"], "expanded": expanded}
    facts |= {"settings": list(settings)} if source else {"settings": old.facts["settings"]}
    facts["reads"] = old.facts.get("reads", {}) if growth.study is None else named_files(growth.study)
    source = source or (old.path / "study.yaml").read_text(encoding="utf-8")
    sweep(old.path)
    side.make(old.path, GROWING, old.facts["identity"], old.digest)
    return begin_run(old.path / GROWING, grown, wanted, chunk, source, facts)
