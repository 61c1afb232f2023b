"""Write the model's right-hand side as C, from the text of `engine.model` itself.

The peers and the reference integrator must solve the same equations by other code, so the Python text of ``fluxes``
and ``balances`` is translated statement by statement (both are plain scalar text without branches).  Drug states that
no arm uses are left out: they are replaced by their resting value and the arithmetic with 0 and 1 is folded away, as
a careful programmer would do by hand.
"""

import ast
import inspect
import re
from collections.abc import Sequence

from pulsatile.engine import model, states
from pulsatile.engine.kernel.rewrite import Straight, straighten
from pulsatile.engine.parameters import NAMES

_INFIX = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class _Expression:
    """Translate one Python expression; numbers are folded so that a resting drug costs nothing."""

    def __init__(self, active: Sequence[str]) -> None:
        self.slot = {name: i for i, name in enumerate(active)}
        self.names: dict[str, str | float] = {"t": "t"}  # local name -> its C variable, or its value when known now

    def __call__(self, node: ast.expr) -> str | float:
        """Return C text, or a float when the value is known now."""
        match node:
            case ast.Constant(value=value) if isinstance(value, int | float):
                return float(value)
            case ast.Name(id=name):
                return self.names[name]
            case ast.Attribute(value=ast.Name(id="y"), attr=name):
                return f"y[{self.slot[name]}]" if name in self.slot else states.REST[name]
            case ast.Attribute(value=ast.Name(id="p"), attr=name):
                return f"p[{NAMES.index(name)}]"
            case ast.Attribute(value=ast.Name(id="f"), attr=name):
                return self.names[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self(operand)
                return -value if isinstance(value, float) else f"(-{value})"
            case ast.BinOp(left=left, op=op, right=right):
                return self._infix(_INFIX[type(op)], self(left), self(right))
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in ("exp", "sqrt", "floor"):
                return f"{name}({text(self(argument))})"
        raise NotImplementedError(f"no C for {ast.unparse(node)!r}: extend benchmarks/peers/c_source.py")

    @staticmethod
    def _infix(op: str, a: str | float, b: str | float) -> str | float:
        if isinstance(a, float) and isinstance(b, float):
            return {"+": a + b, "-": a - b, "*": a * b}[op] if op != "/" else a / b
        if op == "*" and 0.0 in (a, b):
            return 0.0
        if op == "/" and a == 0.0:
            return 0.0
        if (op in "+-" and b == 0.0) or (op in "*/" and b == 1.0):
            return a
        if (op == "+" and a == 0.0) or (op == "*" and a == 1.0):
            return b
        if op == "-" and a == 0.0:
            return f"(-{b})"
        return f"({text(a)} {op} {text(b)})"


def text(value: str | float) -> str:
    """Return C text of a translated value."""
    return repr(value) if isinstance(value, float) else value


def _body(function: object) -> list[ast.stmt]:
    tree = ast.parse(inspect.getsource(function)).body[0]  # type: ignore[arg-type]
    assert isinstance(tree, ast.FunctionDef)
    return tree.body[1:]  # without the docstring


def statements(active: Sequence[str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Return the local assignments ``(name, C text)`` and the C text of each active state's derivative."""
    express = _Expression(active)
    lines: list[tuple[str, str]] = []

    def assign(name: str, node: ast.expr) -> None:
        # a C variable per assignment: `name` may be assigned twice, or be a word of C
        value = express(node)
        if isinstance(value, str) and not value.isidentifier():
            variable = f"v{len(lines)}_{name}"
            lines.append((variable, value))
            value = variable
        express.names[name] = value

    derivatives: dict[str, str] = {}
    for body in (_body(model.fluxes), _body(model.balances)):
        for node in body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    assign(name, value)
                case ast.Return(value=ast.Call(func=ast.Name(id="Fluxes"), keywords=keywords)):
                    for word in keywords:
                        assert word.arg is not None
                        assign(word.arg, word.value)
                case ast.Return(value=ast.Call(func=ast.Name(id="State"), keywords=keywords)):
                    derivatives = {str(w.arg): text(express(w.value)) for w in keywords if w.arg in express.slot}
                case _:
                    raise NotImplementedError(f"no C for statement {ast.unparse(node)!r}")
    return lines, derivatives


def rewritten(active: Sequence[str]) -> Straight:
    """Return the straight lines that the engine compiles for the same states, when no window is kept."""
    resting = {name: value for name, value in states.REST.items() if name not in active}
    return straighten(model.fluxes, model.balances, resting, ())


def rhs_source(active: Sequence[str], straight: bool = False) -> tuple[int, str]:
    """Return how many constants a patient has, and the C functions ``prepare(p)`` and ``rhs(t, y, p, dy)``.

    ``p`` is a whole parameter record; the constants follow it.  ``straight`` takes the engine's rewritten text.
    """
    constants: list[str] = []
    if straight:
        new = rewritten(active)

        def places(text: str) -> str:
            text = re.sub(r"\bp\.(\w+)", lambda m: f"p[{NAMES.index(m[1])}]", text)
            text = re.sub(r"\bq(\d+)\b", lambda m: f"p[{len(NAMES) + int(m[1])}]", text)
            return re.sub(r"\by_(\w+)", lambda m: f"y[{list(active).index(m[1])}]", text)

        constants = [places(text) for text in new.constants]
        lines = [(name, places(value)) for name, value in (line.split(" = ", 1) for line in new.always)]
        derivatives = {name: places(value) for name, value in new.derivatives.items()}
    else:
        lines, derivatives = statements(active)
    body = [f"  const double {name} = {value};" for name, value in lines]
    body += [f"  dy[{i}] = {derivatives[name]};  /* {name} */" for i, name in enumerate(active)]
    before = [f"  p[{len(NAMES) + i}] = {value};" for i, value in enumerate(constants)]
    functions = (
        "static void prepare(double* restrict p)\n{\n"
        + "\n".join(before)
        + "\n}\n\nstatic inline __attribute__((always_inline)) void\n"
        "rhs(double t, const double* restrict y, const double* restrict p, double* restrict dy)\n{\n"
        + "\n".join(body)
        + "\n}\n"
    )
    return len(constants), functions


def numba_source(active: Sequence[str], scale: Sequence[float]) -> str:
    """Return Python text of ``rhs(t, u, du, p)`` on arrays, with ``u = y / scale``, for peers that take numba code.

    The scale lets a solver with one absolute tolerance for all states (numbalsoda) work with one per state.
    """
    lines, derivatives = statements(active)
    body = [f"    y{i} = u[{i}] * {s!r}" for i, s in enumerate(scale)]
    body += [f"    {name} = {value}" for name, value in lines]
    body += [
        f"    du[{i}] = ({derivatives[name]}) * {1 / s!r}"
        for i, (name, s) in enumerate(zip(active, scale, strict=True))
    ]
    text = "\n".join(body)
    for i in range(len(active)):
        text = text.replace(f"y[{i}]", f"y{i}")
    return f"def rhs(t, u, du, p):\n{text}\n"
