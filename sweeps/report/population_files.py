"""Files for readers of a built population: every patient, the comparison, the rejection atlas."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pulsatile.engine.errors import InputError
from pulsatile.engine.parameters import DIMENSIONLESS, shown_unit
from pulsatile.engine.patients.cohort import PHENOTYPES
from pulsatile.sweeps.disk.files import write_all, writing
from pulsatile.sweeps.population.agreement import NOT_COMPARED, Line, markdown
from pulsatile.sweeps.population.opened import Built
from pulsatile.sweeps.report.population import page_of
from pulsatile.sweeps.study.tables.csv_text import csv_text
from pulsatile.sweeps.study.tables.population_file import TABLES

PATIENTS, AGREEMENT, ATLAS, PAGE = "patients.csv", "agreement.md", "atlas.csv", "population.html"
WORST = 8
"""Published numbers shown on screen, those with the largest errors."""
_WORDS = {"sex": ("man", "woman")}


def write_files(built: Built, page: bool = True) -> list[str]:
    """Write the files into the folder of a built population; return a sentence for each file that could not be made.

    Parameters
    ----------
    page : whether to draw the page of pictures as well, which needs matplotlib
    """
    files = {PATIENTS: patients_csv(built), AGREEMENT: agreement_text(built), ATLAS: atlas_csv(built)}
    failures = []
    if page:
        try:
            files[PAGE] = page_of(built)
        except InputError as error:
            failures.append(str(error))
    with writing(built.folder):
        write_all(built.folder, {name: text.encode() for name, text in files.items()})
    return failures


def patients_csv(built: Built) -> str:
    """Return CSV of all people who were run: id, kept or the reason why not, weight, covariates, untreated outputs.

    Numbers have 17 digits, from which they are read back bit for bit; units are in the headings.
    """
    words = _WORDS | {"phenotype": PHENOTYPES}
    columns = {name: values for name, values in built.untreated.columns.items() if name != "prevalence"}
    units = {name: "" if name in words else shown_unit(built.units.get(name, DIMENSIONLESS)) for name in columns}
    heads = [f"{name} [{unit}]" if unit else name for name, unit in units.items()]
    cells: list[Iterable[str]] = [
        (str(i) for i in built.untreated.ids),
        (str(why) or "kept" for why in built.why),
        (f"{w:.17g}" for w in built.weights),
    ]
    for name, values in columns.items():
        if name in words:
            cells.append([words[name][int(x)] if np.isfinite(x) else "" for x in values])
        else:
            cells.append([_number(x) for x in values])
    return csv_text([["patient", "kept", "prevalence", *heads], *zip(*cells, strict=True)])


def agreement_text(built: Built) -> str:
    """Return the comparison with the published margins as Markdown."""
    head = f"# {built.name}: untreated outputs against published margins\n\nPopulation {built.id}\n\n"
    if not built.comparable:
        return head + NOT_COMPARED
    return head + markdown(built.lines, built.far, built.weights[built.plausible])


def atlas_csv(built: Built) -> str:
    """Return CSV of the shares of rejection and redrawing along every axis, in parts of equally many patients."""
    rows: list[Sequence[Any]] = [["what", "axis", "unit", "ks_distance", "part", "from", "to", "share"]]
    for what, flags in (("rejected", built.rejected), ("redrawn", built.redrawn)):
        if not flags.any():
            continue
        for place in built.atlas(flags):
            unit = built.axes[place.name][0]
            for k, share in enumerate(place.share):
                low, high = place.edges[k], place.edges[k + 1]
                rows.append(
                    [what, place.name, unit, f"{place.distance:.6g}", k + 1, *(f"{x:.8g}" for x in (low, high, share))]
                )
    return csv_text(rows)


def summary(built: Built) -> dict[str, Any]:
    """Return the description of a population: the folder's `population.json` without its tables, with its agreement."""
    record = {name: value for name, value in built.record.items() if name not in (*TABLES, "format")}
    record |= {"folder": str(built.folder), "name": built.name, "effective_number": built.effective}
    record["unused"] = built.unused
    record["redrawn"] = int(built.redrawn.sum())
    record["agreement"] = [line_facts(line) for line in built.lines]
    record["distances"] = [
        {"output": d.output, "sex": d.sex, "ks_before": d.before, "ks_after": d.after} for d in built.far
    ]
    record["atlas"] = [place.sentence for place in built.atlas(built.rejected, WORST)] if built.rejected.any() else []
    return record


def line_facts(line: Line) -> dict[str, Any]:
    """Return one published number with the simulated value and its error, in types of JSON."""
    t = line.target
    numbers = {
        "got_before": line.before, "got": line.after, "error_before": line.error_before, "error": line.error_after,
    }  # fmt: skip
    return {
        "output": t.output, "unit": t.unit, "group": t.group.words, "what": t.words, "published": t.value,
        "source": t.source, "weighted_to": t.used, "patients": line.patients,
        **{name: None if np.isnan(x) else x for name, x in numbers.items()},
    }  # fmt: skip


def _number(x: float) -> str:
    return "" if np.isnan(x) else f"{x:.17g}"
