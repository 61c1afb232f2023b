"""Randomised allocation: which arm each patient would be given in the trial as it would be run.

Permuted blocks within strata (Pocock 1983, RECALLED): patients of a stratum, in their order, fill blocks of the size of
the ratio, 1 : 2 for example blocks of 3, and the order within a block is drawn.  A patient's arm depends on the seed,
the stratum and the number of patients of that stratum before it, so that more patients change nobody's arm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsatile.engine import draws
from pulsatile.engine.checks import is_number, is_whole, listed, paired
from pulsatile.engine.errors import InputError
from pulsatile.engine.patients.cohort import COVARIATES, FLAGS, MORE_COVARIATES

LARGEST_BLOCK = 100
"""Largest block; the ratio 1 : 99 is within it."""
STRATA = tuple(FLAGS)
"""Covariates with codes, each code a stratum."""
CUT = tuple(name for name in (*COVARIATES, *MORE_COVARIATES) if name not in (*FLAGS, "attempts", "prevalence"))
"""Covariates that strata can be cut from."""


@dataclass(frozen=True)
class Groups:
    """Parallel groups.

    ``allocation`` : (arm, whole number) pairs, the ratio in which patients are allocated
    ``strata`` : covariates with codes within whose values the ratio is kept
    ``cuts`` : (covariate, limits) pairs; a value belongs to the stratum above all limits that it is not below

    Raises
    ------
    InputError
        For fewer than two arms, a ratio that is not of whole numbers, and covariates that cannot be strata.
    """

    allocation: tuple[tuple[str, int], ...]
    strata: tuple[str, ...] = ()
    cuts: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def __post_init__(self) -> None:
        pairs = paired("allocation", self.allocation)
        cuts = tuple((name, listed(f"cuts of {name}", limits)) for name, limits in paired("cuts", self.cuts))
        object.__setattr__(self, "allocation", pairs)
        object.__setattr__(self, "strata", listed("strata", self.strata))
        object.__setattr__(self, "cuts", cuts)
        for name, weight in pairs:
            if not is_whole(weight) or not 1 <= weight < LARGEST_BLOCK:
                raise InputError(
                    f"groups: allocation of {name} = {weight!r} must be a whole number from 1 to {LARGEST_BLOCK - 1}, "
                    "its part of the ratio.",
                    ("allocation", name),
                )
        if len(pairs) < 2:
            raise InputError("groups: allocation needs at least two arms, for example {placebo: 1, drug: 2}.",
                             ("allocation",))  # fmt: skip
        if len({name for name, _ in pairs}) < len(pairs):
            raise InputError("groups: allocation names an arm twice; give each once.", ("allocation",))
        if self.block > LARGEST_BLOCK:
            raise InputError(
                f"groups: the ratio adds up to {self.block}; at most {LARGEST_BLOCK} are allowed: shorten it.",
                ("allocation",),
            )
        self._check_strata()

    def _check_strata(self) -> None:
        for name in self.strata:
            if name not in STRATA:
                raise InputError(
                    f"groups: strata = {name!r} is not a covariate with codes; choose from {', '.join(STRATA)}, or cut "
                    "another at limits, for example cuts: {age: [50]}.",
                    ("strata",),
                )
        if len(set(self.strata)) < len(self.strata):
            raise InputError("groups: strata name a covariate twice; give each once.", ("strata",))
        for name, limits in self.cuts:
            if name not in CUT:
                raise InputError(f"groups: cuts of {name!r} are not possible; choose from {', '.join(CUT)}.", ("cuts",))
            if not limits or not all(map(is_number, limits)) or list(limits) != sorted(set(limits)):
                raise InputError(
                    f"groups: cuts of {name} = {list(limits)!r} must be ascending numbers, for example [50].",
                    ("cuts", name),
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arms that patients are allocated to."""
        return tuple(name for name, _ in self.allocation)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates that decide the strata."""
        return (*self.strata, *(name for name, _ in self.cuts))

    @property
    def block(self) -> int:
        """Number of patients in a block."""
        return sum(weight for _, weight in self.allocation)

    def check_covariates(self, known: tuple[str, ...]) -> None:
        """Refuse strata of covariates that the patients do not have."""
        for name in self.covariates:
            if name not in known:
                raise InputError(
                    f"groups: the patients of this study have no {name}; choose from {', '.join(known)}, or leave it "
                    "out.",
                    ("strata",),
                )

    def allocated(self, seed: int, patients: int, covariates: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.str_]:
        """Return the arm of each of the first ``patients`` of a study, (n,) names.

        Parameters
        ----------
        seed
            Of the study.
        patients
            Number of patients n, in the order of the study.
        covariates
            At least those of the strata, each (n,).
        """
        arms = np.repeat(self.names, [weight for _, weight in self.allocation])
        found = np.empty(patients, arms.dtype)
        labels = self._strata_of(patients, covariates)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            blocks = -(-len(members) // self.block)
            drawn = draws.uniforms(seed, 0, draws.layer(f"allocation {label}"), np.arange(blocks * self.block)).reshape(
                blocks, self.block
            )
            order = np.argsort(drawn, axis=1, kind="stable")
            found[members] = arms[order].ravel()[: len(members)]
        return found

    def _strata_of(self, patients: int, covariates: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.str_]:
        """Return the label (n,) of each patient's stratum."""
        labels = np.full(patients, "", np.str_)
        for name in self.strata:
            labels = np.char.add(labels, [f" {name} {code:g}" for code in np.asarray(covariates[name], float)])
        for name, limits in self.cuts:
            above = np.searchsorted(limits, np.asarray(covariates[name], float), side="right")
            labels = np.char.add(labels, [f" {name} {k}" for k in above])
        return labels
