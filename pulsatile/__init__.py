"""The front door: ``import pulsatile as pu``.

Names are looked up when first used, so that importing costs nothing and ``pulsatile --help`` starts at once.

>>> import pulsatile as pu
>>> pu.preset("tesamorelin_label").doses[0].amount
2
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "engine.errors": ("InputError", "Status"),
    "engine.cohort": ("Cohort", "PHENOTYPES", "virtual_cohort"),
    "engine.dosing": ("Arm", "Dose", "PRESETS", "preset"),
    "engine.outputs": ("OUTPUTS",),
    "engine.batch": ("Solver",),
    "engine.horizon": ("LongHorizon",),
    "engine.simulate": ("Plan", "TestAt", "simulate", "template"),
    "sweeps.study": ("Study", "json_schema", "load_study"),
    "sweeps.resolve": ("ResolvedStudy", "resolve"),
    "sweeps.resources": ("Resources",),
    "sweeps.run": ("run",),
    "sweeps.store": ("open_dataset",),
    "sweeps.summary": ("summarise",),
    "engine.adults": ("adult_cohort",),
    "engine.populations": ("POPULATIONS", "population"),
    "engine.people_spec": ("PeopleSpec",),
    "engine.layers": ("Layers", "Omega"),
    "sweeps.analysis": ("Wanted", "analyse", "points"),
    "sweeps.budget": ("variance_budget",),
    "sweeps.given": ("given",),
    "sweeps.sensitivity.factors": ("Factor", "Group"),
    "sweeps.sensitivity.designs": ("latin", "saltelli"),
    "sweeps.sensitivity.indices": ("indices",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [  # noqa: RUF022 - in the order of _HOMES; a test keeps the two equal
    "InputError", "Status", "Cohort", "PHENOTYPES", "virtual_cohort", "Arm", "Dose", "PRESETS", "preset", "OUTPUTS",
    "Solver", "LongHorizon", "Plan", "TestAt", "simulate", "template", "Study", "json_schema", "load_study",
    "ResolvedStudy", "resolve", "Resources", "run", "open_dataset", "summarise",
    "adult_cohort", "POPULATIONS", "population", "PeopleSpec", "Layers", "Omega", "Wanted", "analyse", "points",
    "variance_budget", "given",
    "Factor", "Group", "latin", "saltelli", "indices",
]  # fmt: skip

if TYPE_CHECKING:
    from engine.adults import adult_cohort
    from engine.batch import Solver
    from engine.cohort import PHENOTYPES, Cohort, virtual_cohort
    from engine.dosing import PRESETS, Arm, Dose, preset
    from engine.errors import InputError, Status
    from engine.horizon import LongHorizon
    from engine.layers import Layers, Omega
    from engine.outputs import OUTPUTS
    from engine.people_spec import PeopleSpec
    from engine.populations import POPULATIONS, population
    from engine.simulate import Plan, TestAt, simulate, template
    from sweeps.analysis import Wanted, analyse, points
    from sweeps.budget import variance_budget
    from sweeps.given import given
    from sweeps.resolve import ResolvedStudy, resolve
    from sweeps.resources import Resources
    from sweeps.run import run
    from sweeps.sensitivity.designs import latin, saltelli
    from sweeps.sensitivity.factors import Factor, Group
    from sweeps.sensitivity.indices import indices
    from sweeps.store import open_dataset
    from sweeps.study import Study, json_schema, load_study
    from sweeps.summary import summarise


def _check_neighbours() -> None:
    """Refuse to start when another ``engine`` or ``sweeps`` would be imported in place of ours."""
    here = Path(__file__).resolve().parent.parent
    for name in ("engine", "sweeps"):
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin != here / name / "__init__.py":
            found = f"found {origin}" if origin else "found none"
            raise ImportError(
                f"pulsatile needs its own package {name!r} in {here}, but {found}; "
                f"rename that file or run from another folder."
            )


_check_neighbours()


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'pulsatile' has no attribute {name!r}; it has {', '.join(_HOME_OF)}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*_HOME_OF, "__version__"])
