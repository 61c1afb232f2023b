"""The folder of a run: what is in it, and how its files are written."""

import errno
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sweeps.identity import engine_hash
from sweeps.refusals import CannotWrite, FolderRefuses
from sweeps.resolve import ResolvedStudy

PACKAGES = ("pulsatile", "numpy", "numba", "llvmlite", "xarray", "zarr", "dask", "distributed", "pydantic")
STORE = "results.zarr"
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENOENT,
               errno.ENOTDIR, errno.ENAMETOOLONG}  # fmt: skip

_README = """# {title}

A run of virtual patients by pulsatile {version}. **Research model, not for clinical use.**

| file | what it holds |
|---|---|
| study.yaml | the study as it was given |
| resolved.json | the study with every default and every matched dose as a number |
| manifest.json | state, versions, identity, digest, counts, failures, times |
| journal.jsonl | one commit record per chunk of patients, with the SHA-256 of its arrays |
| results.zarr | all results: dims arm, patient, time (h) and the tests' own |
| summary.csv | means, paired differences to the control arm, 95 % intervals; of a finished run |

```python
import xarray as xr
ds = xr.open_zarr("results.zarr")     # in this folder
ok = ds.where(ds.status == 0)         # a missing value is always explained by status
print(ok.{output}.mean("patient").to_pandas())
```

Times are hours since Monday 00:00 of treatment day 1; week k ends at 168 k h.
{identity}
"""


def check_free(path: Path) -> None:
    """Refuse a folder that holds something, a file in its place, and a place where nothing can be written."""
    with _writing(path):
        if path.is_symlink() and not path.exists():
            raise FolderRefuses(f"{path} is a link to nothing; choose another folder with --out.")
        if path.exists() and not path.is_dir():
            raise FolderRefuses(f"{path} is a file; choose a new folder with --out.")
        for parent in path.absolute().parents:
            if parent.exists() and not parent.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "it is a file, not a folder", str(parent))
        if path.is_dir() and any(path.iterdir()):
            what = "holds a run already" if (path / "manifest.json").exists() else "is not empty"
            raise FolderRefuses(f"{path} {what}; choose a new or empty folder with --out.")
        parent = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission", str(parent))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise CannotWrite(
            f"{error.filename or path} cannot be written ({error.strerror or error}); "
            "free space or choose a writable folder with --out."
        ) from error


def write_aside(path: Path, text: str) -> None:
    """Write a file so that it is either old or new, never half."""
    aside = path.with_name(f"{path.name}.tmp")  # made by open, so that it is readable for whom the folder is
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path.absolute()
        self.manifest = manifest

    @classmethod
    def create(cls, path: Path, source: str, resolved: ResolvedStudy, facts: dict[str, Any]) -> "RunFolder":
        """Make the folder and its first files; refuse one that is in use."""
        check_free(path)
        manifest = {"state": "planned", "started": now(), **facts, "engine": engine_hash(), **environment()}
        manifest |= {"patients_done": 0, "failed_patient_arms": 0}
        folder = cls(path, manifest)
        identity = f"Approximation: {facts['approximation'].removeprefix('Approximation: ')}\n\n"
        identity += f"Identity of the run: {facts['identity']}"
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
            (path / "study.yaml").write_text(source, encoding="utf-8")
            (path / "resolved.json").write_text(resolved.model_dump_json(indent=1) + "\n", encoding="utf-8")
            readme = _README.format(
                title=resolved.title or path.name,
                version=manifest["versions"]["pulsatile"],
                identity=identity,
                output=resolved.outputs.names[0],
            )
            (path / "README.md").write_text(readme, encoding="utf-8")
            folder.update()
        return folder

    @property
    def store(self) -> Path:
        """Path of the results."""
        return self.path / STORE

    def update(self, **facts: Any) -> None:
        """Add facts to the manifest."""
        self.manifest |= facts
        with _writing(self.path):
            write_aside(self.path / "manifest.json", json.dumps(self.manifest, indent=1) + "\n")

    @property
    def done(self) -> int:
        """Patients whose chunks are committed."""
        return int(self.manifest["patients_done"])

    @property
    def failed(self) -> int:
        """Failed patient-arms of them."""
        return int(self.manifest["failed_patient_arms"])

    def commit(self, record: dict[str, Any]) -> int:
        """Append the commit record of a chunk to the journal and have it on disk; return its failed patient-arms."""
        with _writing(self.path), (self.path / "journal.jsonl").open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(record, sort_keys=True) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
        failed = sum(int(k) for name, k in record["status"].items() if name != "ok")
        self.manifest["patients_done"] += record["stop"] - record["first"]
        self.manifest["failed_patient_arms"] += failed
        return failed

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an error of the file system into a sentence."""
        with _writing(self.path):
            yield


def now() -> str:
    """Return the time as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> dict[str, Any]:
    """Return versions and the kind of machine."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "versions": versions,
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
    }
