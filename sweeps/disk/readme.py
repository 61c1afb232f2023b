"""The README of a run's folder."""

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
| states.zarr | run-in and end states (float64), from which `pulsatile expand` goes on; may be deleted |
| summary.csv | means, paired differences to the control arm, 95 % intervals; of a finished run |

```python
import xarray as xr
ds = xr.open_zarr("results.zarr")     # in this folder
ok = ds.where(ds.status == 0)         # a missing value is always explained by status
print(ok.{output}.mean("patient").to_pandas())
```

Times are hours since Monday 00:00 of treatment day 1; week k ends at 168 k h.

`pulsatile status`, `resume`, `expand`, `verify`, `heal` and `digest` take this folder. The digest is a hash of the
stored values, equal for any chunk size, number of workers and interruption on one kind of machine ({platform}).

{approximation}

Identity of the run: {identity}
"""


def readme(resolved: ResolvedStudy, facts: Entry) -> str:
    """Return the text of a run's README."""
    settings = f", with {' '.join(facts['settings'])}" if facts.get("settings") else ""
    steps = [step["by"] for step in facts.get("expanded", []) if step["by"].startswith("--")]
    settings += f"; then expanded by {', then '.join(steps)}" if steps else ""
    return _README.format(
        title=resolved.title or facts["name"], version=facts["versions"]["pulsatile"], identity=facts["identity"],
        output=resolved.outputs.names[0], settings=settings, platform=facts["platform"],
        approximation=resolved.approximation or "Every day is integrated.",
    )  # fmt: skip
