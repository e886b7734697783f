"""Draws the figure of docs/performance.md: how much longer a step takes, over the cores that the trainer needs."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping
from typing import Any

#: Where the figure is kept.
FILE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "images" / "trainer.svg"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 380, 70, 20, 20, 60
#: What is drawn: source, title, colour.
SERIES = (
    ("style", "sassld with style", "#1a5fb4"),
    ("plain", "sassld without style", "#2e8540"),
    ("dataloader", "DataLoader without style", "#c64600"),
)


class Axis:
    """A logarithmic axis from one value to another, on so many pixels."""

    def __init__(self, first: float, last: float, start: float, end: float) -> None:
        self.first, self.last = first, last
        self._start, self._scale = start, (end - start) / math.log(last / first)

    def __call__(self, value: float) -> float:
        return round(self._start + math.log(min(max(value, self.first), self.last) / self.first) * self._scale, 1)

    def ticks(self) -> list[float]:
        steps = [digit * 10.0**power for power in range(-3, 4) for digit in (1, 2, 5)]
        return [step for step in steps if self.first <= step <= self.last]


def drawn(result: Mapping[str, Any]) -> str:
    """The figure as SVG."""
    points = [
        (float(row["needed_cores"]) / float(result["data_cores"]), name, row["sources"][name])
        for row in result["trainers"]
        for name, _, _ in SERIES
        if name in row["sources"]
    ]
    loads = [load for load, _, _ in points]
    most = max(source["high"] for _, _, source in points)
    x = Axis(min(loads) / 1.5, max(2.0, max(loads)) * 1.3, LEFT, WIDTH - RIGHT)
    y = Axis(0.9, max(2.0, most) * 1.2, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        '     font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in x.ticks():
        parts.append(f'<path d="M{x(tick)} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(tick)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:g}</text>')
    for tick in y.ticks():
        parts.append(f'<path d="M{LEFT} {y(tick)}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - BOTTOM + 36}" text-anchor="middle">'
        "cores that the trainer needs for data with style, by computation, in parts of those that there are</text>"
    )
    parts.append(
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        "step time, in parts of that with batches in memory</text>"
    )
    # What is expected of a source that needs so many cores: no wait up to 1, and from there on as much longer.
    expected = f"M{x(x.first)} {y(1)}L{x(1)} {y(1)}L{x(x.last)} {y(x.last)}"
    parts.append(f'<path d="{expected}" fill="none" stroke="#888" stroke-dasharray="5 4"/>')
    for name, _, colour in SERIES:
        for load, source, values in points:
            if source != name:
                continue
            parts.append(
                f'<path d="M{x(load)} {y(values["low"])}V{y(values["high"])}" stroke="{colour}" stroke-width="2"/>'
            )
            parts.append(f'<circle cx="{x(load)}" cy="{y(values["ratio"])}" r="4" fill="{colour}"/>')
    legend = [*((title, colour, "") for _, title, colour in SERIES), ("computed, with style", "#888", "5 4")]
    for position, (title, colour, dashes) in enumerate(legend):
        height = TOP + 16 + 18 * position
        parts.append(
            f'<path d="M{LEFT + 12} {height - 4}h20" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        )
        parts.append(f'<text x="{LEFT + 38}" y="{height}">{title}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
