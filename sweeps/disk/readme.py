"""The README of a run's folder."""

from pulsatile.engine.drugs.presets import EXTRAPOLATION, EXTRAPOLATION_WORDS, standing
from pulsatile.sweeps.disk.journal import Entry
from pulsatile.sweeps.study.resolve import ResolvedStudy

_README = """# {title}

A run of virtual patients by pulsatile {version}. **Research model, not for clinical use.**

| file | what it holds |
|---|---|
| study.yaml | the study as it was given{settings} |
| resolved.json | the study with every default and every matched dose as a number |
| manifest.json | state, versions, identity, digest, counts, failures, SHA-256 of files |
| journal.jsonl | what happened: beginning, a line per committed chunk of patients, end with digest |
| commits/ | a commit record per chunk, with the SHA-256 of every file it wrote |
| results.zarr | all results: dims arm, patient, time (h) and the tests' own |
| patients.zarr | covariates and status as committed, chunk by chunk; results.zarr has them in one piece |
| states.zarr | run-in and end states (float64), from which `pulsatile expand` goes on; may be deleted |
| summary.csv | means, paired differences to the control arm, 95 % intervals; of a finished run |{trial}

{arms}

```python
import pulsatile as pu
ds = pu.open_dataset(".")             # in this folder; or xr.open_zarr("results.zarr", chunks=None)
ok = ds.where(ds.status == 0)         # a missing value is always explained by {why}
print(ok.{output}.mean("patient").to_pandas())
```

Times are hours since Monday 00:00 of treatment day 1; week k ends at 168 k h.

`pulsatile status`, `resume`, `expand`, `verify`, `heal` and `digest` take this folder. The digest is a hash of the
stored values, equal for any chunk size, number of workers and interruption on one kind of machine ({platform}).

{notes}

Identity of the run: {identity}
"""


_TRIAL = "\n| trial.csv | the trial as it would be run: contrasts of the patients allocated, completers too |"


def _arms(resolved: ResolvedStudy) -> str:
    """Return the table of the arms with their standing, and what an extrapolation is."""
    rows = ["| arm | doses | standing |", "|---|---|---|"]
    marks = {arm.name: standing(arm, resolved.population.kinds) for arm in resolved.arms}
    cells = [(arm.name, arm.dose_words, marks[arm.name]) for arm in resolved.arms]
    rows += [f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |" for row in cells]
    if EXTRAPOLATION in marks.values():
        rows += ["", f"*{EXTRAPOLATION}*: {EXTRAPOLATION_WORDS}."]
    return "\n".join(rows)


def readme(resolved: ResolvedStudy, facts: Entry) -> str:
    """Return the text of a run's README."""
    settings = f", with {' '.join(facts['settings'])}" if facts.get("settings") else ""
    steps = [step["by"] for step in facts.get("expanded", []) if step["by"].startswith("--")]
    settings += f"; then expanded by {', then '.join(steps)}" if steps else ""
    notes = (
        resolved.population.screening_sentence, resolved.approximation or "Every day is integrated.",
        *resolved.of_the_trial,
    )  # fmt: skip
    return _README.format(
        title=resolved.title or facts["name"], version=facts["versions"]["pulsatile"], identity=facts["identity"],
        output=resolved.outputs.names[0], settings=settings, platform=facts["platform"],
        arms=_arms(resolved), notes="\n\n".join(filter(None, notes)),
        trial="" if resolved.groups is None and resolved.dropout is None else _TRIAL,
        why="status" if resolved.dropout is None else "status or dropped_week",
    )  # fmt: skip
