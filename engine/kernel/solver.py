"""Settings of the integrator."""

from dataclasses import dataclass, field
from typing import Literal

from pulsatile.engine.checks import check_fields, choices, setting
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel.layout import Build
from pulsatile.engine.kernel.tableaus import PAIRS

LEAST_MIXED = 5e-6
"""Least rtol in mixed precision: below, the rounding of float32 stages costs steps (12 % at 1e-6) and dominates the
error (benchmarks/README.md)."""


@dataclass(frozen=True)
class Solver:
    """Settings of the integrator; all are part of a run's identity.

    Raises
    ------
    InputError
        For a setting out of range, and for a GPU that this machine lacks.
    """

    rtol: float = setting(1e-6, 1e-12, 1e-2)
    """relative tolerance per step; a fifth is used, so that no more than ten gather over a run"""
    atol_factor: float = setting(1e-2, 1e-12, 1.0)
    """absolute tolerance as a share of rtol times the state's usual size"""
    method: str = field(default="cfmr7", metadata={"json_schema_extra": {"enum": list(PAIRS)}})
    """embedded pair, a name of `tableaus.PAIRS`"""
    lanes: Literal[1, 4, 8] = 8
    """patients per vector (twice as many in mixed precision); 1: the scalar build of the same text"""
    precision: Literal["float64", "mixed"] = "float64"
    """mixed: states and clocks in float64, the stages of a step in float32; their rounding is what remains of the
    error, so rtol below 5e-6 is refused"""
    max_steps_per_day: int = setting(20_000, 100, 10**9)
    """trial steps a patient may take, times the days from the run's start to the step (at least one), before it is
    given up: at the same moment however long the run"""
    first_step: float = setting(0.01, 1e-6, 24)
    """trial step at the start, h"""
    event_step: float = setting(0.02, 1e-6, 24)
    """largest trial step after an event, h"""
    device: Literal["cpu", "cuda"] = "cpu"
    """cuda: an NVIDIA GPU (float64; last bits differ from the CPU's; docs/gpu.md)"""

    def __post_init__(self) -> None:
        check_fields(self, "solver")
        if not isinstance(self.method, str) or self.method not in PAIRS:
            raise InputError(f"solver method = {self.method!r} is unknown; {choices(self.method, PAIRS)}.", ("method",))
        if self.precision == "mixed" and self.rtol < LEAST_MIXED:
            raise InputError(
                f"solver rtol = {self.rtol!r} is below what precision mixed can reach; choose {LEAST_MIXED:g} or more, "
                "or precision float64."
            )
        if self.device == "cuda":
            self._check_gpu()

    def _check_gpu(self) -> None:
        """Refuse settings that the GPU kernel does not support, and a machine without a GPU."""
        from pulsatile.engine.kernel import cuda

        if self.precision != "float64":
            raise InputError("solver device = 'cuda' supports precision float64 only; leave precision out.")
        if missing := cuda.missing():
            raise InputError(f"solver device = 'cuda' needs {missing}.")

    def build(self, groups: tuple[str, ...]) -> Build:
        """Return the build settings of a kernel for these drug ``groups``."""
        lanes = 2 * self.lanes if self.precision == "mixed" and self.lanes > 1 else self.lanes
        return Build(groups, self.method, lanes, self.precision)
