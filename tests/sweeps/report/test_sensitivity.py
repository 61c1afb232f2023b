"""Pictures of sensitivity: they show what the datasets hold, and the page needs nothing else."""

import re
import sys
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pulsatile.engine.errors import InputError
from pulsatile.sweeps.analysis.budget_result import VarianceBudget
from pulsatile.sweeps.analysis.convergence import convergence, first_replicates
from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.analysis.result import PAGE, Analysis
from pulsatile.sweeps.analysis.stories import Story
from pulsatile.sweeps.errors import FolderRefuses
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report import indices as pictures
from pulsatile.sweeps.report.budget import COLOURS, budget_bars, budget_table
from pulsatile.sweeps.report.page import NO_FACT, write_page
from pulsatile.sweeps.report.scenario import scatter
from pulsatile.sweeps.report.sensitivity import BUDGET, SENSITIVITY, page_of
from pulsatile.sweeps.sensitivity.design import Design
from pulsatile.sweeps.sensitivity.factors import Factor
from pulsatile.sweeps.sensitivity.indices import indices
from pulsatile.sweeps.sensitivity.morris import morris_design
from pulsatile.sweeps.sensitivity.saltelli import saltelli
from pulsatile.sweeps.sensitivity.samples import grid, latin
from pulsatile.sweeps.sensitivity.scenarios import Box, Limit

pytest.importorskip("matplotlib")

FACTORS = [Factor(name, low=0, high=1) for name in ("v_gh", "k_gh", "ec50", "dull")]
ARMS = ["control", "peptide"]
PNG = b"\x89PNG"


def outputs(design: Design, weeks: tuple[float, ...] = (1.0, 4.0)) -> xr.Dataset:
    """Return two outputs: a linear one in which k_gh leads, with weeks the more so; and one that does not vary."""
    x = design.values
    lead = np.stack([[4 * w * x[:, 1] + 2 * x[:, 0] + arm * x[:, 2] for w in weeks] for arm in (0, 1)], axis=0)
    values = lead.transpose(2, 0, 1)
    dims = ("design", "arm", "week")
    return xr.Dataset(
        {"vat": (dims, values, {"units": "cm2"}), "flat": (dims, np.ones_like(values), {"units": "1"})},
        {"arm": ARMS, "week": list(weeks)},
    )


@pytest.fixture(scope="module")
def sobol() -> tuple[Design, xr.Dataset]:
    design = saltelli(FACTORS, 16, 6, seed=2)
    return design, indices(design, outputs(design))


def is_picture(found: Any, *words: str) -> None:
    assert found.png.startswith(PNG)
    assert len(found.png) > 5000
    for word in words:
        assert word in found.alt + found.caption


def test_the_tornado_shows_the_largest_first_with_their_intervals(sobol: tuple[Design, xr.Dataset]) -> None:
    part = sobol[1].sel(output="vat", week=4, arm="peptide")
    with drawing.style():
        _, axes = drawing.board(1, 1, 3)
        pictures._bars(axes[0, 0], part, "ST", 3)
    labels = [text.get_text() for text in axes[0, 0].get_yticklabels()]
    assert labels == ["k_gh", "v_gh", "ec50"]
    widths = [patch.get_width() for patch in axes[0, 0].patches]
    np.testing.assert_allclose(widths, [*part["ST"].sel(factor=labels), *part["S1"].sel(factor=labels)])
    (whiskers,) = [bar for bar in axes[0, 0].collections if len(bar.get_segments()) == 3]
    ends = [segment[:, 0].tolist() for segment in whiskers.get_segments()]
    np.testing.assert_allclose(
        ends, np.stack([part["ST_low"].sel(factor=labels), part["ST_high"].sel(factor=labels)]).T
    )
    is_picture(pictures.tornado(sobol[1], "vat", 4), "Tornado", "vat", "peptide", "95 % interval")


def test_bounds_of_missing_runs_are_drawn(sobol: tuple[Design, xr.Dataset]) -> None:
    design = sobol[0]
    status = xr.DataArray((design.unit[:, 0] > 0.97).astype(int), dims="design")
    found = indices(design, outputs(design), status=status)
    is_picture(pictures.tornado(found, "vat", 4), "missing runs")


def test_what_does_not_vary_has_no_picture(sobol: tuple[Design, xr.Dataset]) -> None:
    assert pictures.tornado(sobol[1], "flat", 4) is None
    assert pictures.heat_map(sobol[1], "flat") is None
    assert pictures.rank_correlations(sobol[1], "vat") is None  # no rank correlations there
    assert pictures.heat_map(sobol[1].isel(week=[0]), "vat") is None  # one week is no course


