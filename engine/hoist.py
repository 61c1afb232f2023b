"""Move arithmetic on parameters alone out of the right-hand side, from the text of the equations.

Half of the divisions of the model divide by a parameter, and the divider is what a vector right-hand side waits for.
`hoist` rewrites ``fluxes`` and ``balances``: an expression of parameters only is computed once per patient (and again
when an event sets an input), ``x / q`` with such a ``q`` becomes ``x * (1 / q)``.  The equations in `engine.model` stay
as written; both the SIMD and the scalar build use the rewritten text.
"""

import ast
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple


class Hoisted(NamedTuple):
    """``prepare(p)`` returns the tuple of constants ``names``; the other texts take them as last argument ``q``."""

    names: tuple[str, ...]
    prepare: str
    functions: tuple[str, ...]


class _Mover(ast.NodeTransformer):
    def __init__(self, resting: dict[str, float]) -> None:
        self.resting = resting  # states known to stay where they are
        self.constants: dict[str, str] = {}  # text of an expression of parameters -> its name
        self.fixed: dict[str, ast.expr] = {}  # local or flux names that hold an expression of parameters

    def is_fixed(self, node: ast.AST) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.Attribute(value=ast.Name(id="p" | "q")):
                return True
            case ast.BinOp(left=left, right=right):
                return self.is_fixed(left) and self.is_fixed(right)
            case ast.UnaryOp(operand=operand):
                return self.is_fixed(operand)
        return False

    def _constant(self, node: ast.expr) -> ast.expr:
        text = ast.unparse(node)
        if not any(isinstance(n, ast.Attribute) for n in ast.walk(node)):
            return node  # plain numbers: the compiler folds them
        name = self.constants.setdefault(text, f"c{len(self.constants)}")
        return ast.parse(f"q.{name}", mode="eval").body

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.fixed.get(node.id, node) if isinstance(node.ctx, ast.Load) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        match node:
            case ast.Attribute(value=ast.Name(id="f"), attr=name) if name in self.fixed:
                return self.fixed[name]
            case ast.Attribute(value=ast.Name(id="y"), attr=name) if name in self.resting:
                return ast.Constant(self.resting[name])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        known = _fold(left, node.op, right)
        if known is not None:
            return known
        if isinstance(node.op, ast.Div) and self.is_fixed(right) and not self.is_fixed(left):
            if isinstance(right, ast.Constant):
                return ast.BinOp(left, node.op, right)
            inverse = self._constant(ast.BinOp(ast.Constant(1), ast.Div(), right))
            return ast.BinOp(left, ast.Mult(), inverse)
        return ast.BinOp(self._settle(left, right), node.op, self._settle(right, left))

    def _settle(self, node: ast.expr, other: ast.expr) -> ast.expr:
        """Name an expression of parameters that meets one that varies."""
        if isinstance(node, ast.BinOp) and self.is_fixed(node) and not self.is_fixed(other):
            return self._constant(node)
        return node

    def value(self, node: ast.expr) -> ast.expr:
        """Rewrite a whole right-hand side."""
        new: ast.expr = self.visit(node)
        return self._constant(new) if isinstance(new, ast.BinOp) and self.is_fixed(new) else new


def _fold(left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr | None:
    """Return what arithmetic with a resting state's 0 or 1 comes to."""
    a, b = (n.value if isinstance(n, ast.Constant) else None for n in (left, right))
    match op:
        case ast.Mult() if a == 0 or b == 0:
            return ast.Constant(0.0)
        case ast.Div() if a == 0:
            return ast.Constant(0.0)
        case ast.Mult() | ast.Div() if b == 1:
            return left
        case ast.Mult() if a == 1:
            return right
        case ast.Add() | ast.Sub() if b == 0:
            return left
        case ast.Add() if a == 0:
            return right
    return None


def hoist(resting: dict[str, float], *functions: Callable[..., Any]) -> Hoisted:
    """Rewrite plain functions of ``p`` (parameters), in the order in which they hand fluxes on."""
    mover = _Mover(resting)
    texts = []
    for function in functions:
        tree = ast.parse(inspect.getsource(function))
        define = tree.body[0]
        assert isinstance(define, ast.FunctionDef)
        define.args.args.append(ast.arg("q"))
        body: list[ast.stmt] = []
        for node in define.body[1:]:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    node.value = mover.value(node.value)
                    mover.fixed.pop(name, None)
                    if mover.is_fixed(node.value):
                        mover.fixed[name] = node.value
                        continue
                case ast.Return(value=ast.Call(keywords=words)):
                    for word in words:
                        word.value = mover.value(word.value)
                        if mover.is_fixed(word.value):
                            mover.fixed[str(word.arg)] = word.value
                case _:
                    raise NotImplementedError(f"cannot rewrite {ast.unparse(node)!r}")
            body.append(node)
        define.body = body
        texts.append(ast.unparse(ast.fix_missing_locations(tree)))
    names = tuple(mover.constants.values())
    # a constant may use an earlier one
    lines = [f"    {name} = {text.replace('q.', '')}" for text, name in mover.constants.items()]
    prepare = "def prepare(p):\n" + "\n".join(lines) + f"\n    return ({', '.join(names)},)"
    return Hoisted(names, prepare, tuple(texts))
