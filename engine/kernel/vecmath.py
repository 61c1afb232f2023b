"""Arithmetic of LLVM vectors of float64 or float32: conversions, and functions of one vector."""

import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils

F64, F32 = ir.DoubleType(), ir.FloatType()
I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))


def _constant(vector: ir.VectorType, value: float | int) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)


def call(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    """Call an LLVM function."""
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def converted(builder: Any, value: Any, kind: Any) -> Any:
    """Return a number or vector of float32 or float64, converted to LLVM type ``kind``."""
    if value.type == kind:
        return value
    narrower = F32 in (kind, getattr(kind, "element", None))
    return builder.fptrunc(value, kind) if narrower else builder.fpext(value, kind)


def _elementwise(builder: Any, name: str, x: Any) -> Any:
    bits = 32 if x.type.element == F32 else 64
    return call(builder, f"llvm.{name}.v{x.type.count}f{bits}", x.type, [x])


def _integers(x: Any) -> tuple[ir.VectorType, int, int]:
    """Return the integer vector type of the same size, the bits of the fraction and the bias of the exponent."""
    if x.type.element == F32:
        return ir.VectorType(I32, x.type.count), 23, 127
    return ir.VectorType(I64, x.type.count), 52, 1023


def _power_of_two(builder: Any, x: Any) -> Any:
    """2**x for integral x."""
    integers, fraction, bias = _integers(x)
    exponent = builder.add(builder.fptosi(x, integers), _constant(integers, bias))
    return builder.bitcast(builder.shl(exponent, _constant(integers, fraction)), x.type)


def _exponent_of(builder: Any, x: Any) -> Any:
    integers, fraction, bias = _integers(x)
    raw = builder.lshr(builder.bitcast(x, integers), _constant(integers, fraction))
    return builder.sitofp(builder.sub(raw, _constant(integers, bias)), x.type)


def _mantissa_of(builder: Any, x: Any) -> Any:
    integers, fraction, bias = _integers(x)
    low = builder.and_(builder.bitcast(x, integers), _constant(integers, (1 << fraction) - 1))
    return builder.bitcast(builder.or_(low, _constant(integers, bias << fraction)), x.type)


# start of Newton's iteration for 1/x: subtracting the bits mirrors the exponent
MIRROR = {F64: 0x7FDE6238502484BA, F32: 0x7EF311C7}


def _about_inverse(builder: Any, x: Any) -> Any:
    """1/x of a positive x to 0.3 %, with the same bits on every machine."""
    integers, _, _ = _integers(x)
    mirrored = builder.sub(_constant(integers, MIRROR[x.type.element]), builder.bitcast(x, integers))
    r = builder.bitcast(mirrored, x.type)
    return builder.fmul(r, builder.fsub(_constant(x.type, 2.0), builder.fmul(x, r)))


def extreme_of(builder: Any, sign: str, x: Any, y: Any) -> Any:
    """Return x where x < y (or another comparison ``sign``), else y, also where an operand is NaN."""
    return builder.select(builder.fcmp_ordered(sign, x, y), x, y)


def _exp(builder: Any, x: Any) -> Any:
    """e**x to about the last digit: 2**k times a Taylor polynomial on [-ln 2 / 2, ln 2 / 2].

    Beyond |x| = 708 (87 in float32) the result is constant, so that the exponent of 2**k does not overflow.  NaN gives
    NaN.
    """
    single = x.type.element == F32

    def number(value: float) -> Any:
        return _constant(x.type, value)

    limit = 87.0 if single else 708.0
    x = extreme_of(builder, "<", number(limit), extreme_of(builder, ">", number(-limit), x))
    k = _elementwise(builder, "floor", builder.fadd(builder.fmul(x, number(1.4426950408889634)), number(0.5)))
    # ln 2 in two parts, the first short enough for an exact product with k
    first, second = (0.693359375, -2.12194440e-4) if single else (0.693147180369123816490, 1.90821492927058770002e-10)
    r = builder.fsub(builder.fsub(x, builder.fmul(k, number(first))), builder.fmul(k, number(second)))
    degree = 7 if single else 12
    q = number(1.0 / math.factorial(degree))
    for n in reversed(range(degree)):
        q = builder.fadd(builder.fmul(q, r), number(1.0 / math.factorial(n)))
    return builder.fmul(q, _power_of_two(builder, k))


FUNCTIONS: dict[str, Any] = {
    "floor": lambda builder, x: _elementwise(builder, "floor", x),
    "sqrt": lambda builder, x: _elementwise(builder, "sqrt", x),
    "magnitude": lambda builder, x: _elementwise(builder, "fabs", x),
    "exp": _exp, "power_of_two": _power_of_two, "exponent_of": _exponent_of, "mantissa_of": _mantissa_of,
    "about_inverse": _about_inverse,
}  # fmt: skip
"""Functions of one vector as LLVM code, also for `straight`."""
