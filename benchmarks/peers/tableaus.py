"""Butcher tableaus of the peers, written or imported here and not taken from the engine.

``DOPRI5`` is Dormand and Prince 5(4) with the continuous extension of Hairer, Norsett and Wanner (1993, II.6);
``dop853`` is their 8(5,3) pair as scipy ships it (used without dense output: it lands on outputs).
"""

from typing import NamedTuple


class Tableau(NamedTuple):
    """An explicit pair whose last stage is the first of the next step; ``dense`` holds b_j(theta) / theta."""

    name: str
    order_of_error: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    e: tuple[float, ...]
    dense: tuple[tuple[float, ...], ...] = ()


DOPRI5 = Tableau(
    name="dopri5",
    order_of_error=4,
    c=(0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1),
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    ),
    b=(35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    e=(71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    dense=(
        (1, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432),
        (0, 0, 0, 0),
        (0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799),
        (0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
        (0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632),
        (0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
        (0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
    ),
)


def dop853() -> Tableau:
    """Return the 12-stage order 8 pair with its order 5 error estimate."""
    from scipy.integrate._ivp import dop853_coefficients as d

    def row(values: object) -> tuple[float, ...]:
        return tuple(float(v) for v in values)  # type: ignore[attr-defined]

    return Tableau("dop853", 5, row(d.C[:12]), tuple(row(d.A[i][:i]) for i in range(12)), row(d.B), row(d.E5))
