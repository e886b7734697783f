"""The stream's draws as Philox's paper and the stream's definition give them, written independently of `sassld`."""

from __future__ import annotations

import math
from collections.abc import Iterator

_WORD = 2**32 - 1
#: What is drawn when a sample's own picture cannot be used.
REPLACEMENT = 2
#: Which style of a folder or a bank is taken.
STYLE_CHOICE = 67
#: What is drawn for a style from a Gaussian.
STYLE_SAMPLE = 69


def philox(counter: tuple[int, int, int, int], key: int) -> tuple[int, int, int, int]:
    """Philox4x32-10 (Salmon et al., SC 2011)."""
    x, y, z, w = counter
    low, high = key & _WORD, key >> 32
    for _ in range(10):
        first, second = x * 0xD2511F53, z * 0xCD9E8D57
        x, y, z, w = second >> 32 ^ y ^ low, second & _WORD, first >> 32 ^ w ^ high, first & _WORD
        low, high = (low + 0x9E3779B9) & _WORD, (high + 0xBB67AE85) & _WORD
    return x, y, z, w


def bits(seed: int, epoch: int, sample: int, view: int, purpose: int) -> Iterator[int]:
    """64 random bits after the other, for one purpose of one view of one sample in one epoch."""
    block = 0
    while True:
        x, y, z, w = philox(
            (block, sample & _WORD, epoch & _WORD, purpose << 16 | view << 8 | sample >> 32 & 0xFF), seed
        )
        yield y << 32 | x
        yield w << 32 | z
        block += 1


def replacements(seed: int, epoch: int, sample: int, count: int) -> Iterator[int]:
    """The samples, of `count`, that stand in for `sample`, in the order in which they are tried."""
    width = count - 1
    for value in bits(seed, epoch, sample, 0, REPLACEMENT):
        # Lemire's method: the high half of the product, unless the low half falls into the biased part.
        if value * width % 2**64 >= 2**64 % width:
            drawn = value * width >> 64
            yield drawn if drawn < sample else drawn + 1


def uniforms(seed: int, epoch: int, sample: int, view: int, purpose: int) -> Iterator[float]:
    """Numbers from [0, 1), of which each has 53 bits."""
    for value in bits(seed, epoch, sample, view, purpose):
        yield (value >> 11) * 2.0**-53


def normals(seed: int, epoch: int, sample: int, view: int, purpose: int) -> Iterator[float]:
    """Standard normal numbers, two from two uniform ones (Box and Muller, 1958)."""
    source = uniforms(seed, epoch, sample, view, purpose)
    while True:
        radius, angle = math.sqrt(-2 * math.log(1 - next(source))), 2 * math.pi * next(source)
        yield radius * math.cos(angle)
        yield radius * math.sin(angle)
