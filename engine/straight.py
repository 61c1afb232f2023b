"""Straight lines of vector arithmetic as one compiler intrinsic.

numba types and lowers every operation of a Python text on its own, about a millisecond each; the right-hand side has a
thousand.  `straight` hands such a text to LLVM directly: assignments of ``+ - * /``, ``sqrt``, ``exp``, ``floor`` over
``load(w, row)``, then ``store(w, row, value)``, and ``if flag:`` around such lines.  Rows are ``name + number``.
"""

import ast
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from engine import vec

_OPERATIONS: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("fadd", operator.add), ast.Sub: ("fsub", operator.sub), ast.Mult: ("fmul", operator.mul),
}  # fmt: skip


class _Writer:
    """Writes LLVM for one body; a value is a number, a vector or a row (an integer)."""

    def __init__(self, context: Any, builder: Any, kind: vec.VecType, array: Any, names: dict[str, Any]) -> None:
        self.context, self.builder, self.kind, self.names = context, builder, kind, names
        data = context.make_array(array)(context, builder, names["w"]).data
        self.memory = builder.bitcast(data, kind.llvm.as_pointer())

    def vector(self, value: Any) -> Any:
        if isinstance(value, int | float):
            return ir.Constant(self.kind.llvm, [float(value)] * self.kind.width)
        return value

    def row(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return ir.Constant(ir.IntType(64), value)
            case ast.BinOp(left=left, right=right):
                return self.builder.add(self.row(left), self.row(right))
            case ast.Name(id=name):
                return self.names[name]
        raise NotImplementedError(ast.unparse(node))

    def place(self, node: ast.expr) -> Any:
        return self.builder.gep(self.memory, [self.row(node)])

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
            case ast.Call(func=ast.Name(id="load"), args=[_, row]):
                loaded = self.builder.load(self.place(row))
                loaded.align = 8
                return loaded
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                function = getattr(vec.lanes(self.kind.width, self.kind.division), name)
                x = self.vector(self.value(argument))
                return self.context.compile_internal(self.builder, lambda x: function(x), self.kind(self.kind), [x])
        raise NotImplementedError(ast.unparse(node))

    def operation(self, x: Any, op: ast.operator, y: Any) -> Any:
        if isinstance(op, ast.Div):
            signature = self.kind(self.kind, self.kind)
            return vec._divide(self.context, self.builder, signature, [self.vector(x), self.vector(y)])
        instruction, fold = _OPERATIONS[type(op)]
        if isinstance(x, int | float) and isinstance(y, int | float):
            return fold(x, y)
        return getattr(self.builder, instruction)(self.vector(x), self.vector(y))

    def body(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.names[name] = self.value(value)
                case ast.Expr(value=ast.Call(func=ast.Name(id="store"), args=[_, row, value])):
                    self.builder.store(self.vector(self.value(value)), self.place(row)).align = 8
                case ast.If(test=ast.Name(id=flag), body=inner):
                    with self.builder.if_then(self.names[flag]):
                        self.body(inner)
                case _:
                    raise NotImplementedError(ast.unparse(node))


def straight(width: int, division: str, arguments: str, text: str) -> Any:
    """Return a compiled function of ``arguments``: ``w``, ``t`` (vector), ``*_row`` (integers), ``watching``."""
    names = arguments.split(", ")
    kind = vec.VecType(width, division)
    body = ast.parse(text).body
    wanted = {"t": kind, "watching": types.boolean}

    def gen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _Writer(context, builder, kind, sig.args[0], dict(zip(names, args, strict=True))).body(body)
        return context.get_dummy_value()

    # numba wants the argument names of an intrinsic written out
    scope: dict[str, Any] = {"gen": gen, "types": types, "kinds": [wanted.get(name, types.intp) for name in names[1:]]}
    exec(f"def typed(typingctx, {arguments}):\n    return types.void({names[0]}, *kinds), gen", scope)
    return intrinsic(scope["typed"])
