"""The command line: starts at once, teaches, and ends every command with a code and a sentence."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from click.testing import CliRunner, Result

from pulsatile.cli.main import main
from pulsatile.engine.drugs.presets import PRESETS
from pulsatile.sweeps.errors import SCREEN, Exit
from pulsatile.sweeps.workers import workers
from tests.conftest import Write

HEAVY = ("numba", "llvmlite", "xarray", "pandas", "zarr", "dask", "distributed", "scipy")


def called(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"], ["presets"]], ids=" ".join)
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom pulsatile.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("command", ["", *sorted(main.commands)])
def test_help_teaches(command: str) -> None:
    result = called(*([command] if command else []), "--help")
    assert result.exit_code == 0
    assert "xample" in result.output or command == "presets"
    if command in ("", "run", "simulate", "presets"):
        assert "not for clinical use" in result.output


def test_presets_lists_every_row_and_what_is_missing() -> None:
    output = called("presets").output
    for name, row in PRESETS.items():
        assert name in output
        if not row.available:
            assert row.missing.split()[0] in output
    assert output.count("unavailable") == sum(not row.available for row in PRESETS.values())


def test_schema_is_json() -> None:
    assert json.loads(called("schema").output)["title"] == "Study"


def test_examples_are_listed_printed_and_written(tmp_path: Path) -> None:
    """What help proposes to run can be had from an installed package."""
    paths = [path for path in Path("examples").rglob("*") if path.suffix in (".yaml", ".csv")]
    texts = {path.relative_to("examples").as_posix(): path.read_text(encoding="utf-8") for path in paths}
    studies = sorted(name.removesuffix(".yaml") for name in texts if name.endswith(".yaml"))
    listed = [line.split()[0] for line in called("examples").output.splitlines()]
    assert sorted(listed) == studies
    assert ["/" in name for name in listed] == sorted("/" in name for name in listed)  # trials last
    assert called("examples", "quick").output == texts["quick.yaml"]
    assert called("examples", "trials/Kotler2004").output == texts["trials/Kotler2004.yaml"]
    written = called("examples", "--out", str(tmp_path / "examples"))
    assert sorted(written.output.split()) == sorted(str(tmp_path / "examples" / name) for name in texts)
    for name, text in texts.items():
        assert (tmp_path / "examples" / name).read_text(encoding="utf-8") == text
    for words, code in ((("--out", str(tmp_path / "examples")), Exit.CANNOT_WRITE), (("quik",), Exit.BAD_INPUT)):
        result = called("examples", *words)
        assert (result.exit_code, len(result.output.splitlines())) == (code, 1)


def test_a_study_with_a_table_is_written_with_it(tmp_path: Path) -> None:
    printed = called("examples", "own_patients")
    assert printed.stdout == Path("examples/own_patients.yaml").read_text(encoding="utf-8")
    assert "own_patients.csv belongs to it" in printed.stderr
    assert len(called("examples", "own_patients", "--out", str(tmp_path)).output.split()) == 2
    assert called("validate", str(tmp_path / "own_patients.yaml")).exit_code == Exit.DONE


def test_help_proposes_only_studies_that_can_be_had() -> None:
    helps = [called(*([command] if command else []), "--help").output for command in ("", *main.commands)]
    proposed = {name for text in helps for name in re.findall(r"examples/(\w+)\.yaml", text)}
    assert "pulsatile examples --out examples" in helps[0]
    assert proposed
    assert proposed <= {path.stem for path in Path("examples").glob("*.yaml")}


def test_json_of_presets_and_simulate() -> None:
    rows = json.loads(called("presets", "--json").output)["presets"]
    assert [row["name"] for row in rows] == list(PRESETS)
    assert rows[1]["doses"][0] | {"drug": "tesamorelin", "amount": 2.0, "unit": "mg"} == rows[1]["doses"][0]
    told = json.loads(called("simulate", "--patients", "2", "--weeks", "1", "--json").output)
    assert (told["patients"], told["patient_arms"], told["failed"]) == (2, 4, 0)
    assert {row["arm"] for row in told["summary"]} == {"control", "tesamorelin_label"}


def test_json_of_validate(small: dict[str, Any], write: Write) -> None:
    told = json.loads(called("validate", str(write(small)), "--json").output)
    assert (told["valid"], told["patients"], told["weeks"]) == (True, 3, 1.0)
    assert [[rule["doses"] for rule in arm["rules"]] for arm in told["arms"]] == [[], [7]]


def test_validate_tells_doses_and_what_the_last_visit_sees(small: dict[str, Any], write: Write) -> None:
    small["arms"][1]["regimen"][0] |= {"stop": "1 week", "days": ["Mon", "Thu"]}
    output = called("validate", str(write(small))).output
    assert (
        "tesamorelin: tesamorelin 2 mg SC at 08:00 on Mon, Thu, until week 1, 2 doses per patient in 1 weeks." in output
    )
    assert "stops at week 1, so no dose is given on the day of the tests of week 1" in output
    small["arms"][1]["regimen"][0] |= {"stop": "1 h"}
    result = called("validate", str(write(small)))
    assert result.exit_code == Exit.BAD_INPUT
    assert "gives no dose in 1 weeks" in result.output


def test_validate(small: dict[str, Any], write: Write) -> None:
    path = write(small)
    result = called("validate", str(path), "--set", "population.n=12")
    assert result.exit_code == 0
    assert "right; 12 patients in 2 arms for 1 weeks: no treatment, tesamorelin." in result.output


def test_run_prints_the_table_and_leaves_the_results(small: dict[str, Any], write: Write, tmp_path: Path) -> None:
    small["weeks"], small["tests"] = 2, [{"test": "fasting", "weeks": [0, 2]}, {"test": "clamp", "weeks": [0, 2]}]
    out = tmp_path / "with space"
    result = called("run", str(write(small)), "--out", str(out), "--weeks", "1", "--patients", "4", "--workers", "0")
    assert result.exit_code == 0, result.output
    for words in (
        "Fasting glucose",
        "HOMA-IR",
        "Clamp M",
        "Visceral fat",
        "no treatment",
        "tesamorelin",
        "wk 0",
        "wk 1",
    ):
        assert words in result.stdout
    assert "4 virtual patients (obese), 1 weeks, seed 5; 0 of 8 runs failed" in result.stdout
    assert "not for clinical use" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= max(SCREEN, len(f"results: {out}"))
    assert "4/4 patients, 0 failed" in result.stderr
    dataset = xr.open_zarr(out / "results.zarr")
    assert dataset.sizes["patient"] == 4
    assert (out / "study.yaml").read_text() == write(small).read_text()
    assert (out / "summary.csv").read_text().startswith("endpoint,variable,unit,week,arm,n,mean")
    again = called("run", str(write(small)), "--out", str(out))
    assert again.exit_code == Exit.FOLDER_REFUSES
    assert again.stderr.startswith(f"pulsatile: error: {out} holds a run already; go on with it by `pulsatile resume")


def test_the_table_says_what_it_shows(small: dict[str, Any], write: Write, tmp_path: Path) -> None:
    """Arm names as given, labels of the variable that was found, and the last week of any length."""
    small["arms"][1]["name"] = "[red]my_arm"
    small["reductions"] = {"names": ["gh_mean"], "every": "1 day"}
    small["weeks"], small["tests"] = 1 / 7, [{"test": "fasting", "weeks": [0]}]
    out = tmp_path / "run"
    result = called("run", str(write(small)), "--out", str(out), "--workers", "0")
    assert result.exit_code == 0, result.output
    for words in ("[red]my_arm", "IGF-1, 07:00", "GH, window mean", "ug/L, wk 0.142857", "cm2, wk 0.142857"):
        assert words in result.stdout
    lines = (out / "summary.csv").read_text().splitlines()
    assert "nan" not in (out / "summary.csv").read_text()
    assert any(line.startswith("igf1,fasting_igf1,ug/L,0,[red]my_arm,3,") for line in lines)


def test_warm_fills_the_cache(small: dict[str, Any], write: Write) -> None:
    result = called("warm", str(write(small)))
    assert result.exit_code == 0, result.output
    folder = Path(result.stdout.split(", in ")[1].strip())
    assert list(folder.glob("__pycache__/pulsatile_kernel_*.nbc"))


def test_warm_refuses_a_cache_that_cannot_be_used(
    small: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(small)
    monkeypatch.setenv("PULSATILE_CACHE_DIR", str(path))  # a file
    result = called("warm", str(path))
    assert result.exit_code == Exit.CANNOT_WRITE
    assert result.stderr == (
        f"pulsatile: error: {path} cannot be written; set PULSATILE_CACHE_DIR to a folder that can.\n"
    )


def test_a_run_stopped_by_failures_says_so(
    small: dict[str, Any], write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workers.run_chunk
    monkeypatch.setattr(workers, "run_chunk", lambda *given: real(*given) | {"status": {"step_limit": 2}})
    small["population"]["n"] = 30
    result = called("run", str(write(small)), "--out", str(tmp_path / "run"), "--workers", "1", "--chunk", "1")
    assert result.exit_code == Exit.FAILED_PATIENTS
    assert "more than the gate allows, and the run stopped; see status in the dataset." in result.stderr


def test_dry_run_writes_nothing(small: dict[str, Any], write: Write, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = called("run", str(write(small)), "--out", str(out), "--dry-run")
    assert result.exit_code == 0
    for words in ("3 patients x 2 arms x 1 weeks", "MB on disk", "memory per worker", "min of integration", "identity"):
        assert words in result.output
    assert not out.exists()


def test_simulate_is_a_quick_look() -> None:
    result = called("simulate", "--phenotype", "ghd", "--preset", "rhgh_low", "--weeks", "1", "--patients", "3")
    assert result.exit_code == 0, result.output
    for words in ("control", "rhgh_low", "IGF-1", "Lean mass", "3 virtual patients (ghd)", "not for clinical use"):
        assert words in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--phenotype", "fat"), "population.phenotype = 'fat'"),
        (("--preset", "rhgh"), "'rhgh' is not known"),
        (("--patients", "0"), "population.n = 0"),
        (("--weeks", "0"), "weeks = 0"),
        (("--weeks", "inf"), "weeks = inf is not a finite number"),
        (("--weeks", "nan"), "weeks = nan is not a finite number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_simulate_refuses_in_a_sentence(options: tuple[str, ...], words: str) -> None:
    result = called("simulate", *options)
    assert result.exit_code == Exit.BAD_INPUT
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_place_that_cannot_be_written(small: dict[str, Any], write: Write) -> None:
    path = write(small)
    result = called("run", str(path), "--out", str(path / "below"))
    assert result.exit_code == Exit.CANNOT_WRITE
    assert result.stderr.startswith(f"pulsatile: error: {path} cannot be written (it is a file, not a folder")


def test_an_internal_error_names_its_log(
    small: dict[str, Any], write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(workers, "run_chunk", broken)
    out = tmp_path / "run"
    result = called("run", str(write(small)), "--out", str(out), "--workers", "0")
    assert result.exit_code == Exit.INTERNAL
    last = result.stderr.splitlines()[-1]
    assert (
        last == f"pulsatile: error: internal error: ZeroDivisionError: a bug; the traceback is in {out / 'error.log'}."
    )
    assert "ZeroDivisionError: a bug" in (out / "error.log").read_text()
