"""Instruction scheduling of straight-line text: long dependency chains start early.

A core looks only a few hundred instructions ahead, and the right-hand side has one long chain (insulin depends on the
glucose rate, which depends on every glucose flux) among much independent work.  List scheduling: of the lines whose
inputs are available, the one with the longest chain of dependents goes first.  Only the order changes, no operation.
"""

import ast
import re

_LATENCY = {"exp": 60, "sqrt": 20, "floor": 8}  # cycles to the result, about those of current x86 cores
_DIVISION, _OTHER = 13, 3


def _chain(node: ast.expr) -> int:
    """Return the cycles from an expression's inputs to its value."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return max(_chain(left), _chain(right)) + (_DIVISION if isinstance(op, ast.Div) else _OTHER)
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _LATENCY[name] + _chain(argument)
        case ast.UnaryOp(operand=operand):
            return _chain(operand)
    return 0


def _work(node: ast.expr) -> int:
    """Return the cycles for which an expression occupies the core."""
    busy = 0
    for part in ast.walk(node):
        match part:  # a long operation occupies its unit for about half its latency
            case ast.Call(func=ast.Name(id=name)):
                busy += _LATENCY[name] // 2
            case ast.BinOp(op=op):
                busy += _DIVISION // 2 if isinstance(op, ast.Div) else 1
    return busy


def ordered(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines ``name = text`` (each name assigned once) in scheduled order."""
    named = [line.split(" = ", 1) for line in lines]
    place = {name: i for i, (name, _) in enumerate(named)}
    texts = [ast.parse(text, mode="eval").body for _, text in named]
    inputs = [[place[w] for w in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", text)) if w in place] for _, text in named]
    users: list[list[int]] = [[] for _ in lines]
    for i, sources in enumerate(inputs):
        for j in sources:
            users[j].append(i)
    behind = [0] * len(lines)
    for i in reversed(range(len(lines))):
        behind[i] = _chain(texts[i]) + max((behind[u] for u in users[i]), default=0)
    missing = [len(sources) for sources in inputs]
    known_at = [0] * len(lines)
    waiting = [i for i in range(len(lines)) if not missing[i]]
    clock, order = 0, []
    while waiting:
        clock = max(clock, min(known_at[i] for i in waiting))
        i = max((i for i in waiting if known_at[i] <= clock), key=lambda i: (behind[i], -i))
        waiting.remove(i)
        order.append(lines[i])
        clock += _work(texts[i])
        for u in users[i]:
            missing[u] -= 1
            known_at[u] = max(known_at[u], clock + _chain(texts[i]))
            if not missing[u]:
                waiting.append(u)
    return tuple(order)
