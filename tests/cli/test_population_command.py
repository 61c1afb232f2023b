"""`pulsatile population`: build, show, compare, studies of what was built, interruption, tampering, bad input."""

import csv
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from click.testing import CliRunner, Result

from pulsatile.cli import population as populations
from pulsatile.cli.main import main
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.population import build as frozen
from pulsatile.sweeps.population import seal as population_seal
from pulsatile.sweeps.population.build import build_population
from pulsatile.sweeps.population.compare import correlations
from pulsatile.sweeps.population.opened import LEFT_OUT, open_population
from pulsatile.sweeps.population.plausible import BOUNDS
from pulsatile.sweeps.report import population_files
from pulsatile.sweeps.report.population_files import AGREEMENT, ATLAS, PAGE, PATIENTS
from pulsatile.sweeps.run.progress import SilentProgress
from pulsatile.sweeps.run.verify import verify
from pulsatile.sweeps.study.tables.population_file import FILE, read_frozen, seal
from pulsatile.sweeps.summary.summarise import summarise
from pulsatile.sweeps.summary.weighted import linearised
from pulsatile.sweeps.summary.weights import effective_number
from pulsatile.sweeps.workers.resources import Resources

N = 24
HERE = ("--workers", "0", "--threads", "1")


def called(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def done(*words: str) -> Result:
    result = called(*words)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def adults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A population of adults, built once."""
    out = tmp_path_factory.mktemp("built") / "adults"
    done("population", "build", "adults", "--n", str(N), "--out", str(out), *HERE)
    return out


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one, of people that the published margins are not of, from a file of a population entry."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "trial.yaml").write_text("named: trial\nn: 12\n", encoding="utf-8")
    done("population", "build", str(folder / "trial.yaml"), "--out", str(folder / "trial"), *HERE)
    return folder / "trial"


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


@pytest.fixture
def pageless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw no pictures: they take seconds."""
    pages = list[object]()
    monkeypatch.setattr(population_files, "page_of", lambda built: pages.append(built) or "no pictures")
    yield
    assert pages  # else they were drawn after all


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_list_names_them_all_with_sources() -> None:
    found = json.loads(done("population", "list", "--json").output)
    assert [(row["name"], row["description"], row["source"]) for row in found] == [
        (p.name, p.description, p.source) for p in POPULATIONS.values()
    ]
    text = done("population", "list").output
    assert all(name in text for name in POPULATIONS)
    assert "[assumed: the NCEP limit]" in " ".join(re.sub(r"\s+", " ", text).split())


def test_choices_are_those_of_freezing() -> None:
    assert populations.SELECTIONS == frozen.SELECTIONS
    assert population_seal.FILE == FILE


def test_build_leaves_everybody_with_the_reason(adults: Path) -> None:
    rows = rows_of(adults / PATIENTS)
    assert len(rows) == N
    told = read_frozen(adults)
    assert sum(row["kept"] == "kept" for row in rows) == told["patients"]["kept"]
    dataset = xr.open_zarr(adults / "results.zarr")
    for name, heading in (("age", "age [year]"), ("own_insulin", "own_insulin [pmol/L]"), ("height", "height [m]")):
        assert [float(row[heading]) for row in rows] == dataset[name].values.tolist()  # bit for bit
    glucose = dataset["fasting_glucose"].values[0, :, 0]
    assert [float(row["fasting_glucose [mmol/L]"]) for row in rows] == glucose.tolist()
    assert {row["sex"] for row in rows} == {"man", "woman"}
    weights = np.array([float(row["prevalence"]) for row in rows])
    assert effective_number(weights) == pytest.approx(told["weights"]["effective_number"], abs=0.06)
    assert "against published margins" in (adults / AGREEMENT).read_text(encoding="utf-8")
    atlas = rows_of(adults / ATLAS)
    built = open_population(adults)
    assert {row["what"] for row in atlas} == {
        what for what, flags in (("rejected", built.rejected), ("redrawn", built.redrawn)) if flags.any()
    }


def test_extra_files_are_no_damage_but_a_changed_population_is(adults: Path, tmp_path: Path) -> None:
    assert not verify(adults)
    assert "sound" in done("verify", str(adults)).output
    again = copied(adults, tmp_path / "adults")
    (again / AGREEMENT).unlink()
    done("verify", str(again))
    told = read_frozen(again)
    other = told | {"run": "0" * 64}
    for changed, words in (
        (told | {"seed": 2}, "is not what was written"),
        (other | {"id": seal(other)}, "was made from another run"),
    ):
        (again / FILE).write_text(json.dumps(changed), encoding="utf-8")
        result = called("verify", str(again))
        assert result.exit_code == Exit.DAMAGE
        assert f"pulsatile: error: {again / FILE}: {words}." in result.stderr
        assert "`pulsatile population build` as it was given" in result.stderr
        assert "heal" not in result.stderr


def test_show_tells_the_same_from_the_folder_alone(adults: Path, tmp_path: Path) -> None:
    told, text = read_frozen(adults), done("population", "show", str(adults)).output
    assert f"{N} people run untreated, {told['patients']['kept']} kept by weights" in text
    assert told["id"] in text
    assert "published numbers that are missed by most" in text
    assert "not for clinical use" in text
    found = json.loads(done("population", "show", str(adults), "--json").output)
    assert found["id"] == told["id"]
    assert found["rejected"] == told["rejected"]
    assert "table" not in found
    assert {row["output"] for row in found["agreement"]} >= {"sex", "age", "fasting_glucose", "ogtt_glucose_120"}
    again = copied(adults, tmp_path / "elsewhere")
    assert json.loads(done("population", "show", str(again), "--json").output)["id"] == told["id"]


def test_the_page_holds_all_that_it_shows(adults: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    text = (adults / PAGE).read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "<script" not in text
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,[A-Za-z0-9+/=]+">', text)
    assert len(pictures) >= 5
    assert all(len(alt) > 20 for alt in pictures)
    assert "not for clinical use" in text
    assert text.count("<h2>") == 8
    page = tmp_path / "page.html"
    assert f"page: {page}" in done("population", "show", str(adults), "--html", str(page)).stderr
    assert page.read_text(encoding="utf-8") == text


def test_without_matplotlib_the_tables_are_written(adults: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    again = copied(adults, tmp_path / "again")
    for name in (PATIENTS, AGREEMENT, ATLAS, PAGE):
        (again / name).unlink(missing_ok=True)
    result = done("population", "build", "adults", "--n", str(N), "--out", str(again), *HERE)
    assert 'install it by `pip install "pulsatile[report]"`' in result.stderr
    assert (again / PATIENTS).read_bytes() == (adults / PATIENTS).read_bytes()
    assert not (again / PAGE).exists()
    refused("needs matplotlib", "population", "show", str(again), "--html", str(tmp_path / "x.html"))


def test_people_of_no_survey_are_neither_weighted_nor_compared(trial: Path) -> None:
    result = done("population", "show", str(trial))
    assert "nobody is weighted" in result.output
    assert "prevalence weights" not in result.output
    assert json.loads(done("population", "show", str(trial), "--json").output)["agreement"] == []
    assert "weights" not in read_frozen(trial)
    assert read_frozen(trial)["selection"] == "plausible"


STRATUM = "named: adults\nn: 12\nranges: {bmi: [30, 40]}\n"


@pytest.mark.parametrize("how", ["weights", "inclusion"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trial.yaml", "named: trial\nn: 12\n"),
        ("stratum.yaml", STRATUM),
        ("women.yaml", "named: adults\nn: 12\nwomen: 1.0\n"),
        ("own.csv", "sex,age [y],weight [kg],height [cm]\nman,40,80,175\n"),
    ],
)
def test_nobody_is_weighted_to_margins_of_other_people(name: str, text: str, how: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    refused(
        "is not the whole population of adults", "population", "build", str(tmp_path / name), "--select", how,
        "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_stratum_of_the_adults_is_kept_whole(tmp_path: Path, pageless: None) -> None:
    (tmp_path / "stratum.yaml").write_text(STRATUM, encoding="utf-8")
    out = tmp_path / "out"
    done("population", "build", str(tmp_path / "stratum.yaml"), "--out", str(out), *HERE)
    built = open_population(out)
    assert not built.comparable
    assert set(built.weights[built.plausible]) == {1.0}
    assert built.columns["bmi"].min() >= 30


def test_compare(adults: Path, trial: Path) -> None:
    found = json.loads(done("population", "compare", str(adults), str(trial), "--json").output)
    rows = {row["name"]: row for row in found["differences"]}
    one, other = open_population(adults), open_population(trial)
    assert [x["id"] for x in found["populations"]] == [one.id, other.id]
    assert rows["bmi"]["second"] > 27 > 0
    assert all(0 <= row["distance"] <= 1 for row in rows.values())
    distances = [row["distance"] for row in found["differences"]]
    assert distances == sorted(distances, reverse=True)
    text = done("population", "compare", str(adults), str(trial)).output
    assert "KS distance" in text
    same = json.loads(done("population", "compare", str(adults), str(adults), "--json").output)
    assert all(row["distance"] == 0 and row["first"] == row["second"] for row in same["differences"])
    assert all(pair["first"] == pair["second"] for pair in same["correlations"])


def test_correlations_are_weighted_and_of_logarithms(adults: Path) -> None:
    built = open_population(adults)
    columns, w = built.untreated.columns, built.weights
    sex = int(np.argmax([((columns["sex"] == s) & (w > 0)).sum() for s in (0, 1)]))
    who = (columns["sex"] == sex) & (w > 0)
    found = correlations(built, ["age", "bmi"], sex)
    wanted = np.cov(columns["age"][who], np.log(columns["bmi"][who]), aweights=w[who])
    assert found[0, 1] == pytest.approx(wanted[0, 1] / np.sqrt(wanted[0, 0] * wanted[1, 1]))
    assert np.diag(found) == pytest.approx(1.0)


def test_a_study_of_a_frozen_population_is_weighted(adults: Path, tmp_path: Path) -> None:
    study = {
        "weeks": 1, "population": {"frozen": str(adults)},
        "arms": [{"name": "none", "preset": "control"}, {"name": "drug", "preset": "tesamorelin_label"}],
        "tests": [{"test": "fasting", "weeks": [0, 1]}],
    }  # fmt: skip
    path, out = tmp_path / "study.yaml", tmp_path / "run"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    result = done("run", str(path), "--out", str(out), *HERE)
    told = read_frozen(adults)
    kept = told["patients"]["kept"]
    assert f"{kept} patients count as" in " ".join(result.output.split())
    assert f"frozen population {told['id'][:12]}" in result.output
    dataset = xr.open_zarr(out / "results.zarr")
    weights = dataset["prevalence"].values
    rows = {int(row["patient"]): row for row in rows_of(adults / PATIENTS)}
    assert weights.tolist() == [float(rows[int(i)]["prevalence"]) for i in dataset["patient"].values]
    # untreated, these are the people of the population again
    own = [float(rows[int(i)]["fasting_glucose [mmol/L]"]) for i in dataset["patient"].values]
    assert dataset["fasting_glucose"].values[0, :, 0] == pytest.approx(own, rel=1e-6)
    lines = rows_of(out / "summary.csv")
    end = next(x for x in lines if x["variable"] == "fasting_igf1" and x["week"] == "1" and x["arm"] == "drug")
    igf1 = dataset["fasting_igf1"].values[:, :, 1].astype(float)
    assert float(end["mean"]) == pytest.approx(np.average(igf1[1], weights=weights), rel=1e-6)
    assert float(end["difference_to_control"]) == pytest.approx(
        np.average(igf1[1] - igf1[0], weights=weights), rel=1e-6
    )
    assert float(end["effective_pairs"]) == pytest.approx(effective_number(weights), rel=1e-6)
    # 24 people do not give all published margins, so none counts as known
    assert told["weights"]["missed"].endswith(".")
    assert "published margins: " in done("population", "show", str(adults)).output
    assert "balanced" not in told
    low, high = linearised(igf1[1] - igf1[0], weights).interval(0.95)
    assert (float(end["ci95_low"]), float(end["ci95_high"])) == pytest.approx((low, high), rel=1e-6)
    plain = summarise(dataset.drop_vars("prevalence"), "none").csv_text()
    assert "effective_pairs" not in plain


class Interrupts(SilentProgress):
    """Presses Ctrl-C after the first chunk."""

    pressed = False

    def advance(self, patients: int, failed: int, written: int = 0) -> None:
        if not self.pressed:  # twice would end the process
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("between", [(), ("resume",)], ids=["same command", "resume first"])
def test_an_interrupted_build_goes_on(adults: Path, tmp_path: Path, between: tuple[str, ...], pageless: None) -> None:
    out = tmp_path / "adults"
    chunks = Resources(chunk=8, workers=0, threads=1)
    outcome, told = build_population("adults", out, n=N, resources=chunks, progress=Interrupts())
    assert outcome.code is Exit.INTERRUPTED
    assert told is None
    assert not (out / FILE).exists()
    refused("there is no frozen population", "population", "show", str(out))
    for command in between:
        done(command, str(out), *HERE)
    done("population", "build", "adults", "--n", str(N), "--out", str(out), *HERE)
    assert read_frozen(out) == read_frozen(adults)
    assert (out / PATIENTS).read_bytes() == (adults / PATIENTS).read_bytes()


@pytest.mark.parametrize(("code", "words"), [(Exit.INTERRUPTED, "Go on by the same command"), (Exit.CLUSTER, "error:")])
def test_what_is_said_of_an_unfinished_build(code: Exit, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert populations._unfinished(code, Path("a")) is code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("key", ["patients", "rejected", "seed", "run", "selection"])
def test_a_changed_population_is_refused(adults: Path, tmp_path: Path, key: str) -> None:
    again = copied(adults, tmp_path / "adults")
    told = json.loads((again / FILE).read_text(encoding="utf-8"))
    other = {"patients": {"run": N, "kept": 1}, "rejected": {"mood": 1}, "seed": 2, "run": "0" * 64}
    told[key] = other.get(key, "plausible")
    (again / FILE).write_text(json.dumps(told), encoding="utf-8")
    refused("its id is not that of its content", "population", "show", str(again))
    refused("its id is not that of its content", "population", "compare", str(adults), str(again))
    if key in ("run", "rejected"):  # sealed anew, it is still not what lies beside it
        (again / FILE).write_text(json.dumps(told | {"id": seal(told)}), encoding="utf-8")
        refused("build it again", "population", "show", str(again))


def test_a_changed_population_is_built_again(adults: Path, tmp_path: Path, pageless: None) -> None:
    again = copied(adults, tmp_path / "adults")
    told = read_frozen(adults)
    (again / FILE).write_text(json.dumps(told | {"seed": 2}), encoding="utf-8")
    result = done("population", "build", "adults", "--n", str(N), "--out", str(again), *HERE)
    assert "It is written again." in result.stderr
    assert read_frozen(again) == told


def test_results_that_are_no_longer_those_of_the_run_are_damage(adults: Path, tmp_path: Path) -> None:
    again = copied(adults, tmp_path / "adults")
    chunk = next(
        path for path in sorted((again / "results.zarr" / "fasting_glucose" / "c").rglob("*")) if path.is_file()
    )
    chunk.unlink()
    result = called("population", "show", str(again))
    assert result.exit_code == Exit.DAMAGE
    assert one_sentence(result)


def one_sentence(result: Result) -> str:
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("pulsatile: error: ")
    assert lines[0].endswith(".")
    return lines[0]


def refused(words: str, *command: str, code: Exit = Exit.BAD_INPUT) -> None:
    result = called(*command)
    assert result.exit_code == code, result.output
    assert words in one_sentence(result)


BAD_FILES = {
    "phenotype.yaml": ("phenotype: obese\nn: 4\n", "only a population of people can be built"),
    "both.yaml": ("named: adults\nphenotype: obese\nn: 4\n", "has both phenotype and named"),
    "no_n.yaml": ("named: adults\n", "has no n"),
    "typo.yaml": ("naming: adults\nn: 4\n", "naming"),
    "nobody.yaml": ("named: adults\nn: 4\nranges: {bmi: [40, 30]}\n", "is reversed"),
    "empty.yaml": ("", "the file holds nothing"),
    "unit.csv": ("sex,age [y],weight,height [cm]\nman,40,80,175\n", "has no unit"),
    "weights.csv": (
        "sex,age [y],weight [kg],height [cm],prevalence\nman,40,80,175,1\nman,50,80,175,2\n",
        "would be lost",
    ),
    "sex.csv": ("sex,age [y],weight [kg],height [cm]\nno,40,80,175\n", "sex 'no' is not known"),
    "lonely.csv": ("sex,age [y],weight [kg]\nman,40,80\n", "height"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(name: str, tmp_path: Path) -> None:
    text, words = BAD_FILES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    refused(words, "population", "build", str(tmp_path / name), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("is no named population", ("martians", "--n", "4")),
        ("n = 0", ("adults", "--n", "0")),
        ("has no n", ("adults",)),
        ("seed", ("adults", "--n", "4", "--seed", "-1")),
        ("there is no such file", ("nothing.csv",)),
        ("chunk", ("adults", "--n", "4", "--chunk", "0")),
    ],
)
def test_bad_calls(words: str, given: tuple[str, ...], tmp_path: Path) -> None:
    refused(words, "population", "build", *given, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_folders_that_hold_something_else(adults: Path, tmp_path: Path) -> None:
    refuses = Exit.FOLDER_REFUSES
    build = ("population", "build", "adults", "--n", str(N), "--out")
    refused("selected by weights already", *build, str(adults), "--select", "plausible", *HERE, code=refuses)
    refused("give another folder", *build, str(adults), "--seed", "2", *HERE, code=refuses)
    (tmp_path / "mine.txt").write_text("mine")
    refused("is not empty", *build, str(tmp_path), *HERE, code=refuses)
    refused("there is no frozen population", "population", "show", str(tmp_path / "nowhere"))
    refused("there is no frozen population", "population", "compare", str(adults), str(tmp_path))
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / FILE).write_bytes((adults / FILE).read_bytes())
    refused("is not next to", "population", "show", str(alone))


@pytest.mark.parametrize("how", ["inclusion", "plausible"])
def test_other_selections(adults: Path, tmp_path: Path, how: str, pageless: None) -> None:
    """The run is that of the weighted one, so that it is copied and frozen anew."""
    again = copied(adults, tmp_path / how)
    (again / FILE).unlink()
    done("population", "build", "adults", "--n", str(N), "--out", str(again), "--select", how, *HERE)
    built, weighted = open_population(again), open_population(adults)
    assert set(built.weights) <= {0.0, 1.0}
    assert built.plausible.tolist() == weighted.plausible.tolist()
    left_out = int((built.why == LEFT_OUT).sum())
    assert left_out == (int(weighted.plausible.sum() - built.kept.sum()) if how == "inclusion" else 0)
    assert built.record["rejected"].get(LEFT_OUT, 0) == left_out
    assert f"kept by {how}" in done("population", "show", str(again)).output


def test_the_rejected_are_kept_with_reason_and_drawn(adults: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Tighter bounds reject a third; tables and page tell of them."""
    glucose = np.sort(open_population(adults).untreated.columns["fasting_glucose"])
    limit = float(glucose[N // 3] + glucose[N // 3 + 1]) / 2
    monkeypatch.setitem(BOUNDS, "fasting_glucose", replace(BOUNDS["fasting_glucose"], low=limit))
    refused("rejects other patients", "population", "show", str(adults))
    again = copied(adults, tmp_path / "strict")
    (again / FILE).unlink()
    result = done("population", "build", "adults", "--n", str(N), "--out", str(again), *HERE)
    why = f"fasting glucose below {limit:g} mmol/L"
    built = open_population(again)
    assert built.record["rejected"][why] == N // 3 + 1
    assert f"not kept: {N // 3 + 1}, {why}" in result.output
    rows = rows_of(again / PATIENTS)
    assert sum(row["kept"] == why for row in rows) == N // 3 + 1
    assert built.atlas(built.rejected, 1)[0].name == "own_glucose"
    atlas = [row for row in rows_of(again / ATLAS) if row["what"] == "rejected"]
    assert atlas[0]["axis"] == "own_glucose"
    assert atlas[0]["unit"] == "mmol/L"
    assert any(row["axis"].startswith("parameter ") for row in atlas)
    if (again / PAGE).exists():
        page = (again / PAGE).read_text(encoding="utf-8")
        assert f"{sum(built.record['rejected'].values())} of {N} people rejected" in page


def test_parameters_are_not_made_by_another_engine(adults: Path) -> None:
    built = open_population(adults)
    assert any(name.startswith("parameter ") for name in built.axes)
    other = replace(built, record=built.record | {"engine": "another"})
    assert other.axes
    assert not any(name.startswith("parameter ") for name in other.axes)
