"""Differences between a run and the code, platform and study that would go on with it, in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.disk.check import content
from pulsatile.sweeps.disk.files import sha256
from pulsatile.sweeps.disk.folder import RunFolder
from pulsatile.sweeps.disk.journal import Damaged
from pulsatile.sweeps.disk.store import attributes
from pulsatile.sweeps.errors import Damage, FolderRefuses
from pulsatile.sweeps.run.inputs import same_study, study_of
from pulsatile.sweeps.study.identity import engine_files
from pulsatile.sweeps.study.resolve import ResolvedStudy, resolve

MOST_NAMED = 5


def differences(run: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield the entries in which plain data differ.

    >>> list(differences({"seed": 1, "arms": [{"name": "a"}]}, {"seed": 2, "arms": [{"name": "a"}, {"name": "b"}]}))
    ['seed is 1 in the run, 2 now', "arms[1] is nothing in the run, {'name': 'b'} now"]
    """
    if isinstance(run, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*run, *now)):
            yield from differences(run.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(run, list) and isinstance(now, list):
        for k in range(max(len(run), len(now))):
            was, is_ = (items[k] if k < len(items) else None for items in (run, now))
            yield from differences(was, is_, f"{path}[{k}]")
    elif run != now:
        yield f"{path} is {_shown(run)} in the run, {_shown(now)} now"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:56] + " ..."


def _named(changes: list[str]) -> str:
    more = f" and {len(changes) - MOST_NAMED} more" if len(changes) > MOST_NAMED else ""
    return "; ".join(changes[:MOST_NAMED]) + more


def refuse_other_inputs(folder: RunFolder) -> ResolvedStudy:
    """Return the study of a run; refuse where code, platform or inputs differ from those that it began with.

    Raises
    ------
    FolderRefuses
        Where they differ; the sentence names the difference.
    Damage
        Where a file of the run is not what was written.
    """
    path = folder.path
    refuse_other_engine(folder)
    text = _read(path, "resolved.json")
    if sha256(text.encode()) != folder.begin["files"]["resolved.json"]:
        _refuse_edited(folder, text)
    resolved = folder.resolved
    if resolved.platform != folder.facts["platform"]:
        raise FolderRefuses(
            f"{path} was computed on {folder.facts['platform']}, this machine is {resolved.platform}: the bits would "
            "differ; go on where it began, or start a new run here."
        )
    for name in ("results.zarr/zarr.json", "states.zarr/zarr.json"):
        if name.startswith("states") and not folder.states.exists():  # deleted by its owner
            continue
        if not folder.fits(name, sha256(_read(path, name).encode())):
            raise Damage(f"{path / name} is not what was written; `pulsatile heal {path}` mends it.")
    if sha256(_read(path, "study.yaml").encode()) != folder.begin["files"]["study.yaml"]:
        _refuse_other_study(folder, resolved)
    return resolved


def refuse_other_engine(folder: RunFolder) -> None:
    """Refuse where the engine's sources differ from those of the run."""
    was, now = folder.begin["sources"], engine_files()
    if was == now:
        return
    changed = [
        f"{name} {'is new' if name not in was else 'is gone' if name not in now else 'was changed'}"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    ]
    raise FolderRefuses(
        f"{folder.path} was computed by another version of the engine ({_named(changed)}); go on with the version that "
        f"began it (pulsatile {folder.facts['versions']['pulsatile']}), or start a new run."
    )


def _read(folder: Path, name: str) -> str:
    try:
        return content(folder, name).decode()
    except UnicodeDecodeError:
        raise Damage(f"{folder / name} is not UTF-8 text; `pulsatile heal {folder}` mends it.") from None
    except Damaged as error:
        raise Damage(f"{folder / name} {error}; `pulsatile heal {folder}` mends it.") from None


def _refuse_edited(folder: RunFolder, text: str) -> None:
    """Refuse a changed resolved.json: the sentence names an edit; anything else is damage."""
    try:
        run = ResolvedStudy.from_json(attributes(folder.store)["resolved_study"])
        now = ResolvedStudy.from_json(text)
    except (ValueError, OSError, KeyError):
        raise Damage(f"{folder.path / 'resolved.json'} is damaged; `pulsatile heal {folder.path}` mends it.") from None
    changes = list(differences(run.model_dump(mode="json"), now.model_dump(mode="json"))) or ["its layout"]
    raise FolderRefuses(
        f"{folder.path / 'resolved.json'} was edited since the run began ({_named(changes)}); undo that by "
        f"`pulsatile heal {folder.path}`, or start a new run."
    )


def _refuse_other_study(folder: RunFolder, resolved: ResolvedStudy) -> None:
    """Refuse a study.yaml that was edited to another study; a title or comment may be edited."""
    if same_study(folder):
        return
    path = folder.path / "study.yaml"
    undo = f"undo that by `pulsatile heal {folder.path}`, or start a new run (`pulsatile expand` adds to one)"
    if folder.facts.get("expanded"):
        raise FolderRefuses(f"{path} was edited since the run was expanded; {undo}.")
    try:
        now = resolve(study_of(folder))
    except InputError as error:
        raise FolderRefuses(
            f"{path} was edited since the run began and is not a study now ({error}); {undo}."
        ) from None
    if now.identity != resolved.identity:
        changes = list(differences(resolved.model_dump(mode="json"), now.model_dump(mode="json")))
        raise FolderRefuses(f"{path} was edited since the run began ({_named(changes)}); {undo}.")
