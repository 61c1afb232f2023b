"""Draw the work-precision diagram of a comparison: rate against largest error, the best build of each peer.

    python -m benchmarks.picture figures.json [--out work_precision.png]

Needs matplotlib (``pip install "pulsatile[report]"``).
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

LEAST, MOST = 2e-7, 2e-2  # errors drawn
COLOURS = {
    "pulsatile": "#0b5394", "C lanes": "#b45f06", "C scalar": "#e69138", "heyoka": "#6a329f", "numbalsoda": "#38761d",
    "diffrax": "#a61c00", "libRoadRunner": "#7f6000", "scikit-SUNDAE": "#666666", "scipy": "#999999",
}  # fmt: skip
MARKERS = "osD^vP*X"


def lines(rows: list[dict[str, Any]]) -> dict[str, tuple[dict[str, Any], np.ndarray]]:
    """Return for each table row its best build's first row and its points (error, patient-days per second).

    The best build is the fastest at 1e-4 (else at any point).
    """
    found: dict[str, tuple[float, dict[str, Any], np.ndarray]] = {}
    builds = dict.fromkeys((row["row"], row["build"]) for row in rows)
    for name, build in builds:
        mine = [row for row in rows if (row["row"], row["build"]) == (name, build)]
        at = [
            (row["achieved_error"], row["patient_days_per_second"])
            for row in mine
            if row["error_target"] is None and row["patient_days_per_second"]
        ]
        if not at or (mine[0]["peer"] == "pulsatile" and not shown(mine[0], rows[0])):
            continue
        rate = next((row["patient_days_per_second"] for row in mine if row["error_target"] == 1e-4), None) or 0.0
        points = np.array([p for p in at if LEAST <= p[0] <= MOST] or at)
        if name not in found or rate > found[name][0]:
            found[name] = (rate, mine[0], points)
    return {name: (row, points) for name, (_, row, points) in found.items()}


def shown(row: dict[str, Any], first: dict[str, Any]) -> bool:
    """Tell whether a build of the engine is drawn: the default, its mixed and its scalar build; others crowd."""
    return row["build"] == first["build"] or (
        row["method"] == first["method"] and (row["precision"] == "mixed" or "scalar" in row["build"])
    )


def spread(wanted: list[float], gap: float) -> list[float]:
    """Return positions as near to those ``wanted`` as a distance of ``gap`` between neighbours allows."""
    order = np.argsort(wanted)
    groups: list[list[float]] = []  # sum of (wanted - own offset), size
    for i in order:
        groups.append([wanted[i], 1])
        # a group is laid out around its middle; two that touch become one
        while len(groups) > 1 and _centre(groups[-1]) - _centre(groups[-2]) < gap * (groups[-1][1] + groups[-2][1]) / 2:
            total, size = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + size]
    placed = [_centre(g) + gap * (j - (g[1] - 1) / 2) for g in groups for j in range(int(g[1]))]
    result = [0.0] * len(wanted)
    for i, y in zip(order, placed, strict=True):
        result[i] = y
    return result


def _centre(group: list[float]) -> float:
    return group[0] / group[1]


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the diagram to ``path``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), dpi=130)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.075, 0.1, 0.6, 0.78))
    axes.set(xscale="log", yscale="log", xlim=(MOST, LEAST / 1.2))  # exact to the right
    axes.set_xlabel("largest error, all outputs of all patients (smaller to the right)")
    axes.set_ylabel("patient-days per second, one core")
    axes.grid(True, which="major", color="0.85", lw=0.8)
    axes.grid(True, which="minor", axis="y", color="0.94", lw=0.5)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    drawn = lines(rows)
    seen: dict[str, int] = {}
    ends = []
    for name, (row, points) in drawn.items():
        peer = row["peer"]
        nth = seen[peer] = seen.get(peer, -1) + 1
        colour = COLOURS.get(peer, "#000000")
        main = peer == "pulsatile" and nth == 0
        axes.plot(
            *points.T, color=colour, marker=MARKERS[nth % len(MARKERS)], ms=4.5, lw=2.6 if main else 1.3,
            ls="--" if row["precision"] == "mixed" else "-", zorder=3 if main else 2, clip_on=True,
        )  # fmt: skip
        ends.append((name, colour, points[-1], main))
    low, high = axes.get_ylim()
    height = np.log10(high / low)
    label_at = spread([float(np.log10(y)) for _, _, (_, y), _ in ends], 0.034 * height)
    for (name, colour, (x, y), main), place in zip(ends, label_at, strict=True):
        axes.annotate(
            name, (x, y), xytext=(1.03, (place - np.log10(low)) / height), textcoords="axes fraction",
            color=colour, fontsize=9, fontweight="bold" if main else "normal", va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3,
                        "relpos": (0, 0.5)},
        )  # fmt: skip
    one = rows[0]
    figure.text(0.075, 0.95, "Work against precision: the same model, patients, events and outputs", fontsize=13)
    figure.text(
        0.075, 0.915,
        f"{one['cpu']}, one core; arm {one['arm']}, {one['patients']} patients x {one['days']:g} d, {one['states']} "
        "states, an output every 15 min; best window of CPU time, best build of each peer",
        fontsize=8.5, color="0.35",
    )  # fmt: skip
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, help="what `benchmarks/compare.py --json` wrote")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/work_precision.png"))
    given = parser.parse_args(arguments)
    draw(json.loads(given.figures.read_text()), given.out)
    print(given.out)


if __name__ == "__main__":
    main()
