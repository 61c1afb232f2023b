"""A drug of the user's own: its figures in place of those of the table."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from pulsatile.engine.checks import choices, is_number
from pulsatile.engine.drugs.drug import DRAWN, NANOMOLAR, ROUTES, WORDS, Drug, Figure, needed
from pulsatile.engine.drugs.table import DRUGS
from pulsatile.engine.errors import InputError

OWN_KINDS = ("ghrh", "ghs", "gh", "long_gh")
"""Kinds that a drug of one's own can have: GHRH analogue, ghrelin agonist, rhGH, GH released slowly."""
OWN_ROUTES = {kind: (*ROUTES[kind], "oral") if kind in ("ghrh", "ghs") else ROUTES[kind] for kind in OWN_KINDS}
FASTEST, SLOWEST = 50.0, 1e-4
"""Bounds of rates, 1/h: half-lives from 50 s to 290 days."""
MOST_CV = 2.0
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Allowed(NamedTuple):
    """The unit of a figure and the least and greatest value that it can have."""

    unit: str
    low: float
    high: float


FIGURES_ALLOWED = {
    "molar_mass": Allowed("g/mol", 50.0, 1e6),
    "f": Allowed("1", 1e-6, 1.0),
    "ka": Allowed("1/h", SLOWEST, FASTEST),
    "cl": Allowed("L/h", 1e-5, 1e6),
    "v": Allowed("L", 0.01, 1e6),
    "ec50": Allowed("nmol/L", 1e-6, 1e6),
    "ke": Allowed("1/h", SLOWEST, FASTEST),
    "k_tolerance": Allowed("1/h", 0.0, 1.0),
    "weight_on_cl": Allowed("1", -2.0, 2.0),
    "weight_on_v": Allowed("1", -2.0, 2.0),
    "women": Allowed("1", 0.01, 100.0),
    "largest": Allowed("ug", 1e-3, 1e8),
}
"""The figures of a drug of one's own [bounds assumed: beyond every drug known]."""
POTENCY = Allowed("1/ug", 1e-12, 1e6)
"""Effect per ug in plasma in units of the EC50, 1000 / (V MW EC50): what may be given in place of the EC50."""
_PLASMA = ("molar_mass", "cl", "v", "ec50", "weight_on_cl", "weight_on_v", "women")
_USED = {
    "ghrh": (*_PLASMA, "f", "ka", "ke"),
    "ghs": (*_PLASMA, "f", "ka", "k_tolerance"),
    "gh": ("f", "ka"),
    "long_gh": ("f", "ka"),
}


def own_drug(
    name: str,
    kind: str,
    *,
    largest: float,
    source: str,
    f: float | None = None,
    ka: float | None = None,
    molar_mass: float | None = None,
    cl: float | None = None,
    v: float | None = None,
    ec50: float | None = None,
    potency: float | None = None,
    ke: float | None = None,
    k_tolerance: float | None = None,
    weight_on_cl: float | None = None,
    weight_on_v: float | None = None,
    women: float | None = None,
    cv: Mapping[str, float] | None = None,
) -> Drug:
    """Return a drug of your own, to be given by ``Dose(..., own=drug)``.

    Parameters
    ----------
    name : small letters, digits and _; not a name of the drug table
    kind : ghrh (GHRH analogue), ghs (ghrelin agonist), gh (rhGH with an absorption of its own through two equal stages)
        or long_gh (GH that leaves its depot under the skin with the rate ``ka``)
    largest : largest daily dose in a person of 70 kg, ug; a larger one is refused as an error of unit
    source : where the figures come from
    f : share that is absorbed, from under the skin or by mouth
    ka : absorption rate, 1/h
    molar_mass : g/mol
    cl, v : clearance (L/h) and volume (L) in a person of 70 kg
    ec50 : plasma concentration of half the effect, nmol/L
    potency : in its place, the effect per ug in plasma, 1/ug: 1000 / (v x molar_mass x ec50)
    ke : rate of the pituitary effect site of a GHRH analogue, 1/h
    k_tolerance : rate of chronic tolerance to a ghrelin agonist, 1/h; default 0
    weight_on_cl, weight_on_v : exponents of (weight / 70 kg); default 0.75 and 1
    women : factor on the EC50 in women; default 1
    cv : coefficients of variation between patients of cl, v, ka and ec50; default 0

    Raises
    ------
    InputError
        For a figure that is missing, that the kind does not use, or that no drug can have.
    """
    given = {
        "molar_mass": molar_mass, "f": f, "ka": ka, "cl": cl, "v": v, "ec50": ec50, "ke": ke,
        "k_tolerance": k_tolerance, "weight_on_cl": weight_on_cl, "weight_on_v": weight_on_v, "women": women,
        "largest": largest,
    }  # fmt: skip
    where = f"own drug {name}"
    if potency is not None:
        if ec50 is not None:
            raise InputError(f"{where} has both an ec50 and a potency; give one of the two.", ("potency",))
        _check_value(where, "potency", potency, POTENCY)
        for needs in ("v", "molar_mass"):
            if given[needs] is None:
                raise InputError(
                    f"{where} has a potency and no {needs}, which its ec50 follows from; add it.", (needs,)
                )
            _check_value(where, needs, given[needs], FIGURES_ALLOWED[needs])
        assert v is not None
        assert molar_mass is not None
        given["ec50"] = NANOMOLAR / (v * molar_mass * potency)
    spread = {} if cv is None else cv
    if not isinstance(spread, Mapping):
        raise InputError(f"{where}: cv = {cv!r} must be a mapping, for example cl: 0.3.", ("cv",))
    for key in spread:
        if key not in DRAWN:
            raise InputError(f"{where}: cv of {key!r} is not possible; {choices(key, DRAWN)}.", ("cv",))
        if given[key] is None:
            raise InputError(f"{where} has a cv of {key} and no {key}; add it, or leave the cv out.", ("cv",))
    rows = tuple(
        Figure(str(name), key, value, FIGURES_ALLOWED[key].unit, spread.get(key, 0.0), source)
        for key, value in given.items()
        if value is not None
    )
    drug = Drug(name, kind, rows, OWN_ROUTES.get(kind, ()) if isinstance(kind, str) else (), own=True)
    check_own(drug)
    return drug


