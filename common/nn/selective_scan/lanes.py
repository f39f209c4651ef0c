"""Sixteen numbers as one value inside numba kernels: short vectors that the compiler maps to the widest registers.

Loops over arrays are only turned into vector code where numba's compiler can prove that no two arrays overlap; the scan
reads and writes a dozen. These vectors are explicit, so nothing needs a proof. One vector holds the same step of 16
channels; names are those of arithmetic, and `fma` rounds once where the machine can.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model
from numpy.polynomial import Chebyshev, Polynomial

LANES = 16
FLAGS = ("contract",)
"""Products and sums may be joined; nothing else is reordered."""
LOG2E, LN2 = math.log2(math.e), math.log(2.0)


class Lanes(types.Type):
    """The numba type of a vector of 16 float32 or float64."""

    def __init__(self, dtype: types.Float):
        self.dtype = dtype
        super().__init__(f"Lanes({dtype})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes):
        super().__init__(manager, kind, _vector(kind.dtype))


def _transposition(module: ir.Module, vectors: ir.PointerType, integer: ir.IntType) -> ir.Function:
    """A function of its own: a copy of these 64 shuffles at each of a dozen places would double the time to compile."""
    name = f"transpose_{LANES}_{vectors.pointee.element}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), (vectors, integer, vectors, integer)), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    b, (source, step, target, stride) = ir.IRBuilder(function.append_basic_block()), function.args
    size = 4 if isinstance(vectors.pointee.element, ir.FloatType) else 8

    def row(start: ir.Value, distance: ir.Value, i: int) -> ir.Value:
        numbers = b.bitcast(start, vectors.pointee.element.as_pointer())
        return b.bitcast(b.gep(numbers, [b.mul(distance, ir.Constant(integer, i))]), vectors)

    rows = [b.load(row(source, step, i), align=size) for i in range(LANES)]
    for _ in range(LANES.bit_length() - 1):
        rows = [v for pair in zip(rows, rows[LANES // 2 :]) for v in _interleaved(b, *pair)]
    for i, vector in enumerate(rows):
        b.store(vector, row(target, stride, i), align=size)
    b.ret_void()
    return function


def _vector(dtype: types.Float) -> ir.VectorType:
    return ir.VectorType(ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType(), LANES)


@intrinsic
def load(typing, array, index):
    """array[index : index + 16] as a vector, counted from the first number of the array in memory."""

    def build(context, b, signature, values):
        return b.load(_address(context, b, signature, values), align=array.dtype.bitwidth // 8)

    return Lanes(array.dtype)(array, types.intp), build


@intrinsic
def store(typing, array, index, vector):
    """array[index : index + 16] = vector."""

    def build(context, b, signature, values):
        b.store(values[2], _address(context, b, signature, values), align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), build


@intrinsic
def fill(typing, number):
    """The vector of 16 times one number."""

    def build(context, b, signature, values):
        empty = ir.Constant(_vector(number), ir.Undefined)
        first = b.insert_element(empty, values[0], ir.Constant(ir.IntType(32), 0))
        return b.shuffle_vector(first, empty, _indices([0] * LANES))

    return Lanes(number)(number), build


@intrinsic
def add(typing, x, y):
    return x(x, x), lambda context, b, signature, values: b.fadd(*values, flags=FLAGS)


@intrinsic
def sub(typing, x, y):
    return x(x, x), lambda context, b, signature, values: b.fsub(*values, flags=FLAGS)


@intrinsic
def mul(typing, x, y):
    return x(x, x), lambda context, b, signature, values: b.fmul(*values, flags=FLAGS)


@intrinsic
def fma(typing, x, y, z):
    """x y + z."""
    return x(x, x, x), lambda context, b, signature, values: _fma(b, *values)


@intrinsic
def total(typing, x):
    """The sum of the 16, by halves."""

    def build(context, b, signature, values):
        (vector,), width = values, LANES
        while width > 1:
            width //= 2
            low, high = (b.shuffle_vector(vector, vector, _indices(range(k, k + width))) for k in (0, width))
            vector = b.fadd(low, high)
        return b.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    return x.dtype(x), build


@intrinsic
def exp2(typing, x):
    """2^x; beyond the range of the exponent the smallest or largest power."""

    def build(context, b, signature, values):
        scaled = x.dtype.bitwidth == 32 and "+avx512dq" in context.codegen().magic_tuple()[2].split(",")
        return (_exp2_scaled if scaled else _exp2)(b, *values)

    return x(x), build


@intrinsic
def softplus(typing, x):
    """log(1 + e^x)."""
    return x(x), lambda context, b, signature, values: _softplus(b, *values)


@intrinsic
def sigmoid(typing, x):
    """1 / (1 + e^-x)."""

    def build(context, b, signature, values):
        one, (x,) = _number(values[0], 1.0), values
        return b.fdiv(one, b.fadd(one, _exp(b, _negative(b, x))))

    return x(x), build


@intrinsic
def transpose(typing, source, index, step, target, place, stride):
    """target[place + j stride + i] = source[index + i step + j] for 16 by 16 numbers.

    Each of four rounds interleaves vector i with vector i + 8, which moves one bit of the place within a vector to the
    number of the vector; there are four bits.
    """

    def build(context, b, signature, values):
        from_, to = (_pointer(context, b, signature.args[k], values[k], values[k + 1]) for k in (0, 3))
        b.call(_transposition(b.module, from_.type, values[2].type), (from_, values[2], to, values[5]))
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), build


def _vector(dtype: types.Float) -> ir.VectorType:
    return ir.VectorType(ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType(), LANES)


def _indices(numbers: Any) -> ir.Constant:
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def _interleaved(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """x0 y0 x1 y1 ... x7 y7 and x8 y8 ... x15 y15."""
    order = [k + half for k in range(LANES) for half in (0, LANES)]
    return tuple(b.shuffle_vector(x, y, _indices(part)) for part in (order[:LANES], order[LANES:]))


def _address(context: Any, b: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
    return _pointer(context, b, signature.args[0], values[0], values[1])


def _pointer(context: Any, b: ir.IRBuilder, kind: types.Array, array: ir.Value, index: ir.Value) -> ir.Value:
    data = context.make_array(kind)(context, b, array).data
    return b.bitcast(b.gep(data, [index]), _vector(kind.dtype).as_pointer())


class _Bits(NamedTuple):
    """How the bits of a number are used."""

    all: int
    exponent: int
    mantissa: int


def _bits(x: ir.Value) -> _Bits:
    return _Bits(32, 8, 23) if isinstance(x.type.element, ir.FloatType) else _Bits(64, 11, 52)


def _number(like: ir.Value, value: float) -> ir.Constant:
    return ir.Constant(like.type, [value] * LANES)


def _fma(b: ir.IRBuilder, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    return b.fadd(b.fmul(x, y, flags=FLAGS), z, flags=FLAGS)


def _negative(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    return b.fsub(_number(x, -0.0), x)


def _exp2(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """2^x = 2^k 2^r, k the nearest integer, r in [-1/2, 1/2]."""
    x = _within(b, x, _largest_power(x))
    shifted, k = _nearest(b, x)
    return _power(b, shifted, b.fsub(x, k))


def _exp2_scaled(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """The same where the machine takes r off x and scales by 2^k in one instruction each, at any k."""
    r = _avx512(b, "reduce", x, ir.Constant(ir.IntType(32), 0))
    return _avx512(b, "scalef", _polynomial(b, r, _exp2_terms(32)), b.fsub(x, r))


def _avx512(b: ir.IRBuilder, name: str, x: ir.Value, argument: ir.Value) -> ir.Value:
    """An instruction on 16 float32, all of which count, with the usual rounding (4)."""
    mask, rounding = ir.IntType(16), ir.IntType(32)
    kind = ir.FunctionType(x.type, (x.type, argument.type, x.type, mask, rounding))
    function = cgutils.get_or_insert_function(b.module, kind, f"llvm.x86.avx512.mask.{name}.ps.512")
    return b.call(function, (x, argument, x, ir.Constant(mask, -1), ir.Constant(rounding, 4)))


def _exp(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """e^x = 2^k e^r. ln 2 is taken apart, so that no digit of r is lost where k is large; k times the first part is
    exact."""
    x = _within(b, x, _largest_power(x) * LN2)
    shifted, k = _nearest(b, b.fmul(x, _number(x, LOG2E)))
    first = round(LN2 * 2**10) / 2**10
    r = b.fsub(b.fsub(x, b.fmul(k, _number(x, first))), b.fmul(k, _number(x, LN2 - first)))
    return _power(b, shifted, b.fmul(r, _number(x, LOG2E)))


def _largest_power(x: ir.Value) -> int:
    return 2 ** (_bits(x).exponent - 1) - 4


def _within(b: ir.IRBuilder, x: ir.Value, bound: float) -> ir.Value:
    """x between -bound and bound; NaN stays NaN."""
    for sign, edge in ((">", _number(x, bound)), ("<", _number(x, -bound))):
        x = b.select(b.fcmp_ordered(sign, x, edge), edge, x)
    return x


def _nearest(b: ir.IRBuilder, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The nearest integer k, twice: in the lowest bits of the first result, where a number beyond 2^m leaves it when m
    bits are kept, and as a number."""
    magic = _number(x, 1.5 * 2 ** _bits(x).mantissa)
    shifted = b.fadd(x, magic)
    return shifted, b.fsub(shifted, magic)


