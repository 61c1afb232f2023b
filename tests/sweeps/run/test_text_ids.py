"""Own patients whose ids are text keep them: in the dataset, its digest, an expansion and a frozen population."""

from pathlib import Path
from typing import Any

import pulsatile as pu
from pulsatile.sweeps.population.build import build_population
from pulsatile.sweeps.run.expand import Growth
from pulsatile.sweeps.run.verify import verify
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.resources import Resources

IDS = [f"01-701-{k}" for k in (1015, 1023, 1028, 1033)]
ALONE = Resources(2, workers=1, threads=1)


def table(path: Path, ids: list[str]) -> str:
    rows = (f"{name},woman,{50 + k},{70 + 5 * k},1.65" for k, name in enumerate(ids))
    path.write_text("\n".join(("patient,sex,age [y],weight [kg],height [m]", *rows)) + "\n", encoding="utf-8")
    return str(path)


def run(path: Path, population: dict[str, Any]) -> pu.Outcome:
    arms = [{"name": "none", "preset": "control"}]
    data = {"weeks": 1, "population": population, "arms": arms, "outputs": {"names": ["igf1", "vat"]}}
    return pu.run(study_from(data, "study"), path, ALONE)


def test_text_ids_reach_the_dataset(tmp_path: Path) -> None:
    own = table(tmp_path / "own.csv", IDS)
    outcome = run(tmp_path / "run", {"patients": own, "n": 3})
    dataset = pu.open_dataset(outcome.folder / "results.zarr")
    assert dataset["patient"].values.tolist() == IDS[:3]
    assert float(dataset["age"].sel(patient="01-701-1023")) == 51
    assert pu.digest_of(outcome.folder) == outcome.digest == run(tmp_path / "again", {"patients": own, "n": 3}).digest
    expanded = pu.expand(outcome.folder, Growth(patients=4), ALONE)
    assert pu.open_dataset(outcome.folder / "results.zarr")["patient"].values.tolist() == IDS
    assert expanded.digest == run(tmp_path / "whole", {"patients": own}).digest
    assert not verify(outcome.folder)


def test_other_text_ids_are_another_run(tmp_path: Path) -> None:
    """Ids are part of identity and digest."""
    runs = [
        run(tmp_path / name, {"patients": table(tmp_path / f"{name}.csv", ids)})
        for name, ids in (("a", IDS[:1]), ("b", IDS[1:2]))
    ]
    assert runs[0].identity != runs[1].identity
    assert runs[0].digest != runs[1].digest


def test_a_frozen_population_keeps_text_ids(tmp_path: Path) -> None:
    _, record = build_population(table(tmp_path / "own.csv", IDS), tmp_path / "pop", resources=ALONE)
    assert record is not None
    built = pu.open_population(tmp_path / "pop")
    kept = built.untreated.ids[built.kept].tolist()
    assert kept
    assert set(kept) <= set(IDS)
    outcome = run(tmp_path / "run", {"frozen": str(tmp_path / "pop")})
    assert pu.open_dataset(outcome.folder / "results.zarr")["patient"].values.tolist() == kept
