"""The result of a sensitivity analysis, of a design or of a population: datasets, tables, sentences, files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pulsatile.sweeps.analysis.inputs import Inputs
from pulsatile.sweeps.analysis.stories import Story
from pulsatile.sweeps.contrast import rows
from pulsatile.sweeps.disk.files import write_all
from pulsatile.sweeps.errors import NOT_CLINICAL
from pulsatile.sweeps.sensitivity.methods import measures_of
from pulsatile.sweeps.study.tables.csv_text import csv_of_frame

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_TABLES = ("indices", "indices_of_pairs", "indices_of_curves", "failed_region", "shapley_effects")
INDICES, PAIRS, CURVES, FAILED, SHAPLEY = _TABLES
SENTENCES, PAGE = "sensitivity.txt", "sensitivity.html"
FILES = (*(f"{name}.csv" for name in _TABLES), SENTENCES, PAGE)
"""All files that an analysis writes into the folder of its run, with the page of pictures."""
_ALSO = ("mean", "variance", "n_missing", "reason")


@dataclass(frozen=True, eq=False, repr=False)
class Analysis:
    """The sensitivity of a finished run.

    Arms are those of the study and, with a contrast, "ARM minus CONTRAST".  Units of outputs are in the
    coordinate and column ``unit``; those of variables in their attrs.

    Attributes
    ----------
    indices : dims (output, factor, arm, week); for a design as `sweeps.sensitivity.indices.indices` returns them; for a
        population ``S1``, ``S1_low``, ``S1_high``, ``prcc``, ``p_value``, and (output, arm, week) ``dummy`` and
        ``threshold`` of prcc, and ``n_effective``
    verdicts : whether the replicates of a design suffice
    scenarios : which points gain and which lose; in which patients each event happens
    notes : what is left out, and why
    curves : indices of whole trajectories over the weeks, dims (output, factor, arm); None where the method has none
    steps : convergence of the indices with replicates (`sweeps.analysis.convergence`); None without an interval
    failed : where in a design runs failed (`sweeps.analysis.failed_region.failed_region`); None if no run or all did
    shapley : for a population ``shapley`` (output, member, arm), shares of the whole variance with that of the member
        "unexplained", and ``explained`` (output, arm), of the last week; None where there are none, and a note says why
    stories, inputs : for a population, the scenarios with their patients, and the inputs of the patients
    """

    indices: "xr.Dataset"
    verdicts: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    curves: "xr.Dataset | None" = None
    steps: "xr.Dataset | None" = None
    failed: "xr.Dataset | None" = None
    shapley: "xr.Dataset | None" = None
    stories: tuple[Story, ...] = ()
    inputs: Inputs | None = None

    def __repr__(self) -> str:
        counts = {str(name): n for name, n in self.indices.sizes.items() if name != "pair"}
        sizes = ", ".join(f"{n} {name}{'s' * (n != 1)}" for name, n in counts.items())
        names = [measure.name for measure in measures_of(self.indices)]
        kept = ("curves", "steps", "failed", "shapley")
        return (
            f"<Analysis of a {self.of}: {self.indices.attrs['method']}\n"
            f"  indices: {', '.join(names)} of {sizes}\n"
            f"  also: {', '.join(name for name in kept if getattr(self, name) is not None) or 'nothing'}\n"
            f"  tables: {', '.join(self.tables)}; {len(self.sentences)} sentences; save(folder) writes both>"
        )

    @property
    def of(self) -> str:
        """The sample of the run, "saltelli design" for example, or "population"."""
        return f"{self.indices.attrs['kind']} design" if self.inputs is None else "population"

    @property
    def tables(self) -> "dict[str, pd.DataFrame]":
        """Tables by the name of their file: one row per output, arm, week and factor (pair, member)."""
        tables = {INDICES: _table(self.indices)}
        if "pair" in self.indices.dims:
            tables[PAIRS] = _table(self.indices, "pair")
        if self.curves is not None:
            tables[CURVES] = _table(self.curves)
        if self.failed is not None:
            tables[FAILED] = self.failed.to_dataframe().reset_index()
        if self.shapley is not None:
            frame = self.shapley.to_dataframe(dim_order=["output", "arm", "member"]).dropna(subset="shapley")
            tables[SHAPLEY] = frame.reset_index()
        return tables

    @property
    def sentences(self) -> tuple[str, ...]:
        """The results in words; for a population first the three inputs with the largest S1 of each output."""
        leading = () if self.inputs is None else _leading(self.indices)
        return (*leading, *self.verdicts, *self.scenarios, *(f"Note: {note}." for note in self.notes))

    @property
    def facts(self) -> dict[str, object]:
        """How the numbers were obtained, by name; not when and where: equal runs have equal files."""
        return {str(name): value for name, value in self.indices.attrs.items() if name not in ("kind", "study", "date")}

    def save(self, folder: str | Path) -> list[Path]:
        """Write tables, sentences and facts into a folder, usually that of the run; return the paths."""
        files = {
            f"{name}.csv": csv_of_frame(frame, None if name == FAILED else "%.17g")
            for name, frame in self.tables.items()
        }
        facts = [f"{name}: {value}" for name, value in self.facts.items()]
        files[SENTENCES] = "\n".join([*self.sentences, *facts, NOT_CLINICAL]) + "\n"
        write_all(Path(folder), {name: text.encode() for name, text in files.items()})
        return [Path(folder) / name for name in files]


def _table(dataset: "xr.Dataset", along: str = "factor") -> "pd.DataFrame":
    """Return the variables with the dims output, arm, week and factor (or pair) as a table of rows.

    Further columns are the unit of the output, its mean and variance, and why an index is missing.
    """
    dims = ("output", "arm", "week", along)
    kept = [name for name in dataset.data_vars if along in dataset[name].dims]
    kept += [name for name in _ALSO if name in dataset]
    frame = dataset[kept].to_dataframe(dim_order=[d for d in dims if d in dataset[kept].dims])
    return frame[[*(c for c in ("kind", "unit") if c in frame), *kept]].reset_index()


def labels_of(results: "xr.Dataset | xr.DataArray", along: str) -> list[str]:
    """Return the words of the outputs or factors of results; their names where there are none."""
    name = f"{along}_label" if f"{along}_label" in results.coords else along
    return [str(label) for label in np.atleast_1d(results[name].values)]


def _leading(indices: "xr.Dataset") -> list[str]:
    """Return a sentence per output and arm on the three inputs with the largest S1 in the last week."""
    sentences = []
    last = indices.isel(week=-1)
    for output in last["output"].values:
        for arm, part in rows(last.sel(output=output)):
            s1 = np.nan_to_num(part["S1"].values, nan=-np.inf)
            if not np.isfinite(s1).any():
                continue
            words = [
                f"{labels_of(part, 'factor')[k]} {float(part['S1'][k]):.2f} "
                f"[{float(part['S1_low'][k]):.2f}, {float(part['S1_high'][k]):.2f}]"
                for k in np.argsort(-s1, kind="stable")[:3]
            ]
            head = f"{labels_of(part, 'output')[0]}, {arm}, week {float(last['week']):g}"
            sentences.append(f"{head}: S1 of {', '.join(words)}.")
    return sentences
