"""Draw docs/overview.png, the picture of the README: `python docs/picture.py` (needs the extra `report`)."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import pulsatile as pu

ARMS = {
    "no treatment": (pu.Arm("no treatment"), "#6b7280"),
    "tesamorelin 2 mg": (pu.preset("tesamorelin_label"), "#0f766e"),
    "rhGH 0.54 mg": (pu.Arm("rhGH", (pu.Dose("somatropin", 0.54, "mg", "SC", (21.0,)),)), "#c2410c"),
}
WEEKS = (0, 1, 3, 6, 12, 26, 39, 52)


def main() -> None:
    """Simulate 96 virtual obese adults for a year in three arms and draw four panels."""
    cohort = pu.virtual_cohort(96, "obese", seed=11)
    arms = [pu.Arm(name, arm.doses) for name, (arm, _) in ARMS.items()]
    tests = (pu.TestAt("profile", (6,)), pu.TestAt("clamp", WEEKS))
    ds = pu.simulate(cohort, arms, pu.Plan(weeks=52, outputs=("igf1", "vat_change"), tests=tests), threads=2)

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(2, 2, figsize=(9.5, 6.2), constrained_layout=True)
    clock = 6 + ds.profile_time.values
    patient = 4
    for name, (_, colour) in ARMS.items():
        arm = ds.sel(arm=name)
        axes[0, 0].plot(clock, arm.profile_gh[patient, 0], color=colour, lw=1.4, label=name)
        _band(axes[0, 1], ds.time / 168, arm.igf1, colour)
        _band(axes[1, 0], ds.time / 168, arm.vat_change, colour)
        change = 100 * (arm.clamp_m / ds.clamp_m.sel(arm="no treatment") - 1)
        _band(axes[1, 1], ds.clamp_week, change, colour, marker="o")
    axes[0, 0].set(xlabel="clock time, h", ylabel="GH, ug/L", title="GH of one patient, week 6", xticks=range(6, 31, 6))
    axes[0, 0].set_xticklabels(["06", "12", "18", "24", "06"])
    axes[0, 0].legend(frameon=False, fontsize=9)
    axes[0, 1].set(xlabel="week", ylabel="IGF-1, ug/L", title="IGF-1")
    axes[1, 0].set(xlabel="week", ylabel="change, %", title="Visceral fat")
    axes[1, 1].set(xlabel="week", ylabel="difference to no treatment, %", title="Insulin sensitivity (clamp M)")
    axes[1, 1].axhline(0, color="#9ca3af", lw=0.8, zorder=0)
    figure.savefig(Path(__file__).with_name("overview.png"), dpi=110)


def _band(ax, x, values, colour, marker="") -> None:  # type: ignore[no-untyped-def]
    mean = values.mean("patient")
    half = 1.96 * values.std("patient") / np.sqrt(values.sizes["patient"])
    ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, lw=0)
    ax.plot(x, mean, color=colour, lw=1.6, marker=marker, ms=3.5)


if __name__ == "__main__":
    main()
