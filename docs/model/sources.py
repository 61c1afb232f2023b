"""Write the generated blocks of the model documents: `python docs/model/sources.py [--check]`.

A block lies between ``<!-- name: ... -->`` and ``<!-- end -->``; what is in it comes from the tables of the code.  With
``--check`` nothing is written, and the exit status tells whether every block is up to date.
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from pulsatile.engine import parameters
from pulsatile.engine.drugs.presets import PRESETS
from pulsatile.engine.drugs.table import FIGURES
from pulsatile.engine.model import FLUX_UNITS
from pulsatile.engine.parameters import SLOTS, TABLE, Parameter
from pulsatile.engine.patients.cohort import PHENOTYPES, virtual_cohort
from pulsatile.engine.people.margins import PRINTED
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.engine.people.survey import BY_AGE, DECADES, NAMES, PROBABILITIES, WITHIN_AGE
from pulsatile.engine.states import ALWAYS, GROUPS, STATES

HERE = Path(__file__).resolve().parent
BIB = Path(parameters.__file__).resolve().parent / "references.bib"
DOCUMENTS = ("overview", "axis", "metabolism", "therapies", "population")
BLOCK = re.compile(r"(<!-- (?P<name>\w+): written by [^\n]*-->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL)
KEY = re.compile(r"\b[A-Z][A-Za-z]+(?:19|20)\d\d\b")
REFERENCE = re.compile(
    rf"\b(?P<document>{'|'.join(DOCUMENTS)}), "
    r"(?:section (?P<section>\d+(?:\.\d+)?)(?:-(?P<last>\d+(?:\.\d+)?))?|constraint (?P<constraint>C\d+)"
    r"|(?P<heading>[A-Z][a-z-]+(?: [a-z-]+)*))"
)
"""A place in a model document: a section, a range of sections, a row of its calibration targets, or a heading."""
UNVERIFIED = "to be verified"
ORIGINS = ("published", "fitted", "assumed", "computed", "definition")
MARKS = {"READ": "published", "COMPUTED": "computed", "DERIVED": "computed", "RECALLED": "assumed"}

AXIS = {
    "pulse_rate": "rate", "pulse_shape": "shape", "pulse_size": "a_med", "pulse_size_cv": "CV_a", "sleep_gain": "-",
    "k_drive": "kD", "ghrh_tone": "H0", "sst_relief": "w", "sst_basal": "Sb", "sst_night": "cn", "k_sst": "kS",
    "gh_on_sst": "aG", "gh_on_sst_half": "KG", "ghs_on_ghrh": "hS", "ghs_anti_sst": "kapS", "ghrelin_tone": "s0",
    "k_release": "kJ", "store_max": "Rmax", "k_store": "kR", "k_ghrhr_loss": "kdH", "k_ghrhr_recovery": "krH",
    "k_ghsr_loss": "kdS", "k_ghsr_recovery": "krS", "k_tolerance_recovery": "k_rec", "igf1_feedback": "phi",
    "gh_leak": "Jb", "v_gh": "V", "k_gh": "k1", "k_gh_saturable": "k2", "gh_saturation": "Gs", "ka_gh": "ka",
    "f_gh": "F", "igf1_gh_half": "EC", "k_signal": "kM", "k_igf1": "kout", "insulin_on_gh_half": "KI",
    "ffa_on_gh_half": "KF", "hypo_drive": "uh", "hypo_half": "Kh", "igf1_emax": "Emax", "igf1_base": "kin0",
    "igf1_ref": "Iref", "insulin_ref": "Insr", "ffa_ref": "Fr", "c_amplitude": "c_a", "c_sst": "c_S",
    "c_secretion": "c_sec", "c_igf1": "c_E", "sst_night_time": "-", "sst_night_width": "-",
}  # fmt: skip
"""Parameter: its symbol in the equations of the axis; those that metabolism has too are there."""
METABOLISM = {
    "v_glucose": "VG", "meal_fraction": "f", "k_gastric": "kge", "k_absorption": "kab", "brain_uptake": "ub",
    "brain_half": "Kb", "glucose_on_egp": "gE", "igf1_on_egp": "eIL", "uptake_gain": "vM", "uptake_half": "KX",
    "glucose_half": "KG", "glucose_standard": "-", "adipose_share": "wA", "renal_slope": "kr", "renal_threshold": "-",
    "renal_smoothing": "-", "k_remote": "pX", "v_insulin": "VI", "k_insulin": "n", "hepatic_extraction": "h0",
    "extraction_half": "rh", "k_secretion": "al", "beta_half": "KB", "derivative_saturation": "Ds",
    "derivative_smoothing": "eps", "incretin_gain": "kinc", "incretin_half": "Rinc", "k_ffa": "kF",
    "lipolysis_min": "lmin", "k_antagonist": "kZ", "ffa_standard": "Fr", "antagonist_muscle": "hM",
    "antagonist_liver": "hL", "socs_antagonist": "cS", "igf1_sensitising": "hI", "igf1_insulin": "eI",
    "lipolysis_gh_half": "EJ", "lipolysis_desensitising": "KS", "k_lipolysis_1": "kK", "k_lipolysis_2": "kL",
    "lipolysis_gain": "aL", "k_socs": "kS", "socs_gh_half": "ES", "socs_liver": "dS", "k_p85": "kP", "p85_half": "Sp",
    "p85_muscle": "DM", "p85_liver": "DL", "p85_adipose": "DA", "k_vat": "kV", "vat_lipolysis": "aV",
    "vat_socs": "aVS", "vat_sensitivity": "eV", "vat_saturation": "vs", "k_sat": "kA", "sat_lipolysis": "aA",
    "sat_socs": "aAS", "k_lean": "kM", "lean_gain": "aM", "vat_mass": "fV", "weight": "BW", "igf1_target": "W0",
    "glucose_basal": "Gb", "insulin_basal": "Ib", "ffa_basal": "Fb", "egp_basal": "EGPb", "sens_muscle0": "sM",
    "sens_liver0": "sL", "sens_adipose0": "sA", "egp_half": "KL", "lipolysis_half": "KA", "beta_capacity": "om",
    "beta_dynamic": "rd", "beta_compensation": "bB", "vat0": "V0", "sat0": "A0", "lean0": "M0", "lipolytic0": "L0",
    "socs0": "S0", "p85_0": "P0", "sens_muscle_ref": "m_ref", "sens_liver_ref": "l_ref", "egp_max": "EGPm",
    "k_mass_action": "kg", "isr_basal": "ISRb", "isr_max": "Rm", "lipolysis_basal": "Ra0",
}  # fmt: skip
"""Parameter: its symbol in the equations of metabolism."""


class Row(NamedTuple):
    """A row of a table with how its number came about, one of `ORIGINS`, and its source."""

    table: str
    name: str
    origin: str
    source: str

    @property
    def keys(self) -> list[str]:
        """Keys of references.bib that the source names."""
        return KEY.findall(self.source)


class Entry(NamedTuple):
    """An entry of references.bib."""

    key: str
    author: str
    year: str
    title: str
    note: str


def origin(source: str) -> str:
    """Return how a number came about, from how its source begins; ValueError where it does not say.

    >>> origin("fitted: clamp M, metabolism, section 7.7"), origin("Hartman1992, axis, constraint C1")
    ('fitted', 'published')
    """
    word = source.partition(":")[0]
    if word in ORIGINS:
        return word
    if KEY.match(source):
        return "published"
    raise ValueError(f"{source!r} begins with none of {', '.join(ORIGINS)} and with no key")


def rows() -> list[Row]:
    """Return the rows of the parameter table, of the drug table and of the two tables of margins."""
    found = [Row("parameters", row.name, origin(row.source), row.source) for row in TABLE]
    found += [Row("drugs", f"{row.drug} {row.name}", origin(row.source), row.source) for row in FIGURES]
    found += [Row("margins", row.name, MARKS[row.mark], f"{row.source}, {row.mark}") for row in PRINTED]
    return found + [Row("margins by age", row.name, MARKS[row.mark], f"{row.source}, {row.mark}") for row in BY_AGE]


def entries() -> list[Entry]:
    """Return the entries of references.bib."""
    found = []
    for line in BIB.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"@\w+\{(\w+),", line):
            fields = dict(re.findall(r"(\w+)=\{([^{}]*)\}", line))
            found.append(Entry(match[1], *(fields.get(name, "") for name in ("author", "year", "title", "note"))))
    return found


def linked(source: str) -> str:
    """Return ``source`` with every place in a model document as a link."""

    def link(match: re.Match[str]) -> str:
        anchor = slug(match["heading"]) if match["heading"] else (match["constraint"] or "").lower()
        return f"[{match[0]}]({match['document']}.md#{anchor or 'section-' + match['section']})"

    return REFERENCE.sub(link, source)


def slug(heading: str) -> str:
    """Return the anchor of a heading.

    >>> slug("7.3 Glucose, insulin and FFA")
    '73-glucose-insulin-and-ffa'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table(head: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *body]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def counts() -> str:
    """Return how many states, parameters, drugs, presets and populations there are."""
    slots = Counter(len(GROUPS[slot]) for slot in SLOTS)
    by_slot = " and ".join(f"{n} slots of {size}" for size, n in sorted(slots.items(), reverse=True))
    other = len(STATES) - len(ALWAYS) - sum(len(GROUPS[slot]) for slot in SLOTS)
    kinds = Counter(row.kind for row in TABLE)
    drugs = {row.drug for row in FIGURES}
    without = f"{len(ALWAYS)} without drugs, {other} of subcutaneous rhGH and tolerance"
    available = sum(row.available for row in PRESETS.values())
    return table(("what", "number", "of which"), (
        ("states", len(STATES), f"{without}, drugs in {by_slot}"),
        ("fluxes", len(FLUX_UNITS), "named intermediate results, among them the tissue sensitivities"),
        ("parameters", len(TABLE), ", ".join(f"{n} {kind}" for kind, n in kinds.items())),
        ("drug figures", len(FIGURES), f"of {len(drugs)} drugs and inputs"),
        ("margins with printed quantiles", len(PRINTED), "men and women each"),
        ("margins by age", len(BY_AGE), f"{len(PROBABILITIES)} quantiles in {len(DECADES)} decades, of men and women"),
        ("presets", len(PRESETS), f"{available} available"),
        ("named populations", len(POPULATIONS), ", ".join(f"`{name}`" for name in POPULATIONS)),
    ))  # fmt: skip


