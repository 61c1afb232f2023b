"""Straight-line vector arithmetic as one compiler intrinsic.

numba types and lowers every operation of a Python function separately, about a millisecond each; the right-hand side
has a thousand.  `straight` passes such a text to LLVM directly: assignments of ``+ - * /`` and of `vecmath.FUNCTIONS`
over ``load(array, row)``, then ``store(array, row, value)``, and ``if flag:`` around such lines.  Rows are
``name + number``; a value stored in an array of the other precision is converted.
"""

import ast
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from pulsatile.engine.kernel import vecmath

_OPERATIONS: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("fadd", operator.add), ast.Sub: ("fsub", operator.sub), ast.Mult: ("fmul", operator.mul),
    ast.Div: ("fdiv", operator.truediv),
}  # fmt: skip


class _Writer:
    """Writes LLVM for one body; a value is a number, a vector or a row (an integer)."""

    def __init__(self, context: Any, builder: Any, width: int, kinds: Any, names: dict[str, Any]) -> None:
        self.context, self.builder, self.width, self.names = context, builder, width, names
        self.memory = {}
        for name, kind in kinds.items():
            if isinstance(kind, types.Array):
                data = context.make_array(kind)(context, builder, names[name]).data
                element = vecmath.F32 if kind.dtype == types.float32 else vecmath.F64
                self.memory[name] = builder.bitcast(data, ir.VectorType(element, width).as_pointer())

    def row(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return ir.Constant(ir.IntType(64), value)
            case ast.BinOp(left=left, right=right):
                return self.builder.add(self.row(left), self.row(right))
            case ast.Name(id=name):
                return self.names[name]
        raise NotImplementedError(ast.unparse(node))

    def place(self, array: str, row: ast.expr) -> Any:
        return self.builder.gep(self.memory[array], [self.row(row)])

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self.names[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                x = self.value(operand)
                return -x if isinstance(x, int | float) else self.builder.fneg(x)
            case ast.BinOp(left=left, op=op, right=right):
                return self.operation(self.value(left), op, self.value(right))
            case ast.Call(func=ast.Name(id="load"), args=[ast.Name(id=array), row]):
                loaded = self.builder.load(self.place(array, row))
                loaded.align = 4 if loaded.type.element == vecmath.F32 else 8
                return loaded
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return vecmath.FUNCTIONS[name](self.builder, self.value(argument))
        raise NotImplementedError(ast.unparse(node))

    def operation(self, x: Any, op: ast.operator, y: Any) -> Any:
        instruction, fold = _OPERATIONS[type(op)]
        numbers = [isinstance(value, int | float) for value in (x, y)]
        if all(numbers):
            return fold(x, y)
        kind = y.type if numbers[0] else x.type
        a, b = (
            ir.Constant(kind, [float(v)] * self.width) if number else v
            for v, number in zip((x, y), numbers, strict=True)
        )
        return getattr(self.builder, instruction)(a, b)

    def body(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.names[name] = self.value(value)
                case ast.Expr(value=ast.Call(func=ast.Name(id="store"), args=[ast.Name(id=array), row, value])):
                    place, operand = self.place(array, row), self.value(value)
                    kind = place.type.pointee
                    if isinstance(operand, int | float):
                        operand = ir.Constant(kind, [float(operand)] * self.width)
                    stored = self.builder.store(vecmath.converted(self.builder, operand, kind), place)
                    stored.align = 4 if kind.element == vecmath.F32 else 8
                case ast.If(test=ast.Name(id=flag), body=inner):
                    with self.builder.if_then(self.names[flag]):
                        self.body(inner)
                case _:
                    raise NotImplementedError(ast.unparse(node))


def straight(width: int, arguments: str, text: str) -> Any:
    """Return a compiled function of ``arguments``: arrays, ``t`` (a vector), ``*_row`` (integers), ``watching``."""
    names = arguments.split(", ")
    body = ast.parse(text).body

    def gen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kinds = dict(zip(names, sig.args, strict=True))
        _Writer(context, builder, width, kinds, dict(zip(names, args, strict=True))).body(body)
        return context.get_dummy_value()

    def kind(name: str, argument: Any) -> Any:
        if name == "watching":
            return types.boolean
        return argument if len(name) == 1 else types.intp

    # numba requires explicit argument names of an intrinsic
    scope: dict[str, Any] = {"gen": gen, "types": types, "kind": kind}
    kinds = ", ".join(f"kind({name!r}, {name})" for name in names)
    exec(f"def typed(typingctx, {arguments}):\n    return types.void({kinds}), gen", scope)
    return intrinsic(scope["typed"])
