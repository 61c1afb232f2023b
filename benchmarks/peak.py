"""How much of the core's arithmetic a run uses: the measured FMA peak, and the operations of one step."""

import ast
import ctypes
import time
from typing import Any

from benchmarks.peers.c_integrator import compile_c
from benchmarks.peers.c_source import rewritten
from pulsatile.engine.kernel.tableaus import EmbeddedPair

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


def rhs_operations(active: tuple[str, ...]) -> dict[str, int]:
    """Return how often each operation stands in the compiled right-hand side of the states ``active``."""
    count: dict[str, int] = {}
    for node in ast.walk(ast.parse("\n".join(rewritten(active).always))):
        match node:
            case ast.BinOp(op=op):
                name = type(op).__name__.lower()
            case ast.Call(func=ast.Name(id=name)):
                pass
            case _:
                continue
        count[name] = count.get(name, 0) + 1
    return count


def flops(active: tuple[str, ...], pair: EmbeddedPair) -> dict[str, float]:
    """Return the flops of one call of the right-hand side, of one step and of one output."""
    n = len(active)
    operations = rhs_operations(active)
    rhs = sum(EXP_FLOPS * c if name == "exp" else c for name, c in operations.items())

    def weighted(weights: Any) -> int:
        return 2 * sum(1 for w in weights if w) + 1

    stages = sum(weighted(row) for row in pair.a) * n
    error = (weighted(pair.e) + 6) * n
    has_extra = len(pair.dense) > len(pair.c)
    used = [row for row in pair.dense if any(row)]
    dense = sum(2 * len(row) for row in used) + 2 * len(used) * n
    output = dense + (rhs + weighted(pair.extra_a) * n if has_extra else 0)
    return {"rhs": rhs, "step": (len(pair.c) - 1) * rhs + stages + error, "output": output}
