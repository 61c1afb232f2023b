"""The layers of variability, each a switch, and the between-subject covariance of the parameters.

=============  =========================================================  =========================================
layer          what it draws                                              keyed by
=============  =========================================================  =========================================
between        log-normal factor of each parameter with a CV, correlated  seed, patient, parameter, attempt
occasions      GH pulse times and sizes, meal times and sizes             seed, patient, event counter
residual       assay noise on measured outputs (`engine.patients.noise`)  seed, patient, output, occasion
uncertainty    the typical values themselves, the same for all patients   seed, number of the draw, parameter
=============  =========================================================  =========================================

No draw depends on which other layers are on, nor on which other parameters vary.  Day-to-day variation of GH (CV 35 %,
axis section 2) has no factor of its own: it follows from the CV of pulse amplitudes (0.65) and their random times.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.arrays import Floats, Ids
from pulsatile.engine.checks import check_fields, is_number, setting
from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import ROW, TABLE
from pulsatile.engine.people.copula import Correlation, assemble, correlate

LARGEST_ETA = 3.5
"""Etas are truncated at this many SDs; population, recipe item 2."""
LARGEST_CV = 3.0
"""Largest allowed CV [assumed: ten times what the field calls large]."""
RANGE_IN_ERRORS = 8.0
"""A row's range, low ... high, in standard errors of its typical value on the log scale [assumed: +/- 4]."""
MOST_DRAWS = 2**32
DEFICIT = "beta_capacity"
"""Its eta acts on the beta-cell deficit 1/capacity - 1, so that the capacity stays in (0, 1]."""
DEFICIT_CV = 0.80
"""CV of the beta-cell deficit; metabolism 7.7."""
FRACTIONS = ("f_gh", "hepatic_extraction", "lipolysis_min")

CORRELATIONS: dict[tuple[str, str], float] = {
    # insulin resistance of a person's tissues is correlated; size [assumed: no covariance is published for these rows]
    ("sens_muscle0", "egp_half"): -0.3,
    ("sens_muscle0", "lipolysis_half"): -0.3,
    ("egp_half", "lipolysis_half"): 0.5,
    # linear and saturable clearance of GH take place in the same organs [assumed]
    ("k_gh", "k_gh_saturable"): 0.5,
}


@dataclass(frozen=True)
class Layers:
    """Layers of variability, each a switch."""

    between: bool = True
    """patients differ from the typical parameters for their covariates"""
    occasions: bool = True
    """GH pulses and meals differ from day to day"""
    residual: bool = False
    """measured outputs have the noise of their assays"""
    uncertainty: int = setting(0, 0, MOST_DRAWS - 1)
    """number of a draw of typical values; 0: the table's own"""

    def __post_init__(self) -> None:
        check_fields(self, "layer")


ALL = Layers()
"""Patients and their days differ; typical values are the table's, and outputs have no assay noise."""


