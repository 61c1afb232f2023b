"""A disk that refuses compiled kernels is named: it may be another than that of the results."""

import errno
from pathlib import Path

import pytest

from pulsatile.engine.kernel import _once
from pulsatile.sweeps.disk.files import writing
from pulsatile.sweeps.errors import CannotWrite


def test_a_full_disk_of_kernels_is_the_folder_that_is_named(tmp_path: Path) -> None:
    kernels, run = tmp_path / "kernels", tmp_path / "run"
    kernels.mkdir()
    with (
        pytest.raises(CannotWrite, match=rf"^{kernels} cannot be written \(No space left on device, \d+ bytes free\)"),
        writing(run), _once.locked(kernels / "a.lock"),
    ):  # fmt: skip
        raise OSError(errno.ENOSPC, "No space left on device")


def test_so_is_the_folder_that_numba_compiles_into(tmp_path: Path) -> None:
    class Compiled:
        class stats:
            cache_path = str(tmp_path / "numba")

        signatures = ()

        @staticmethod
        def compile(types: tuple[object, ...]) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as caught:
        _once.Once(Compiled(), tmp_path / "a.lock").prepare(1.0)
    assert caught.value.filename == str(tmp_path / "numba")


def test_an_error_that_names_its_file_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="x") as caught, _once.locked(tmp_path / "a.lock"):
        raise PermissionError(errno.EACCES, "x", "elsewhere")
    assert caught.value.filename == "elsewhere"
