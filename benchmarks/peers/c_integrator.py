"""A scalar explicit Runge-Kutta integrator in C: the strong peer (DOPRI5) and the reference (DOP853 at 1e-12).

Per patient: adaptive steps with a PI controller, an absolute tolerance per state, a stop exactly at each event, and
outputs by the pair's own dense output (DOPRI5) or by landing on them (DOP853).  An output holds the value before an
event of that instant.  ``straight`` gives it the rewritten right-hand side that the engine's kernel gets.  Compiled by
gcc when asked for.
"""

import ctypes
import hashlib
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.c_source import rhs_source
from benchmarks.peers.tableaus import Tableau
from pulsatile.engine.arrays import Floats
from pulsatile.engine.parameters import INPUTS, NAMES

FIRST_INPUT = NAMES.index(INPUTS[0])  # the inputs are the last rows of the table

_TEMPLATE = """
#include <math.h>
#include <string.h>
#define NS {NS}
#define NP {NP}
#define NQ {NQ}
#define LAND {LAND}
{RHS}
__attribute__((noinline)) void derivative(double t, const double* y, const double* parameters, double* dy)
{{
  double p[NP + NQ];
  memcpy(p, parameters, NP * sizeof(double));
  prepare(p);
  rhs(t, y, p, dy);
}}

static void apply(long target, double amount, double* y, double* p)
{{
  if (target >= 0) y[target] += amount; else p[{FIRST_INPUT} - 1 - target] = amount;
}}

static void highest(const double* y, double* peak)
{{
  for (int i = 0; i < NS; i++) if (fabs(y[i]) > peak[i]) peak[i] = fabs(y[i]);
}}

static int one(double* p, double* y, const long* et_target, const double* et, const double* ea, long ne,
               double t, const double* tout, long no, double rtol, const double* atol, double h_event,
               long limit, double fixed, double* restrict out, long* stats, double* peak)
{{
  double k[{S} + 1][NS], yt[NS], yn[NS];
  double h = fixed > 0 ? fixed : h_event, errold = 1.0;
  long ie = 0, io = 0, steps = 0, rejected = 0;
  while (io < no && tout[io] <= t) {{ memcpy(out + io * NS, y, sizeof yt); io++; }}
  while (ie < ne && et[ie] <= t) apply(et_target[ie], ea[ie], y, p), ie++;
  prepare(p);
  rhs(t, y, p, k[0]);
  while (io < no) {{
    if (steps >= limit) {{ stats[0] += steps; return 1; }}
    double stop = ie < ne ? et[ie] : INFINITY, hs = h;
    if (LAND && tout[io] < stop) stop = tout[io];
    int cut = t + h * 1.0000001 >= stop;
    if (cut) h = stop - t;
    steps++;
{STAGES}
    double e2 = 0;
    for (int i = 0; i < NS; i++) {{
      double a = fabs(y[i]), b = fabs(yn[i]), er = h * ({ERROR}) / (atol[i] + rtol * (a > b ? a : b));
      e2 += er * er;
    }}
    double err = sqrt(e2 / NS);
    if (fixed > 0) err = 1.0;
    else if (!(err <= 1.0)) {{
      double f = 0.9 * pow(err, -1.0 / {Q});
      h *= f > 0.2 ? f : 0.2;
      rejected++; errold = 1.0;
      if (!(h > 1e-12)) {{ stats[0] += steps; return 2; }}
      continue;
    }}
    double tn = cut ? stop : t + h;
    while (io < no && tout[io] <= tn) {{
{OUTPUT}
      io++;
    }}
    if (fixed > 0) h = fixed;
    else {{
      if (err < 1e-4) err = 1e-4;
      double f = 0.9 * pow(err, -0.7 / {Q}) * pow(errold, 0.4 / {Q});
      f = f < 0.2 ? 0.2 : f > 5.0 ? 5.0 : f;
      h *= f; errold = err;
      if (cut && h < hs && f >= 1.0) h = hs;
    }}
    t = tn;
    memcpy(y, yn, sizeof yn);
    if (peak) highest(y, peak);
    if (ie < ne && et[ie] <= t) {{
      int changed = 0;
      while (ie < ne && et[ie] <= t) changed |= et_target[ie] < 0, apply(et_target[ie], ea[ie], y, p), ie++;
      if (changed) prepare(p);
      rhs(t, y, p, k[0]);
      if (peak) highest(y, peak);
      if (fixed <= 0) {{ if (h > h_event) h = h_event; errold = 1.0; }}
    }} else memcpy(k[0], k[{S}], sizeof yn);
  }}
  stats[0] += steps; stats[1] += rejected;
  return 0;
}}

int run(long n, const double* parameters, const double* y0, const long* ptr, const double* et, const long* target,
        const double* ea, double start, const double* tout, long no, double rtol, const double* atol,
        double h_event, long limit, double fixed, double* out, long* stats, double* peak)
{{
  int bad = 0;
  for (long k = 0; k < n; k++) {{
    double p[NP + NQ], y[NS];
    memcpy(p, parameters + k * NP, NP * sizeof(double));
    memcpy(y, y0 + k * NS, sizeof y);
    long a = ptr[k];
    bad += one(p, y, target + a, et + a, ea + a, ptr[k + 1] - a, start, tout, no, rtol, atol, h_event, limit, fixed,
               out + k * no * NS, stats + 2 * k, peak) != 0;
  }}
  return bad;
}}
"""


