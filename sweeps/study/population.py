"""The population entry of a study file: phenotypes, people drawn from a population, own patients, or a frozen one."""

from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from pulsatile.engine.patients.cohort import COVARIATES, MORE_COVARIATES
from pulsatile.engine.patients.layers import Layers
from pulsatile.engine.people.margins import BOUNDS
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.engine.people.spec import SHIFTED, WITH_MARGIN
from pulsatile.sweeps.study.design import VARIED, VariedName
from pulsatile.sweeps.study.fields import MOST_PATIENTS, Model, Phenotype, Share, keyed_by, known
from pulsatile.sweeps.study.people import ResolvedPeople
from pulsatile.sweeps.study.recruitment.criteria import Select, screening
from pulsatile.sweeps.study.recruitment.recruit import MOST_SCREENED, Recruitment
from pulsatile.sweeps.study.recruitment.strata import Strata, strata_of
from pulsatile.sweeps.study.tables.own_patients import Headings
from pulsatile.sweeps.study.tables.table import MOST_IN_TABLE
from pulsatile.sweeps.study.test_entry import TestEntry

SOURCES = ("phenotype", "shares", "named", "patients", "frozen")
OF_FILES = ("patients", "parameters", "frozen")
"""Keys that name a file or folder of patients."""
"""Keys of which a population has one at most."""


def _both(first: str, second: str) -> dict[str, Any]:
    """Return the JSON schema of an entry in which both keys have a value."""
    given = {"not": {"type": "null"}}
    return {"required": [first, second], "properties": {first: given, second: given}}


