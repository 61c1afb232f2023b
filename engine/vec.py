"""A lane vector as a numba type: the scalar right-hand side, called with it, compiles to packed code by construction.

``lanes(width, division)`` returns a namespace of compiled primitives over ``width`` float64 lanes.  ``+ - * /``,
comparisons, ``math.exp``, ``math.sqrt`` and ``math.floor`` accept the vector; ``if`` on one is a typing error, which is
what we want.  A lane's arithmetic never depends on another lane: no reassociation, no horizontal operation.

Division is ``exact`` (the IEEE divide, the same on every machine) or ``fast`` (two of three divisions by reciprocal
estimate and two correction terms, relative error 2**-56; AVX-512 only).  It is a setting, never chosen by the CPU.
"""

import math
import operator
import platform
from functools import cache
from types import SimpleNamespace
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import PrimitiveModel
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, overload, register_jitable, register_model

F64 = ir.DoubleType()
I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
FAST_EVERY = 3  # in ``fast`` mode every third division stays on the divider, which works beside the FMA ports


class VecType(types.Type):  # type: ignore[misc]
    """``width`` float64 lanes."""

    def __init__(self, width: int, division: str) -> None:
        self.width, self.division = width, division
        self.llvm = ir.VectorType(F64, width)
        super().__init__(name=f"vec{width}_{division}")

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """Allow plain numbers in expressions with vectors."""
        return Conversion.safe if isinstance(other, types.Float | types.Integer) else None


