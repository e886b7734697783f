"""What was provoked, how often, what became of the stream, and how long until batches flowed again."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import statistics
import time
import unittest.mock
from collections.abc import Iterator

import sassl


@dataclasses.dataclass(frozen=True)
class Provocation:
    """Something bad that happened, and what the reader got afterwards."""

    what: str
    #: How long it had to wait for a batch.
    seconds: float
    #: How many batches it got before the next provocation.
    batches: int


def provocations(happened: list[tuple[str, int]], handed_out: list[int]) -> list[Provocation]:
    """Puts what happened and the batches that were handed out in relation.

    The pause after something is the longest time without a batch between it and the next thing that happens, or up to
    the first batch where that comes later still.

    :param happened: what, and when on the clock of `time.monotonic_ns`; ascending.
    :param handed_out: when the reader got each batch, on the same clock; ascending.
    """
    found = []
    ends = [at for _, at in happened[1:]]
    for (what, at), end in zip(happened, [*ends, None], strict=True):
        later = [batch for batch in handed_out if batch > at]
        assert later, f"no batch came after: {what}"
        mine = [batch for batch in later if end is None or batch <= end]
        steps = [at, *(mine or later[:1])]
        longest = max(after - before for before, after in itertools.pairwise(steps))
        found.append(Provocation(what, longest / 1e9, len(mine)))
    return found


class Table:
    """A row for each kind of provocation, and notes below."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Provocation]] = {}
        self._wrong: dict[str, int] = {}
        self._notes: list[str] = []

    def add(self, provoked: list[Provocation], wrong: int) -> None:
        """Adds what one test provoked.

        :param wrong: how many batches were lost, repeated or torn meanwhile.
        """
        for provocation in provoked:
            self._rows.setdefault(provocation.what, []).append(provocation)
        for what in {provocation.what for provocation in provoked}:
            self._wrong[what] = self._wrong.get(what, 0) + wrong

    def note(self, text: str) -> None:
        """Adds a line below the table."""
        self._notes.append(text)

    def lines(self) -> list[str]:
        """The table in Markdown and the notes, or nothing where nothing was provoked."""
        rows = [
            ["provoked", "times", "batches compared", "lost, repeated or torn", "median pause", "longest pause"],
            ["---", "--:", "--:", "--:", "--:", "--:"],
        ]
        for what, provoked in self._rows.items():
            seconds = [provocation.seconds for provocation in provoked]
            rows.append(
                [
                    what,
                    str(len(provoked)),
                    str(sum(provocation.batches for provocation in provoked)),
                    str(self._wrong[what]),
                    f"{statistics.median(seconds):.2f} s",
                    f"{max(seconds):.2f} s",
                ]
            )
        table = ["| " + " | ".join(row) + " |" for row in rows] if self._rows else []
        return [*table, "", *self._notes] if table or self._notes else []


class Provocations:
    """What one test provokes while it reads batches with `sassl`."""

    def __init__(self) -> None:
        self._happened: list[tuple[str, int]] = []
        self._handed_out: list[int] = []

    @contextlib.contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Something after which the stream must go on, happening for the length of a `with`."""
        yield
        self._happened.append((what, time.monotonic_ns()))

    @contextlib.contextmanager
    def meanwhile(self, what: str) -> Iterator[None]:
        """Something during which the stream must go on."""
        self._happened.append((what, time.monotonic_ns()))
        yield

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notes every batch that this process is handed."""
        plain = sassl.Reader.next

        def noted(reader: sassl.Reader, timeout: float = float("inf")) -> sassl.Batch:
            batch = plain(reader, timeout)
            self._handed_out.append(time.monotonic_ns())
            return batch

        with unittest.mock.patch.object(sassl.Reader, "next", noted):
            yield

    def report(self, table: Table) -> None:
        """Enters what was provoked by a test that has found every batch as it should be."""
        table.add(provocations(self._happened, self._handed_out), wrong=0)
