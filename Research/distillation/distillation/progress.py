"""What long training says about itself: a bar on a terminal, lines otherwise, and a log of the losses."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path

from tqdm import tqdm


def bar(done: int, total: int, unit: str) -> tqdm:
    """A progress bar on a terminal; elsewhere a line every half minute."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        unit=unit,
        mininterval=0.5 if terminal else 30.0,
        ascii=not terminal,
        bar_format=None if terminal else "{n_fmt}/{total_fmt} {unit}s, {elapsed} gone, {remaining} to go{postfix}\n",
    )


class Log:
    """Appends means over every fifty steps to a CSV file; keeps the last of them at hand."""

    EVERY = 50

    def __init__(self, path: Path, columns: list[str]) -> None:
        new = not path.exists()
        self.file = path.open("a", encoding="utf-8")
        if new:
            self.file.write(",".join(columns) + "\n")
        self.recent: deque[list[float]] = deque(maxlen=self.EVERY)

    def add(self, step: int, rate: float, values: list[float]) -> None:
        """Takes the values of one step."""
        self.recent.append(values)
        if step % self.EVERY == 0:
            means = [self.mean(column) for column in range(len(values))]
            self.file.write(f"{step},{rate:.3e}," + ",".join(f"{mean:.5f}" for mean in means) + "\n")
            self.file.flush()

    def mean(self, column: int) -> float:
        """Mean of a column over the last steps."""
        return sum(row[column] for row in self.recent) / max(1, len(self.recent))

    def close(self) -> None:
        self.file.close()
