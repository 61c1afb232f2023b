"""Sampled profiles: the fasting sample, a day of GH, a day with meals, and outputs of choice on a grid of choice."""

import numpy as np
import numpy.typing as npt

from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.dose_rule import DAY
from pulsatile.engine.errors import InputError
from pulsatile.engine.outputs import HBA1C, Evaluated, hba1c, output_of
from pulsatile.engine.trial.virtual_test import (
    FASTING_CLOCK,
    SNAPSHOT_CLOCK,
    Person,
    Rows,
    TestSettings,
    VirtualTest,
    area,
)

USUAL_SAMPLES = 6.0  # per hour
SECRETION_SAMPLES = 30.0  # per hour: a burst halves in 12 min
HBA1C_WORDS = "HbA1c by the ADAG regression, where this mean glucose lasts for 2-3 months"
FLOOR = 5.0  # percentile of the secretion rate that counts as basal, as the trough of GH is the 5th percentile


def _read_fasting(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    names = ("glucose", "insulin", "ffa", "homa_ir", "adipo_ir", "egp", "igf1", "igf1_sds", "gh")
    return {name: e.output(name)[:, 0] for name in names}


PEAK_RISE, PEAK_SHARE = 0.3, 0.5  # ug/L and share above both neighbouring minima; axis, definitions for tests


def count_peaks(gh: Floats) -> Floats:
    """Return the number of detected GH peaks (n,) in 10-min samples (n, m).

    A peak is a local maximum that rises above both neighbouring minima by more than max(0.3 ug/L, 50 % of the minimum).
    Smaller fluctuations do not count as minima: one pass from clear rise to clear fall counts each peak once, and a
    peak cut off by either end of the record does not count.
    """

    def clear(top: Floats, floor: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray(top - floor > np.maximum(PEAK_RISE, PEAK_SHARE * floor))

    n, m = gh.shape
    low, high = gh[:, 0].copy(), gh[:, 0].copy()
    rising = np.zeros(n, bool)
    count = np.zeros(n)
    for j in range(1, m):
        x = gh[:, j]
        high = np.where(rising, np.maximum(high, x), x)
        fallen = rising & clear(high, x)
        count += fallen
        low = np.where(fallen, x, np.where(rising, low, np.minimum(low, x)))
        rising = (rising & ~fallen) | (~rising & clear(x, low))
        high = np.where(rising, np.maximum(high, x), x)
    return np.where(np.isfinite(gh).all(axis=1), count, np.nan)


def _read_profile(times: Floats, e: Evaluated, person: Person, start: float) -> dict[str, Floats]:
    gh = e.output("gh")
    clock = (start + times) % DAY
    night = (clock >= 23) | (clock < 7)
    total = area(times, gh)
    # the night 23:00-07:00 is in two parts of the sampled day: sum the samples as 10-min rectangles
    return {
        "gh_mean": total / times[-1],
        "gh_peaks": count_peaks(gh),
        "gh_highest": gh.max(axis=1),
        "gh_trough": np.percentile(gh, 5, axis=1),
        "gh_night_share": (gh[:, :-1] * night[:-1]).sum(axis=1) / gh[:, :-1].sum(axis=1),
        "igf1": e.output("igf1").mean(axis=1),
    }


def _read_day(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    glucose, insulin, ffa = e.output("glucose"), e.output("insulin"), e.output("ffa")
    return {
        "glucose_mean": area(times, glucose) / times[-1],
        "glucose_peak": glucose.max(axis=1),
        "insulin_mean": area(times, insulin) / times[-1],
        "insulin_peak": insulin.max(axis=1),
        "ffa_mean": area(times, ffa) / times[-1],
        "ffa_nadir": ffa.min(axis=1),
        "sens_muscle_mean": area(times, e.output("sens_muscle")) / times[-1],
        "sens_liver_mean": area(times, e.output("sens_liver")) / times[-1],
    }


def _read_whole_day(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    values = _read_day(times, e, person)
    return values | {HBA1C.name: hba1c(values["glucose_mean"])}


def _read_secretion(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
    leak, store = e.output("gh_leakage"), e.output("gh_store")
    # from the balance of the store: its curve is smooth, while a pulse makes the release itself jump between samples
    released = area(times, e.output("gh_refill")) + store[:, 0] - store[:, -1]
    leaked = area(times, leak)
    basal = np.percentile(leak + e.output("gh_secretion"), FLOOR, axis=1) * times[-1]
    floor = np.percentile(e.output("gh_secretion_rate"), FLOOR, axis=1)
    return {
        "gh_secreted": leaked + released, "gh_leaked": leaked, "gh_released": released, "gh_basal": basal,
        "gh_pulsatile": leaked + released - basal, "gh_basal_rate": floor,
    }  # fmt: skip


def _nothing(person: Person) -> Rows:
    return []


def fasting(name: str, s: TestSettings) -> VirtualTest:
    """Return the fasting blood sample."""
    at = FASTING_CLOCK if s.at is None else s.at
    return VirtualTest(
        name, f"fasting blood sample at {int(at):02d}:{round(60 * (at % 1)):02d}", 0.0, _nothing, _read_fasting,
        {
            "glucose": ("mmol/L", "fasting glucose"), "insulin": ("pmol/L", "fasting insulin"),
            "ffa": ("mmol/L", "fasting FFA"), "homa_ir": ("1", "HOMA-IR"),
            "adipo_ir": ("mmol/L*pmol/L", "adipose insulin resistance"),
            "egp": ("mmol/kg/min", "fasting endogenous glucose production"),
            "igf1": ("ug/L", "IGF-1 at the visit"), "igf1_sds": ("1", "IGF-1 SD score at the visit"),
            "gh": ("ug/L", "GH at the visit"),
        },
    )  # fmt: skip


def _spacing(s: TestSettings) -> float:
    return USUAL_SAMPLES if s.every is None else 1 / s.every


def meal_day(name: str, s: TestSettings) -> VirtualTest:
    """Return a day with meals, or the hours of the settings."""
    h = DAY if s.hours is None else s.hours
    whole = h % DAY == 0  # the mean of a part of the day is no mean glucose
    return VirtualTest(
        name, f"{h:g} h with meals", h, _nothing, _read_whole_day if whole else _read_day,
        {
            "glucose_mean": ("mmol/L", f"{h:g}-h mean glucose"), "glucose_peak": ("mmol/L", "highest glucose"),
            "insulin_mean": ("pmol/L", f"{h:g}-h mean insulin"), "insulin_peak": ("pmol/L", "highest insulin"),
            "ffa_mean": ("mmol/L", f"{h:g}-h mean FFA"), "ffa_nadir": ("mmol/L", "lowest FFA"),
            "sens_muscle_mean": ("1", f"{h:g}-h mean muscle sensitivity"),
            "sens_liver_mean": ("1", f"{h:g}-h mean liver sensitivity"),
        } | ({HBA1C.name: (HBA1C.unit, HBA1C_WORDS)} if whole else {}),
        ("glucose", "insulin", "ffa"), fasting=False, per_hour=_spacing(s),
    )  # fmt: skip


def profile(name: str, s: TestSettings) -> VirtualTest:
    """Return a GH profile over a day, or over the hours of the settings; peaks are those of its samples."""
    h, start = DAY if s.hours is None else s.hours, SNAPSHOT_CLOCK if s.at is None else s.at
    minutes = 60 / _spacing(s)
    return VirtualTest(
        name, f"{h:g} h of GH, sampled every {minutes:g} min", h, _nothing,
        lambda times, e, person: _read_profile(times, e, person, start),
        {
            "gh_mean": ("ug/L", f"{h:g}-h mean GH"),
            "gh_peaks": ("1/day" if h == DAY else "1", "detected GH peaks"),
            "gh_highest": ("ug/L", "highest GH"), "gh_trough": ("ug/L", "5th percentile of GH"),
            "gh_night_share": ("1", "share of GH between 23:00 and 07:00"), "igf1": ("ug/L", f"{h:g}-h mean IGF-1"),
        },
        ("gh",), fasting=False, per_hour=_spacing(s),
    )  # fmt: skip


def secretion(name: str, s: TestSettings) -> VirtualTest:
    """Return the own GH secretion of a day, or of the hours of the settings, by origin and by deconvolution.

    Leak and release are the model's fluxes, so that no curve has to be deconvolved.  Deconvolution itself has a
    constant basal rate with bursts above it: here the basal rate is the 5th percentile of the secretion rate, and what
    lies above it is pulsatile.  A constant GHRH drive therefore raises basal secretion, as it does in trials.
    """
    h = DAY if s.hours is None else s.hours
    return VirtualTest(
        name, f"{h:g} h of GH secretion", h, _nothing, _read_secretion,
        {
            "gh_secreted": ("ug", f"GH secreted in {h:g} h"), "gh_leaked": ("ug", "of it GHRH-independent leak"),
            "gh_released": ("ug", "of it released from the pituitary store"),
            "gh_basal": ("ug", "basal secretion: the 5th percentile of the rate, all the time"),
            "gh_pulsatile": ("ug", "pulsatile secretion: above the basal rate"),
            "gh_basal_rate": ("ug/L/min", "basal secretion rate per distribution volume"),
        },
        fasting=False, per_hour=SECRETION_SAMPLES if s.every is None else 1 / s.every,
    )  # fmt: skip


def sampling(name: str, s: TestSettings) -> VirtualTest:
    """Return samples of the outputs of the settings: the curve, mean, least and greatest value, hour of the greatest.

    It is a fasting test where the settings have a fast.
    """
    if not s.outputs:
        raise InputError(f"outputs of test {name} are missing; name what it samples, for example [gh, glucose].")
    h = DAY if s.hours is None else s.hours

    def read(times: Floats, e: Evaluated, person: Person) -> dict[str, Floats]:
        values: dict[str, Floats] = {}
        for output in s.outputs:
            x = e.output(output)
            values |= {f"{output}_mean": area(times, x) / times[-1], f"{output}_min": x.min(axis=1)}
            values |= {f"{output}_max": x.max(axis=1), f"{output}_tmax": times[x.argmax(axis=1)]}
        return values

    endpoints: dict[str, tuple[str, str]] = {}
    for output in s.outputs:
        unit, words = output_of(output).unit, output_of(output).long_name
        endpoints |= {f"{output}_mean": (unit, f"{words}, {h:g}-h mean"), f"{output}_min": (unit, f"{words}, least")}
        endpoints |= {
            f"{output}_max": (unit, f"{words}, greatest"),
            f"{output}_tmax": ("h", f"{words}, time of the greatest after the start"),
        }
    return VirtualTest(
        name, f"{h:g} h, sampled every {60 / _spacing(s):g} min", h, _nothing, read, endpoints, s.outputs,
        fasting=s.fast is not None, per_hour=_spacing(s),
    )  # fmt: skip
