"""The closed-form fasting state is an exact equilibrium of the model."""

import numpy as np
import pytest

from pulsatile.engine import model, states
from pulsatile.engine.parameters import Parameters
from pulsatile.engine.patients import basal
from pulsatile.engine.patients.cohort import PHENOTYPES, virtual_cohort

METABOLISM = ("stomach", "gut", "glucose", "insulin_action", "insulin", "secretion", "ffa", "antagonist",
              "lipolysis_delay", "lipolysis_drive", "socs", "p85", "vat", "sat", "lean")  # fmt: skip


@pytest.mark.parametrize("phenotype", PHENOTYPES)
@pytest.mark.parametrize("gh", [0.3, 1.0, 4.0])
def test_equilibrium_for_constant_gh(phenotype: str, gh: float) -> None:
    record = virtual_cohort(20, phenotype, seed=3).parameters.copy()
    record["c_secretion"] = 0.0
    clearance = record["k_gh"] + record["k_gh_saturable"] / (1 + gh / record["gh_saturation"])
    record["gh_infusion"] = gh * record["v_gh"] * clearance
    basal.constant_gh_means(record, gh)
    basal.set_basal(record)
    state = basal.fasting_state(record)
    state[:, states.STATE_INDEX["gh"]] = gh
    assert np.all(basal.feasible(record))
    for k in range(len(record)):
        y = states.State(*state[k].tolist())
        p = Parameters(*record[k].item())
        slope = model.rhs(0.0, y, p)
        fluxes = model.fluxes(0.0, y, p)
        for name in METABOLISM:
            scale = max(1.0, abs(getattr(y, name)))
            assert abs(getattr(slope, name)) < 1e-12 * 60 * scale, name
        assert abs(slope.gh) < 1e-12
        for name in ("sens_muscle", "sens_liver", "sens_adipose"):
            assert getattr(fluxes, name) == pytest.approx(1.0, abs=1e-14)
        assert fluxes.egp == pytest.approx(record["egp_basal"][k], rel=1e-14)


def test_infeasible_is_told() -> None:
    record = virtual_cohort(2, "lean", variability=False).parameters.copy()
    record["insulin_basal"][1] = 150.0
    basal.set_basal(record)
    assert basal.feasible(record).tolist() == [True, False]