def check_own(drug: Drug) -> None:
    """Refuse a drug of the user's own whose name, kind or figures are impossible, with one sentence."""
    where = f"own drug {drug.name}"
    if not isinstance(drug.name, str) or not _NAME.fullmatch(drug.name):
        raise InputError(f"{where}: its name must be small letters, digits and _, for example my_peptide.", ("name",))
    if drug.name in DRUGS:
        raise InputError(f"{where} has the name of a drug of the table; give it another, as my_{drug.name}.", ("name",))
    if not isinstance(drug.kind, str) or drug.kind not in OWN_KINDS:
        raise InputError(f"{where}: kind = {drug.kind!r} is unknown; {choices(drug.kind, OWN_KINDS)}.", ("kind",))
    if drug.routes != OWN_ROUTES[drug.kind]:
        raise InputError(f"{where}: its routes are not those of its kind; define it by own_drug.")
    used = (*_USED[drug.kind], "largest")
    for row in drug.rows:
        if row.name not in used:
            raise InputError(
                f"{where} has {row.name}, which a drug of kind {drug.kind} does not use; leave it out.", (row.name,)
            )
        _check_value(where, row.name, row.value, FIGURES_ALLOWED[row.name])
        if not is_number(row.cv) or not 0 <= row.cv <= MOST_CV:
            raise InputError(f"{where}: cv of {row.name} = {row.cv!r} must be a number from 0 to {MOST_CV:g}.", ("cv",))
        if not isinstance(row.source, str) or not row.source.strip() or not row.source.isprintable():
            raise InputError(
                f"{where}: its source is missing; say in one line where its figures come from.", ("source",)
            )
    # GH is absorbed from its depot even where a study gives it into a vein only
    for name in (*(("f", "ka") if drug.kind == "gh" else needed(drug.kind, drug.routes)), "largest"):
        if name not in drug.figures:
            raise InputError(
                f"{where}: its {WORDS[name]} ({name}, {FIGURES_ALLOWED[name].unit}) is missing; add it.", (name,)
            )
    if drug.in_plasma and not SLOWEST <= drug.k_el <= FASTEST:
        raise InputError(
            f"{where}: cl / v = {drug.k_el:.3g} 1/h is outside {SLOWEST:g} ... {FASTEST:g}; check the units.", ("cl",)
        )


def _check_value(where: str, name: str, value: object, allowed: Allowed) -> None:
    unit = "" if allowed.unit == "1" else f" {allowed.unit}"
    if not is_number(value):
        raise InputError(f"{where}: {name} = {value!r} must be a number{unit and ' in' + unit}.", (name,))
    if not allowed.low <= value <= allowed.high:
        raise InputError(
            f"{where}: {name} = {value:g}{unit} is outside {allowed.low:g} ... {allowed.high:g}; check the unit.",
            (name,),
        )


def own_words(drug: Drug) -> str:
    """Return a drug of the user's own with its figures and their source, for a reader.

    >>> own_words(own_drug("slow_gh", "long_gh", f=0.7, ka=0.02, largest=1e5, source="thesis, table 2"))
    'slow_gh: long_gh, f 0.7, ka 0.02 1/h, largest 100000 ug (thesis, table 2)'
    """
    figures = [
        f"{row.name} {row.value:.6g}{'' if row.unit == '1' else ' ' + row.unit}{f' (CV {row.cv:g})' if row.cv else ''}"
        for row in drug.rows
    ]
    return f"{drug.name}: {', '.join([drug.kind, *figures])} ({drug.rows[0].source})"
