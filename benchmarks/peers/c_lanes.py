"""DOPRI5 in C for ``width`` patients at once: vectors over patients, ONE step size for all lanes of a vector.

The strong peer of the kernel: what a batch integrator without per-lane step control does, written as well as gcc's
vector extensions allow.  The error of a trial step is the largest of the lanes', a step ends at the next event of any
lane, and the events of all lanes due at that instant are applied together.  The exponential is a polynomial on whole
vectors.  Tableau, controller, tolerances, dense output and events are those of the scalar peer in `c_integrator`; so is
the right-hand side, as written or the engine's rewritten one.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.c_integrator import FAST, FIRST_INPUT, compile_c, weighted
from benchmarks.peers.c_source import rhs_source
from benchmarks.peers.tableaus import DOPRI5
from pulsatile.engine.arrays import Floats
from pulsatile.engine.parameters import NAMES

_TEMPLATE = """
#include <math.h>
#include <string.h>
#define W {W}
#define NS {NS}
#define NP {NP}
#define NQ {NQ}
#define EACH _Pragma("GCC unroll 64") for (int i = 0; i < NS; i++)
typedef double vec __attribute__((vector_size(W * 8)));
typedef long bits __attribute__((vector_size(W * 8)));
typedef int ints __attribute__((vector_size(W * 4)));
#define INLINE static inline __attribute__((always_inline))

INLINE vec vsqrt(vec x) {{ vec r; for (int l = 0; l < W; l++) r[l] = __builtin_sqrt(x[l]); return r; }}
INLINE vec vfloor(vec x) {{ vec r; for (int l = 0; l < W; l++) r[l] = __builtin_floor(x[l]); return r; }}
INLINE vec vabs(vec x) {{ return (vec)((bits)x & 0x7fffffffffffffffL); }}
INLINE vec vmax(vec a, vec b) {{ const bits m = a > b; return (vec)((m & (bits)a) | (~m & (bits)b)); }}
INLINE double most(vec x) {{ double m = x[0]; for (int l = 1; l < W; l++) m = x[l] > m ? x[l] : m; return m; }}

/* 2^k e^r, |r| <= ln(2) / 2, Taylor to r^12: 2e-16; for x < 700 */
INLINE vec vexp(vec x)
{{
  x = vmax(x, (vec){{0}} - 700.0);
  const vec k = vfloor(x * 1.4426950408889634 + 0.5);
  const vec r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10;
  vec e = r * (1.0 / 479001600.0) + 1.0 / 39916800.0;
  e = e * r + 1.0 / 3628800.0; e = e * r + 1.0 / 362880.0; e = e * r + 1.0 / 40320.0;
  e = e * r + 1.0 / 5040.0; e = e * r + 1.0 / 720.0; e = e * r + 1.0 / 120.0;
  e = e * r + 1.0 / 24.0; e = e * r + 1.0 / 6.0; e = e * r + 0.5; e = e * r + 1.0; e = e * r + 1.0;
  const bits two = (__builtin_convertvector(__builtin_convertvector(k, ints), bits) + 1023L) << 52;
  return e * (vec)two;
}}
#define exp vexp
#define sqrt vsqrt
#define floor vfloor
{RHS}
#undef exp
#undef sqrt
#undef floor

static void group(const double* const* parameters, const double* const* y0, const long* next, const long* end,
                  const double* et, const long* target, const double* ea, double t, const double* tout, long no,
                  double rtol, const double* atol, double h_event, long limit, double* const* out, int lanes,
                  long* stats)
{{
  vec k[{S} + 1][NS], y[NS], yt[NS], yn[NS], p[NP + NQ];
  long ie[W], io = 0, steps = 0, rejected = 0;
  double h = h_event, errold = 1.0, next_event = t;
  for (int l = 0; l < W; l++) {{
    for (int i = 0; i < NP; i++) p[i][l] = parameters[l][i];
    EACH y[i][l] = y0[l][i];
    ie[l] = next[l];
  }}
  prepare(p);
  while (io < no && tout[io] <= t) {{ for (int l = 0; l < lanes; l++) EACH out[l][io * NS + i] = y[i][l]; io++; }}
  for (int first = 1; io < no; first = 0) {{
    if (next_event <= t) {{
      int changed = 0;
      next_event = INFINITY;
      for (int l = 0; l < W; l++) {{
        for (; ie[l] < end[l] && et[ie[l]] <= t; ie[l]++) {{
          const long to = target[ie[l]];
          if (to >= 0) y[to][l] += ea[ie[l]]; else {{ p[{FIRST_INPUT} - 1 - to][l] = ea[ie[l]]; changed = 1; }}
        }}
        if (ie[l] < end[l] && et[ie[l]] < next_event) next_event = et[ie[l]];
      }}
      if (changed) prepare(p);
      rhs(t - (vec){{0}}, y, p, k[0]);
      if (!first) {{ if (h > h_event) h = h_event; errold = 1.0; }}
    }}
    if (steps >= limit) {{ stats[2] = 1; break; }}
    const double hs = h;
    const int cut = t + h * 1.0000001 >= next_event;
    if (cut) h = next_event - t;
    steps++;
{STAGES}
    vec e2 = {{0}};
    EACH {{
      const vec er = h * ({ERROR}) / (atol[i] + rtol * vmax(vabs(y[i]), vabs(yn[i])));
      e2 += er * er;
    }}
    double err = __builtin_sqrt(most(e2) / NS);
    if (!(err <= 1.0)) {{
      const double f = 0.9 * pow(err, -1.0 / {Q});
      h *= f > 0.2 ? f : 0.2;
      rejected++; errold = 1.0;
      if (!(h > 1e-12)) {{ stats[2] = 1; break; }}
      continue;
    }}
    const double tn = cut ? next_event : t + h;
    for (; io < no && tout[io] <= tn; io++) {{
{OUTPUT}
    }}
    if (err < 1e-4) err = 1e-4;
    double f = 0.9 * pow(err, -0.7 / {Q}) * pow(errold, 0.4 / {Q});
    f = f < 0.2 ? 0.2 : f > 5.0 ? 5.0 : f;
    h *= f; errold = err;
    if (cut && h < hs && f >= 1.0) h = hs;
    t = tn;
    EACH y[i] = yn[i];
    EACH k[0][i] = k[{S}][i];
  }}
  stats[0] += steps * lanes; stats[1] += rejected * lanes;
}}

