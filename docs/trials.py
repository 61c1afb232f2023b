"""Write docs/trials.md, which rows of the published trials a study can say: ``python docs/trials.py``.

docs/trials.csv has a row per published figure: the drugs and route that its study needs, and the variable of the
dataset that it is read from ("read"; empty where the model has none, "note" says why).  What of this the code has is
looked up, so that the count follows the code.  ``--check`` writes nothing and exits with 1 where it is out of date.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pulsatile.engine.drugs.regimens import Dose
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.protocols import PROTOCOLS, virtual_test
from pulsatile.engine.trial.virtual_test import TestDose, TestSettings

TABLE = Path(__file__).resolve().with_name("trials.csv")
PAGE = TABLE.with_suffix(".md")
EXAMPLE = TestSettings(give=(TestDose(Dose("sermorelin", 1, "ug/kg", "IV", (0.0,))),))


class Figure(NamedTuple):
    """One published figure; ``row`` is its number in the table of trials."""

    row: str
    study: str
    arm: str
    observable: str
    unit: str
    week: str
    drug: str
    route: str
    read: str
    note: str
    file: str

    @property
    def lacks(self) -> str:
        """Why a study cannot say it; "" where it can."""
        if not self.read:
            return self.note
        for name in self.drug.split():
            if name not in DRUGS:
                return f"drug {name}: not in the drug table"
            if DRUGS[name].missing:
                return f"drug {name}: without {', '.join(DRUGS[name].missing)}"
        if not all(self.route in DRUGS[name].routes for name in self.drug.split()):
            return f"route {self.route}: not a route of {self.drug}"
        return "" if readable(self.read) else f"{self.read}: not a variable"


def figures() -> list[Figure]:
    """Return the rows of the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [Figure(**row) for row in csv.DictReader(file)]


def readable(name: str) -> bool:
    """Return whether ``name`` is an output, or an endpoint of a virtual test under the test's own name."""
    for test in PROTOCOLS:
        if test != "sampling" and name.startswith(f"{test}_"):
            settings = EXAMPLE if test == "stimulation" else TestSettings()
            if name.removeprefix(f"{test}_") in virtual_test(test, test, settings).endpoints:
                return True
    try:
        virtual_test("sampling", "sampling", TestSettings(outputs=(name,)))
    except InputError:
        return False
    return True


def table(head: tuple[str, ...], body: list[tuple[object, ...]]) -> str:
    """Return a Markdown table."""
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in (head, ("---",) * len(head), *body))


def page() -> str:
    """Return the whole page."""
    rows = figures()
    sayable = [row for row in rows if not row.lacks]
    studies = list(dict.fromkeys(row.study for row in rows))
    body: list[tuple[object, ...]] = []
    for study in studies:
        mine = [row for row in rows if row.study == study]
        file = next((row.file for row in mine if row.file), "")
        link = f"[{Path(file).name}](../{file})" if file else ""
        reasons = "; ".join(dict.fromkeys(row.lacks for row in mine if row.lacks))
        body.append((study, sum(not row.lacks for row in mine), len(mine), link, reasons))
    whole = [study for study, said, *_ in body if said]
    reasons = Counter(row.lacks for row in rows if row.lacks)
    written = sum(bool(line[3]) for line in body)
    return (
        "# Which published figures a study can say\n\n"
        "This page is written by `python docs/trials.py` from [trials.csv](trials.csv), a row per published figure of "
        f"{len(studies)} trials and labels: which drugs and route it needs, and which variable of the dataset it is "
        "read from. What of this the code has is looked up. A figure *can be said* where population, drug, route, "
        "schedule and observable are written in a study without a stand-in; whether the model *meets* it is another "
        "matter ([validation.md](validation.md)).\n\n"
        f"**{len(sayable)} of {len(rows)} figures can be said**, some of each of {len(whole)} of the {len(studies)} "
        f"trials; {written} trials are written out in `examples/trials/` (`pulsatile examples`).\n\n"
        + table(("trial", "can be said", "of", "study", "what it lacks"), body)
        + "\n## The others, by reason\n\n"
        + table(("reason", "figures"), [*reasons.most_common()])
    )  # fmt: skip


def main() -> int:
    """Write the page, or with ``--check`` say whether it is up to date."""
    parser = argparse.ArgumentParser(description="Write docs/trials.md.")
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