class PopulationEntry(Model):
    """The patients treated: ``n`` virtual patients from id ``first``.

    They have one source: ``phenotype`` or ``shares`` of several; ``named``, a population of people (`pulsatile
    population list`), which ranges, margins and shifts restrict or change; ``patients``, a table of the user's;
    ``frozen``, a population made by `pulsatile population build`.  ``select`` and ``strata`` say who of these
    candidates enters.
    """

    n: int | None = Field(
        None, ge=1, le=MOST_PATIENTS, description="number of patients; default all of a table or frozen population"
    )
    phenotype: Phenotype | None = Field(None, description="phenotype of all patients; default obese")
    shares: Annotated[dict[Phenotype, Share], Field(min_length=1)] | None = Field(
        None, description="shares of phenotypes, for example {obese: 0.7, igt: 0.3}"
    )
    first: int = Field(0, ge=0, le=2**53, description="id of the first patient, or its place in a table")
    variability: bool = Field(True, description="false: typical patients, all alike but for their pulses and meals")
    named: Annotated[str, known(POPULATIONS, "population")] | None = Field(
        None, description="people drawn from a named population; see `pulsatile population list`"
    )
    patients: str | None = Field(None, description="file of own patients, CSV or Parquet; see docs/population.md")
    parameters: str | None = Field(
        None,
        description="table of parameters, CSV or Parquet: a row per patient, a column per parameter; the rest as the "
        "typical patient of phenotype",
    )
    columns: dict[str, str] = Field(
        {},
        description='columns of patients by covariate, as {age: "Age at visit", glucose: FPG}; no other is read',
    )
    codes: dict[Literal["sex"], dict[str, str]] = Field(
        {}, description="codes in patients, for example {sex: {1: man, 2: woman}}"
    )
    units: dict[str, str] = Field({}, description="units of columns of patients, for example {glucose: mg/dL}")
    frozen: str | None = Field(None, description="folder made by `pulsatile population build`")
    women: float | None = Field(None, ge=0, le=1, description="share of women among people drawn")
    ranges: Annotated[dict[str, Any], keyed_by(BOUNDS)] = Field(
        {}, description="least and greatest value, for example {age: [30, 64]}"
    )
    margins: Annotated[dict[str, Any], keyed_by(WITH_MARGIN)] = Field(
        {}, description="own distributions, for example {vat: {median: 180, cv: 0.4}}"
    )
    shifts: Annotated[dict[str, Any], keyed_by(SHIFTED)] = Field(
        {}, description="SDs by which a covariate is higher, for example {igf1_sds: -1}"
    )
    layers: Layers = Field(Layers(), description="layers of variability between and within patients")
    cv: Annotated[dict[str, float], keyed_by(VARIED)] = Field(
        {}, description="coefficients of variation, for example {v_gh: 0.3}"
    )
    correlations: tuple[tuple[VariedName, VariedName, float], ...] = Field(
        (), description="of parameters, for example [[k_gh, v_gh, 0.5]]; they replace the defaults of the same pairs"
    )

    select: Select = Field(
        {},
        description="who enters: limits of a covariate, an output at rest or an endpoint of a test before treatment, "
        " {ghrh_gh_peak: {at_most: 9}, igf1_sds: {below: -2}}",
    )
    screening: tuple[TestEntry, ...] = Field(
        (), description="tests of select that differ from their protocols, at weeks: [0]", max_length=20
    )
    strata: Strata = Field(
        {},
        description="exact shares of patients by covariate, for example {sex: {man: 0.5, woman: 0.5}, age: [[20, 40], "
        "[40, 65]]}; several are crossed",
    )
    most_screened: int | None = Field(
        None, ge=1, le=MOST_SCREENED, description="most candidates looked at; default 100 for each patient"
    )

    model_config = ConfigDict(json_schema_extra={"allOf": [{"not": _both(*pair)} for pair in combinations(SOURCES, 2)]})

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if self.parameters is not None:
            given = [*(name for name in given if name != "phenotype"), "parameters"]
        if len(given) > 1:
            raise ValueError(f"has both {' and '.join(given)}: give one of the two")
        of_table = [name for name in ("columns", "codes", "units") if getattr(self, name)]
        if of_table and self.patients is None:
            raise ValueError(f"has {', '.join(of_table)} without a table of own patients: give patients")
        if self.shares is not None and sum(self.shares.values()) <= 0:
            raise ValueError("has shares that are all 0: give at least one phenotype a share above 0")
        people = {name: getattr(self, name) for name in ("women", "ranges", "margins", "shifts")}
        asked = [name for name, value in people.items() if value not in (None, {})]
        if asked and self.named is None:
            raise ValueError(
                f"has {', '.join(asked)} without a population of people: give named, for example named: adults"
            )
        of_people = [name for name in ("cv", "correlations") if getattr(self, name)]
        of_people += ["layers"] if self.layers != Layers() else []
        if of_people and self.named is None and self.patients is None:
            raise ValueError(f"has {', '.join(of_people)}: give named or patients, which are drawn in layers")
        if not self.variability and self.parameters is not None:
            raise ValueError(
                "has variability: false and parameters, which are of typical patients anyway: leave it out"
            )
        if not self.variability and not self.from_phenotypes:
            raise ValueError("has variability: false, which is for phenotypes only; give layers: {between: false}")
        return self

    @model_validator(mode="after")
    def _engine_agrees(self) -> Self:
        self.headings.check()
        if self.named is not None or self.patients is not None:
            self.people.check()
        return self

    @model_validator(mode="after")
    def _recruitment_agrees(self) -> Self:
        if self.screening and not self.select:
            raise ValueError("has screening tests and no select: name an endpoint in select, or leave them out")
        if self.most_screened is not None and not self.recruits:
            raise ValueError("has most_screened without select or strata: give one of them, or leave it out")
        if not self.recruits:
            return self
        if self.strata and self.n is None and not self.drawn:
            raise ValueError("has strata and no n, so their numbers are unknown: give n")
        if self.n is not None and self.n > MOST_IN_TABLE:
            raise ValueError(
                f"selects n = {self.n} patients: at most {MOST_IN_TABLE} are allowed, as a study stores them"
            )
        if self.most_screened is not None and self.n is not None and self.most_screened < self.n:
            raise ValueError(f"has most_screened = {self.most_screened} below n = {self.n}: give at least n")
        _ = self.recruitment
        return self

    @property
    def recruits(self) -> bool:
        """Whether some of the candidates enter only."""
        return bool(self.select or self.strata)

    @property
    def recruitment(self) -> Recruitment | None:
        """How the patients are recruited from the candidates; None where all enter."""
        if not self.recruits:
            return None
        more = () if self.from_phenotypes or self.parameters is not None else tuple(MORE_COVARIATES)
        covariates = tuple(name for name in (*COVARIATES, *more) if name not in ("parameter_draws", "prevalence"))
        return Recruitment(
            screening=screening(self.select, self.screening, covariates),
            strata=strata_of(dict(self.strata), covariates),
            most=self.most_screened,
        )

    @property
    def people(self) -> ResolvedPeople:
        """The people that are drawn, where the population consists of people."""
        return ResolvedPeople.of(
            self.named or "adults", self.women, self.ranges, self.margins, self.shifts, self.layers,
            self.cv, self.correlations,
        )  # fmt: skip

    @property
    def from_phenotypes(self) -> bool:
        """Whether patients are drawn around phenotypes."""
        return self.named is None and self.patients is None and self.frozen is None and self.parameters is None

    @property
    def drawn(self) -> bool:
        """Whether patients are drawn, so that ``n`` must be given."""
        return self.file is None

    @property
    def file(self) -> str | None:
        """The file or folder that holds the patients; None where they are drawn."""
        return self.patients or self.parameters or self.frozen

    @property
    def headings(self) -> Headings:
        """What the study says of the columns of own patients."""
        return Headings(self.columns, self.codes.get("sex", {}), self.units)

    @property
    def mix(self) -> dict[str, float]:
        """Shares of phenotypes."""
        return dict(self.shares) if self.shares is not None else {self.phenotype or "obese": 1.0}
