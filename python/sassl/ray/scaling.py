"""How many makers a node's trainers need, from who waits for whom, and which of them go first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

# A trainer that waits less than this does not count as waiting.
_TOLERATED: Final = 0.05
# How much of the makers' time may be in use before one of them is not too many.
_IN_USE: Final = 0.8
# For how long one that starts is waited for before another one is added: reading a large data set takes minutes, and an
# actor that Ray has no place for never starts.
_START_SECONDS: Final = 600.0
# For how long one that has failed may come back by itself: its daemon is started again, its node answers again.
_RECOVERY_SECONDS: Final = 60.0


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


def states_of(names: Iterable[str], reports: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The state of each maker, by what feeders report. One that none has seen yet is starting."""
    told: dict[str, str] = {}
    for maker in (maker for report in reports for maker in report["makers"]):
        # Where only some feeders reach it, it has work.
        if told.get(maker["name"]) != "running":
            told[maker["name"]] = maker["state"]
    return {name: told.get(name, "starting") for name in names}


def in_order_of_leaving(states: Mapping[str, str]) -> list[str]:
    """Makers, the one first that is missed least.

    Those that cannot run are of no use, and those that start of none yet. Otherwise it is the latest, which is the
    farthest away.

    :param states: of each, in the order in which they were started.
    """
    use = {"running": 2, "starting": 1}
    return sorted(reversed(list(states)), key=lambda name: use.get(states[name], 0))


class Starts:
    """Which makers are on their way: they start, and have not done so for too long."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def on_their_way(self, states: Mapping[str, str], now: float) -> list[str]:
        """Takes note of the makers' states at a time in seconds, and names those that will soon run."""
        starting = (name for name, state in states.items() if state == "starting")
        self._since = {name: self._since.get(name, now) for name in starting}
        return [name for name, since in self._since.items() if now - since < _START_SECONDS]


class Failures:
    """Which makers will hardly run any more: the stream is not theirs, or they have not run for too long."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def hopeless(self, states: Mapping[str, str], now: float) -> list[str]:
        """Takes note of the makers' states at a time in seconds, and names those, the one first that is to go first."""
        idle = (name for name, state in states.items() if state != "running")
        self._since = {name: self._since.get(name, now) for name in idle}

        def is_hopeless(name: str) -> bool:
            has_failed = states[name] in ("failed", "unreachable") and now - self._since[name] > _RECOVERY_SECONDS
            return states[name] == "refused" or has_failed

        return [name for name in in_order_of_leaving(states) if is_hopeless(name)]
