"""Rewrites straight-line arithmetic of the equations so that few divisions remain.

A vector division occupies the divider for some ten cycles, a product the multipliers for one.  So every value has the
form ``fixed * top / bottom``: ``fixed`` contains parameters only and is computed once per patient; a quotient is taken
only where a value is stored, added to one of another denominator or passed to a function; and the quotients whose
denominators are known at the same time share one division: 1/a = b r and 1/b = a r with r = 1/(a b).

The factors of a denominator are of order 1 (the largest, hypo_half**4 + glucose**4 in (mmol/L)**4, is 1e6 at 30).
Shared denominators reached 1e35 with states 10 % off basal, and 1e133 with states off by log-normal factors of SD 3:
far from overflow.  The text depends on the equations only: every number of lanes computes the same.
"""

import ast
import re
from collections import Counter
from typing import NamedTuple

SHARE = 4  # denominators that share one division
SHARE_SINGLE = 2  # in float32, whose numbers end at 3e38


class Term(NamedTuple):
    """``fixed * product(top) / product(bottom)``: an expression of parameters as text, and names of lines."""

    fixed: str = "1"
    top: tuple[str, ...] = ()
    bottom: tuple[str, ...] = ()


def _product(names: tuple[str, ...]) -> str:
    """Return a product as a balanced tree, the same for equal factors, so that the compiler finds common ones."""
    if len(names) == 1:
        return names[0]
    half = len(names) // 2
    return f"({_product(names[:half])} * {_product(names[half:])})"


def _tidy(text: str) -> str:
    """Return ``text`` with numbers folded and without redundant parentheses."""
    if "p." not in text:
        value = float(eval(text, {"__builtins__": {}}))  # numbers only
        return "1" if value == 1 else repr(value)
    return ast.unparse(ast.parse(text, mode="eval"))


