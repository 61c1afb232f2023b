"""Write docs/reference.md, the reference of everything that a study can say: ``python docs/reference.py``.

All of it comes from the code: the JSON schema of study files, and the tables of outputs, tests, drugs, presets,
populations and parameters.  ``--check`` writes nothing and exits with 1 where the page is out of date.
"""

import argparse
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pulsatile.cli.main import EXAMPLES
from pulsatile.engine.drugs.presets import PRESETS
from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.table import DRUGS, EXTRAPOLATED
from pulsatile.engine.kernel.layout import WATCH
from pulsatile.engine.model import FLUX_UNITS
from pulsatile.engine.outputs import HBA1C, OUTPUTS
from pulsatile.engine.parameters import ROW
from pulsatile.engine.patients.changes import CHANGEABLE, knock_outs
from pulsatile.engine.patients.cohort import PHENOTYPES
from pulsatile.engine.people.populations import POPULATIONS
from pulsatile.engine.states import STATES
from pulsatile.engine.trial.plan import HBA1C_MEAN, REDUCTIONS, WATCHED
from pulsatile.engine.trial.protocols import PROTOCOLS, virtual_test
from pulsatile.engine.trial.test_at import TestAt
from pulsatile.engine.trial.virtual_test import TestDose, TestSettings, VirtualTest
from pulsatile.sweeps.errors import Exit
from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.design import VARIED
from pulsatile.sweeps.study.schema import json_schema
from pulsatile.sweeps.study.tables.own_patients import UNITS

PAGE = Path(__file__).resolve().with_name("reference.md")
LISTS = {
    "outputs": OUTPUTS, "reductions": WATCHED, "virtual-tests": PROTOCOLS, "drugs": DRUGS, "presets": PRESETS,
    "populations": POPULATIONS, "parameters": [*VARIED, *CHANGEABLE],
}  # fmt: skip
"""Part of the page: the names that it lists."""
LONGEST_LIST = 8  # names that are shown in a cell
PATTERNS = {
    quantities.LENGTH: 'a length of time, "30 min", "1 week"', quantities.SIGNED: 'a length of time, "-30 min"',
    quantities.AMOUNT: 'an amount, "2 mg"', quantities.CLOCK: 'a clock time, "08:00"', quantities.DAY: "a day, Mon",
}  # fmt: skip
KINDS = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list",
    "object": "mapping", "null": "nothing",
}  # fmt: skip
DRUG_KINDS = {
    "ghrh": "GHRH analogue", "ghs": "ghrelin agonist", "gh": "growth hormone", "long_gh": "long-acting growth hormone",
    "input": "held input",
}  # fmt: skip
ABSENT = (
    ("waist", "the published regression is on BMI, age and height of untreated people, none on VAT and SAT; lean mass "
     "gained under GH would read as a larger waist"),
    ("trunk fat, limb fat", "no published regression on VAT and SAT; the model has one subcutaneous depot"),
    ("subcutaneous fat in cm2", "no published conversion from kg"),
    ("triglyceride, cholesterol, HDL, liver fat", "no state of the model, and no published regression on its states"),
    ("IGF-1 in U/mL", "the unit's size differs between laboratories; compare `igf1_ratio`"),
)  # fmt: skip


