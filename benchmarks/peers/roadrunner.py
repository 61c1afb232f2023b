"""libRoadRunner: the model as SBML, compiled by its LLVM, integrated by its CVODE, restarted from Python at each event.

Impulses as SBML events instead (117 in a week) made 123 patient-days per second where restarts made 145 (Adams, rtol
1e-6), and need a model per patient, 2 s to compile.  Its options of LLVM and of code generation change nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contenders import SLOW, Contender, decades
from benchmarks.peers.c_integrator import FIRST_INPUT
from benchmarks.peers.prepared import prepared
from benchmarks.peers.sbml import sbml
from benchmarks.peers.segments import Events, segments
from benchmarks.problem import Task
from pulsatile.engine.arrays import Floats
from pulsatile.engine.parameters import NAMES


def roadrunner_run(task: Task, stiff: bool) -> Callable[..., Floats]:
    """Return ``run(parameters, y0, events, start, times, rtol, atol)`` of CVODE: BDF when ``stiff``, else Adams."""
    import roadrunner as peer

    active, scale = task.active, task.scale
    model = peer.RoadRunner(sbml(active, scale, task.parameters[0], task.y0_active[0]))
    ids: list[str] = model.model.getGlobalParameterIds()
    states = [ids.index(f"u_{name}") for name in active]
    known = [i for i, name in enumerate(NAMES) if f"p_{name}" in ids]
    places = [ids.index(f"p_{NAMES[i]}") for i in known]
    model.timeCourseSelections = [f"u_{name}" for name in active]
    solver: Any = model.getIntegrator()
    solver.setValue("stiff", stiff)
    solver.setValue("maximum_num_steps", 1_000_000)

    def run(
        parameters: Floats, y0: Floats, events: Events, start: float, times: Floats, rtol: float, atol: Floats
    ) -> Floats:
        solver.setValue("relative_tolerance", rtol)
        solver.setValue("absolute_tolerance", float(atol[0] / scale[0]))  # the same share of every state
        out = np.empty((len(y0), len(times), len(active)))
        put = model.model.setGlobalParameterValues
        for k in range(len(y0)):
            p, u = parameters[k].copy(), y0[k] / scale
            put(places, p[known])
            out[k, : np.searchsorted(times, start, "right")] = u
            for s in segments(events, k, start, times):
                jumps = s.targets >= 0
                np.add.at(u, s.targets[jumps], s.amounts[jumps] / scale[s.targets[jumps]])
                if not jumps.all():
                    p[FIRST_INPUT - 1 - s.targets[~jumps]] = s.amounts[~jumps]
                    put(places, p[known])
                put(states, u)
                inside = times[s.first : s.last]
                last = () if len(inside) and inside[-1] == s.end else (s.end,)
                found = np.asarray(model.simulate(times=[s.begin, *inside, *last]))
                n = len(found) - len(last)
                out[k, s.first : s.last] = found[n - len(inside) : n]
                u = found[-1].copy()
        return out * scale

    return run


def contenders() -> list[Contender]:
    """Return the Adams and BDF methods."""
    return [
        prepared(
            f"CVODE {method}", "libRoadRunner", lambda task, stiff=stiff: roadrunner_run(task, stiff),  # type: ignore[misc]
            decades(4, 9.5), method=method, **SLOW,
        )
        for method, stiff in (("Adams", False), ("BDF", True))
    ]  # fmt: skip