def test_maps_fans_and_effects(sobol: tuple[Design, xr.Dataset]) -> None:
    is_picture(pictures.heat_map(sobol[1], "vat"), "Heat map of ST of vat")
    design = latin(FACTORS, 60, 1)
    ranked = indices(design, outputs(design))
    is_picture(pictures.rank_correlations(ranked, "vat"), "Partial rank correlations of vat")
    is_picture(pictures.rank_correlations(ranked.isel(week=[1]), "vat"))
    assert pictures.tornado(ranked, "vat", 4) is None
    is_picture(pictures.heat_map(ranked, "vat"), "partial rank correlation")
    screening = morris_design(FACTORS, 6, seed=1)
    is_picture(pictures.tornado(indices(screening, outputs(screening)), "vat", 4), "mu*")


def test_equal_data_give_equal_pictures(sobol: tuple[Design, xr.Dataset]) -> None:
    one, two = (pictures.tornado(sobol[1], "vat", 4) for _ in range(2))
    assert one == two


def test_convergence_is_that_of_smaller_designs(sobol: tuple[Design, xr.Dataset]) -> None:
    design, whole = sobol
    steps = convergence(design, outputs(design))
    assert steps["replicates"].values.tolist() == [2, 4, 6]
    assert steps["points"].values.tolist() == [192, 384, 576]
    smaller = saltelli(FACTORS, 16, 4, seed=2)
    cut = first_replicates(design, 4)
    np.testing.assert_array_equal(cut.values, smaller.values)
    fresh = indices(smaller, outputs(smaller))
    for name in ("S1", "ST", "ST_low", "ST_high"):
        np.testing.assert_array_equal(steps[name].sel(points=384), fresh[name], err_msg=name)
        np.testing.assert_array_equal(steps[name].sel(points=576), whole[name], err_msg=name)
    is_picture(pictures.convergence_curves(steps, "vat", "peptide", 4), "Convergence of ST of vat")
    assert pictures.convergence_curves(steps, "flat", "peptide", 4) is None


def test_convergence_needs_replicates() -> None:
    for design in (saltelli(FACTORS, 16, 1), grid(FACTORS, 2)):
        with pytest.raises(InputError, match="no interval that could converge"):
            convergence(design, outputs(design))


def budget(negative: bool = True) -> xr.Dataset:
    components = ["arm", "uncertainty", "patients", "uncertainty x patients", "occasions", "residual", "numerical"]
    rows = ["control", "peptide", "peptide minus control", "all arms"]
    variance = np.tile(
        np.array([np.nan, 2.0, 6.0, -0.5 if negative else 0.5, 1.0, 1.5, 1e-9])[:, None, None, None], (1, 2, 4, 1)
    )
    variance[0, :, -1] = 3.0
    variance[:, 1] = 0.0  # an output that does not vary
    total = np.nansum(variance, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, variance / total, np.nan)
    dims = ("component", "output", "arm", "week")
    note = np.where(variance < 0, "estimated below 0", "").astype(object)
    return xr.Dataset(
        {"variance": (dims, variance), "low": (dims, variance - 1), "high": (dims, variance + 1),
         "share": (dims, share), "note": (dims, note), "total": (dims[1:], total)},
        {"component": components, "output": ["vat", "flat"], "arm": rows, "week": [4.0],
         "kind": ("arm", ["arm", "arm", "contrast", "all arms"]), "unit": ("output", ["cm^2", "1"])},
        {"method": "as said"},
    )  # fmt: skip


def test_budget_bars_and_table() -> None:
    assert set(COLOURS) == set(budget()["component"].values)
    is_picture(budget_bars(budget(), "vat", 4), "Variance budget of vat", "peptide minus control", "below 0")
    assert budget_bars(budget(), "flat", 4) is None
    rows = budget_table(budget(), "vat", 4).rows
    assert len(rows) == 3 * 6 + 7
    assert any(row[0] == "control" and row[2] == "-0.5" and row[-1] == "estimated below 0" for row in rows)
    assert any(row[0] == "all arms" and row[1].startswith("arm:") and row[5] == "23.1 %" for row in rows)