def table(head: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0])] + [
        [str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in body
    ]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _code(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# --- the study file ---


def _target(told: dict[str, Any]) -> str:
    return str(told["$ref"]).rpartition("/")[2]


def inner(told: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the entries inside a value, each with its path; a list adds [] to it."""
    if "$ref" in told:
        yield _target(told), path
    for key in ("anyOf", "oneOf", "allOf"):
        for one in told.get(key, ()):
            yield from inner(one, path)
    if isinstance(told.get("items"), dict):
        yield from inner(told["items"], f"{path}[]")
    if isinstance(told.get("additionalProperties"), dict):
        yield from inner(told["additionalProperties"], f"{path}.NAME")


def kind(told: dict[str, Any], entries: dict[str, str]) -> str:
    """Return the type of a value in words, with its bounds."""
    if "$ref" in told:
        where = entries[_target(told)]
        return f"[{where}](#{anchor(heading(where))})"
    options = [one for one in told.get("anyOf", told.get("oneOf", ())) if one.get("type") != "null"]
    if options:
        return " or ".join(dict.fromkeys(kind(one | _names(told), entries) for one in options))
    names = told.get("enum", [told["const"]] if "const" in told else told.get("propertyNames", {}).get("enum"))
    if names is not None:
        return ("mapping by " if "propertyNames" in told else "") + _choice(names)
    if told.get("pattern") in PATTERNS:
        return PATTERNS[told["pattern"]]
    words = KINDS.get(str(told.get("type")), "a value")
    if told.get("type") == "array":
        parts = told.get("prefixItems", [told.get("items", {})])
        inside = " and ".join(dict.fromkeys(kind(part, entries) for part in parts if part))
        words = f"list of {inside}" if inside else words
    return words + _bounds(told)


def _names(told: dict[str, Any]) -> dict[str, Any]:
    return {key: told[key] for key in ("enum", "propertyNames") if key in told}


def _choice(names: list[Any]) -> str:
    if len(names) <= LONGEST_LIST:
        return _code(names)
    for part, known in LISTS.items():
        if set(names) <= set(known):
            return f"a name of [{part.replace('-', ' ')}](#{part})"
    return _code(names)


def _bounds(told: dict[str, Any]) -> str:
    signs = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    found = [words.format(told[key]) for key, words in signs.items() if key in told]
    least, most = told.get("minItems"), told.get("maxItems")
    if least is not None and least == most:
        found.append(f"{least} of them")
    else:
        found += [f"{least} or more"] if least else []
        found += [f"at most {most}"] if most else []
    return f", {' '.join(found)}" if found else ""


def default(told: dict[str, Any], needed: bool) -> str:
    """Return the default of a key in words."""
    value = told.get("default")
    if needed:
        return "needed"
    if value is None or isinstance(value, dict) or value in ("", []):
        return ""
    if value == list(quantities.DAYS):
        return "every day"
    return f"`{'true' if value is True else 'false' if value is False else value}`".replace("'", "")


def heading(path: str) -> str:
    """Return the heading of the keys of an entry; "" is the file."""
    return f"Keys of {path}" if path else "Keys of the file"


def anchor(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def study_keys() -> str:
    """Return every key of a study file, one table per entry, in the order in which they appear in a file."""
    schema = json_schema()
    found: dict[str, str] = {"": ""}
    todo = [("", schema, "")]
    order = []
    while todo:
        name, told, path = todo.pop(0)
        order.append((name, told))
        new = []
        for key, value in told.get("properties", {}).items():
            for entry, where in inner(value, f"{path}.{key}".lstrip(".")):
                if entry not in found:
                    found[entry] = where
                    new.append((entry, schema["$defs"][entry], where))
        todo = new + todo
    text = ""
    for name, told in order:
        needed = told.get("required", ())
        rows = [
            (f"`{key}`", kind(value, found), default(value, key in needed), value.get("description", ""))
            for key, value in told.get("properties", {}).items()
        ]
        words = " ".join(str(told.get("description", "")).partition("\n\nRaises")[0].replace("``", "`").split())
        text += (
            f"### {heading(found[name])}\n\n{words}\n\n"
            + table(("key", "type and values", "default", "what"), rows)
            + "\n"
        )
    return text.rstrip("\n") + "\n"


# --- what a study can name ---


def outputs() -> str:
    """Return the outputs: states, fluxes, and what is computed from them."""

    def rows(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
        return ((f"`{o.name}`", o.unit, o.long_name, o.description) for o in (OUTPUTS[name] for name in names))

    derived = [name for name in OUTPUTS if name not in STATES and name not in FLUX_UNITS]
    head = ("output", "unit", "what", "computed from")
    return (
        "Computed from states and fluxes:\n\n" + table(head, rows(derived))
        + "\nStates of the model:\n\n" + table(head[:3], (row[:3] for row in rows(STATES)))
        + "\nFluxes of the model:\n\n" + table(head[:3], (row[:3] for row in rows(filter(OUTPUTS.get, FLUX_UNITS))))
        + "\nWhat trials report and the model does not give:\n\n" + table(("absent", "why"), ABSENT)
    )  # fmt: skip


def reductions() -> str:
    """Return how reductions are named."""
    names = table(("watched", "unit", "what"), ((f"`{n}`", OUTPUTS[n].unit, OUTPUTS[n].long_name) for n in WATCH))
    ways = ", ".join(f"`{way}` ({words})" for way, words in REDUCTIONS.items())
    return (
        f"A reduction is a watched quantity, `_`, and a way: {ways}; for example `gh_mean`, `glucose_auc` (unit times "
        "h).\n\n"
        f"{names}\n`{HBA1C_MEAN}` ({HBA1C.unit}): {HBA1C.description}.\n"
    )


def built(name: str) -> VirtualTest:
    """Return a test as its protocol has it; where it needs settings, with an example of them."""
    example = {
        "stimulation": TestSettings(give=(TestDose(Dose("sermorelin", 1, "ug/kg", "IV", (0.0,))),)),
        "sampling": TestSettings(outputs=("gh",)),
    }  # fmt: skip
    return virtual_test(name, name, example.get(name, TestSettings()))


def tests() -> str:
    """Return the virtual tests with their settings and endpoints."""
    text = ""
    for name, protocol in PROTOCOLS.items():
        test = built(name)
        start = TestAt(name, (1.0,), settings=TestSettings()).virtual_test.clock if not protocol.needs else test.clock
        how = f"usual start {int(start):02d}:{round(60 * (start % 1)):02d}, " + (
            "fasting" if test.fasting else "meals and doses as scheduled"
        )
        keys = [{"hours": "length"}.get(key, key) for key in protocol.takes if key != "dose_unit"]
        example = "; shown with an example of its settings" if protocol.needs else ""
        curves = f" Curves: {_code(test.curves)}." if test.curves else ""
        meaning = f"{test.meaning[0].upper()}{test.meaning[1:]}; {how}{example}."
        text += f"### {name}\n\n{meaning} Settings: {_code(keys)}.{curves}\n\n"
        rows = ((f"`{name}_{end}`", unit, words) for end, (unit, words) in test.endpoints.items())
        text += table(("variable", "unit", "what"), rows) + "\n"
    return text.rstrip("\n") + "\n"


def drugs() -> str:
    """Return the drugs with their routes."""

    def standing(name: str) -> str:
        lacks = DRUGS[name].missing
        if lacks:
            return f"cannot be dosed; missing: {', '.join(lacks)}"
        return "extrapolation: no chronic trial in people" if name in EXTRAPOLATED else ""

    return table(("drug", "kind", "routes", "note"), (
        (f"`{drug.name}`", DRUG_KINDS.get(drug.kind, drug.kind), ", ".join(drug.routes), standing(drug.name))
        for drug in DRUGS.values()
    ))  # fmt: skip


def presets() -> str:
    """Return the presets."""
    return table(("preset", "weeks", "standing", "what"), (
        (f"`{row.name}`", f"{row.weeks:g}", row.standing,
         row.description if row.available else f"{row.description} (not available; missing: {row.missing})")
        for row in PRESETS.values()
    ))  # fmt: skip


def populations() -> str:
    """Return phenotypes, named populations and the columns of own patients."""
    named = table(
        ("population", "who", "source"), ((f"`{p.name}`", p.description, p.source) for p in POPULATIONS.values())
    )
    columns = table(
        ("column", "units, the model's first"), ((f"`{name}`", ", ".join(units)) for name, units in UNITS.items())
    )
    return (
        f"Phenotypes (`phenotype`, `shares`): {_code(PHENOTYPES)}.\n\nNamed populations (`named`):\n\n{named}\n"
        "Columns of a table of own patients (`patients`), besides `patient` and `sex`; see "
        f"[population.md](population.md):\n\n{columns}"
    )


def parameters() -> str:
    """Return the parameters that a study may change or vary."""
    zero = knock_outs()

    def off(name: str) -> str:
        return "yes" if name in CHANGEABLE and (name in zero or ROW[name].low == 0) else ""

    return table(("parameter", "value", "unit", "range", "CV", "0 allowed", "what"), (
        (f"`{row.name}`", f"{row.value:g}", row.unit, f"{row.low:g} to {row.high:g}", f"{row.cv:.0%}" if row.cv else "",
         off(row.name), row.meaning)
        for row in (ROW[name] for name in CHANGEABLE)
    ))  # fmt: skip


def exit_codes() -> str:
    """Return the exit codes in the words of the command line's help."""
    told = dict(re.findall(r"(\d+) ([^,.]+)[,.]", EXAMPLES.partition("Exit codes:")[2]))
    return table(("code", "name", "what"), ((int(code), code.name, told[str(int(code))]) for code in Exit))


PARTS = (
    ("Study keys", "`arms[].regimen[]` is an entry of the list `regimen` of an entry of `arms`. A key without "
     "a default is marked \"needed\".", study_keys),
    ("Outputs", "Named in `outputs.names`, in a test `sampling`, and in `titrate.on`.", outputs),
    ("Reductions", "Named in `reductions.names`: of every step of the integration, over windows of `reductions.every`.",
     reductions),
    ("Virtual tests", "Named in `tests[].test`. A variable begins with the entry's `name`, by default the test's.",
     tests),
    ("Drugs", "Named in `drug` of a regimen or of a test's `give`.", drugs),
    ("Presets", "Named in `arms[].preset`.", presets),
    ("Populations", "Who the patients are.", populations),
    ("Parameters", "Values of the typical patient; the source of each is in [the model documents](model/README.md).",
     parameters),
    ("Exit codes", "Of every command.", exit_codes),
)  # fmt: skip
"""Heading, introduction and content of each part of the page."""


def page() -> str:
    """Return the whole page."""
    text = (
        "# Reference: everything a study can say\n\n"
        "This page is written from the code by `python docs/reference.py`. What a run does with a study is in "
        "[study.md](study.md); studies to start from: `pulsatile examples`.\n\n"
        + "".join(f"- [{title}](#{anchor(title)})\n" for title, _, _ in PARTS)
    )
    for title, words, content in PARTS:
        text += f"\n## {title}\n\n{words}\n\n{content()}"
    return text


def main() -> int:
    """Write the page, or with ``--check`` say whether it is up to date."""
    parser = argparse.ArgumentParser(description="Write docs/reference.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where it is out of date")
    check = parser.parse_args().check
    text = page()
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text
    if stale and not check:
        PAGE.write_text(text, encoding="utf-8")
    if stale:
        print(f"{'out of date' if check else 'written'}: {PAGE.name}")
    return int(check and stale)


if __name__ == "__main__":
    raise SystemExit(main())
