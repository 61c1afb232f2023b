"""Generates and compiles the kernel module from the model's source, a Runge-Kutta pair and a layout."""

import re
from functools import cache
from threading import RLock
from types import ModuleType

from pulsatile.engine import model, parameters, states
from pulsatile.engine.errors import Status
from pulsatile.engine.kernel import _jit, template, vec
from pulsatile.engine.kernel.divisions import SHARE, SHARE_SINGLE
from pulsatile.engine.kernel.events import BLOCK_HOURS
from pulsatile.engine.kernel.layout import CLOCKS, WATCH, Build, active_states
from pulsatile.engine.kernel.rewrite import Straight, straighten
from pulsatile.engine.kernel.schedule import ordered
from pulsatile.engine.kernel.tableaus import PAIRS

NEVER = "1e300"
STRICTNESS = 5.0  # the error of a step is at most a fifth of the tolerance: below ten tolerances per run with cfmr7
LOOKS = (0.25, 0.5, 0.75)
"""Fractions of a step at which windows sample for extremes, besides its ends: the stages are of low order."""
_STAGE_MEMORY = """raw_s = np.empty({size} + 1024, np.float32)
    offset_s = (-(raw_s.ctypes.data >> 2)) & 1023
    s = raw_s[offset_s : offset_s + {size}]
    s[:] = 1.0"""
_COMMIT_START = "store(s, {YS} + i, where(accepted, load(s, {YE} + i), load(s, {YS} + i)))"


def _sum(weights: tuple[float, ...], rows: list[int], index: str) -> str:
    terms = [f"{a!r} * load(s, {row} + {index})" for a, row in zip(weights, rows, strict=False) if a != 0.0]
    return " + ".join(terms)


def _polynomials(rows: tuple[tuple[float, ...], ...]) -> tuple[list[str], list[int]]:
    """Return one line ``b_j = h * polynomial(th)`` for each stage with a nonzero weight, and those stages."""
    lines, used = [], []
    for j, row in enumerate(rows):
        if any(row):
            nested = f"{row[-1]!r}"
            for a in reversed(row[:-1]):
                nested = f"({a!r} + th * {nested})"
            lines.append(f"b{j} = g * (th * {nested})")
            used.append(j)
    return lines, used


def _slopes(rows: tuple[tuple[float, ...], ...], theta: float) -> tuple[float, ...]:
    """Return the weights of the stages in the derivative of a dense output, the integrand between the stages."""
    return tuple(sum((n + 1) * a * theta**n for n, a in enumerate(row)) for row in rows)


def _evaluate(straight: Straight, active: tuple[int, ...], constants: int) -> list[str]:
    """Return the body of the right-hand side: loads, lines, stores; constants start at row ``constants``."""
    lines = [*straight.always, *straight.watching]
    words = set(re.findall(r"\w+", "\n".join([*lines, *straight.watched.values()])))
    rows = {f"y_{states.STATES[i]}": row for row, i in enumerate(active)}
    text = [f"{name} = load(s, y_row + {row})" for name, row in rows.items() if name in words]
    text += [f"q{i} = load(s, {constants + i})" for i in range(len(straight.constants))]
    text += ordered(straight.always)
    text += [f"store(s, k_row + {rows[f'y_{name}']}, {value})" for name, value in straight.derivatives.items()]
    inner = [*straight.watching]
    inner += [f"store(s, watch_row + {i}, {value})" for i, value in enumerate(straight.watched.values())]
    return [*text, "if watching:", *(f"    {line}" for line in inner)]


def _settle(straight: Straight, at: int, constants: int) -> list[str]:
    """Return the body that computes the constants from the parameters, which start at row ``at``."""
    used = dict.fromkeys(re.findall(r"\bp\.(\w+)", " ".join(straight.constants)))
    text = [f"p_{name} = load(w, {at + parameters.NAMES.index(name)})" for name in used]
    return text + [
        f"store(s, {constants + i}, {value.replace('p.', 'p_')})" for i, value in enumerate(straight.constants)
    ]


def _value_at(points: list[tuple[float, int]], width: int) -> list[str]:
    """Return the body that interpolates between ``points`` (fraction of the step, row); the last of equals counts."""
    (before, row), *later = sorted(dict(points).items())
    lines = [f"left = s[({row} + q) * {width} + lane]"]
    for share, row in later:
        lines += [
            f"right = s[({row} + q) * {width} + lane]",
            f"if th < {share!r}:",
            f"    return left + (right - left) * ((th - {before!r}) / {share - before!r})",
            "left = right",
        ]
        before = share
    return [*lines, "return left"]


def _extremes_between(points: list[tuple[float, int]], width: int) -> list[str]:
    """Return the body that widens ``low`` ... ``high`` by the ``points`` (fraction of the step, row) in between."""
    lines = []
    for share, row in points:
        value = f"s[({row} + q) * {width} + lane]"
        lines += [f"if first <= {share!r} <= last:", f"    low, high = min(low, {value}), max(high, {value})"]
    return lines


