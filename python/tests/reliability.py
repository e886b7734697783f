"""What was provoked, how often, what became of the stream, and how long until batches flowed again."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
import unittest.mock
from collections.abc import Iterable, Iterator

import sassl


@dataclasses.dataclass
class Wait:
    """One wait for a batch that was handed out in the end, on the clock of `time.monotonic_ns`."""

    began: int
    ended: int


def pauses(provoked: list[int], waits: Iterable[Wait]) -> list[float]:
    """For each provocation, in seconds: the longest wait for a batch after it and before the next one.

    :param provoked: when each provocation was over, ascending.
    """
    longest = [0] * len(provoked)
    for wait in waits:
        for position in range(len(provoked) - 1, -1, -1):
            if wait.ended > provoked[position]:
                longest[position] = max(longest[position], wait.ended - max(wait.began, provoked[position]))
                break
    return [nanoseconds / 1e9 for nanoseconds in longest]


class Table:
    """A row for each kind of provocation. Only what a test has found in order gets into it."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}
        self._batches: dict[str, int] = {}
        self._notes: list[str] = []

    def add(self, what: str, seconds: list[float], batches: int) -> None:
        """Adds provocations of one kind.

        :param seconds: for each of them, how long the reader waited for its next batch.
        :param batches: how many batches were compared with the undisturbed stream, and equal.
        """
        self._seconds.setdefault(what, []).extend(seconds)
        self._batches[what] = self._batches.get(what, 0) + batches

    def note(self, text: str) -> None:
        """Adds a line below the table."""
        self._notes.append(text)

    def lines(self) -> list[str]:
        """The table in Markdown and the notes, or nothing where nothing was provoked."""
        if not self._seconds:
            return []
        rows = [
            ["provoked", "times", "batches compared", "lost, repeated or torn", "median pause", "longest pause"],
            ["---", "--:", "--:", "--:", "--:", "--:"],
        ]
        for what, seconds in self._seconds.items():
            rows.append(
                [
                    what,
                    str(len(seconds)),
                    str(self._batches[what]),
                    "0",
                    f"{statistics.median(seconds):.2f} s",
                    f"{max(seconds):.2f} s",
                ]
            )
        return [*("| " + " | ".join(row) + " |" for row in rows), "", *self._notes]


class Provocations:
    """What one test provokes while it reads batches with `sassl`; goes into the table when the test has passed."""

    def __init__(self) -> None:
        self._over: dict[str, list[int]] = {}
        self._waits: list[Wait] = []

    @contextlib.contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Something bad happens, for the length of a `with`."""
        yield
        self._over.setdefault(what, []).append(time.monotonic_ns())

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notes every wait of this process for a batch."""
        plain = sassl.Reader.next

        def timed(reader: sassl.Reader, timeout: float = float("inf")) -> sassl.Batch:
            began = time.monotonic_ns()
            batch = plain(reader, timeout)
            self._waits.append(Wait(began, time.monotonic_ns()))
            return batch

        with unittest.mock.patch.object(sassl.Reader, "next", timed):
            yield

    def report(self, table: Table) -> None:
        """Enters what was provoked."""
        for what, over in self._over.items():
            table.add(what, pauses(over, self._waits), len(self._waits))