def story(limits: tuple[Limit, ...]) -> tuple[Inputs, Story]:
    rng = np.random.default_rng(1)
    values = np.stack([rng.normal(33, 4, 300), rng.integers(0, 2, 300).astype(float)], axis=1)
    cases = values[:, 0] > 34
    inputs = Inputs(("bmi", "sex"), ("kg/m^2", "1"), values, 2, None, np.ones(300, bool), ())
    box = Box(limits, 1.0, 0.9, cases)
    counted = np.ones(300, bool)
    return inputs, Story("peptide", "arm", 4, "lose insulin sensitivity", "paired difference", cases, counted, box)


@pytest.mark.parametrize("name", ["bmi", "sex"])
def test_scenarios_are_drawn_by_their_first_limits(name: str) -> None:
    limit = Limit(name, "above", 34.0 if name == "bmi" else 1.0, "", 0.0)
    is_picture(scatter(*story((limit,))), "lose insulin sensitivity", f"by {name} and")
    assert scatter(*story(())) is None


def test_the_page_needs_nothing_else(sobol: tuple[Design, xr.Dataset], tmp_path: Path) -> None:
    design, found = sobol
    html = page_of(
        "A <title>",
        Analysis(found, steps=convergence(design, outputs(design)), verdicts=("A sentence.",)),
        budget=VarianceBudget(budget()),
    )
    assert "A sentence." in html
    assert html.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "<script" not in html
    assert "A &lt;title&gt;" in html
    for heading in ("What matters in week 4", "Over the weeks", "Does the design suffice?", "Where the variance"):
        assert heading in html
    assert "In which direction" not in html  # a section that would be empty
    assert "Research model, not for clinical use" in html
    path = write_page(tmp_path / PAGE, html, SENSITIVITY)
    assert (path.name, path.read_text(encoding="utf-8")) == (PAGE, html)


def test_a_page_tells_where_it_comes_from(sobol: tuple[Design, xr.Dataset]) -> None:
    found = sobol[1].copy()
    facts = {
        "study": "A <study>, r",
        "run": "ab12",
        "seed": "7",
        "digest": "cd34",
        "versions": "2",
        "date": "now",
    }
    found.attrs |= facts
    html = page_of("title", Analysis(found))
    foot = html[html.index("<footer>") :]
    for name, value in facts.items():
        assert f"<dt>{name}</dt><dd>{escape(value)}</dd>" in foot
    assert "cd34" not in html[: html.index("<footer>")]  # each fact once
    lone = budget()
    lone.attrs |= {name: value for name, value in facts.items() if name != "digest"}
    assert f"<dt>digest</dt><dd>{NO_FACT}</dd>" in page_of("title", budget=VarianceBudget(lone))


def test_a_page_replaces_a_page_of_its_kind_only(sobol: tuple[Design, xr.Dataset], tmp_path: Path) -> None:
    html = page_of("title", Analysis(sobol[1]))
    write_page(tmp_path / "a.html", html, SENSITIVITY)
    write_page(tmp_path / "a.html", html, SENSITIVITY)
    for name, content in (("a.html", None), ("b.html", "my own page"), ("c.html", "")):
        if content is not None:
            (tmp_path / name).write_text(content, encoding="utf-8")
        before = (tmp_path / name).read_bytes()
        with pytest.raises(FolderRefuses, match=f"{name} is there and is no variance budget page") as told:
            write_page(tmp_path / name, html, BUDGET)
        assert "\n" not in str(told.value)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(FolderRefuses, match="is a folder"):
        write_page(tmp_path, html, SENSITIVITY)


def test_long_names_are_whole_and_stay_in_the_picture() -> None:
    names = [f"rhGH with the IGF-1 gain of tesamorelin, given in the {when}" for when in ("evening", "morning")]
    with drawing.style():
        figure, axes = drawing.board(1, 2, 3)
        for panel, name in zip(axes.flat, names, strict=True):
            panel.set_yticks([0], ["x" * drawing.NAME])
            drawing.title(panel, name, 2)
        drawing.png(figure)
        edge = figure.get_window_extent()
        for panel, name in zip(axes.flat, names, strict=True):
            assert panel.get_title(loc="left").replace("\n", " ") == name
            box = panel.title.get_window_extent() if panel.get_title() else panel._left_title.get_window_extent()
            assert edge.x0 <= box.x0
            assert box.x1 <= edge.x1


def test_without_matplotlib_it_is_told_what_to_install(
    sobol: tuple[Design, xr.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pulsatile\[report\]"):
        page_of("title", Analysis(sobol[1]))
