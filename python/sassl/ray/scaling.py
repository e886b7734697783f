"""How many makers a node's trainers need, from who waits for whom."""

from __future__ import annotations

import math
from typing import Final

# A trainer that waits less than this does not count as waiting.
_TOLERATED: Final = 0.05
# How much of the makers' time may be in use before one of them is not too many.
_IN_USE: Final = 0.8


def needed_makers(present: int, *, starved: float, full: float, most: int) -> int:
    """How many makers there should be.

    :param present: how many there are.
    :param starved: part of the last minute in which the trainer waited for a batch.
    :param full: part of it in which the ring was full, so that the makers had nothing to do.
    :param most: how many the slices are enough for.
    """
    if starved > _TOLERATED and full < _TOLERATED:
        # With a rate of `present` the trainer gets on for the rest of the time.
        return min(most, max(present + 1, math.ceil(present / max(1 - starved, 0.1))))
    if starved < _TOLERATED:
        return max(1, min(present, math.ceil(present * (1 - full) / _IN_USE)))
    return present
