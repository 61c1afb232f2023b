"""``import pulsatile as pu``: cheap, complete, and ours."""

import subprocess
import sys
from pathlib import Path

import pulsatile as pu


def test_every_public_name_can_be_had() -> None:
    assert len(set(pu.__all__)) == len(pu.__all__) >= 40
    for name in pu.__all__:
        assert getattr(pu, name) is not None
        assert name in dir(pu)


def test_names_agreed_on_are_there() -> None:
    agreed = (
        "InputError Status Cohort PHENOTYPES virtual_cohort Dose Arm preset PRESETS Solver Plan TestAt "
        "TestSettings TestDose simulate template OUTPUTS load_study run"
    )
    assert set(agreed.split()) <= set(pu.__all__)


def test_an_unknown_name_is_an_error_that_proposes_the_right_one() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import pulsatile as pu; pu.simulte"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "Did you mean: 'simulate'" in run.stderr


def test_import_costs_nothing() -> None:
    code = (
        "import sys, time\nbegin = time.process_time()\nimport pulsatile\nspent = time.process_time() - begin\n"
        "assert not {'numpy', 'numba', 'xarray', 'pydantic'} & set(sys.modules)\nprint(spent)"
    )
    spent = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(spent) < 0.1


def test_stray_modules_called_as_our_folders_do_not_matter(tmp_path: Path) -> None:
    for name in ("engine", "sweeps"):
        (tmp_path / f"{name}.py").write_text("raise SystemError('not ours')")
    root = Path(pu.__file__).resolve().parents[1]
    first = [str(tmp_path), str(root)]
    code = f"import sys; sys.path[:0] = {first}; from pulsatile import Arm; print(Arm('x').name)"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "x"), run.stderr


def test_a_typical_session() -> None:
    cohort = pu.virtual_cohort(2, "obese", seed=3)
    arms = [pu.Arm("no treatment"), pu.preset("tesamorelin_label")]
    plan = pu.Plan(weeks=1, tests=(pu.TestAt("fasting", (0, 1)),))
    dataset = pu.simulate(cohort, arms, plan)
    assert dataset["igf1"].dims == ("arm", "patient", "time")
    summary = pu.summarise(dataset, "no treatment")
    arms = summary.frame.groupby("arm", sort=False)["difference"]
    assert list(arms.groups) == ["no treatment", "tesamorelin_label"]
    assert (arms.get_group("no treatment") == 0.0).all()
    assert "paired difference to no treatment" in repr(summary)


def test_version_is_one() -> None:
    import tomllib

    root = Path(pu.__file__).resolve().parent.parent
    if (root / "pyproject.toml").exists():
        assert tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"] == pu.__version__