def origins() -> str:
    """Return how many rows of each table came about how."""
    found = rows()
    body = []
    for name in dict.fromkeys(row.table for row in found):
        own = [row for row in found if row.table == name]
        number = Counter(row.origin for row in own)
        body.append((name, *(number[kind] for kind in ORIGINS), len(own), sum(bool(row.keys) for row in own)))
    return table(("table", *ORIGINS, "rows", "with a key of references.bib"), body)


def documents_only() -> str:
    """Return the rows whose only source is a model document, together where the source is the same."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows():
        if not row.keys and REFERENCE.search(row.source):
            found.setdefault((row.table, row.source), []).append(f"`{row.name}`")
    number = sum(len(names) for names in found.values())
    body = ((name, ", ".join(names), linked(source)) for (name, source), names in found.items())
    return f"{number} of {len(rows())} rows:\n\n" + table(("table", "rows", "source"), body)


def unverified() -> str:
    """Return the entries of references.bib that are marked to be verified."""
    marked = [entry for entry in entries() if UNVERIFIED in entry.note]
    body = ((f"`{e.key}`", f"{e.author.replace(' and others', ' et al.')} {e.year}: {e.title}", linked(e.note))
            for e in marked)  # fmt: skip
    return f"{len(marked)} of {len(entries())} entries:\n\n" + table(("key", "study", "note"), body)


def parameter_table(symbols: dict[str, str]) -> str:
    """Return the rows of the parameter table that have a symbol in ``symbols``, in the order of the table."""
    body = (
        (f"`{row.name}`", symbols[row.name], row.meaning, _number(row.value), row.unit,
         f"{_number(row.low)} - {_number(row.high)}", f"{row.cv:.0%}" if row.cv else "-", row.kind, linked(row.source))
        for row in TABLE if row.name in symbols
    )  # fmt: skip
    return table(("name", "symbol", "meaning", "value", "unit", "range", "CV", "kind", "source"), body)


def _number(value: float) -> str:
    """Return a number; a small one as a fraction where it is the inverse of whole minutes."""
    inverse = 1 / value if value else 0.0
    if inverse >= 50 and abs(inverse - round(inverse)) < 1e-6 * inverse and f"{value:g}" != f"{value:.3g}":
        return f"1/{round(inverse)}"
    return f"{value:g}"


def phenotypes() -> str:
    """Return what is typical of each phenotype."""
    kept = ("sens_muscle0", "insulin_basal", "glucose_basal", "ffa_basal", "vat0", "sat0", "lean0", "lipolysis_half",
            "egp_half", "egp_basal", "beta_capacity", "beta_dynamic", "beta_compensation", "weight")  # fmt: skip
    typical = {name: virtual_cohort(1, name, variability=False).parameters[0] for name in PHENOTYPES}
    by_name: dict[str, Parameter] = {row.name: row for row in TABLE}
    return table(("parameter", "symbol", "unit", *PHENOTYPES), (
        (f"`{name}`", METABOLISM[name], by_name[name].unit, *(f"{row[name]:g}" for row in typical.values()))
        for name in kept
    ))  # fmt: skip


def drug_table() -> str:
    """Return every figure of the drug table."""
    return table(("drug", "figure", "value", "unit", "CV", "source"), (
        (row.drug, f"`{row.name}`", f"{row.value:g}", row.unit, f"{row.cv:.3g}" if row.cv else "-", linked(row.source))
        for row in FIGURES
    ))  # fmt: skip


def preset_table() -> str:
    """Return the preset regimens."""
    return table(("preset", "regimen", "weeks", "standing"), (
        (f"`{row.name}`", row.description if row.available else f"{row.description} (not available: {row.missing})",
         f"{row.weeks:g}", row.standing)
        for row in PRESETS.values()
    ))  # fmt: skip


def margin_table() -> str:
    """Return the margins that are printed as quantiles."""
    body = []
    for row in PRINTED:
        p = f"{100 * (1 - row.level):g} / 50 / {100 * row.level:g} %"
        quantiles = (" / ".join(f"{value:g}" for value in sex) for sex in row.quantiles)
        body.append((f"`{row.name}`", row.unit, p, *quantiles, row.mark, linked(row.source)))
    return table(("covariate", "unit", "quantiles", "men", "women", "mark", "source"), body)


def by_age_table() -> str:
    """Return three of the quantiles by decade of age."""
    shown = [PROBABILITIES.index(p) for p in (0.025, 0.5, 0.975)]
    body = [
        (f"`{row.name}`", row.unit, sex, *(" / ".join(f"{decade[k]:g}" for k in shown) for decade in table_of_sex),
         row.mark, linked(row.source))
        for row in BY_AGE for sex, table_of_sex in (("men", row.men), ("women", row.women))
    ]  # fmt: skip
    return table(("covariate", "unit", "sex", *(f"{low}-{low + 9} y" for low in DECADES), "mark", "source"), body)


def within_age_table() -> str:
    """Return the correlations within age."""
    body = [(f"`{name}`", *("-" if r == 1 else f"{r:+.4f}" for r in row))
            for name, row in zip(NAMES, WITHIN_AGE, strict=True)]  # fmt: skip
    return table(("", *(f"`{name}`" for name in NAMES)), body)


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "README": {"counts": counts, "origins": origins, "documents": documents_only, "unverified": unverified},
    "axis": {"parameters": lambda: parameter_table(AXIS)},
    "metabolism": {"parameters": lambda: parameter_table(METABOLISM), "phenotypes": phenotypes},
    "therapies": {"drugs": drug_table, "presets": preset_table},
    "population": {"margins": margin_table, "by_age": by_age_table, "within_age": within_age_table},
}
"""Document: its blocks, by name."""


def rewritten(document: str) -> str:
    """Return the text of ``document`` with its blocks as they should be; KeyError for a block that nobody writes."""
    text = (HERE / f"{document}.md").read_text(encoding="utf-8")
    wanted = BLOCKS.get(document, {})
    present = [match["name"] for match in BLOCK.finditer(text)]
    if sorted(present) != sorted(wanted):
        raise KeyError(f"{document}.md has the blocks {present}, not {list(wanted)}")
    return BLOCK.sub(lambda match: match[1] + wanted[match["name"]]() + match[4], text)


def main() -> int:
    """Write the blocks, or with ``--check`` tell whether they are up to date."""
    parser = argparse.ArgumentParser(description="Write the generated blocks of the model documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a block is out of date")
    check = parser.parse_args().check
    stale = []
    for document in ("README", *DOCUMENTS):
        path, text = HERE / f"{document}.md", rewritten(document)
        if text != path.read_text(encoding="utf-8"):
            stale.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("out of date: " if check else "written: ") + ", ".join(stale))
    return int(check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
