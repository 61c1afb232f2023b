"""Drug concentrations in plasma: where the model holds a drug, and in what volume."""

from collections.abc import Iterable

from pulsatile.engine.arrays import Floats
from pulsatile.engine.drugs.arm import Arm
from pulsatile.engine.drugs.dosing import individual_figures, slots
from pulsatile.engine.drugs.drug import Drug
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.outputs import Output, drug_of, output_of
from pulsatile.engine.patients.cohort import Cohort

PICOMOLAR = 1e6
"""pmol/L in 1 ug/L of a substance of 1 g/mol."""


def plasma_of(arm: Arm, cohort: Cohort, names: Iterable[str]) -> dict[str, list[tuple[str, Floats]]]:
    """Return where the concentrations among the outputs ``names`` are in this arm: states and volumes (n,)."""
    wanted = {drug_of(name) for name in names} - {""}
    found: dict[str, list[tuple[str, Floats]]] = {}
    if wanted:
        for use, slot in slots(arm).items():
            if use.drug.name in wanted:
                volume = individual_figures(use.drug, cohort)["v"]
                found.setdefault(use.drug.name, []).append((f"central_{slot}", volume))
    return found


def drugs_in_plasma(doses: Iterable[Dose]) -> dict[str, Drug]:
    """Return the drugs of ``doses`` that have a concentration of their own, by name."""
    return {dose.drug: dose.substance for dose in doses if dose.substance.in_plasma}


def described(name: str, drugs: dict[str, Drug]) -> Output:
    """Return the output ``name``; the description of a concentration says what 1 ug/L of the drug is in pmol/L."""
    output = output_of(name)
    drug = drugs.get(drug_of(name))
    if drug is None:
        return output
    molar = PICOMOLAR / drug.value("molar_mass")
    return output._replace(description=f"{output.description} and {molar:.4g} pmol/L")
