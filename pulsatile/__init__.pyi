"""The public names, each with its home: the one list, read by type checkers and at run time."""

from .engine.dataset import template as template
from .engine.drugs.presets import PRESETS as PRESETS
from .engine.drugs.presets import preset as preset
from .engine.drugs.regimens import Arm as Arm
from .engine.drugs.regimens import Dose as Dose
from .engine.errors import InputError as InputError
from .engine.errors import Status as Status
from .engine.kernel.solver import Solver as Solver
from .engine.outputs import OUTPUTS as OUTPUTS
from .engine.patients.adults import adult_cohort as adult_cohort
from .engine.patients.cohort import PHENOTYPES as PHENOTYPES
from .engine.patients.cohort import Cohort as Cohort
from .engine.patients.cohort import virtual_cohort as virtual_cohort
from .engine.patients.layers import Layers as Layers
from .engine.patients.layers import Omega as Omega
from .engine.people.populations import POPULATIONS as POPULATIONS
from .engine.people.populations import population as population
from .engine.people.spec import PeopleSpec as PeopleSpec
from .engine.simulate import simulate as simulate
from .engine.trial.horizon import LongHorizon as LongHorizon
from .engine.trial.plan import Plan as Plan
from .engine.trial.plan import TestAt as TestAt
from .sweeps.analysis.analyse import analyse as analyse
from .sweeps.analysis.analyse import open_design as open_design
from .sweeps.analysis.budget import variance_budget as variance_budget
from .sweeps.analysis.budget_result import VarianceBudget as VarianceBudget
from .sweeps.analysis.budget_runs import BudgetSize as BudgetSize
from .sweeps.analysis.result import Analysis as Analysis
from .sweeps.analysis.selection import Selection as Selection
from .sweeps.disk.store import open_dataset as open_dataset
from .sweeps.run.run import run as run
from .sweeps.sensitivity.factors import Factor as Factor
from .sweeps.sensitivity.factors import Group as Group
from .sweeps.sensitivity.indices import indices as indices
from .sweeps.sensitivity.saltelli import saltelli as saltelli
from .sweeps.sensitivity.samples import latin as latin
from .sweeps.study.resolve import ResolvedStudy as ResolvedStudy
from .sweeps.study.resolve import resolve as resolve
from .sweeps.study.schema import Study as Study
from .sweeps.study.schema import json_schema as json_schema
from .sweeps.study.schema import load_study as load_study
from .sweeps.summary.summarise import Summary as Summary
from .sweeps.summary.summarise import summarise as summarise
from .sweeps.workers.resources import Resources as Resources

__version__: str