class _Rows:
    """An allocator of consecutive rows."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, rows: int) -> int:
        first, self.size = self.size, self.size + rows
        return first


def _keep_output(active: tuple[int, ...], out: int, width: int) -> list[str]:
    """Return the loops that copy one lane's output, one loop per range of consecutive states."""
    lines, row = [], 0
    while row < len(active):
        last = row
        while last + 1 < len(active) and active[last + 1] == active[last] + 1:
            last += 1
        lines += [
            f"for i in range({last - row + 1}):",
            f"    out.y[job, output, {active[row]} + i] = w[({out + row} + i) * {width} + lane]",
        ]
        row = last + 1
    return lines


def source(build: Build) -> str:
    """Return the source text of the kernel module for ``build``."""
    pair = PAIRS[build.method]
    mixed = build.precision == "mixed"
    active = active_states(build.groups)
    resting = {name: states.REST[name] for i, name in enumerate(states.STATES) if i not in active}
    share = SHARE_SINGLE if mixed else SHARE
    straight = straighten(model.fluxes, model.balances, resting, WATCH, share)
    na, nw, stages, width = len(active), len(WATCH), len(pair.c), build.lanes
    # A row read soon after another was written must not share the low 12 bits of its address (4 KiB aliasing).
    stride = na | 1
    wide = _Rows()
    stage = _Rows() if mixed else wide
    names = {"YT": stage.take(stride)}
    for name, of_stage in (("Y", "YS"), ("YN", "YE")):
        names[name] = wide.take(stride)
        names[of_stage] = stage.take(stride) if mixed else names[name]
    names["OUT"] = wide.take(stride)
    k = [stage.take(stride) for _ in range(stages + 1)]
    watch_rows = [stage.take(nw) for _ in range(stages + 1)]
    for name in ("Q", "PART"):
        names[name] = wide.take(nw)
    for name in ("LOW", "HIGH"):
        names[name] = stage.take(nw)
    names["P"] = wide.take(len(parameters.NAMES))
    names["C"] = stage.take(len(straight.constants))
    for name in ("T", "H", "HS", "TN", "STOP", "TOUT", "TWIN", "COUNT", "TRIED"):
        names[name] = wide.take(1)
    # points where windows sample for extremes (the first is the value after an impulse), and the stages that are read
    looks = [(0.0, watch_rows[0]), *((share, stage.take(nw)) for share in LOOKS), (1.0, watch_rows[stages - 1])]
    read = {
        0,
        stages - 1,
        *(j for j, row in enumerate(pair.free) if any(row)),
        *(j for j, b in enumerate(pair.a[-1]) if b),
    }
    sampled = [f"store(s, {row} + q, {_sum(_slopes(pair.free, share), watch_rows, 'q')})" for share, row in looks[1:-1]]
    narrow, widen = ("narrow", "wide") if mixed else ("", "")

    def clock(time: str) -> str:
        # float32 cannot resolve the hours of half a year; the equations depend on the hour of the day only
        return f"narrow(hour_of_day({time}))" if mixed else time

    steps = []
    for j in range(1, stages):
        total = f"g * ({_sum(pair.a[j - 1], k, 'i')})"
        steps.append(f"for i in range({na}):")
        if j < stages - 1:
            steps.append(f"    store(s, {names['YT']} + i, load(s, {names['YS']} + i) + {total})")
        else:
            steps.append(f"    store(w, {names['YN']} + i, load(w, {names['Y']} + i) + {widen}({total}))")
            if mixed:
                steps.append(f"    store(s, {names['YE']} + i, narrow(load(w, {names['YN']} + i)))")
        target = names["YE"] if j == stages - 1 else names["YT"]
        seen = "watching" if j in read else "np.bool_(False)"
        time = clock(f"t + {pair.c[j]!r} * hs")
        steps.append(f"evaluate(s, {time}, int64({target}), int64({k[j]}), int64({watch_rows[j]}), {seen})")
    extra = []
    if len(pair.dense) > stages:
        time = clock(f"t + {pair.extra_c!r} * hs")
        extra = [
            f"for i in range({na}):",
            f"    store(s, {names['YT']} + i, load(s, {names['YS']} + i) + g * ({_sum(pair.extra_a, k, 'i')}))",
            f"evaluate(s, {time}, int64({names['YT']}), int64({k[stages]}), int64({watch_rows[stages]}), "
            "np.bool_(False))",
        ]
    dense, dense_used = _polynomials(pair.dense)
    free, free_used = _polynomials(pair.free)
    least = most = f"load(s, {looks[0][1]} + q)"
    for _, r in looks[1:]:
        least, most = f"smaller(load(s, {r} + q), {least})", f"larger(load(s, {r} + q), {most})"
    values: dict[str, object] = names | {
        "W": width, "NA": na, "NW": nw, "NP": len(parameters.NAMES), "SIZE": wide.size,
        "PER_STATE": repr(STRICTNESS**2 / na),
        "K1": k[0], "KL": k[stages - 1], "KX": k[stages], "W1": watch_rows[0], "WL": watch_rows[stages - 1],
        "WX": watch_rows[stages], "NEVER": NEVER, "BLOCK_HOURS": repr(BLOCK_HOURS), "FLUSH": vec.FLUSH,
        "FIRST_INPUT": parameters.NAMES.index(parameters.INPUTS[0]),
        "OK": int(Status.OK), "STEP_LIMIT": int(Status.STEP_LIMIT), "NOT_FINITE": int(Status.NOT_FINITE),
        "STEP_COLLAPSE": int(Status.STEP_COLLAPSE), "NARROW": narrow, "WIDE": widen, "CLOCK_OF_START": clock("t"),
        "STAGE_MEMORY": _STAGE_MEMORY.format(size=stage.size * width) if mixed else "s = w",
        "COMMIT_START": _COMMIT_START.format(**names) if mixed else "",
        "STAGES": "\n    ".join(steps), "ERROR": _sum(pair.e, k, "i"),
        "QUADRATURE": _sum(pair.a[-1], watch_rows, "q"), "LEAST": least, "MOST": most,
        "SAMPLED": "\n            ".join(sampled),
        "VALUE_AT": "\n    ".join(_value_at(looks, width)),
        "EXTREMES_BETWEEN": "\n    ".join(_extremes_between(looks, width)),
        "EXTRA": "\n    ".join(extra), "KEEP_OUTPUT": f"\n{' ' * 16}".join(_keep_output(active, names["OUT"], width)),
        "DENSE": "\n    ".join(dense), "DENSE_SUM": " + ".join(f"b{j} * load(s, {k[j]} + i)" for j in dense_used),
        "FREE": "\n    ".join(free), "FREE_SUM": " + ".join(f"b{j} * load(s, {watch_rows[j]} + q)" for j in free_used),
        "PER_DAY": repr(1 / 24), "AT_STATES": len(CLOCKS), "AT_WATCH": len(CLOCKS) + len(states.STATES),
        **{f"AT_{name.upper()}": column for column, name in enumerate(CLOCKS)},
        "GAIN": repr(-0.5 / (pair.error_order + 1)),  # of log2 of the squared error
    }  # fmt: skip
    evaluate = "\n".join(_evaluate(straight, active, names["C"]))
    settle = "\n".join(_settle(straight, names["P"], names["C"]))
    body = template.TEMPLATE
    for name in sorted(values, key=len, reverse=True):
        body = body.replace("{" + name + "}", str(values[name]))
    rows = {name: value for name, value in values.items() if isinstance(value, int)}
    row_of_state = [active.index(i) if i in active else -1 for i in range(len(states.STATES))]
    return f'''"""Generated from engine/model.py, kernel/template.py, kernel/tableaus.py for {build}.  Do not edit."""

import math
from math import exp, sqrt

import numpy as np
from numba import njit

from pulsatile.engine.kernel import vec
from pulsatile.engine.kernel._jit import FLAGS
from pulsatile.engine.kernel.intrinsic import straight

_v = vec.lanes({width})
load, store, splat, where, bits, from_bits = _v.load, _v.store, _v.splat, _v.where, _v.bits, _v.from_bits
floor, magnitude, smaller, larger, narrow, wide = _v.floor, _v.magnitude, _v.smaller, _v.larger, _v.narrow, _v.wide
power_of_two, exponent_of, mantissa_of = _v.power_of_two, _v.exponent_of, _v.mantissa_of
about_inverse = _v.about_inverse
first_bit, set_float_control = vec.first_bit, vec.set_float_control
ROWS = {rows!r}  # for measuring parts of the loop by themselves
ACTIVE = np.array({list(active)!r})
ROW_OF_STATE = np.array({row_of_state!r})
int64 = np.int64  # of a number: else every call of evaluate would be compiled for its own rows
jit = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **FLAGS)
evaluate_lines = straight({width}, "s, t, y_row, k_row, watch_row, watching", """
{evaluate}
""")
settle_lines = straight({width}, "w, s", """
{settle}
""")


@jit
def hour_of_day(t):
    return t - 24.0 * floor(t * {1 / 24!r})

{body}'''


GENERATING = RLock()
"""Lock on generation: in CPython 3.11 `ast.parse` fails when two threads call it at once."""


def kernel(build: Build) -> ModuleType:
    """Return the module for ``build``; its ``run`` is compiled on the first call, or loaded from the cache."""
    with GENERATING:
        return _kernel(build)


@cache
def _kernel(build: Build) -> ModuleType:
    return _jit.import_generated(source(build), "kernel")
