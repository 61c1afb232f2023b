"""How much of the core's arithmetic a run uses: the measured FMA peak, and the operations of one step."""

import ctypes
import time
from typing import Any

from benchmarks.peers.c_integrator import compile_c
from benchmarks.peers.c_source import rewritten
from engine import model, parameters
from engine.codegen import WATCH
from engine.steppers import Pair

EXP_FLOPS = 33  # the kernel's own exponential: reduction, 12th degree polynomial, scaling

_PROGRAM = """
typedef double vec __attribute__((vector_size(WIDTH * 8), aligned(8)));
double fma_loop(long n, double seed)
{
  vec x[12], a, b;
  for (int i = 0; i < WIDTH; i++) { a[i] = 0.999999 + 1e-9 * seed; b[i] = 1e-6 * seed; }
  for (int j = 0; j < 12; j++) x[j] = a + (double)j;
  for (long k = 0; k < n; k++) {
#define ONE(j) x[j] = x[j] * a + b;
    ONE(0) ONE(1) ONE(2) ONE(3) ONE(4) ONE(5) ONE(6) ONE(7) ONE(8) ONE(9) ONE(10) ONE(11)
  }
  vec s = x[0];
  for (int j = 1; j < 12; j++) s += x[j];
  return s[0];
}
"""


def fma_peak(seconds: float = 0.5) -> float:
    """Return the most GFLOP/s in float64 that 12 independent chains of fused multiply-adds reach on one core."""
    best = 0.0
    for width in (4, 8):
        flags = ("-O3", "-march=native", "-ffp-contract=fast", f"-DWIDTH={width}", "-Wno-psabi")
        loop = compile_c(_PROGRAM, flags).fma_loop
        loop.restype = ctypes.c_double
        n = 200_000
        end = time.perf_counter() + seconds / 2
        while time.perf_counter() < end:
            start = time.thread_time()
            loop(ctypes.c_long(n), ctypes.c_double(1.0))
            best = max(best, n * 12 * width * 2 / (time.thread_time() - start) / 1e9)
    return best


class _Traced:
    """A number that remembers how it was made; equal operations are one, as the compiler sees them."""

    made: dict[tuple[Any, ...], "_Traced"] = {}

    def __init__(self, operation: str, *parents: Any) -> None:
        self.operation, self.parents = operation, parents

    @classmethod
    def make(cls, operation: str, *parents: Any) -> "_Traced":
        key = (operation, *(id(p) if isinstance(p, _Traced) else p for p in parents))
        return cls.made.setdefault(key, cls(operation, *parents))

    def __add__(self, other: Any) -> "_Traced":
        return self.make("+", self, other)

    def __radd__(self, other: Any) -> "_Traced":
        return self.make("+", other, self)

    def __sub__(self, other: Any) -> "_Traced":
        return self.make("-", self, other)

    def __rsub__(self, other: Any) -> "_Traced":
        return self.make("-", other, self)

    def __mul__(self, other: Any) -> "_Traced":
        return self.make("*", self, other)

    def __rmul__(self, other: Any) -> "_Traced":
        return self.make("*", other, self)

    def __truediv__(self, other: Any) -> "_Traced":
        return self.make("/", self, other)

    def __rtruediv__(self, other: Any) -> "_Traced":
        return self.make("/", other, self)

    def __neg__(self) -> "_Traced":
        return self.make("neg", self)


def rhs_operations(active: tuple[str, ...]) -> dict[str, int]:
    """Return how often each operation stands in the compiled right-hand side of the states ``active``."""
    _Traced.made.clear()
    text = rewritten(active)
    names: dict[str, Any] = {"State": model.State, "Fluxes": model.Fluxes, "Any": Any}
    names |= {f: lambda x, f=f: _Traced.make(f, x) for f in ("exp", "sqrt", "floor")}
    for function in text.functions:
        exec(function, names)
    y = model.State(*(_Traced("y") if name in active else model.REST[name] for name in model.STATES))
    p = parameters.Parameters(*(_Traced("p") for _ in parameters.NAMES))
    q = type("Constants", (), {name: _Traced("q") for name in text.names})()
    f = names["fluxes"](_Traced("t"), y, p, q)
    dy = names["balances"](y, p, f, q)
    todo = [getattr(dy, name) for name in active] + [getattr(f, name) for name in WATCH if hasattr(f, name)]
    seen: dict[int, _Traced] = {}
    while todo:
        node = todo.pop()
        if isinstance(node, _Traced) and id(node) not in seen:
            seen[id(node)] = node
            todo += node.parents
    count: dict[str, int] = {}
    for node in seen.values():
        count[node.operation] = count.get(node.operation, 0) + 1
    return {name: count.get(name, 0) for name in ("+", "-", "*", "/", "sqrt", "exp", "floor")}


def flops(active: tuple[str, ...], pair: Pair) -> dict[str, float]:
    """Return the flops of one call of the right-hand side, of one step and of one output."""
    n = len(active)
    operations = rhs_operations(active)
    rhs = sum(c for name, c in operations.items() if name not in ("exp", "floor")) + EXP_FLOPS * operations["exp"]

    def weighted(weights: Any) -> int:
        return 2 * sum(1 for w in weights if w) + 1

    stages = sum(weighted(row) for row in pair.a) * n
    error = (weighted(pair.e) + 6) * n
    has_extra = len(pair.dense) > len(pair.c)
    used = [row for row in pair.dense if any(row)]
    dense = sum(2 * len(row) for row in used) + 2 * len(used) * n
    output = dense + (rhs + weighted(pair.extra_a) * n if has_extra else 0)
    return {"rhs": rhs, "step": (len(pair.c) - 1) * rhs + stages + error, "output": output}
