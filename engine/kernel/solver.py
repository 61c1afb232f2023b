"""Settings of the integrator."""

from dataclasses import dataclass

from pulsatile.engine.checks import is_number, is_whole
from pulsatile.engine.errors import InputError
from pulsatile.engine.kernel import cuda
from pulsatile.engine.kernel.layout import Build
from pulsatile.engine.kernel.tableaus import PAIRS

LEAST_MIXED = 5e-6
"""Below, the rounding of float32 stages costs steps (12 % at 1e-6) and shows in the error: benchmarks/README.md."""


@dataclass(frozen=True)
class Solver:
    """Settings of the integrator; all are part of a run's identity.

    rtol : relative tolerance per step (1e-12 to 1e-2); a fifth is used, so that no more than ten gather over a run
    atol_factor : absolute tolerance as a share of ``rtol`` times the state's usual size
    method : embedded pair, a name of `tableaus.PAIRS`
    lanes : patients per vector, 8 (16 in mixed precision), or 1 for the scalar build of the same text
    precision : "float64", or "mixed": states and clocks in float64, the stages of a step in float32; their rounding is
        what remains of the error, so rtol below `LEAST_MIXED` is refused
    max_steps_per_day : trial steps a patient may take, times the days from the run's start to the step (at least one),
        before it is given up: at the same moment however long the run
    first_step : trial step at the start, h
    event_step : largest trial step after an event, h
    device : "cpu", or "cuda" for an NVIDIA GPU (float64; last bits differ from the CPU's; docs/gpu.md)

    Raises `InputError` for a setting out of range.
    """

    rtol: float = 1e-6
    atol_factor: float = 1e-2
    method: str = "cfmr7"
    lanes: int = 8
    precision: str = "float64"
    max_steps_per_day: int = 20_000
    first_step: float = 0.01
    event_step: float = 0.02
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse settings without sense."""
        for name in ("rtol", "atol_factor", "first_step", "event_step"):
            if not is_number(getattr(self, name)):
                raise InputError(
                    f"solver {name} = {getattr(self, name)!r} is not a number; leave it out for the usual."
                )
        if not 1e-12 <= self.rtol <= 1e-2:
            raise InputError(f"solver rtol = {self.rtol!r} is outside 1e-12 ... 1e-2; choose for example 1e-6.")
        if not 0 < self.atol_factor <= 1:
            raise InputError(f"solver atol_factor = {self.atol_factor!r} is outside 0 ... 1; choose for example 0.01.")
        if not isinstance(self.method, str) or self.method not in PAIRS:
            raise InputError(f"solver method = {self.method!r} is unknown; choose one of {', '.join(PAIRS)}.")
        if not is_whole(self.lanes) or self.lanes not in (1, 4, 8):
            raise InputError(f"solver lanes = {self.lanes!r} is not possible; choose 8, 4 or 1.")
        if self.precision not in ("float64", "mixed"):
            raise InputError(f"solver precision = {self.precision!r} is unknown; choose float64 or mixed.")
        if self.precision == "mixed" and self.rtol < LEAST_MIXED:
            raise InputError(
                f"solver rtol = {self.rtol!r} is below what precision mixed can reach; choose {LEAST_MIXED:g} or more, "
                "or precision float64."
            )
        if not is_whole(self.max_steps_per_day) or not 100 <= self.max_steps_per_day <= 10**9:
            raise InputError(
                f"solver max_steps_per_day = {self.max_steps_per_day!r} is no whole number from 100 to 1e9; "
                "choose 20000."
            )
        for name, usual in (("first_step", 0.01), ("event_step", 0.02)):
            if not 1e-6 <= getattr(self, name) <= 24:
                raise InputError(
                    f"solver {name} = {getattr(self, name)!r} h is outside 1e-6 ... 24; choose for example {usual}."
                )
        if self.device not in ("cpu", "cuda"):
            raise InputError(f"solver device = {self.device!r} is unknown; choose cpu or cuda.")
        if self.device == "cuda":
            self._check_gpu()

    def _check_gpu(self) -> None:
        """Refuse what the GPU kernel does not do, and a GPU that is not there."""
        if self.precision != "float64":
            raise InputError("solver device = 'cuda' knows precision float64 only; leave precision out.")
        if lacking := cuda.missing():
            raise InputError(f"solver device = 'cuda' needs {lacking}.")

    def build(self, groups: tuple[str, ...]) -> Build:
        """Return what a kernel for these drug ``groups`` is compiled for."""
        lanes = 2 * self.lanes if self.precision == "mixed" and self.lanes > 1 else self.lanes
        return Build(groups, self.method, lanes, self.precision)
