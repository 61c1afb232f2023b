"""The drugs of a study's own, defined in its file by kind and figures."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from pulsatile.engine.checks import choices
from pulsatile.engine.drugs.drug import Drug
from pulsatile.engine.drugs.own import own_drug
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.fields import Checked, Model, checked, unit_needed
from pulsatile.sweeps.study.read import as_json, sentences

MOST_DRUGS = 100


def _written(name: str) -> Checked:
    return checked(lambda text: quantities.figure(name, text), "[0-9]")


DrugName = Annotated[
    str, Checked(lambda name: name, lambda: {"anyOf": [{"enum": list(DRUGS)}, {"type": "string", "minLength": 1}]})
]
"""A drug of the table, or one of the study's own."""


_Text = Annotated[str, BeforeValidator(unit_needed)]
MolarMass = Annotated[_Text, _written("molar_mass")]
Rate = Annotated[_Text, _written("ka")]
Clearance = Annotated[_Text, _written("cl")]
Volume = Annotated[_Text, _written("v")]
Concentration = Annotated[_Text, _written("ec50")]
Potency = Annotated[_Text, _written("potency")]
Mass = Annotated[_Text, _written("largest")]


class DrugEntry(Model):
    """A drug of the study's own; see docs/drugs.md for what each kind needs."""

    kind: Literal["ghrh", "ghs", "gh", "long_gh"] = Field(
        description="GHRH analogue, ghrelin agonist, rhGH with an absorption of its own, GH released slowly"
    )
    source: str = Field(description="where the figures come from, in one line")
    largest: Mass = Field(description='largest daily dose in a person of 70 kg, for example "50 mg"')
    molar_mass: MolarMass | None = Field(None, description='for example "3358 g/mol"')
    f: float | None = Field(None, description="share that is absorbed from under the skin or by mouth, up to 1")
    ka: Rate | None = Field(None, description='absorption rate, for example "4 1/h"; of long_gh, of release')
    cl: Clearance | None = Field(None, description='clearance in a person of 70 kg, for example "156 L/h"')
    v: Volume | None = Field(None, description='volume in a person of 70 kg, for example "24.75 L"')
    ec50: Concentration | None = Field(None, description='plasma concentration of half the effect, "0.15 nmol/L"')
    potency: Potency | None = Field(
        None, description='in place of ec50, effect per ug in plasma, "0.08 1/ug"; ec50 = 1000 / (v molar_mass potency)'
    )
    ke: Rate | None = Field(None, description='rate of the effect site of a GHRH analogue, "5 1/h"')
    k_tolerance: Rate | None = Field(
        None, description='rate of chronic tolerance to a ghrelin agonist, for example "0.08 1/h"; default none'
    )
    cv: dict[Literal["cl", "v", "ka", "ec50"], float] = Field(
        {}, description="coefficients of variation between patients, for example {cl: 0.3}; default 0"
    )
    weight_on_cl: float | None = Field(None, description="exponent of weight / 70 kg on clearance; default 0.75")
    weight_on_v: float | None = Field(None, description="exponent of weight / 70 kg on volume; default 1")
    women: float | None = Field(None, description="factor on the EC50 in women; default 1")

    def resolved(self, name: str) -> Drug:
        """Return the drug in numbers; `InputError` where a figure is missing or impossible."""
        given = self.model_dump(exclude={"kind", "source", "cv"}, exclude_none=True)
        numbers = {key: quantities.figure(key, x)[0] if isinstance(x, str) else x for key, x in given.items()}
        return own_drug(name, self.kind, source=self.source, cv={str(key): x for key, x in self.cv.items()}, **numbers)


def _agree(drugs: dict[str, DrugEntry]) -> dict[str, DrugEntry]:
    for name, entry in drugs.items():
        try:
            entry.resolved(name)
        except InputError as error:
            raise InputError(str(error), (name, *error.at)) from None
    return drugs


OwnDrugs = Annotated[dict[str, DrugEntry], Field(max_length=MOST_DRUGS), AfterValidator(_agree)]


class _Drugs(Model):
    drugs: OwnDrugs = {}


def check_known(name: str, own: DrugEntry | None) -> None:
    """Refuse a drug that is neither one of the table nor has a definition."""
    if own is None and name not in DRUGS:
        raise InputError(f"{name!r} is not a known drug: {choices(name, DRUGS)}; or define it under drugs.", ("drug",))


def with_definitions(data: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the data of a study with the definition of each own drug at the doses of it.

    Doses carry the definition from here on, so that nothing else has to know the study's drugs.

    Raises
    ------
    InputError
        With one sentence for each problem of the study's drugs.
    """
    drugs = data.get("drugs")
    if not drugs:
        return data
    try:
        _Drugs.model_validate_json(as_json({"drugs": drugs}, where))
    except ValidationError as error:
        raise sentences(error, _Drugs, where) from None
    return data | {name: _defined(data[name], drugs) for name in ("arms", "tests") if name in data}


def _defined(part: Any, drugs: dict[str, Any]) -> Any:
    """Return ``part`` of a study with ``own`` at each entry whose drug is one of ``drugs``."""
    if isinstance(part, list):
        return [_defined(entry, drugs) for entry in part]
    if not isinstance(part, dict):
        return part
    filled = {key: _defined(value, drugs) for key, value in part.items()}
    name = part.get("drug")
    return {"own": drugs[name]} | filled if isinstance(name, str) and name in drugs else filled
