"""What is installed: wheel and sdist hold ``pulsatile`` and nothing else, and leave a foreign ``sweeps`` alone."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "runs", "build", "dist", "*.egg-info", "benchmarks")
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"
USE = """
import pulsatile as pu, pulsatile.engine.model, pulsatile.sweeps.study.schema, sweeps
found = pu.simulate(pu.virtual_cohort(2, "obese", seed=1), [pu.preset("control")], pu.Plan(weeks=1))
print(pulsatile.engine.__file__, sweeps.MINE, int(found["status"].max()))
try:
    import engine
except ImportError:
    print("no engine")
"""


def python(*words: str, cwd: Path, **env: str) -> str:
    """Run Python in ``cwd`` and return the last line that it prints."""
    run = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is made from it."""
    place = tmp_path_factory.mktemp("build")
    shutil.copytree(ROOT, place / "checkout", symlinks=True, ignore=LEFT_OUT)
    sdist = place / python("-c", BUILD, "sdist", str(place), cwd=place / "checkout").splitlines()[-1]
    with tarfile.open(sdist) as archive:
        archive.extractall(place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    wheel = place / python("-c", BUILD, "wheel", str(place), cwd=unpacked).splitlines()[-1]
    return sdist, wheel


def modules() -> set[str]:
    """Return the modules of the checkout by the path that they are installed at."""
    rooms = {"engine": "pulsatile/engine", "sweeps": "pulsatile/sweeps", "pulsatile": "pulsatile"}
    return {
        f"{there}/{path.relative_to(ROOT / here).as_posix()}"
        for here, there in rooms.items()
        for path in (ROOT / here).rglob("*.py")
        if not (ROOT / here / path.relative_to(ROOT / here).parts[0]).is_symlink()
    }


def test_the_wheel_holds_pulsatile_and_all_of_it(built: tuple[Path, Path]) -> None:
    names = {name for name in zipfile.ZipFile(built[1]).namelist() if ".dist-info/" not in name}
    assert {name for name in names if name.endswith(".py")} == modules()
    extra = {name for name in names if not name.endswith(".py")}
    assert {"pulsatile/__init__.pyi", "pulsatile/py.typed", "pulsatile/engine/references.bib"} <= extra
    shipped = [path for path in (ROOT / "examples").rglob("*") if path.suffix in (".yaml", ".csv")]
    assert {f"pulsatile/examples/{path.relative_to(ROOT / 'examples').as_posix()}" for path in shipped} <= extra
    assert {path.suffix for path in shipped} == {".yaml", ".csv"}
    assert all(name.startswith("pulsatile/") for name in extra)


def test_the_sdist_holds_what_the_checkout_does(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    there = {name.replace("pulsatile/engine", "engine").replace("pulsatile/sweeps", "sweeps") for name in modules()}
    assert there | {"README.md", "LICENSE", "setup.py", "pyproject.toml", "tests/conftest.py", "do.py"} <= names


@pytest.mark.parametrize("before", [True, False])
def test_a_package_called_sweeps_is_left_alone(built: tuple[Path, Path], tmp_path: Path, before: bool) -> None:
    """Installed beside it, in either order, both work; nothing but ``pulsatile`` is importable of ours."""
    site = tmp_path / "site"

    def foreign() -> None:
        (site / "sweeps").mkdir(parents=True)
        (site / "sweeps" / "__init__.py").write_text("MINE = 'theirs'\n")

    def ours() -> None:
        with zipfile.ZipFile(built[1]) as wheel:  # a wheel of pure Python is installed by unpacking it
            assert not [name for name in wheel.namelist() if (site / name).is_file()]
            wheel.extractall(site)

    for install in (foreign, ours) if before else (ours, foreign):
        install()
    shipped = python("-m", "pulsatile", "examples", "quick", cwd=tmp_path, PYTHONPATH=str(site))
    assert shipped == (ROOT / "examples" / "quick.yaml").read_text(encoding="utf-8").strip()
    where, theirs, status, last = python("-c", USE, cwd=tmp_path, PYTHONPATH=str(site)).split(maxsplit=3)
    assert Path(where).is_relative_to(site)
    assert (theirs, status, last) == ("theirs", "0", "no engine")
