"""Power from a run: what it foretells of independent trials, its words, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.power import people, study, succeeding
from pulsatile.cli.main import main
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.trials.power import power
from pulsatile.sweeps.analysis.trials.power_result import nnt_sentence
from pulsatile.sweeps.disk.store import open_dataset
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.summary.paired_statistics import Statistics
from pulsatile.sweeps.summary.shares import wilson
from pulsatile.sweeps.workers.resources import Resources

ALONE = Resources(workers=1, threads=1)
PATIENTS = 160


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(study(PATIENTS), tmp_path_factory.mktemp("power") / "run", ALONE).folder


def test_it_foretells_trials_of_other_patients(folder: Path) -> None:
    """200 trials at three n, of patients who are not in the run, resampled."""
    sizes, trials = (20, 40, 80), 200
    curve = power(folder, "igf1", arm="rhgh", n=sizes, measure="value", success="difference > 0").frame
    others, rng = people(480, PATIENTS, 1), np.random.default_rng(1)
    for row in curve.itertuples():
        at_once = others.shape[1] // (2 * row.n)
        mixed = (others[:, rng.permutation(others.shape[1])] for _ in range(-(-trials // at_once)))
        succeed = sum(succeeding(values, row.n, at_once) for values in mixed)
        done = -(-trials // at_once) * at_once
        low, high = wilson(succeed / done, done, 0.95)
        assert low <= row.high
        assert high >= row.low
        assert row.low < row.power < row.high
        assert row.low < row.assurance < row.high
        assert row.simulated == pytest.approx(row.power, abs=0.08)  # IGF-1 is skewed, the closed form is normal


def test_numbers_and_words_are_those_of_the_run(folder: Path, tmp_path: Path) -> None:
    found = power(folder, "igf1", arm="rhgh", n=[20, 50])
    values = open_dataset(folder)["igf1"].values.astype(float)
    change = values[:, :, -1] - values[:, :, 0]
    assert f"difference {np.mean(change[1] - change[0]):.4g} ug/L" in found.sentences[0]
    assert f"SD {change[1].std(ddof=1):.4g} and {change[0].std(ddof=1):.4g}" in found.sentences[0]
    assert "on the side of that difference (difference > 0 at p < 0.05)" in found.sentences[0]
    assert (np.diff(found.frame["power"]) >= 0).all()
    again = power(folder, "igf1", arm="rhgh", n=[20, 50], success="difference > 0 at p < 0.05")
    assert again.frame.equals(found.frame)
    assert found.label in repr(found).replace("\n", " ").replace("  ", " ")
    assert found.save(tmp_path / "out").read_text().splitlines()[0].startswith("n,power,low,high,assurance")


def test_the_n_that_is_told_has_the_power(folder: Path) -> None:
    (sentence,) = [s for s in power(folder, "igf1", arm="rhgh", measure="value").sentences if "80%" in s]
    n = int(sentence.partition("n = ")[2].split()[0])
    below, at = power(folder, "igf1", arm="rhgh", measure="value", n=[n - 1, n]).frame["power"]
    assert below < 0.8 <= at


def test_responders_have_a_number_needed_to_treat(folder: Path) -> None:
    found = power(folder, "igf1", arm="rhgh", n=[20], measure="percent", responder=">= 20")
    values = open_dataset(folder)["igf1"].values.astype(float)
    shares = (100 * (values[:, :, -1] / values[:, :, 0] - 1) >= 20).mean(axis=1)
    (sentence,) = [s for s in found.sentences if s.startswith("Responders")]
    assert f"{100 * shares[1]:.1f} % against {100 * shares[0]:.1f} %" in sentence
    assert f"number needed to treat {1 / (shares[1] - shares[0]):.3g}" in sentence


@pytest.mark.parametrize(
    ("low", "difference", "high", "words"),
    [(10.0, 20.0, 40.0, "needed to treat 5 (95 % interval 2.5 to 10)"),
     (-5.0, 10.0, 25.0, "needed to treat 10 (95 % interval 4 to infinity, and beyond it to harm from 20)"),
     (-40.0, -20.0, -10.0, "needed to harm 5 (95 % interval 2.5 to 10)"),
     (0.0, 10.0, 20.0, "needed to treat 10 (95 % interval 5 to infinity)"),
     (-5.0, 0.0, 5.0, "the shares are equal")],
)  # fmt: skip
def test_words_of_the_number_needed(low: float, difference: float, high: float, words: str) -> None:
    assert words in nnt_sentence(Statistics(99, 50.0, 0.0, difference, low, high, 99), True)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "endpoint": ({"endpoint": "igf"}, "did you mean igf1"),
    "an event that is not in the run": ({"endpoint": "vat_responder"}, "is read from vat"),
    "arm": ({"arm": "rhGH"}, "is not an arm"),
    "against": ({"against": "placebo"}, "is not an arm"),
    "itself": ({"against": "rhgh"}, "compared with itself"),
    "week": ({"week": 26}, "week = 26 has no value of igf1; choose from 0.3"),
    "week 0 of a change": ({"week": 0}, "week = 0 has no value"),
    "no n": ({"n": []}, "not a list of whole numbers"),
    "n of 1": ({"n": [1, 20]}, "from 2 to 10000"),
    "n as text": ({"n": "20"}, "not a list of whole numbers"),
    "n of a half": ({"n": [20.5]}, "not a list of whole numbers"),
    "n in disorder": ({"n": [50, 20]}, "ascending order"),
    "measure": ({"measure": "ratio"}, "choose from change, percent, value"),
    "design": ({"design": "crossover"}, "choose from parallel, paired"),
    "pairs of responders": ({"design": "paired", "responder": ">= 5"}, "is for means"),
    "margin of responders": ({"responder": ">= 5", "success": "difference > 10"}, "with the margin 0"),
    "success": ({"success": "better"}, "success = 'better'"),
    "responder": ({"responder": "high"}, "responder = 'high'"),
    "a rule for an event": ({"endpoint": "igf1_high", "responder": ">= 5"}, "is read from fasting_igf1_sds"),
    "trials": ({"trials": 5}, "trials = 5"),
    "draws": ({"draws": 10**9}, "draws = "),
    "seed": ({"seed": -1}, "seed = -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_calls_are_one_sentence(folder: Path, case: str) -> None:
    change, words = BAD[case]
    with pytest.raises(InputError, match=words) as error:
        power(folder, **{"endpoint": "igf1", "arm": "rhgh"} | change)
    assert "\n" not in str(error.value)


def test_few_or_equal_patients_and_designs_are_refused(tmp_path: Path) -> None:
    few = run(study(8), tmp_path / "few", ALONE).folder
    with pytest.raises(InputError, match=r"8 patients .* at least 50 are needed"):
        power(few, "igf1", arm="rhgh")
    data = study(8).model_dump(mode="json", exclude_defaults=True) | {"population": {"phenotype": "obese"}}
    data |= {"design": {"kind": "latin", "points": 4, "factors": ["v_gh"]}}
    points = run(study_from(data, "study"), tmp_path / "points", ALONE).folder
    with pytest.raises(InputError, match="is a run of a design"):
        power(points, "igf1", arm="rhgh")


def test_the_command_prints_the_same(folder: Path) -> None:
    asked = ["power", str(folder), "--endpoint", "igf1", "--arm", "rhgh", "--n", "20,50"]
    shown = CliRunner().invoke(main, asked)
    assert shown.exit_code == 0, shown.output
    assert "A power of 80%" in shown.output
    told = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)
    assert [row["n"] for row in told["rows"]] == [20, 50]
    for wrong, words in ((["--n", "20,many"], "--n 20,many"), (["--week", "9"], "week = 9")):
        refused = CliRunner().invoke(main, [*asked, *wrong])
        assert refused.exit_code == 2
        assert words in refused.output
