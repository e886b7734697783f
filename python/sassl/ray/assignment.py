"""Which maker makes which slices: more for those that are faster, and the same answer wherever it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

# An assignment is kept unless another one would be faster by more than this: to change costs each slice that moves the
# batches that were made ahead.
_WORTH_MOVING: Final = 1.15


def assign(slices: Sequence[int], rates: Mapping[str, float]) -> dict[int, str]:
    """Divides `slices` among makers so that the one that takes longest takes as short as possible.

    :param rates: of each maker, in any unit; at least one.
    """
    counts = dict.fromkeys(sorted(rates), 0)
    owners: dict[int, str] = {}
    for part in slices:
        maker = min(counts, key=lambda name: ((counts[name] + 1) / rates[name], name))
        counts[maker] += 1
        owners[part] = maker
    return owners


def duration(owners: Mapping[int, str], rates: Mapping[str, float]) -> float:
    """How long the makers take for one batch: as long as the one that takes longest."""
    counts: dict[str, int] = {}
    for maker in owners.values():
        counts[maker] = counts.get(maker, 0) + 1
    return max(count / rates[maker] for maker, count in counts.items())


class Assignment:
    """Who makes each slice at present."""

    def __init__(self, slices: Sequence[int]) -> None:
        self._slices = list(slices)
        self._owners: dict[int, str] = {}
        self._makers: frozenset[str] = frozenset()

    def update(self, rates: Mapping[str, float]) -> None:
        """Takes note of the makers that there are now, and of how many images each makes in a second."""
        if not rates:
            self._owners, self._makers = {}, frozenset()
            return
        # A maker that has not made anything yet is taken for an average one.
        known = [rate for rate in rates.values() if rate > 0] or [1.0]
        filled = {name: rate if rate > 0 else sum(known) / len(known) for name, rate in rates.items()}
        proposed = assign(self._slices, filled)
        if self._makers != frozenset(filled) or (
            duration(self._owners, filled) > _WORTH_MOVING * duration(proposed, filled)
        ):
            self._owners, self._makers = proposed, frozenset(filled)

    def owner(self, part: int) -> str | None:
        """Who makes a slice; nobody where there is no maker."""
        return self._owners.get(part)

    def slices_of(self, maker: str) -> list[int]:
        """What a maker makes."""
        return [part for part, owner in self._owners.items() if owner == maker]