def weighted(weights: Sequence[float]) -> str:
    return " + ".join(f"{w!r} * k[{j}][i]" for j, w in enumerate(weights) if w != 0)


def source(active: Sequence[str], tableau: Tableau, straight: bool = False) -> str:
    """Return the C program that integrates the states ``active`` with ``tableau``."""
    constants, functions = rhs_source(active, straight)
    stages = []
    for j, row in enumerate(tableau.a[1:], 1):
        stages.append(f"    for (int i = 0; i < NS; i++) yt[i] = y[i] + h * ({weighted(row)});")
        stages.append(f"    rhs(t + {tableau.c[j]!r} * h, yt, p, k[{j}]);")
    s = len(tableau.b)
    stages.append(f"    for (int i = 0; i < NS; i++) yn[i] = y[i] + h * ({weighted(tableau.b)});")
    stages.append(f"    rhs(t + h, yn, p, k[{s}]);")
    if tableau.dense:
        output = ["      const double x = (tout[io] - t) / h;"]
        terms = []
        for j, row in enumerate(tableau.dense):
            if any(row):
                output.append(
                    f"      const double b{j} = x * (" + " + x * (".join(map(repr, row)) + ")" * len(row) + ";"
                )
                terms.append(f"b{j} * k[{j}][i]")
        output.append(f"      for (int i = 0; i < NS; i++) out[io * NS + i] = y[i] + h * ({' + '.join(terms)});")
    else:
        output = ["      memcpy(out + io * NS, yn, sizeof yn);"]
    return _TEMPLATE.format(
        NS=len(active), NP=len(NAMES), NQ=constants, LAND=int(not tableau.dense), RHS=functions, S=s,
        Q=f"{tableau.order_of_error + 1}.0", STAGES="\n".join(stages), ERROR=weighted(tableau.e),
        OUTPUT="\n".join(output), FIRST_INPUT=FIRST_INPUT,
    )  # fmt: skip


STRICT = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
FAST = ("-O3", "-march=native", "-ffast-math")
ORDERED = (*FAST, "-fno-associative-math")  # sums as written: good where the text is arranged already
SCHEDULED = (*FAST, "-fschedule-insns", "-fsched-pressure")  # good where it is not


def compile_c(text: str, flags: Sequence[str] = STRICT) -> ctypes.CDLL:
    """Compile C text into a library (kept in the temporary folder by content) and load it.

    Raises
    ------
    FileNotFoundError
        When gcc is not installed.
    """
    key = hashlib.sha256((text + " ".join(flags) + " linked apart").encode()).hexdigest()[:16]
    library = Path(tempfile.gettempdir()) / f"pulsatile_peer_{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "peer.c"
            program.write_text(text)
            part, made = Path(folder) / "peer.o", Path(folder) / "peer.so"
            subprocess.run(["gcc", *flags, "-fPIC", "-c", str(program), "-o", str(part)], check=True)
            # linked without the flags: a library linked with -ffast-math flushes subnormals in the whole process
            subprocess.run(["gcc", "-shared", str(part), "-o", str(made), "-lm"], check=True)
            library.write_bytes(made.read_bytes())
    return ctypes.CDLL(str(library))


class CIntegrator:
    """One compiled pair for one set of active states."""

    def __init__(
        self, active: Sequence[str], tableau: Tableau, flags: Sequence[str] = STRICT, straight: bool = False
    ) -> None:
        self.active = tuple(active)
        self.library = compile_c(source(active, tableau, straight), flags)

    def derivative(self, t: float, y: Floats, p: Floats) -> Floats:
        """Return dy/dt of the active states (for the check against the Python text)."""
        dy = np.empty(len(self.active))
        args = [np.ascontiguousarray(a).ctypes for a in (y, p)]
        self.library.derivative(ctypes.c_double(t), *args, dy.ctypes)
        return dy

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
        fixed: float = 0.0,
        out: Floats | None = None,
        largest: Floats | None = None,
    ) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Integrate; return states (n, m, active) and the trial and rejected steps (n, 2).

        ``largest`` (active,), when given, is raised to the largest absolute value of each state at any step.

        ``parameters`` (n, all parameters), ``y0`` (n, active), ``events`` (ptr, time h, target, amount) with targets
        numbered by ``active`` and absolute times, ``fixed`` > 0 takes steps of that length (h) between events.
        """
        n = len(y0)
        out = np.empty((n, len(times), len(self.active))) if out is None else out
        stats = np.zeros((n, 2), np.int64)
        ptr, time, target, amount = (np.ascontiguousarray(a) for a in events)
        keep: list[Any] = [np.ascontiguousarray(a, float) for a in (parameters, y0, times, atol)]
        double, long = ctypes.c_double, ctypes.c_long
        bad = self.library.run(
            long(n), keep[0].ctypes, keep[1].ctypes, ptr.ctypes, time.ctypes, target.ctypes, amount.ctypes,
            double(start), keep[2].ctypes, long(len(times)), double(rtol), keep[3].ctypes,
            double(h_event), long(limit), double(fixed),
            out.ctypes, stats.ctypes, None if largest is None else largest.ctypes,
        )  # fmt: skip
        if bad:
            raise RuntimeError(f"the C integrator gave up on {bad} of {n} patients at rtol {rtol:g}")
        return out, stats
