# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The random numbers of eager PyTorch's CPU generator, made with tensor operations.

The generator is MT19937 (Matsumoto and Nishimura, 1998): 624 words of 32 bits, of which each draw takes the next ones,
and which are replaced by the next 624, a twist, when they are used up. What is made of the words is what PyTorch 2.13
makes of them on x86-64 (ATen/core/DistributionsHelper.h, ATen/native/cpu/DistributionTemplates.h and their callers;
its builds do without MKL's generators). Integers, uniform numbers and choices are the same bit for bit; where a
logarithm or a sine is computed, the last bits may differ.

These functions are plain PyTorch: recorded, they are the program's; run on real tensors, a test compares them.
Words are kept as i32, whose bits they are.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

SIZE = 624
_LAG = 397
_STEP = SIZE - _LAG

MAX_UNROLLED = 64
"""How many twists are written one after the other; where more may be needed, they are done in a loop."""

_PER_ITERATION = 16
"""How many twists an iteration of such a loop does: each copies all words that are drawn."""

Loop = Callable[[torch.Tensor, Sequence[torch.Tensor], Callable[..., Sequence[torch.Tensor]]], Sequence[torch.Tensor]]
"""A loop: whether it runs at all, what it carries first, and a body that gives whether to go on and what it carries
then; gives what it carried last."""


def eager_loop(
    condition: torch.Tensor, inits: Sequence[torch.Tensor], body: Callable[..., Sequence[torch.Tensor]]
) -> Sequence[torch.Tensor]:
    """A `Loop` of real tensors."""
    carried = tuple(inits)
    while condition:
        condition, *carried = body(*carried)
    return carried


@dataclass
class Generator:
    """The state of a generator, which draws change.

    Attributes:
        words: i32[624].
        position: i64[], how many of the words are used: 1 to 624.
        normal: i64[3]: the bits that a pair of normal numbers is made of, and 1 if the second is taken first; else 0.
        loop: records, or runs, a loop on data.
    """

    words: torch.Tensor
    position: torch.Tensor
    normal: torch.Tensor
    loop: Loop

    def bits(self, count: Any, used: torch.Tensor | None = None) -> torch.Tensor:
        """The next words: i32[count].

        Args:
            count: how many, an int or a symbolic size.
            used: i64[], how many of them are used up; None for all.
        """
        words, first = self._ahead(count)
        self._advance(words, count if used is None else used)
        return _tempered(words[torch.arange(count) + first])

    def pairs(self, count: Any, used: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """The upper and the lower halves of the next numbers of 64 bits, of two words each: i64[count], 0 to 2**32-1.

        Args:
            count: how many numbers.
            used: i64[], how many of them are used up; None for all.
        """
        words, first = self._ahead(2 * count)
        self._advance(words, 2 * (count if used is None else used))
        place = torch.arange(count) * 2 + first
        return _unsigned(_tempered(words[place])), _unsigned(_tempered(words[place + 1]))

    def _ahead(self, count: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The words and all that the next `count` may need, flat, and the position of the first in them."""
        twists = -(-count // SIZE)
        if isinstance(twists, int) and twists <= MAX_UNROLLED:
            return torch.cat(_twisted(self.words, twists)), self.position
        return self._in_a_loop(twists), self.position

    def _in_a_loop(self, twists: Any) -> torch.Tensor:
        rounds = -(-twists // _PER_ITERATION)
        row = torch.arange(rounds)

        def body(i: torch.Tensor, last: torch.Tensor, found: torch.Tensor) -> tuple[torch.Tensor, ...]:
            blocks = _twisted(last, _PER_ITERATION)[1:]
            found = torch.where((row == i).reshape(-1, 1), torch.cat(blocks).reshape(1, -1), found)
            return i + 1 < rounds, i + 1, blocks[-1], found

        start = torch.zeros((), dtype=torch.int64)
        empty = torch.zeros((rounds, _PER_ITERATION * SIZE), dtype=torch.int32)
        _, _, found = self.loop(start < rounds, (start, self.words, empty), body)
        return torch.cat([self.words, found.reshape(-1)])

    def _advance(self, words: torch.Tensor, used: Any) -> None:
        end = self.position + used
        twists = (end - 1) // SIZE
        self.position = end - twists * SIZE
        self.words = words[torch.arange(SIZE) + twists * SIZE]


# Words ---------------------------------------------------------------------------------------------------------------


def _shifted(words: torch.Tensor, bits: int) -> torch.Tensor:
    """To the right, zeros from the left."""
    return (words >> bits) & ((1 << (32 - bits)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def _tempered(words: torch.Tensor) -> torch.Tensor:
    words = words ^ _shifted(words, 11)
    words = words ^ ((words << 7) & _signed(0x9D2C5680))
    words = words ^ ((words << 15) & _signed(0xEFC60000))
    return words ^ _shifted(words, 18)


def _unsigned(words: torch.Tensor) -> torch.Tensor:
    return words.to(torch.int64) & 0xFFFFFFFF


def _mixed(words: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    joined = (words & _signed(0x80000000)) | (following & 0x7FFFFFFF)
    return _shifted(joined, 1) ^ ((following & 1) * _signed(0x9908B0DF))


def _twisted(words: torch.Tensor, count: int) -> list[torch.Tensor]:
    """The words, and those of each of the next twists."""
    blocks = [words]
    for _ in range(count):
        blocks.append(_twist(blocks[-1]))
    return blocks


def _twist(words: torch.Tensor) -> torch.Tensor:
    """The next 624 words: three pieces, for each word depends on the new one 227 places before it."""
    mixed = _mixed(words[:-1], words[1:])
    first = words[_LAG:] ^ mixed[:_STEP]
    second = first ^ mixed[_STEP : 2 * _STEP]
    third = second[: SIZE - 1 - 2 * _STEP] ^ mixed[2 * _STEP :]
    last = second[SIZE - 1 - 2 * _STEP : SIZE - 2 * _STEP] ^ _mixed(words[-1:], first[:1])
    return torch.cat([first, second, third, last])


# Distributions -------------------------------------------------------------------------------------------------------
# Each gives a flat tensor of `count` numbers.

_NARROW = (torch.float16, torch.bfloat16)


def _fraction(generator: Generator, count: Any, used: torch.Tensor | None = None) -> torch.Tensor:
    """53 random bits a number: i64[count]; divided by 2**53, it is in [0, 1)."""
    high, low = generator.pairs(count, used)
    return ((high & 0x1FFFFF) << 32) | low


def uniform_f64(generator: Generator, count: Any, used: torch.Tensor | None = None) -> torch.Tensor:
    """In [0, 1): f64[count]; `used` as for `Generator.bits`."""
    return _fraction(generator, count, used).to(torch.float64) * 2.0**-53


def uniform_f32(generator: Generator, count: Any, used: torch.Tensor | None = None) -> torch.Tensor:
    """In [0, 1): f32[count]; `used` as for `Generator.bits`."""
    return (generator.bits(count, used) & 0xFFFFFF).to(torch.float32) * 2.0**-24


def uniform(generator: Generator, count: Any, dtype: torch.dtype, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    """In [low, high), of any floating dtype."""
    is_unit = (low, high) == (0, 1)
    if dtype == torch.float64:
        bits = _fraction(generator, count)
        return bits.to(torch.float64) * 2.0**-53 if is_unit else _scaled_f64(bits, low, high)
    value = uniform_f32(generator, count)
    if not is_unit:
        value = _scaled_f32(value, low, high)
    if dtype not in _NARROW:
        return value
    value = value.to(dtype)
    first, last = (torch.full((), bound, dtype=dtype) for bound in (low, high))
    return torch.where(value == last, first, value)


def _scaled_f32(value: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """`value * (high - low) + low`, rounded once: eager fuses the two."""
    low, high = (struct.unpack("f", struct.pack("f", bound))[0] for bound in (low, high))
    (width,) = struct.unpack("f", struct.pack("f", high - low))
    return (value.to(torch.float64) * width + low).to(torch.float32)


def _scaled_f64(bits: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """The same for `bits / 2**53`: the error of the product (Dekker, 1971) is added after that of the sum (Knuth)."""
    width = high - low
    upper, lower = (bits >> 26).to(torch.float64) * 2.0**-27, (bits & 0x3FFFFFF).to(torch.float64) * 2.0**-53
    wide = width * (2.0**27 + 1)
    wide = wide - (wide - width)
    rest = width - wide
    product = bits.to(torch.float64) * 2.0**-53 * width
    error = ((upper * wide - product) + upper * rest + lower * wide) + lower * rest
    total = product + low
    added = total - product
    return total + ((product - (total - added)) + (low - added) + error)


def exponential(generator: Generator, count: Any, dtype: torch.dtype, rate: float = 1.0) -> torch.Tensor:
    value = torch.log1p(-uniform_f64(generator, count)) * (-1.0 / rate)
    return rounded(value, dtype)


def rounded(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """f64 as `dtype`; a narrow one by way of f32, as in C++."""
    return value.to(torch.float32).to(dtype) if dtype in _NARROW else value.to(dtype)


def normal(
    generator: Generator,
    count: Any,
    dtype: torch.dtype,
    mean: float = 0.0,
    deviation: float = 1.0,
    *,
    one_by_one: bool,
) -> torch.Tensor:
    """Of any floating dtype.

    Args:
        generator, count, dtype: as for the others.
        mean, deviation: of the distribution.
        one_by_one: whether eager draws them so: less than 16, and those of a tensor that is not contiguous.
    """
    if one_by_one:
        return rounded(normal_f64(generator, count) * deviation + mean, dtype)
    if not isinstance(count, int):
        return _normal_of_a_size(generator, count, dtype, mean, deviation)
    draw = uniform_f64 if dtype == torch.float64 else uniform_f32
    whole = count // 16
    rest = count - whole * 16
    drawn = draw(generator, whole * 16 if dtype in _NARROW else count)
    value = _box_muller(drawn[: whole * 16], whole)
    if rest:
        # The last 16 are drawn, and made, once more.
        value = torch.cat([value[: count - 16], _box_muller(draw(generator, 16), 1)])
    return _shaped(value, mean, deviation).to(dtype)


def _normal_of_a_size(
    generator: Generator, count: Any, dtype: torch.dtype, mean: float, deviation: float
) -> torch.Tensor:
    """The same for a count that is known when the program runs: both ways, of which one draws nothing."""
    total = torch.zeros((), dtype=torch.int64) + count
    is_few, rest = total < 16, total % 16
    few = normal_f64(generator, 15, torch.where(is_few, total, 0)) * deviation + mean
    most: Any = torch.sym_max(count, 16)
    whole = most // 16
    draw = uniform_f64 if dtype == torch.float64 else uniform_f32
    drawn = draw(generator, most, torch.where(is_few, 0, total - rest if dtype in _NARROW else total))
    value = _box_muller(drawn[: whole * 16], whole)
    again = _box_muller(draw(generator, 16, torch.where(is_few | (rest == 0), 0, 16)), 1)
    place = torch.arange(count)
    in_last = place - (total - 16)
    many = value[place.clamp(max=whole * 16 - 1)]
    many = torch.where((rest == 0) | (in_last < 0), many, again[in_last.clamp(0, 15)])
    many = _shaped(many, mean, deviation).to(dtype)
    return torch.where(is_few, rounded(few[place.clamp(max=14)], dtype), many)


def _constant(value: float, like: torch.Tensor) -> torch.Tensor:
    """A number as a tensor: of a Python number f64 is left, which Vulkan lacks."""
    return torch.full((), value, dtype=like.dtype)


def _shaped(value: torch.Tensor, mean: float, deviation: float) -> torch.Tensor:
    return value * _constant(deviation, value) + _constant(mean, value)


def _box_muller(value: torch.Tensor, blocks: Any) -> torch.Tensor:
    """Of each 16 uniform numbers 16 normal ones: by eights, cosines and sines."""
    value = value.reshape(blocks, 2, 8)
    radius = torch.sqrt(torch.log(1 - value[:, 0]) * -2)
    if value.dtype == torch.float64:
        cosine, sine = _turned((value[:, 1] * 2.0**53).to(torch.int64), 53)
    else:
        angle = value[:, 1] * _constant(2 * math.pi, value)
        cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack([radius * cosine, radius * sine], 1).reshape(-1)


def normal_f64(generator: Generator, count: Any, used: torch.Tensor | None = None) -> torch.Tensor:
    """Drawn in pairs, of which the one that is not used is kept for the next draw: f64[count].

    `used` is as for `Generator.bits`.
    """
    wanted: Any = count if used is None else used
    has = generator.normal[2]
    pairs = (count + 1) // 2
    high, low = generator.pairs(2 * pairs, (wanted - has + 1) // 2 * 2)
    fresh = (((high & 0x1FFFFF) << 32) | low).reshape(pairs, 2)
    bits = torch.cat([generator.normal[:2].reshape(1, 2), fresh])
    radius = torch.sqrt(-2 * torch.log1p(bits[:, 1].to(torch.float64) * -(2.0**-53)))
    cosine, sine = _turned(bits[:, 0], 53)
    values = torch.stack([radius * cosine, radius * sine], 1).reshape(-1)
    # Of the pair in front, which is the one that was kept, the second is left, or none.
    first = 2 - has
    last = first + wanted - 1
    is_left = ((last + 1) & 1).reshape(1)
    generator.normal = torch.cat([bits[(last // 2).reshape(1)].reshape(-1), is_left])
    return values[torch.arange(count) + first]


def _turned(turns: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of `turns / 2**bits` of a full turn, in f64, which IREE has none for."""
    octant = turns >> (bits - 3)
    part = (turns & ((1 << (bits - 3)) - 1)).to(torch.float64) * 2.0 ** (3 - bits)
    angle = torch.where((octant & 1) == 1, 1 - part, part) * (math.pi / 4)
    cosine = _series(angle, 0)
    sine = angle * _series(angle, 1)
    is_swapped = ((octant + 1) & 2) == 2
    of_cosine, of_sine = torch.where(is_swapped, sine, cosine), torch.where(is_swapped, cosine, sine)
    is_left = ((octant + 2) & 4) == 4
    return torch.where(is_left, -of_cosine, of_cosine), torch.where(octant >= 4, -of_sine, of_sine)


def _series(angle: torch.Tensor, odd: int) -> torch.Tensor:
    """The cosine's Taylor series, or the sine's without its first factor, up to an angle of pi/4."""
    square = angle * angle
    terms = [(-1.0) ** i / math.factorial(2 * i + odd) for i in range(9)]
    value = torch.full((), terms[-1], dtype=torch.float64)
    for term in reversed(terms[:-1]):
        value = value * square + term
    return value


def bernoulli(generator: Generator, count: Any, probability: float) -> torch.Tensor:
    """Whether each holds: i1[count]."""
    # As integers, where a target need not have f64.
    return _fraction(generator, count) < math.ceil(probability * (1 << 53))


def bernoulli_of(generator: Generator, probabilities: torch.Tensor) -> torch.Tensor:
    """Whether each holds, by a flat tensor of probabilities."""
    if probabilities.dtype == torch.float64:
        return uniform_f64(generator, probabilities.shape[0]) < probabilities
    return uniform_f32(generator, probabilities.shape[0]) < probabilities.to(torch.float32)


def integers(generator: Generator, count: Any, low: int, span: Any) -> torch.Tensor:
    """In [low, low + span): i64[count]; `span` is up to 2**64, or a symbolic size."""
    if isinstance(span, int) and span >= 1 << 28:
        high, lower = generator.pairs(count)
        if span == 1 << 64:
            return (high << 32) | lower
        return _remainder((high << 32) | lower, span) + low
    return _unsigned(generator.bits(count)) % span + low


def _remainder(value: torch.Tensor, span: int) -> torch.Tensor:
    """Of 64 bits without a sign by a `span` below 2**64."""
    if span >= 1 << 63:
        return torch.where((value < 0) & (value >= span - (1 << 64)), value - (span - (1 << 64)), value)
    half = ((value >> 1) & ((1 << 63) - 1)) // span
    rest = value - (half << 1) * span
    return torch.where((rest < 0) | (rest >= span), rest - span, rest)


def any_integers(generator: Generator, count: Any, dtype: torch.dtype) -> torch.Tensor:
    """What `random_()` without bounds draws: i64[count], all that are not negative, or that a float has exactly."""
    if dtype == torch.int64:
        high, low = generator.pairs(count)
        return ((high & 0x7FFFFFFF) << 32) | low
    if dtype == torch.float64:
        high, low = generator.pairs(count)
        return _remainder((high << 32) | low, (1 << 53) + 1)
    if dtype == torch.bool:
        return _unsigned(generator.bits(count)) & 1
    if dtype.is_floating_point:
        digits = {torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}[dtype]
        return _unsigned(generator.bits(count)) % ((1 << digits) + 1)
    return _unsigned(generator.bits(count)) & torch.iinfo(dtype).max


def geometric(generator: Generator, count: Any, probability: float) -> torch.Tensor:
    """How many trials it takes: f64[count]."""
    return torch.ceil(torch.log(uniform_f64(generator, count)) / math.log1p(-probability))


def cauchy(generator: Generator, count: Any, median: float, scale: float) -> torch.Tensor:
    """f64[count]."""
    # The tangent a quarter turn before is the negative cotangent; `bits / 2**53` is of half a turn.
    cosine, sine = _turned(_fraction(generator, count), 54)
    return median - scale * (cosine / sine)


def permutation(generator: Generator, count: Any) -> torch.Tensor:
    """The numbers 0 to count - 1, shuffled (Fisher and Yates): i64[count].

    Step i of a shuffle swaps what is at `i` with what is at a drawn `place[i] >= i`. Here all steps are done at once:
    what ends at `i` was at `place[i]` before step i, and what was at a position before a step had come there in the
    last step before it that drew that position, from that step's own; or it had been there from the start.
    """
    row = torch.arange(count)
    if isinstance(count, int) and count < 2:
        return row
    drawn = _unsigned(generator.bits(count - 1))
    place = torch.cat([row[: count - 1] + drawn % (count - row[: count - 1]), row[count - 1 :]])
    before = _last_drawn(row, row, place)
    came = torch.where(before < 0, row, before)
    for _ in range((count - 1).bit_length() if isinstance(count, int) else 31):
        came = came[came]
    drawn_before = _last_drawn(row, place, place)
    return torch.where(drawn_before < 0, place, came[drawn_before.clamp(min=0)])


def _last_drawn(row: torch.Tensor, position: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """For each step, the last one before it that drew its position, or -1."""
    is_drawn = (place.reshape(1, -1) == position.reshape(-1, 1)) & (row.reshape(1, -1) < row.reshape(-1, 1))
    return torch.where(is_drawn, row.reshape(1, -1), torch.full((), -1, dtype=torch.int64)).amax(1)


MAX_ADDED = 64
"""Of how many categories the probabilities are added up one by one; of more, by `cumsum`."""


def choices(generator: Generator, probabilities: torch.Tensor, count: int) -> torch.Tensor:
    """What `multinomial` draws with replacement, of the rows of a matrix of probabilities: i64[rows, count]."""
    rows, categories = cast("tuple[Any, Any]", probabilities.shape)
    compute = torch.float32 if probabilities.dtype in _NARROW else probabilities.dtype
    probabilities = probabilities.to(compute)
    if isinstance(categories, int) and categories <= MAX_ADDED:
        # PyTorch's own `cumsum` adds in f64.
        sums = [probabilities[:, :1]]
        for i in range(1, categories):
            sums.append(sums[-1] + probabilities[:, i : i + 1])
        total = torch.cat(sums, 1)
    else:
        total = probabilities.cumsum(1)
    share = total / total[:, categories - 1 :]
    drawn = uniform_f64(generator, rows * count).reshape(rows, count, 1)
    # The last category takes what is left.
    below = share[:, : categories - 1].reshape(rows, 1, categories - 1).to(torch.float64) < drawn
    return below.to(torch.int64).sum(2)
