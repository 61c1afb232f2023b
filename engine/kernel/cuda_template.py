"""The scalar build of the kernel (`lanes`, one lane) as text for a GPU: one thread runs one patient.

`translate` takes the module that `codegen` writes for one lane and turns its vector primitives into plain scalar
arithmetic (``load(w, r)`` becomes ``w[r]``), so that equations, pairs, step control, events, outputs, windows and
statuses come from the text of the CPU kernel.  The result is plain Python for numba's CUDA compiler and its simulator.
"""

import ast
import textwrap
from math import factorial

from pulsatile.engine.kernel import vecmath

HEADER = '''"""Generated: the scalar kernel of engine/kernel/template.py for CUDA.  Do not edit."""

import math
from math import sqrt

import numpy as np
from numba import config, cuda

from pulsatile.engine.kernel.batch import _Buffers
from pulsatile.engine.kernel.events import EventTable

int64 = np.int64
jit = cuda.jit(device=True)

if config.ENABLE_CUDASIM:

    def apart():
        pass

    def bits_of(x):
        return np.float64(x).view(np.int64)

    def of_bits(n):
        return n.view(np.float64)

else:
    from numba.cuda.extending import intrinsic
    from numba.cuda.libdevice import double_as_longlong as bits_of
    from numba.cuda.libdevice import longlong_as_double as of_bits
    from numba.cuda.types import none

    @intrinsic
    def apart(typingctx):
        def gen(context, builder, sig, args):
            builder.function.attributes.add("noinline")
            return context.get_dummy_value()

        return none(), gen


@jit
def magnitude(x):
    return math.fabs(x)


@jit
def smaller(x, y):
    return x if x < y else y


@jit
def larger(x, y):
    return x if x > y else y


@jit
def floor(x):
    # not of NaN, which Python's floor refuses in the simulator
    return float(math.floor(x)) if x == x else x


@jit
def power_of_two(x):
    return math.ldexp(1.0, int(x)) if x == x else x


@jit
def exponent_of(x):
    return float(math.frexp(x)[1] - 1) if x == x else 1024.0


@jit
def mantissa_of(x):
    return 2.0 * math.frexp(x)[0] if x == x else 1.5


@jit
def about_inverse(x):
    r = of_bits(int64({MIRROR}) - bits_of(x))
    return r * (2.0 - x * r)


@jit
def exp(x):
    x = smaller(708.0, larger(-708.0, x))
    k = floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10
    q = {FIRST}
    {HORNER}
    return q * power_of_two(k)


@jit
def first_bit(x):
    return 0
'''
"""Scalar counterparts of the functions of `vecmath`."""

_TAYLOR = [repr(1 / factorial(n)) for n in reversed(range(13))]
_CONSTANTS = {
    "MIRROR": str(vecmath.MIRROR[vecmath.F64]), "FIRST": _TAYLOR[0],
    "HORNER": "\n    ".join(f"q = q * r + {a}" for a in _TAYLOR[1:]),
}  # fmt: skip

START = '''

@cuda.jit(cache=not config.ENABLE_CUDASIM)
def start(parameters, begin, block, doses, times, atol, settings, out):
    """Run the patient of this thread: `run` sees a batch of one."""
    k = cuda.grid(1)
    if k < parameters.shape[0]:
        run(
            parameters[k : k + 1], begin[k : k + 1],
            EventTable(block.ptr[k : k + 2], block.time, block.target, block.amount),
            EventTable(doses.ptr[k : k + 2], doses.time, doses.target, doses.amount),
            times, atol, settings,
            _Buffers(
                out.y[k : k + 1], out.mean[k : k + 1], out.low[k : k + 1], out.high[k : k + 1],
                out.status[k : k + 1], out.steps[k : k + 1], out.mark[k : k + 1],
            ),
        )
'''


class _Scalar(ast.NodeTransformer):
    """Rewrites vector primitives as scalar Python, and arrays of the kernel as local arrays of a thread."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name("load"), args=[array, row]):
                return ast.Subscript(array, row, ast.Load())
            case ast.Call(func=ast.Name("splat"), args=[_, value]):
                return value
            case ast.Call(func=ast.Name("where"), args=[mask, yes, no]):
                return ast.IfExp(mask, yes, no)
            case ast.Call(func=ast.Name("bits"), args=[mask]):
                return ast.Call(ast.Name("int64", ast.Load()), [mask], [])
            case ast.Call(func=ast.Name("from_bits"), args=[number]):
                return ast.Compare(number, [ast.NotEq()], [ast.Constant(0)])
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        self.generic_visit(node)
        match node.value:
            case ast.Call(func=ast.Name("store"), args=[array, row, value]):
                return ast.Assign([ast.Subscript(array, row, ast.Store())], value, lineno=0)
            case ast.Call(func=ast.Name("set_float_control")):
                return None  # a GPU does not slow down on subnormals
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt] | None:
        match node:
            case ast.Assign(targets=[ast.Name("raw" | "offset" | "old")]):
                return None  # alignment and float control of the CPU
            case ast.Assign(targets=[ast.Name("w")], value=ast.Subscript(slice=ast.Slice(upper=ast.BinOp(right=size)))):
                return ast.parse(f"w = cuda.local.array({_number(size)}, np.float64)").body[0]
            case ast.Assign(targets=[ast.Name(name)], value=ast.Call(func=ast.Attribute(attr="zeros"), args=args)):
                kind = ast.unparse(args[1]) if len(args) > 1 else "np.float64"
                return ast.parse(f"{name} = cuda.local.array({ast.unparse(args[0])}, {kind})\n{name}[:] = 0").body
        return self.generic_visit(node)


def _number(node: ast.expr) -> int:
    return int(eval(compile(ast.Expression(node), "size", "eval"), {"__builtins__": {}}))  # a product of numbers


def _device_function(text: str) -> str:
    """Return a function's text, decorated for the device."""
    define = ast.parse(text).body[0]
    assert isinstance(define, ast.FunctionDef)
    define.decorator_list = [ast.Name("jit", ast.Load())]
    return ast.unparse(ast.fix_missing_locations(_Scalar().visit(define)))


def translate(text: str) -> str:
    """Return the CUDA module for ``text``, a kernel of one lane."""
    header = HEADER
    for name, value in _CONSTANTS.items():
        header = header.replace("{" + name + "}", value)
    functions = []
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef():
                functions.append(_device_function(ast.unparse(node)))
            case ast.Assign(targets=[ast.Name(name)], value=ast.Call(func=ast.Name("straight"), args=args)):
                names, lines = (ast.literal_eval(arg) for arg in args[1:])
                # called from many places: one copy, so that the code of a step nearly fits the instruction cache
                body = textwrap.indent(f"apart()\n{lines}", "    ")
                functions.append(_device_function(f"def {name}({names}):\n{body}"))
            case ast.Assign(value=ast.Call(func=ast.Attribute(value=ast.Name("np"), attr="array"))):
                functions.append(ast.unparse(node))
    return header + "\n\n" + "\n\n\n".join(functions) + "\n" + START