@dataclass(frozen=True)
class Omega:
    """Covariance of the log-normal etas: CVs by parameter (others as in the table) and correlations by pair.

    ``correlations`` default to those of `CORRELATIONS` between parameters that vary; ``held`` parameters do not vary
    unless ``cv`` names them.

    Raises
    ------
    InputError
        For names that are not in the table, CVs that are negative or above `LARGEST_CV`, correlations outside
        -1 ... 1, or correlations that no covariance matrix has together.
    """

    cv: Mapping[str, float] = field(default_factory=dict)
    correlations: Mapping[tuple[str, str], float] | None = None
    held: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        correlations = {} if self.correlations is None else self.correlations
        for mapping, what in ((self.cv, "cv"), (correlations, "correlations")):
            if not isinstance(mapping, Mapping):
                raise InputError(f"{what} = {mapping!r} must be a mapping, from names of parameters to numbers.")
        for name, cv in self.cv.items():
            if name not in ROW or ROW[name].kind not in ("constant", "patient"):
                raise InputError(f"CV of {name!r}: no parameter that varies between patients has this name.")
            if not is_number(cv) or not 0 <= cv <= LARGEST_CV:
                raise InputError(f"CV of {name} = {cv!r} must be a number from 0 to {LARGEST_CV:g}; 0.3 is 30 %.")
        for pair, r in correlations.items():
            if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] == pair[1]:
                raise InputError(f"correlation of {pair!r}: give two different parameters.")
            if not is_number(r) or not -1 <= r <= 1:
                raise InputError(f"correlation of {pair[0]} and {pair[1]} = {r!r} must be a number from -1 to 1.")
            if len({*pair} & {*self.cvs}) < 2:
                missing = next(name for name in pair if name not in self.cvs)
                raise InputError(
                    f"correlation of {pair[0]} and {pair[1]}: {missing} does not vary between these patients; give it "
                    "a CV, or leave the pair out."
                )
        for change in self.correlation.changes:
            raise InputError(
                f"correlation of {change.first} and {change.second} = {change.given:g} contradicts the others: no "
                f"covariance has them all; the nearest possible is {change.used:.3g}."
            )

    @cached_property
    def cvs(self) -> dict[str, float]:
        """CV of each parameter that varies, in the order of the table."""
        rows = {row.name: row.cv for row in TABLE if row.kind in ("constant", "patient")} | {DEFICIT: DEFICIT_CV}
        chosen = {name: self.cv.get(name, 0.0 if name in self.held else cv) for name, cv in rows.items()}
        return {name: cv for name, cv in chosen.items() if cv > 0}

    @property
    def defaults(self) -> dict[tuple[str, str], float]:
        """The `CORRELATIONS` between parameters that vary."""
        return {pair: r for pair, r in CORRELATIONS.items() if set(pair) <= set(self.cvs)}

    @cached_property
    def correlation(self) -> Correlation:
        """Correlations of the etas of `cvs`; pairs that are not given are conditionally independent, given the rest."""
        pairs = self.defaults if self.correlations is None else self.correlations
        return assemble(tuple(self.cvs), {pair: r for pair, r in pairs.items() if r != 0})

    def factors(self, seed: int, ids: Ids, attempt: int = 0) -> dict[str, Floats]:
        """Draw the log-normal factors, of median 1, of every parameter that varies, each (n,)."""
        names = self.correlation.names
        z = [draws.normals(seed, ids, draws.layer("parameter " + name), attempt) for name in names]
        etas = correlate(self.correlation.factor, z)
        return {name: log_normal(eta, self.cvs[name]) for name, eta in zip(names, etas, strict=True)}


def log_normal(z: Floats, cv: float) -> Floats:
    """Return exp(sigma z), log-normal factors of median 1 and coefficient of variation ``cv`` for normal ``z``."""
    factor: Floats = np.exp(np.sqrt(np.log1p(cv * cv)) * np.clip(z, -LARGEST_ETA, LARGEST_ETA))
    return factor


def vary(record: npt.NDArray[Any], omega: Omega, seed: int, ids: Ids, attempt: int) -> None:
    """Multiply the parameters of ``record`` (n,) that vary, in place, by the patients' factors."""
    for name, factor in omega.factors(seed, ids, attempt).items():
        if name == DEFICIT:
            record[name] = 1 / (1 + (1 / record[name] - 1) * factor)
        else:
            record[name] *= factor
    for name in FRACTIONS:
        record[name] = np.minimum(record[name], 1.0)


def uncertain(record: npt.NDArray[Any], seed: int, draw: int) -> None:
    """Multiply the constants of ``record`` (n,), in place, by the factors of a draw of typical values.

    The factors are the same for all patients; rows without a range (definitions) or with a range from 0 are unchanged.
    """
    if not draw:
        return
    for row in TABLE:
        if row.kind == "constant" and 0 < row.low < row.high:
            z = float(draws.normals(seed, np.array([draw]), draws.layer("typical " + row.name))[0])
            error = np.log(row.high / row.low) / RANGE_IN_ERRORS
            low, high = row.low / row.value, row.high / row.value
            record[row.name] *= min(max(float(np.exp(error * z)), low), high)
