"""What belongs to a run lies in its folder: names that stay within it, links that are never followed.

A link inside a run may lead to somebody else's files.  Nothing is written, moved or removed through one; the folder of
the run itself may be reached by a link.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from uuid import uuid4

from pulsatile.sweeps.errors import FolderRefuses


def is_within(name: str) -> bool:
    """Return whether a name, with ``/``, is that of a file below the folder that it is relative to.

    >>> [is_within(name) for name in ("results.zarr/vat/c/0", "../other", "/etc/passwd", "a//b", "")]
    [True, False, False, False, False]
    """
    return "\\" not in name and "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def refuse_links(root: Path, names: Iterable[str]) -> None:
    """Refuse names that lead out of ``root``, and links among the folders on their way; the last part may be a link.

    Raises
    ------
    FolderRefuses
        The sentence names the link.
    """
    seen = set[str]()
    for name in names:
        if not is_within(name):
            raise FolderRefuses(f"{name!r} is not the name of a file in {root}; what a run writes stays in its folder.")
        parts = name.split("/")[:-1]
        seen.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    for place in sorted(seen):
        if (root / place).is_symlink():
            raise linked(root / place)


def linked(path: Path) -> FolderRefuses:
    """Return the refusal of a link inside a run."""
    return FolderRefuses(
        f"{path} is a link, and what belongs to a run must lie in its folder; move the content to that place, or keep "
        "the whole folder of the run elsewhere."
    )


def through_link(root: Path, name: str) -> bool:
    """Return whether a file, or a folder on the way to it, is a link."""
    parts = name.split("/")
    return any((root / "/".join(parts[:depth])).is_symlink() for depth in range(1, len(parts) + 1))


def refuse_sweep(path: Path, record: str) -> None:
    """Refuse the folder of a sweep where that of a run is needed; the sentence names a run of it."""
    if is_file(path / record):
        raise FolderRefuses(f"{path} is a sweep of several runs; give one of them, for example {path}/runs/000.")


def kind_of(path: Path) -> str:
    """Return what stands at a path: a "file", "folder" or "link", "other" (a pipe or device), "" for nothing."""
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return ""
    kinds = ((S_ISREG, "file"), (S_ISDIR, "folder"), (S_ISLNK, "link"))
    return next((kind for test, kind in kinds if test(mode)), "other")


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder, and no link to one."""
    return kind_of(path) == "folder"


def is_file(path: Path) -> bool:
    """Return whether a path is a plain file, and no link to one, no pipe and no device, whose reading may never end."""
    return kind_of(path) == "file"


def refuse_misplaced(root: Path, kinds: Mapping[str, str]) -> None:
    """Refuse a folder where something else stands in place of a "file" or "folder", given by name."""
    for name, wanted in kinds.items():
        kind = kind_of(root / name)
        if kind == "link":
            raise linked(root / name)
        if kind not in ("", wanted):
            raise FolderRefuses(f"{root / name} is not a {wanted}, as that name in a run must be; move it elsewhere.")


def make_way(root: Path, names: Iterable[str]) -> list[Path]:
    """Rename what stands in the way of files below ``root``: links, files for folders, folders for files.

    It keeps its content, under a new name next to the old one; return the new paths.
    """
    return [_set_aside(path) for name in names for path in _in_the_way(root, name)]


def _in_the_way(root: Path, name: str) -> Iterator[Path]:
    *folders, last = name.split("/")
    path = root
    for part in folders:
        path = path / part
        if os.path.lexists(path) and not is_folder(path):
            yield path
            return
    if os.path.lexists(path / last) and not is_file(path / last):
        yield path / last


def _set_aside(path: Path) -> Path:
    new = path.with_name(f"{path.name}.set-aside-{uuid4().hex[:8]}")
    path.rename(new)
    return new
