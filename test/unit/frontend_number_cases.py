# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus on Python numbers that depend on data. See `frontend_cases.py`."""

from __future__ import annotations

import math
import operator

import torch
from frontend_cases import B, N, X, Z, case

INTS = tuple((torch.tensor(v),) for v in (5, 0, -3, 12, 1, 2, 7, -1, -8, 20))
FLOATS = tuple((torch.tensor(v),) for v in (1.0, -2.5, 0.0, 3.7, 0.5, 100.25, -1.0, -0.25, 10.0))


@case(*INTS)
def divmod_of_numbers(n):
    a = n.item()
    q, r = divmod(a, -3)
    if r < -1 or a == 0:
        return q, divmod(7, a), 0.0
    return r, divmod(a, 5), divmod(a * 0.3, 0.25)[1] + a * 0.3 % 2 + a * 0.3 // 1.0


@case(*INTS, unreached=3)
def shifts(n):
    a = n.item()
    b = a << 2 | a >> 1
    a <<= 1
    a >>= 3
    if a > 1:
        b = 1 << b // 16
    return a, b, -100 >> abs(n.item() * 16)


@case(*INTS, unreached=1)
def shift_by_a_negative_number(n):
    a = n.item()
    return 100 >> a if a > -5 else 1


@case(*INTS)
def round_to_digits(n):
    a = n.item()
    if a > 1:
        return round(a, -1), round(a * 5, -1), round(a, 1)
    return round(-a * 25, -2), round(a * 0.5), round(a)


@case(*FLOATS, unreached=2, tolerance=1e-6)
def powers_of_floats(n):
    a = n.item()
    k = int(a)
    if a > 3:
        return 0.5**a, 2.0**k, a**-2, pow(a, 3)
    return a**3, a**2.0, a**-1, (-2.0) ** k


@case(*INTS, unreached=1)
def powers_of_ints(n):
    a = n.item()
    bound = 2**a
    if bound > 17:
        return a**3 + 2**3
    return -a


@case(*FLOATS, unreached=5, tolerance=1e-6)
def math_domains(n):
    a = n.item()
    if a < -0.5:
        return math.acosh(-a)
    if a > 3:
        return math.log(a, 10) + math.log2(a) + math.atanh(1 / a)
    return math.sqrt(a) + math.log1p(a) + math.log(n)


@case(*FLOATS, unreached=3, tolerance=1e-6)
def math_functions(n):
    a = n.item() / 8
    y = math.exp(a) + math.sinh(a) * math.cosh(a) + math.tanh(a) + math.asinh(a) + math.hypot(a, 3.0)
    z = math.copysign(2.0, a) + math.fabs(a) + math.expm1(a) + math.degrees(a) + math.pow(abs(a), 1.5)
    if math.isclose(a, 0.125) or math.isnan(a) or math.isinf(y) or not math.isfinite(z):
        return y, math.floor(a)
    return y + z + math.prod([a, 2, 3]), math.floor(a) + 2 * math.ceil(a) - math.trunc(a)


@case((X,), (N,), (Z,), (B,), unreached=6)
def sorted_numbers(x):
    values = sorted(x.tolist())
    order = sorted(range(3), key=lambda i: x[i].item(), reverse=True)
    a, b, c = sorted(x)
    if values[1] > 0:
        return a, c - b, order
    return c, a * values[1], [2, *order[:2]]


@case((X,), (N,), (Z,), (B,), unreached=1)
def extremes_with_a_key(x):
    far = max([x[0], x[1], x[2]], key=lambda v: v * v)
    place = min(range(3), key=lambda i: x[i].item())
    return far, place, max([], default=3), max(x.tolist()), min(*x)


@case(*INTS)
def methods_of_numbers(n):
    a = n.item()
    half = a / 2
    if half.is_integer():
        return a.bit_length(), a.bit_count(), a.conjugate() + a.real + a.imag
    return operator.index(n), a.bit_length(), a.bit_count() + int(half.real + half.imag)


@case(*INTS)
def types_of_numbers(n):
    a = n.item()
    f = a * 0.5
    if isinstance(a, int) and type(f) is float and not isinstance(f, (int, bool)) and a > 2:
        return type(a)(3), isinstance(a > 2, int)
    return a, isinstance(f > 2, float)


@case(*INTS)
def membership_of_numbers(n):
    a = n.item()
    if a in [1, 5, 7] or a in range(12, 30, 4):
        return a, a not in (7, 20)
    if 5 in [a + 8, a + 5, 3]:
        return a, n in [torch.tensor(0), torch.tensor(-3)]
    return a, a in {2, 3}


@case(*INTS)
def chains_of_comparisons(n):
    a = n.item()
    if -2 < a <= 5 != a + 4:
        return a, a > 2
    return -a, 0 <= a <= 20


@case((X,), (N,), (Z,), (B,))
def nested_tolist(x):
    total = 0.0
    for row in torch.stack([x, x + 1]).tolist():
        for v in row:
            if v > 0.5:
                total += v
    return total, x.sum().tolist()


@case((X,), (N,), (Z,), (B,), tolerance=1e-5)
def scalar_arguments_of_torch(x):
    n = x[0].item()
    if n > 0:
        y = torch.add(x, x, alpha=n) + x.sub(x + 1, alpha=n) + torch.lerp(x, x + 1, n)
        y.add_(x, alpha=n)
        return y, torch.addcmul(x, x, x, value=n), torch.clamp(x, n, n + 2) + x.clamp(max=n)
    y = torch.nn.functional.leaky_relu(x, abs(n)) + torch.nn.functional.threshold(x, n, 3.0)
    y = y + torch.full((3,), n) + torch.full_like(x, n)
    return y, torch.where(x > n, x, n) + x.masked_fill(x > 0, n), n * x**2 - x / (n - 1)


@case((X,), (N,), (Z,), (B,), unreached=2)  # that the position lies outside
def positions_as_arguments_of_torch(x):
    n = int(x.argmax())
    if n > 0:
        return torch.roll(x, n), x.narrow(0, n, 1), torch.arange(3) < n
    return x.roll(n - 1, 0), torch.select(x, 0, n)[None], torch.nn.functional.one_hot(torch.tensor(n), 3) > 0


@case(*INTS)
def sums_of_numbers(n):
    flags = [n > 2, n > 3, n > 6]
    count = sum(f.item() for f in flags)
    if count > 1:
        return count, sum([n.item(), 1.5, 2]), sum(flags)
    return count, sum((n.item(), 0.5), 3), abs(n) + abs(n.item())


@case(*INTS, unreached=4)
def whole_logarithms(n):
    a = abs(n.item()) + 1
    if a > 3:
        return int(math.log2(1 << a)), int(math.log10(a * 10))
    return int(math.log2(a)), math.floor(math.log10(a * 100))
