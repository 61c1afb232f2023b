"""The model as SBML (Level 3 Version 2), written from the text of ``engine/model.py``: rate rules and named terms.

SBML is the exchange format of the field: any of its simulators can take this.  States are in units of ``scale``, so
that a simulator with one absolute tolerance has one per state.  Parameters get the values of one patient.
"""

import ast
import re
from collections.abc import Sequence

from benchmarks.peers.c_source import statements
from pulsatile.engine.arrays import Floats
from pulsatile.engine.parameters import NAMES

_OPERATIONS = {ast.Add: "plus", ast.Sub: "minus", ast.Mult: "times", ast.Div: "divide", ast.USub: "minus"}
_FUNCTIONS = {"exp": "exp", "floor": "floor", "sqrt": "root"}
_TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t</csymbol>'


def _apply(operation: str, *arguments: ast.expr) -> str:
    return f"<apply><{operation}/>{''.join(map(_math, arguments))}</apply>"


def _math(node: ast.expr) -> str:
    """Return the content MathML of an expression."""
    match node:
        case ast.Constant(value=int() | float() as value):
            mantissa, _, exponent = repr(float(value)).partition("e")
            if exponent:
                return f'<cn type="e-notation">{mantissa}<sep/>{int(exponent)}</cn>'
            return f"<cn>{mantissa}</cn>"
        case ast.Name(id="t"):
            return _TIME
        case ast.Name(id=name):
            return f"<ci>{name}</ci>"
        case ast.UnaryOp(op=op, operand=operand):
            return _apply(_OPERATIONS[type(op)], operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _apply(_OPERATIONS[type(op)], left, right)
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _apply(_FUNCTIONS[name], argument)
    raise NotImplementedError(f"no MathML for {ast.unparse(node)!r}: extend benchmarks/peers/sbml.py")


def sbml(active: Sequence[str], scale: Floats, parameters: Floats, y0: Floats) -> str:
    """Return the SBML text: state ``name`` is the parameter ``u_name``, parameter ``name`` is ``p_name``.

    ``scale`` and ``y0`` (active,), ``parameters`` (all of the table); time in hours.
    """

    def math(text: str) -> str:
        text = re.sub(r"\bp\[(\d+)\]", lambda m: f"p_{NAMES[int(m[1])]}", text)
        text = re.sub(r"\by\[(\d+)\]", lambda m: f"(u_{active[int(m[1])]} * {float(scale[int(m[1])])!r})", text)
        return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{_math(ast.parse(text, mode="eval").body)}</math>'

    lines, derivatives = statements(active)
    used = {
        int(i) for text in [*derivatives.values(), *(text for _, text in lines)] for i in re.findall(r"p\[(\d+)", text)
    }
    items = [f'<parameter id="p_{NAMES[i]}" value="{float(parameters[i])!r}" constant="true"/>' for i in sorted(used)]
    items += [
        f'<parameter id="u_{name}" value="{float(y / s)!r}" constant="false"/>'
        for name, y, s in zip(active, y0, scale, strict=True)
    ]
    items += [f'<parameter id="{name}" constant="false"/>' for name, _ in lines]
    rules = [f'<assignmentRule variable="{name}">{math(text)}</assignmentRule>' for name, text in lines]
    rules += [
        f'<rateRule variable="u_{name}">{math(f"({derivatives[name]}) / {float(s)!r}")}</rateRule>'
        for name, s in zip(active, scale, strict=True)
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model id="pulsatile">\n'
        + "<listOfParameters>\n" + "\n".join(items) + "\n</listOfParameters>\n"
        + "<listOfRules>\n" + "\n".join(rules) + "\n</listOfRules>\n</model></sbml>\n"
    )  # fmt: skip