class MaskType(types.Type):  # type: ignore[misc]
    """The result of comparing two vectors."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.llvm = ir.VectorType(I1, width)
        super().__init__(name=f"mask{width}")


@register_model(VecType)
@register_model(MaskType)
class _Model(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm)


def _constant(vector: ir.VectorType, value: float | int) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


def _splat(builder: Any, x: Any, width: int) -> Any:
    vector = ir.VectorType(x.type, width)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, width), [0] * width))


def _call(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


@lower_cast(types.Float, VecType)
def _cast_float(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return _splat(builder, val if val.type == F64 else builder.fpext(val, F64), toty.width)


@lower_cast(types.Integer, VecType)
def _cast_integer(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return _splat(builder, builder.sitofp(val, F64), toty.width)


def _vector_of(args: Any) -> VecType | None:
    found = [a for a in args if isinstance(a, VecType)]
    fits = all(isinstance(a, VecType | types.Float | types.Integer) for a in args)
    return found[0] if found and fits else None


class _Arithmetic(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        v = _vector_of(args)
        return signature(v, *[v] * len(args)) if v is not None else None


class _Comparison(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        v = _vector_of(args)
        return signature(MaskType(v.width), v, v) if v is not None else None


class _Logic(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], *args) if all(isinstance(a, MaskType) for a in args) else None


def _declare(op: Any, base: type, lower: Any, *kinds: type) -> None:
    infer_global(op)(type("_" + op.__name__, (base,), {}))
    lower_builtin(op, *kinds)(lower)


for _op, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _declare(_op, _Arithmetic, lambda c, b, s, a, _i=_instruction: getattr(b, _i)(*a), VecType, VecType)
_declare(operator.neg, _Arithmetic, lambda c, b, s, a: b.fneg(a[0]), VecType)
for _op, _sign in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">=")):
    # ordered: false when an operand is NaN, so that a NaN step is never "accepted"
    _declare(_op, _Comparison, lambda c, b, s, a, _s=_sign: b.fcmp_ordered(_s, *a), VecType, VecType)
_declare(operator.and_, _Logic, lambda c, b, s, a: b.and_(*a), MaskType, MaskType)
_declare(operator.or_, _Logic, lambda c, b, s, a: b.or_(*a), MaskType, MaskType)
_declare(operator.invert, _Logic, lambda c, b, s, a: b.not_(a[0]), MaskType)


def _reciprocal(builder: Any, x: Any) -> Any:
    """1/x for 8 lanes: vrcp14pd, then r (1 + e)(1 + e^2) with e = 1 - x r."""

    def fma(a: Any, b: Any, c: Any) -> Any:
        return _call(builder, "llvm.fma.v8f64", x.type, [a, b, c])

    one, zero = _constant(x.type, 1.0), _constant(x.type, 0.0)
    r = _call(builder, "llvm.x86.avx512.rcp14.pd.512", x.type, [x, zero, ir.Constant(I8, -1)])
    e = fma(builder.fneg(x), r, one)
    r = fma(r, e, r)
    return fma(r, builder.fmul(e, e), r)


def _divide(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    x, y = args
    if sig.return_type.division == "fast":
        # counted per function, so that the choice cannot depend on what was compiled before
        function = builder.function
        function.divisions = getattr(function, "divisions", 0) + 1
        if function.divisions % FAST_EVERY:
            return builder.fmul(x, _reciprocal(builder, y))
    return builder.fdiv(x, y)


_declare(operator.truediv, _Arithmetic, _divide, VecType, VecType)


def fast_division_available() -> bool:
    """Tell whether this CPU has the reciprocal estimate that ``fast`` needs."""
    return bool(llvm.get_host_cpu_features().get("avx512f", False))


@cache
def lanes(width: int, division: str) -> SimpleNamespace:
    """Return the compiled primitives over ``width`` lanes; ``w`` is flat float64 memory, offsets count vectors."""
    vector, mask = VecType(width, division), MaskType(width)
    bit = ir.IntType(width)
    integers = ir.VectorType(I64, width)

    def pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
        data = context.make_array(kind)(context, builder, array).data
        return builder.gep(builder.bitcast(data, vector.llvm.as_pointer()), [offset])

    def read(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
        value = builder.load(pointer(context, builder, kind, array, offset))
        value.align = 8
        return value

    def write(context: Any, builder: Any, kind: Any, array: Any, offset: Any, value: Any) -> None:
        builder.store(value, pointer(context, builder, kind, array, offset)).align = 8

    @intrinsic  # type: ignore[untyped-decorator]
    def load(typingctx: Any, w: Any, k: Any) -> Any:
        return vector(w, types.intp), lambda c, b, s, a: read(c, b, s.args[0], *a)

    @intrinsic  # type: ignore[untyped-decorator]
    def store(typingctx: Any, w: Any, k: Any, v: Any) -> Any:
        def gen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            write(context, builder, sig.args[0], *args)
            return context.get_dummy_value()

        return types.void(w, types.intp, vector), gen

    @intrinsic  # type: ignore[untyped-decorator]
    def splat(typingctx: Any, x: Any) -> Any:
        return vector(x), lambda c, b, s, a: c.cast(b, a[0], s.args[0], vector)

    @intrinsic  # type: ignore[untyped-decorator]
    def where(typingctx: Any, m: Any, x: Any, y: Any) -> Any:
        return vector(mask, vector, vector), lambda c, b, s, a: b.select(*a)

    @intrinsic  # type: ignore[untyped-decorator]
    def bits(typingctx: Any, m: Any) -> Any:
        return types.int64(mask), lambda c, b, s, a: b.zext(b.bitcast(a[0], bit), I64)

    @intrinsic  # type: ignore[untyped-decorator]
    def from_bits(typingctx: Any, x: Any) -> Any:
        return mask(types.int64), lambda c, b, s, a: b.bitcast(b.trunc(a[0], bit), mask.llvm)

    def elementwise(name: str) -> Any:
        @intrinsic  # type: ignore[untyped-decorator]
        def function(typingctx: Any, x: Any) -> Any:
            def gen(c: Any, b: Any, s: Any, a: Any) -> Any:
                return _call(b, f"llvm.{name}.v{width}f64", vector.llvm, list(a))

            return vector(vector), gen

        return function

    def extreme(sign: str) -> Any:
        # compare and select: when an operand is NaN the second one is returned
        @intrinsic  # type: ignore[untyped-decorator]
        def function(typingctx: Any, x: Any, y: Any) -> Any:
            return vector(vector, vector), lambda c, b, s, a: b.select(b.fcmp_ordered(sign, *a), *a)

        return function

    @intrinsic  # type: ignore[untyped-decorator]
    def power_of_two(typingctx: Any, x: Any) -> Any:
        """2**x for integral x."""

        def gen(c: Any, b: Any, s: Any, a: Any) -> Any:
            exponent = b.add(b.fptosi(a[0], integers), _constant(integers, 1023))
            return b.bitcast(b.shl(exponent, _constant(integers, 52)), vector.llvm)

        return vector(vector), gen

    @intrinsic  # type: ignore[untyped-decorator]
    def exponent_of(typingctx: Any, x: Any) -> Any:
        def gen(c: Any, b: Any, s: Any, a: Any) -> Any:
            raw = b.lshr(b.bitcast(a[0], integers), _constant(integers, 52))
            return b.sitofp(b.sub(raw, _constant(integers, 1023)), vector.llvm)

        return vector(vector), gen

    @intrinsic  # type: ignore[untyped-decorator]
    def mantissa_of(typingctx: Any, x: Any) -> Any:
        def gen(c: Any, b: Any, s: Any, a: Any) -> Any:
            low = b.and_(b.bitcast(a[0], integers), _constant(integers, (1 << 52) - 1))
            return b.bitcast(b.or_(low, _constant(integers, 1023 << 52)), vector.llvm)

        return vector(vector), gen

    floor, magnitude, sqrt = elementwise("floor"), elementwise("fabs"), elementwise("sqrt")
    smaller, larger = extreme("<"), extreme(">")

    @register_jitable
    def exp(x: Any) -> Any:
        """e**x, relative error about 1e-15: 2**k times a Taylor polynomial on [-ln 2 / 2, ln 2 / 2].

        Beyond |x| = 708 it stays at the value there: 2**k must have an exponent that fits.  NaN gives NaN.
        """
        x = smaller(splat(708.0), larger(splat(-708.0), x))
        k = floor(x * 1.4426950408889634 + 0.5)
        r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10
        q = 1.0 / 479001600.0
        q = q * r + 1.0 / 39916800.0
        q = q * r + 1.0 / 3628800.0
        q = q * r + 1.0 / 362880.0
        q = q * r + 1.0 / 40320.0
        q = q * r + 1.0 / 5040.0
        q = q * r + 1.0 / 720.0
        q = q * r + 1.0 / 120.0
        q = q * r + 1.0 / 24.0
        q = q * r + 1.0 / 6.0
        q = q * r + 0.5
        q = q * r + 1.0
        q = q * r + 1.0
        return q * power_of_two(k)

    return SimpleNamespace(
        vector=vector, load=load, store=store, splat=splat,
        where=where, bits=bits, from_bits=from_bits, floor=floor, magnitude=magnitude, sqrt=sqrt, exp=exp,
        smaller=smaller, larger=larger, power_of_two=power_of_two, exponent_of=exponent_of, mantissa_of=mantissa_of,
    )  # fmt: skip


for _function, _name in ((math.floor, "floor"), (math.sqrt, "sqrt"), (math.exp, "exp")):

    def _make(name: str) -> Any:
        def choose(x: Any) -> Any:
            if not isinstance(x, VecType):
                return None
            chosen = getattr(lanes(x.width, x.division), name)

            def apply(x: Any) -> Any:
                return chosen(x)

            return apply

        return choose

    overload(_function)(_make(_name))


@intrinsic  # type: ignore[untyped-decorator]
def first_bit(typingctx: Any, x: Any) -> Any:
    """Return the index of the lowest set bit."""
    gen = lambda c, b, s, a: _call(b, "llvm.cttz.i64", I64, [a[0], ir.Constant(I1, 0)])  # noqa: E731
    return types.int64(types.int64), gen


FLUSH = 0x9FC0


@intrinsic  # type: ignore[untyped-decorator]
def set_float_control(typingctx: Any, value: Any) -> Any:
    """Set the SSE control register, return the old value (x86-64; elsewhere nothing happens).

    `FLUSH` rounds to nearest with subnormals as zero: decaying drug states otherwise reach subnormals, each one a slow
    assist of the CPU.
    """

    def gen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if platform.machine().lower() not in ("x86_64", "amd64"):
            return args[0]
        slot = cgutils.alloca_once(builder, I32)
        where = builder.bitcast(slot, I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer()])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.stmxcsr"), [where])
        old = builder.zext(builder.load(slot), I64)
        builder.store(builder.trunc(args[0], I32), slot)
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.ldmxcsr"), [where])
        return old

    return types.int64(types.int64), gen