class Program:
    """Lines ``name = text`` in static single assignment, with the reciprocals that they need."""

    def __init__(self, share: int = SHARE) -> None:
        self.share = share
        self.lines: dict[str, str] = {}
        self.known: dict[str, str] = {}  # text -> name
        self.constants: dict[str, str] = {}  # name -> text of an expression of parameters
        self.inverses: dict[str, str] = {}  # name -> its denominator
        self.hint = "v"
        self.joint = 0  # products of denominators named so far

    # --- algebra ---

    def line(self, text: str) -> str:
        """Return the name of the line with this text, which is added if new."""
        if text not in self.known:
            self.known[text] = f"{self.hint}_{len(self.lines)}"
            self.lines[self.known[text]] = text
        return self.known[text]

    def constant(self, fixed: str) -> str:
        """Return the name (or number) of an expression of parameters."""
        if "p." not in fixed:
            return f"({fixed})" if fixed.startswith("-") else fixed
        key = f"constant {fixed}"
        if key not in self.known:
            self.known[key] = f"q{len(self.constants)}"
            self.constants[self.known[key]] = fixed
        return self.known[key]

    def written(self, term: Term, more: tuple[str, ...] = ()) -> str:
        """Return the text of the numerator, times ``more``."""
        factors = [] if term.fixed == "1" and term.top + more else [self.constant(term.fixed)]
        factors += term.top
        if more:
            factors.append(_product(more))
        return " * ".join(factors)

    def multiply(self, a: Term, b: Term) -> Term:
        """Return a * b."""
        fixed = _tidy(f"({a.fixed}) * ({b.fixed})") if a.fixed != "1" and b.fixed != "1" else _not_one(a.fixed, b.fixed)
        return Term("0.0") if _zero(a) or _zero(b) else Term(fixed, a.top + b.top, a.bottom + b.bottom)

    def divide(self, a: Term, b: Term) -> Term:
        """Return a / b; common denominators cancel."""
        if _zero(a):
            return a
        common = Counter(a.bottom) & Counter(b.bottom)
        over, under = _without(a.bottom, common), _without(b.bottom, common)
        fixed = a.fixed if b.fixed == "1" else _tidy(f"({a.fixed}) / ({b.fixed})")
        bottom = (self.line(self.written(Term("1", b.top))),) if len(b.top) > 1 else b.top
        return Term(fixed, a.top + under, over + bottom)

    def add(self, a: Term, b: Term, sign: str) -> Term:
        """Return a + b or a - b."""
        if _zero(b):
            return a
        if _zero(a):
            return b if sign == "+" else self.multiply(Term("-1.0"), b)
        if not (a.top + a.bottom + b.top + b.bottom):
            return Term(_tidy(f"({a.fixed}) {sign} ({b.fixed})"))
        more = Counter(a.bottom), Counter(b.bottom)
        if more[0] - more[1] and more[1] - more[0]:
            a, b = self.taken(a), self.taken(b)
            return Term("1", (self.line(f"{self.written(a)} {sign} {self.written(b)}"),))
        left, right = _without(b.bottom, more[0]), _without(a.bottom, more[1])
        bottom = a.bottom if len(a.bottom) >= len(b.bottom) else b.bottom
        return Term("1", (self.line(f"{self.written(a, left)} {sign} {self.written(b, right)}"),), bottom)

    def taken(self, term: Term) -> Term:
        """Return the term with its quotient computed."""
        if not term.bottom:
            return term
        below = self.line(_product(tuple(sorted(term.bottom)))) if len(term.bottom) > 1 else term.bottom[0]
        self.inverses[f"inverse_{below}"] = below
        return Term(term.fixed, (*term.top, f"inverse_{below}"))

    def value(self, term: Term) -> str:
        """Return the name of the term's value."""
        term = self.taken(term)
        return term.top[0] if term.fixed == "1" and len(term.top) == 1 else self.line(self.written(term))

    def named(self, term: Term) -> Term:
        """Return the term with its varying numerator as one line, computed once for several uses."""
        return term if len(term.top) < 2 else term._replace(top=(self.line(self.written(Term("1", term.top))),))

    # --- text ---

    def _inputs(self, name: str) -> list[str]:
        if name in self.inverses:
            return [self.inverses[name]]
        return re.findall(r"[A-Za-z_]\w*", self.lines[name]) if name in self.lines else []

    def needed(self, wanted: list[str], done: set[str]) -> list[str]:
        """Return lines and inverses that ``wanted`` needs beyond ``done``, each after its inputs."""
        order: list[str] = []
        seen = set(done)

        def visit(name: str) -> None:
            if name in seen:
                return
            seen.add(name)
            for source in self._inputs(name):
                visit(source)
            if name in self.lines or name in self.inverses:
                order.append(name)

        for name in wanted:
            visit(name)
        return order

    def text(self, wanted: list[str], done: set[str]) -> list[str]:
        """Return the needed lines by level: lines, then their reciprocals in shared divisions, and so on."""
        order = self.needed(wanted, done)
        level: dict[str, int] = {}
        for name in order:
            before = max((level.get(source, 0) for source in self._inputs(name)), default=0)
            level[name] = before + (name in self.inverses)
        urgent = set(self.needed([n for n in order if n in self.inverses and level[n] > 1], done))
        out = []
        for depth in range(max(level.values(), default=0) + 1):
            shared = [n for n in order if n in self.inverses and level[n] == depth]
            shared.sort(key=lambda name: name not in urgent)
            for first in range(0, len(shared), self.share):
                out += self._share(shared[first : first + self.share])
            out += [f"{n} = {self.lines[n]}" for n in order if n in self.lines and level[n] == depth]
        return out

    def _share(self, names: list[str]) -> list[str]:
        """Return the lines of one division for several reciprocals."""
        out: list[str] = []

        def up(part: list[str]) -> str:
            """Multiply the denominators as a tree and name each product."""
            if len(part) == 1:
                return self.inverses[part[0]]
            half = len(part) // 2
            left, right = up(part[:half]), up(part[half:])
            self.joint += 1
            out.append(f"joint_{self.joint} = {left} * {right}")
            trees[f"joint_{self.joint}"] = left, right
            return f"joint_{self.joint}"

        def down(name: str) -> None:
            """Derive the reciprocals of two factors from that of their product."""
            if name in trees:
                left, right = trees[name]
                out.append(f"inverse_{left} = inverse_{name} * {right}")
                out.append(f"inverse_{right} = inverse_{name} * {left}")
                down(left)
                down(right)

        trees: dict[str, tuple[str, str]] = {}
        root = up(names)
        out.append(f"inverse_{root} = 1.0 / {root}")
        down(root)
        return out


def _not_one(a: str, b: str) -> str:
    return b if a == "1" else a


def _zero(term: Term) -> bool:
    return term.fixed == "0.0" or term.fixed == "-0.0"


def _without(names: tuple[str, ...], common: "Counter[str]") -> tuple[str, ...]:
    remaining = Counter(names) - common
    return tuple(remaining.elements())
