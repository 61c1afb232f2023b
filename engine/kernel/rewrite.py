"""Compiles the equations to straight-line text: parameter arithmetic once per patient, divisions shared.

`straighten` walks ``fluxes`` and ``balances`` and returns the lines of a kernel's right-hand side.  An expression of
parameters only is computed once per patient (and again when an event sets an input); resting drug states are constants;
lines that neither a derivative nor a watched value needs are dropped.  Both the SIMD and the scalar build use the
rewritten text; `engine.model` itself is unchanged.
"""

import ast
import inspect
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from pulsatile.engine.kernel.divisions import SHARE, Program, Term


class Straight(NamedTuple):
    """Text of a right-hand side.

    ``constants`` are expressions of ``p.name``; a line refers to the fourth of them as ``q3`` and to a state as
    ``y_name``.  ``always`` computes ``derivatives`` (state -> name), ``watching`` the further lines for ``watched``
    (value -> name).
    """

    constants: tuple[str, ...]
    always: tuple[str, ...]
    watching: tuple[str, ...]
    derivatives: dict[str, str]
    watched: dict[str, str]


class _Walker:
    def __init__(self, resting: dict[str, float], watched: Collection[str], share: int) -> None:
        self.resting, self.watched = resting, watched
        self.program = Program(share)
        self.local: dict[str, Term] = {"t": Term("1", ("t",))}
        self.fluxes: dict[str, Term] = {}

    def term(self, node: ast.expr) -> Term:
        """Return the value of an expression."""
        program = self.program
        match node:
            case ast.Constant(value=int() | float() as value):
                return Term("1" if value == 1 else repr(float(value)))
            case ast.Name(id=name):
                return self.local[name]
            case ast.Attribute(value=ast.Name(id="p"), attr=name):
                return Term(f"p.{name}")
            case ast.Attribute(value=ast.Name(id="y"), attr=name):
                if name in self.resting:
                    return self.term(ast.Constant(self.resting[name]))
                return Term("1", (f"y_{name}",))
            case ast.Attribute(value=ast.Name(id="f"), attr=name):
                # the quotient of a watched flux is computed in any case
                return Term("1", (program.value(self.fluxes[name]),)) if self._kept(name) else self.fluxes[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return program.multiply(Term("-1.0"), self.term(operand))
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.term(left), self.term(right)
                match op:
                    case ast.Mult():
                        return program.multiply(a, b)
                    case ast.Div():
                        return program.divide(a, b)
                    case ast.Add() | ast.Sub():
                        return program.add(a, b, "+" if isinstance(op, ast.Add) else "-")
            case ast.Call(func=ast.Name(id=function), args=[argument]):
                return Term("1", (program.line(f"{function}({program.value(self.term(argument))})"),))
        raise NotImplementedError(f"cannot rewrite {ast.unparse(node)!r}")

    def _kept(self, name: str) -> bool:
        return name in self.watched and bool(self.fluxes[name].bottom)

    def body(self, function: Callable[..., Any]) -> dict[str, ast.expr]:
        """Process the assignments of ``function`` and return its results by name."""
        define = ast.parse(inspect.getsource(function)).body[0]
        assert isinstance(define, ast.FunctionDef)
        for node in define.body[1:]:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.program.hint = name
                    self.local[name] = self.program.named(self.term(value))
                case ast.Return(value=ast.Call(keywords=words)):
                    return {str(word.arg): word.value for word in words}
                case _:
                    raise NotImplementedError(f"cannot rewrite {ast.unparse(node)!r}")
        raise NotImplementedError(f"{function.__name__} returns no named tuple")


def straighten(
    fluxes: Callable[..., Any],
    balances: Callable[..., Any],
    resting: dict[str, float],
    watched: Collection[str],
    share: int = SHARE,
) -> Straight:
    """Rewrite the model for kernels in which the ``resting`` states are constant.

    At most ``share`` denominators share a division.
    """
    walker = _Walker(resting, watched, share)
    program = walker.program
    walker.fluxes = {name: walker.term(node) for name, node in walker.body(fluxes).items()}
    derivatives = {}
    for name, node in walker.body(balances).items():
        if name not in resting:
            program.hint = f"d_{name}"
            derivatives[name] = program.value(walker.term(node))
    program.hint = "watched"
    seen = {n: f"y_{n}" if n not in walker.fluxes else program.value(walker.fluxes[n]) for n in watched}
    always = program.text(list(derivatives.values()), set())
    done = set(program.needed(list(derivatives.values()), set()))
    watching = program.text(list(seen.values()), done)
    # constants in the order in which the lines use them
    used = dict.fromkeys(re.findall(r"\bq\d+\b", "\n".join(always + watching)))
    number = {name: f"q{i}" for i, name in enumerate(used)}

    def renamed(lines: list[str]) -> tuple[str, ...]:
        return tuple(re.sub(r"\bq\d+\b", lambda m: number[m[0]], line) for line in lines)

    constants = tuple(program.constants[name] for name in used)
    return Straight(constants, renamed(always), renamed(watching), derivatives, seen)