int run(long n, const double* parameters, const double* y0, const long* ptr, const double* et, const long* target,
        const double* ea, double start, const double* tout, long no, double rtol, const double* atol,
        double h_event, long limit, double* out, long* stats)
{{
  for (long first = 0; first < n; first += W) {{
    const double* ps[W]; const double* ys[W]; double* outs[W]; long next[W], end[W];
    for (int l = 0; l < W; l++) {{
      const long k = first + l < n ? first + l : n - 1;  /* an empty lane repeats the last patient */
      ps[l] = parameters + k * NP; ys[l] = y0 + k * NS; outs[l] = out + k * no * NS;
      next[l] = ptr[k]; end[l] = ptr[k + 1];
    }}
    group(ps, ys, next, end, et, target, ea, start, tout, no, rtol, atol, h_event, limit, outs,
          first + W <= n ? W : (int)(n - first), stats);
  }}
  return (int)stats[2];
}}
"""


def source(active: Sequence[str], width: int, straight: bool) -> str:
    """Return the C program that integrates the states ``active`` of ``width`` patients at once."""
    constants, functions = rhs_source(active, straight)
    functions = functions.replace("const double ", "const vec ").replace("double*", "vec*")
    functions = functions.replace("rhs(double t", "rhs(vec t")
    pair = DOPRI5
    s = len(pair.b)
    stages = []
    for j, (row, c) in enumerate(zip((*pair.a[1:], pair.b), (*pair.c[1:], 1), strict=True), 1):
        to = "yn" if j == s else "yt"
        stages.append(f"    EACH {to}[i] = y[i] + h * ({weighted(row)});")
        stages.append(f"    rhs((t + {c!r} * h) - (vec){{0}}, {to}, p, k[{j}]);")
    output = ["      const double x = (tout[io] - t) / h;"]
    terms = []
    for j, row in enumerate(pair.dense):
        if any(row):
            output.append(f"      const double b{j} = x * (" + " + x * (".join(map(repr, row)) + ")" * len(row) + ";")
            terms.append(f"b{j} * k[{j}][i]")
    output.append("      EACH {")
    output.append(f"        const vec v = y[i] + h * ({' + '.join(terms)});")
    output.append("        for (int l = 0; l < lanes; l++) out[l][io * NS + i] = v[l];")
    output.append("      }")
    return _TEMPLATE.format(
        W=width, NS=len(active), NP=len(NAMES), NQ=constants, RHS=functions, S=s, FIRST_INPUT=FIRST_INPUT,
        Q=f"{pair.order_of_error + 1}.0", STAGES="\n".join(stages), ERROR=weighted(pair.e), OUTPUT="\n".join(output),
    )  # fmt: skip


class CLanes:
    """The compiled program for one set of active states and one width."""

    def __init__(self, active: Sequence[str], width: int, flags: Sequence[str] = FAST, straight: bool = False) -> None:
        self.active = tuple(active)
        self.library = compile_c(source(active, width, straight), (*flags, "-Wno-psabi"))

    def run(
        self,
        parameters: Floats,
        y0: Floats,
        events: tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int64], Floats],
        start: float,
        times: Floats,
        rtol: float,
        atol: Floats,
        h_event: float = 0.02,
        limit: int = 100_000_000,
        out: Floats | None = None,
    ) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Integrate; return states (n, m, active) and (trial, rejected) steps summed over patients.

        Arguments as in `c_integrator.CIntegrator.run`.
        """
        n = len(y0)
        out = np.empty((n, len(times), len(self.active))) if out is None else out
        stats = np.zeros(3, np.int64)
        ptr, time, target, amount = (np.ascontiguousarray(a) for a in events)
        keep: list[Any] = [np.ascontiguousarray(a, float) for a in (parameters, y0, times, atol)]
        double, long = ctypes.c_double, ctypes.c_long
        bad = self.library.run(
            long(n), keep[0].ctypes, keep[1].ctypes, ptr.ctypes, time.ctypes, target.ctypes, amount.ctypes,
            double(start), keep[2].ctypes, long(len(times)), double(rtol), keep[3].ctypes,
            double(h_event), long(limit), out.ctypes, stats.ctypes,
        )  # fmt: skip
        if bad:
            raise RuntimeError(f"the C lanes gave up at rtol {rtol:g}")
        return out, stats[:2]
