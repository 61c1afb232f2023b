"""Pictures of sensitivity indices: tornado, heat map over weeks, rank correlations over weeks, convergence."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.sweeps.analysis.result import labels_of
from pulsatile.sweeps.contrast import rows
from pulsatile.sweeps.report import drawing
from pulsatile.sweeps.report.page import Picture
from pulsatile.sweeps.sensitivity.factors import with_unit
from pulsatile.sweeps.sensitivity.intervals import LIMIT
from pulsatile.sweeps.sensitivity.methods import measures_of

if TYPE_CHECKING:
    import xarray as xr


TOTAL, FIRST = "#bfdbfe", "#3b82f6"
RAISE, LOWER = "#b45309", "#1d4ed8"
BAND = "#e5e7eb"
LINES = ("#1d4ed8", "#b45309", "#047857", "#7c3aed", "#be123c", "#4b5563")
"""Colours of single factors, distinct with red-green colour blindness; each has its own marker."""
MARKERS = "osD^vP"
TOP = 12
"""Largest number of factors of a tornado."""
TOP_ROWS = 20
"""Largest number of factors of a heat map."""
LEADING = 5
"""Number of factors whose convergence is drawn."""
COLUMNS = 3


def tornado(indices: "xr.Dataset", output: str, week: float) -> Picture | None:
    """Return bars of the main index with its interval, S1 inside ST, of the top factors of each arm.

    None where nothing varies, or the indices are rank correlations only.
    """
    main = measures_of(indices)[0]
    if main.signed:
        return None
    name, words = main.name, main.words
    part = indices.sel(output=output, week=week)
    shown = [(arm, row) for arm, row in rows(part) if np.isfinite(row[name]).any()]
    if not shown:
        return None
    arms = [arm for arm, _ in shown]
    count = min(TOP, part.sizes["factor"])
    with drawing.style():
        columns = min(_columns(part), len(arms))
        figure, axes = drawing.board(-(-len(arms) // columns), columns, 0.7 + _room(part) * count)
        for panel, (arm, row) in zip(axes.flat, shown, strict=False):
            _bars(panel, row, name, count)
            drawing.title(panel, arm, axes.shape[1])
        for panel in axes.flat[len(arms) :]:
            panel.set_axis_off()
        axis = words if main.unit == "1" else with_unit(words, str(part["unit"].values))
        drawn = axes.flat[: len(arms)]
        left, right = (end(panel.get_xlim()[k] for panel in drawn) for k, end in ((0, min), (1, max)))
        for panel in drawn:  # one scale, so that arms are comparable
            panel.set(xlabel=axis, xlim=(min(left, 0.0), right))
        picture = drawing.png(figure)
    inside = "; dark: first-order index S1, what the factor does alone" if name == "ST" else ""
    interval = "; line: its 95 % interval" if f"{name}_low" in part else ""
    unsure = "; grey: bounds for any values of the missing runs" if f"{name}_least" in part else ""
    caption = f"{_named(part)}, week {week:g}. Light: {words}{interval}{inside}{unsure}. The {count} largest of each."
    return Picture(picture, f"Tornado of {words} of {output} in week {week:g}: {', '.join(arms)}", caption)


def _labels(part: "xr.Dataset | xr.DataArray") -> npt.NDArray[np.object_]:
    """Return the words of the factors, in lines."""
    return np.array([drawing.wrapped(words, drawing.NAME) for words in labels_of(part, "factor")], object)


def _named(part: "xr.Dataset | xr.DataArray") -> str:
    """Return the words of an output, with its name where that is another."""
    name, words = str(part["output"].values), labels_of(part, "output")[0]
    return name if words == name else f"{words} ({name})"


def _columns(part: "xr.Dataset | xr.DataArray") -> int:
    """Return the number of panels side by side that leave room for the names of factors in each."""
    return COLUMNS if max(map(len, labels_of(part, "factor"))) < 20 else COLUMNS - 1


def _room(part: "xr.Dataset | xr.DataArray") -> float:
    """Return the height of a row, in inches."""
    return 0.17 + 0.1 * max(str(words).count("\n") + 1 for words in _labels(part))


def _bars(panel: Any, part: "xr.Dataset", name: str, count: int) -> None:
    value = np.nan_to_num(part[name].values, nan=-np.inf)
    order = np.argsort(-value, kind="stable")[:count]
    order = order[np.isfinite(value[order])]
    positions = np.arange(len(order))
    panel.barh(positions, value[order], 0.72, color=TOTAL)
    if name == "ST" and "S1" in part:
        panel.barh(positions, part["S1"].values[order], 0.36, color=FIRST)
    if f"{name}_least" in part:
        least, most = (part[f"{name}_{end}"].values[order] for end in ("least", "most"))
        panel.hlines(positions + 0.3, least, most, color=drawing.BEFORE, lw=2.5)
    if f"{name}_low" in part:
        low, high = (part[f"{name}_{end}"].values[order] for end in ("low", "high"))
        fine = np.isfinite(low)
        sides = [(value[order] - low)[fine], (high - value[order])[fine]]
        panel.errorbar(
            value[order][fine], positions[fine], xerr=sides, fmt="none", ecolor="#111827", elinewidth=1.2, capsize=2
        )
    panel.set_yticks(positions, _labels(part)[order])
    panel.set_ylim(count - 0.5, -0.5)
    panel.axvline(0, color="#111827", lw=0.8)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)


def heat_map(indices: "xr.Dataset", output: str) -> Picture | None:
    """Return a map of the index over weeks and factors, one panel per arm; None with fewer than two weeks."""
    main = measures_of(indices)[0]
    name, signed = main.name, main.signed
    part = indices[name].sel(output=output)
    shown = [(arm, row) for arm, row in rows(part) if np.isfinite(row).any()]
    if part.sizes["week"] < 2 or not shown:
        return None
    arms = [arm for arm, _ in shown]
    largest = abs(part).max(("arm", "week")).fillna(0).values
    order = np.argsort(-largest, kind="stable")[:TOP_ROWS]
    top = 1.0 if main.unit == "1" else float(largest.max())
    columns = min(COLUMNS, len(arms))
    with drawing.style():
        figure, axes = drawing.board(-(-len(arms) // columns), columns, 0.9 + _room(part) * len(order))
        for k, (panel, (arm, row)) in enumerate(zip(axes.flat, shown, strict=False)):
            values = row.transpose("factor", "week").values[order]
            image = panel.imshow(
                np.ma.masked_invalid(values), cmap="RdBu_r" if signed else "Blues", vmin=-top if signed else 0,
                vmax=top, aspect="auto",
            )  # fmt: skip
            _numbers(panel, values, top)
            drawing.title(panel, arm, columns)
            panel.set_xticks(range(part.sizes["week"]), [f"{week:g}" for week in part["week"].values])
            panel.set_yticks(range(len(order)), _labels(part)[order] if k % columns == 0 else [""] * len(order))
            panel.set_xlabel("week")
            panel.tick_params(length=0)
            panel.spines[:].set_visible(False)
        for panel in axes.flat[len(arms) :]:
            panel.set_axis_off()
        figure.colorbar(image, ax=axes, shrink=0.6, pad=0.01, label=main.label or main.words)
        picture = drawing.png(figure)
    caption = f"{_named(part)}: {main.words} by week, factors in descending order of their largest index."
    return Picture(picture, f"Heat map of {name} of {output} over weeks: {', '.join(arms)}", caption)


def _numbers(panel: Any, values: Floats, top: float) -> None:
    if values.shape[1] > 10:
        return  # no room
    for i, j in np.ndindex(*values.shape):
        if np.isfinite(values[i, j]) and abs(values[i, j]) >= 0.005 * top:
            dark = abs(values[i, j]) > 0.55 * top
            text = f"{values[i, j]:.2f}" if top <= 1 else f"{values[i, j]:.2g}"
            panel.text(j, i, text, ha="center", va="center", fontsize=7.5, color="white" if dark else "#374151")


def rank_correlations(indices: "xr.Dataset", output: str) -> Picture | None:
    """Return partial rank correlations over the weeks, with the noise floor; bars for a single week."""
    if "prcc" not in indices:
        return None
    part = indices.sel(output=output)
    shown = [(arm, row) for arm, row in rows(part) if np.isfinite(row["prcc"]).any()]
    if not shown:
        return None
    arms = [arm for arm, _ in shown]
    many = part.sizes["week"] > 1
    columns = min(COLUMNS if many else _columns(part), len(arms))
    with drawing.style():
        height = 3.8 if many else 0.8 + _room(part) * min(TOP, part.sizes["factor"])
        figure, axes = drawing.board(-(-len(arms) // columns), columns, height)
        largest = abs(part["prcc"]).max(("arm", "week")).fillna(0).values
        order = np.argsort(-largest, kind="stable")
        for k, (panel, (arm, row)) in enumerate(zip(axes.flat, shown, strict=False)):
            if many:
                _over_weeks(panel, row, order)
            else:
                _signed_bars(panel, row)
            drawing.title(panel, arm, columns)
            if k % columns == 0 and many:
                panel.set_ylabel("partial rank correlation")
        for panel in axes.flat[len(arms) :]:
            panel.set_axis_off()
        if many:
            handles, labels = axes.flat[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=COLUMNS)
        picture = drawing.png(figure)
    caption = (
        f"{_named(part)}: partial rank correlation, all other factors held fixed. Grey: range of a factor without "
        "effect by chance (5 %). Coloured: the factors with the largest values in any arm and week."
    )
    return Picture(picture, f"Partial rank correlations of {output}: {', '.join(arms)}", caption)


def _over_weeks(panel: Any, part: "xr.Dataset", order: npt.NDArray[np.int64]) -> None:
    weeks, values = part["week"].values, part["prcc"].transpose("factor", "week").values
    floor = part["threshold"].values
    panel.fill_between(weeks, -floor, floor, color=BAND, lw=0)
    for i in order[len(LINES) :]:
        panel.plot(weeks, values[i], color=drawing.FAINT, lw=0.8, zorder=1)
    for i, colour, marker in zip(order, LINES, MARKERS, strict=False):
        panel.plot(weeks, values[i], color=colour, marker=marker, ms=4, label=_labels(part)[i])
    panel.axhline(0, color="#111827", lw=0.8)
    panel.set(ylim=(-1.02, 1.02), xlabel="week", xticks=weeks if len(weeks) < 10 else weeks[:: len(weeks) // 5])


def _signed_bars(panel: Any, part: "xr.Dataset") -> None:
    first_week = part.isel(week=0)
    values = np.nan_to_num(first_week["prcc"].values)
    order = np.argsort(-abs(values), kind="stable")[:TOP]
    floor = float(first_week["threshold"])
    panel.axvspan(-floor, floor, color=BAND, lw=0)
    panel.barh(range(len(order)), values[order], 0.7, color=[RAISE if v > 0 else LOWER for v in values[order]])
    panel.set_yticks(range(len(order)), _labels(first_week)[order])
    panel.set(ylim=(len(order) - 0.5, -0.5), xlim=(-1.02, 1.02), xlabel="partial rank correlation")
    panel.axvline(0, color="#111827", lw=0.8)
    panel.tick_params(axis="y", length=0)


def convergence_curves(steps: "xr.Dataset", output: str, arm: str, week: float) -> Picture | None:
    """Return the convergence of the leading indices and of the widths of all intervals with the number of runs.

    ``steps`` of `sweeps.analysis.convergence.convergence`; None where the output does not vary.
    """
    main = measures_of(steps)[0]
    name = main.name
    part = steps.sel(output=output, arm=arm, week=week)
    value = part[name].transpose("points", "factor").values
    if not np.isfinite(value[-1]).any():
        return None
    points = part["points"].values
    low, high = (part[f"{name}_{end}"].transpose("points", "factor").values for end in ("low", "high"))
    order = np.argsort(-np.nan_to_num(value[-1], nan=-np.inf), kind="stable")[:LEADING]
    with drawing.style():
        figure, (panels,) = drawing.board(1, 2, 3.6)
        for k, i in enumerate(order):
            shifted = points * 2 ** (0.08 * (k - (len(order) - 1) / 2))  # side by side, on a scale of powers of two
            sides = np.abs(np.stack([value[:, i] - low[:, i], high[:, i] - value[:, i]]))
            panels[0].errorbar(shifted, value[:, i], yerr=sides, color=LINES[k], marker=MARKERS[k], ms=4, lw=1,
                               elinewidth=1, capsize=2, label=_labels(part)[i])  # fmt: skip
        panels[0].set(ylabel=main.words)
        drawing.title(panels[0], f"{_named(part)}, {arm}, week {week:g}", 3)
        panels[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        width = high - low
        panels[1].plot(points, np.nanmax(width, axis=1), marker="o", ms=4, color=LINES[0], label="widest")
        panels[1].plot(points, np.nanmedian(width, axis=1), marker="s", ms=4, color=LINES[1], label="median")
        if name == "ST":
            panels[1].axhline(LIMIT, color="#111827", lw=0.8, ls="--")
            panels[1].annotate(f"stop: {LIMIT:g}", (points[0], LIMIT), (2, 3), textcoords="offset points", fontsize=8)
        panels[1].set(yscale="log", ylabel="width of 95 % intervals", title="intervals of all factors")
        panels[1].yaxis.set_major_formatter("{x:g}")
        panels[1].legend(loc="upper right")
        for panel in panels:
            panel.set_xscale("log", base=2)
            panel.set_xticks(points, [f"{n:,}" for n in points])
            panel.minorticks_off()
            panel.set(xlabel="runs of each arm")
        picture = drawing.png(figure)
    caption = (
        "The same design, cut after 2, 4, 8 ... replicates: estimates with intervals across replicates, valid at "
        "every step, and their widths. With two replicates an interval is wide, because t(1) = 12.7."
    )
    return Picture(picture, f"Convergence of {name} of {output}, {arm}, week {week:g}", caption)