def _power(b: ir.IRBuilder, shifted: ir.Value, r: ir.Value) -> ir.Value:
    """2^k 2^r: the polynomial of r, with k shifted to the bits of the exponent and added there."""
    bits = _bits(r)
    integers = ir.VectorType(ir.IntType(bits.all), LANES)
    k = b.shl(b.bitcast(shifted, integers), ir.Constant(integers, [bits.mantissa] * LANES))
    power = _polynomial(b, r, _exp2_terms(bits.all))
    return b.bitcast(b.add(b.bitcast(power, integers), k), r.type)


def _softplus(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """max(x, 0) + log(1 + e) with e = exp(-|x|), by log(1 + e) = 2 artanh(s), s = e / (2 + e) <= 1/3."""
    two, zero = _number(x, 2.0), _number(x, 0.0)
    positive = b.fcmp_ordered(">", x, zero)
    e = _exp(b, b.select(positive, _negative(b, x), x))
    s = b.fdiv(e, b.fadd(two, e))
    ratio = _polynomial(b, b.fmul(s, s), _artanh_terms(_bits(x).all))
    return _fma(b, b.fmul(two, s), ratio, b.select(positive, x, zero))


def _polynomial(b: ir.IRBuilder, x: ir.Value, coefficients: tuple[float, ...]) -> ir.Value:
    """From the highest power down (Horner)."""
    value = _number(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = _fma(b, value, x, _number(x, coefficient))
    return value


@cache
def _exp2_terms(bits: int) -> tuple[float, ...]:
    """Within 5e-9 of 2^r for 32 bits, 2e-16 for 64; rounded, the first is 1."""
    fitted = Chebyshev.interpolate(np.exp2, 6 if bits == 32 else 13, (-0.5, 0.5))
    return tuple(fitted.convert(kind=Polynomial).coef.tolist())


@cache
def _artanh_terms(bits: int) -> tuple[float, ...]:
    """artanh(s) / s as a polynomial of s^2, within 2e-8 for 32 bits, 2e-16 for 64."""

    def ratio(square: np.ndarray) -> np.ndarray:
        return np.arctanh(np.sqrt(square)) / np.sqrt(square)

    fitted = Chebyshev.interpolate(ratio, 4 if bits == 32 else 13, (0.0, 1 / 9))
    return tuple(fitted.convert(kind=Polynomial).coef.tolist())
