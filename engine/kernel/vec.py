"""A lane vector as a numba type: a scalar function called with it compiles to packed code by construction.

``lanes(width)`` returns a namespace of compiled primitives over ``width`` lanes, float64 or float32 like the memory
they are loaded from.  ``+ - * /``, comparisons, ``math.exp``, ``math.sqrt`` and ``math.floor`` accept the vector;
``if`` on one is a typing error, by intention.  A lane's arithmetic never depends on another lane: no reassociation, no
horizontal operation.
"""

import math
import operator
import platform
from functools import cache
from types import SimpleNamespace
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import PrimitiveModel
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, overload, register_model

from pulsatile.engine.kernel.vecmath import F32, F64, FUNCTIONS, I1, I8, I32, I64, call, converted, extreme_of


class VecType(types.Type):  # type: ignore[misc]
    """``width`` lanes of float64, or of float32 when ``single``."""

    def __init__(self, width: int, single: bool = False) -> None:
        self.width, self.single = width, single
        self.llvm = ir.VectorType(F32 if single else F64, width)
        super().__init__(name=f"vec{width}" + "_single" * single)

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


def _splat(builder: Any, x: Any, width: int) -> Any:
    vector = ir.VectorType(x.type, width)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(I32, width), [0] * width))


@lower_cast(types.Float, VecType)
def _cast_float(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return _splat(builder, converted(builder, val, toty.llvm.element), toty.width)


@lower_cast(types.Integer, VecType)
def _cast_integer(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return _splat(builder, builder.sitofp(val, toty.llvm.element), toty.width)


def _vector_of(args: Any) -> VecType | None:
    kinds = {a for a in args if isinstance(a, VecType)}
    fits = all(isinstance(a, VecType | types.Float | types.Integer) for a in args)
    return kinds.pop() if len(kinds) == 1 and fits else None


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


for _op, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _declare(_op, _Arithmetic, lambda c, b, s, a, _i=_instruction: getattr(b, _i)(*a), VecType, VecType)
_declare(operator.neg, _Arithmetic, lambda c, b, s, a: b.fneg(a[0]), VecType)
for _op, _sign in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">=")):
    # ordered: false when an operand is NaN, so that a NaN step is never "accepted"
    _declare(_op, _Comparison, lambda c, b, s, a, _s=_sign: b.fcmp_ordered(_s, *a), VecType, VecType)
_declare(operator.and_, _Logic, lambda c, b, s, a: b.and_(*a), MaskType, MaskType)
_declare(operator.or_, _Logic, lambda c, b, s, a: b.or_(*a), MaskType, MaskType)
_declare(operator.invert, _Logic, lambda c, b, s, a: b.not_(a[0]), MaskType)


@cache
def lanes(width: int) -> SimpleNamespace:
    """Return the compiled primitives over ``width`` lanes.

    Memory is a flat array of float64 or float32, offsets count vectors; a vector has the element type of the array it
    was loaded from.  ``narrow`` and ``wide`` convert between the two.
    """
    mask, bit = MaskType(width), ir.IntType(width)
    double, single = VecType(width), VecType(width, True)

    def kind_of(array: Any) -> VecType:
        return single if array.dtype == types.float32 else double

    def pointer(context: Any, builder: Any, array: Any, value: Any, offset: Any) -> Any:
        data = context.make_array(array)(context, builder, value).data
        return builder.gep(builder.bitcast(data, kind_of(array).llvm.as_pointer()), [offset])

    @intrinsic  # type: ignore[untyped-decorator]
    def load(typingctx: Any, w: Any, k: Any) -> Any:
        def gen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value = builder.load(pointer(context, builder, sig.args[0], *args))
            value.align = 4 if sig.return_type.single else 8
            return value

        return kind_of(w)(w, types.intp), gen

    @intrinsic  # type: ignore[untyped-decorator]
    def store(typingctx: Any, w: Any, k: Any, v: Any) -> Any:
        def gen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            stored = builder.store(args[2], pointer(context, builder, sig.args[0], *args[:2]))
            stored.align = 4 if sig.args[2].single else 8
            return context.get_dummy_value()

        return types.void(w, types.intp, kind_of(w)), gen

    @intrinsic  # type: ignore[untyped-decorator]
    def splat(typingctx: Any, w: Any, x: Any) -> Any:
        """Return ``x`` in all lanes of a vector of the element type of memory ``w``."""
        return kind_of(w)(w, x), lambda c, b, s, a: c.cast(b, a[1], s.args[1], s.return_type)

    @intrinsic  # type: ignore[untyped-decorator]
    def where(typingctx: Any, m: Any, x: Any, y: Any) -> Any:
        kind = _vector_of((x, y))
        return (kind(mask, kind, kind), lambda c, b, s, a: b.select(*a)) if kind else None

    @intrinsic  # type: ignore[untyped-decorator]
    def bits(typingctx: Any, m: Any) -> Any:
        return types.int64(mask), lambda c, b, s, a: b.zext(b.bitcast(a[0], bit), I64)

    @intrinsic  # type: ignore[untyped-decorator]
    def from_bits(typingctx: Any, x: Any) -> Any:
        return mask(types.int64), lambda c, b, s, a: b.bitcast(b.trunc(a[0], bit), mask.llvm)

    def to(kind: VecType) -> Any:
        @intrinsic  # type: ignore[untyped-decorator]
        def convert(typingctx: Any, x: Any) -> Any:
            return kind(x), lambda c, b, s, a: converted(b, a[0], kind.llvm)

        return convert

    def extreme(sign: str) -> Any:
        @intrinsic  # type: ignore[untyped-decorator]
        def function(typingctx: Any, x: Any, y: Any) -> Any:
            kind = _vector_of((x, y))
            return (kind(kind, kind), lambda c, b, s, a: extreme_of(b, sign, *a)) if kind else None

        return function

    return SimpleNamespace(
        load=load, store=store, splat=splat, where=where, bits=bits, from_bits=from_bits, wide=to(double),
        narrow=to(single), smaller=extreme("<"), larger=extreme(">"), **{name: _unary(name) for name in FUNCTIONS},
    )  # fmt: skip


@cache
def _unary(name: str) -> Any:
    """Return the function ``name`` of `FUNCTIONS` as an intrinsic."""

    @intrinsic  # type: ignore[untyped-decorator]
    def function(typingctx: Any, x: Any) -> Any:
        return (x(x), lambda c, b, s, a: FUNCTIONS[name](b, a[0])) if isinstance(x, VecType) else None

    return function


for _function, _name in ((math.floor, "floor"), (math.sqrt, "sqrt"), (math.exp, "exp")):

    def _make(name: str) -> Any:
        chosen = _unary(name)

        def choose(x: Any) -> Any:
            if not isinstance(x, VecType):
                return None

            def apply(x: Any) -> Any:
                return chosen(x)

            return apply

        return choose

    overload(_function)(_make(_name))


@intrinsic  # type: ignore[untyped-decorator]
def first_bit(typingctx: Any, x: Any) -> Any:
    """Return the index of the lowest set bit."""
    gen = lambda c, b, s, a: call(b, "llvm.cttz.i64", I64, [a[0], ir.Constant(I1, 0)])  # noqa: E731
    return types.int64(types.int64), gen


FLUSH = 0x9FC0


@intrinsic  # type: ignore[untyped-decorator]
def set_float_control(typingctx: Any, value: Any) -> Any:
    """Set the SSE control register and return the old value (x86-64; no effect elsewhere).

    `FLUSH` rounds to nearest with subnormals as zero: decaying drug states otherwise reach subnormals, each of which
    costs a slow microcode assist.
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
