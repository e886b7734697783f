"""Procedural textures: every picture is a pure function of its seed, made with numpy alone.

They stand in for style images wherever a photograph or painting would have an owner.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Picture = NDArray[np.uint8]


def coordinates(side: int) -> tuple[Field, Field]:
    """Columns and rows of a square, both in [0, 1)."""
    line = np.arange(side, dtype=np.float32) / side
    return np.broadcast_to(line[None, :], (side, side)), np.broadcast_to(line[:, None], (side, side))


def value_noise(random: np.random.Generator, height: int, width: int, cells: float) -> Field:
    """Smooth noise in [0, 1] with about `cells` bumps along the height."""
    rows = max(2, int(np.ceil(cells)) + 2)
    columns = max(2, int(np.ceil(cells * width / height)) + 2)
    lattice = random.random((rows, columns), dtype=np.float32)
    v = np.arange(height, dtype=np.float32) * ((rows - 1.001) / height)
    u = np.arange(width, dtype=np.float32) * ((columns - 1.001) / width)
    row, column = v.astype(np.int32), u.astype(np.int32)
    fv, fu = v - row, u - column
    fv, fu = fv * fv * (3 - 2 * fv), fu * fu * (3 - 2 * fu)
    # Interpolated along one axis after the other: two small gathers instead of four large ones.
    upper = lattice[row] * (1 - fv)[:, None] + lattice[np.minimum(row + 1, rows - 1)] * fv[:, None]
    result: Field = upper[:, column] * (1 - fu) + upper[:, np.minimum(column + 1, columns - 1)] * fu
    return result


def fractal_noise(
    random: np.random.Generator, height: int, width: int, cells: float, octaves: int = 5, roughness: float = 0.5
) -> Field:
    """Octaves of value noise added up, rescaled to [0, 1]."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        total += weight * value_noise(random, height, width, cells * 2**octave)
        weight *= roughness
    low, high = float(total.min()), float(total.max())
    return ((total - low) / max(high - low, 1e-6)).astype(np.float32)


def palette(random: np.random.Generator, count: int) -> Field:
    """`count` colours that look chosen together: a hue walk with lightness contrast, sorted dark to light."""
    hue = random.random() + np.cumsum(random.normal(0, random.choice([0.04, 0.12, 0.3]), count))
    saturation = np.clip(random.normal(random.uniform(0.15, 0.9), 0.15, count), 0, 1)
    value = np.clip(np.linspace(random.uniform(0.05, 0.4), random.uniform(0.7, 1.0), count), 0, 1)
    offsets = np.array([0.0, 2 / 3, 1 / 3])
    wave = np.clip(np.abs((hue[:, None] + offsets) % 1.0 * 6 - 3) - 1, 0, 1)
    colours = value[:, None] * (1 - saturation[:, None] + saturation[:, None] * wave)
    rounded: Field = colours.astype(np.float32)
    return rounded


def coloured(field: Field, colours: Field, hard: bool = False) -> Field:
    """Looks `field` in [0, 1] up in the palette, blending neighbours unless `hard`."""
    position = np.clip(field, 0, 1) * (len(colours) - 1)
    index = position.astype(np.int32)
    if hard:
        return colours[np.clip((position + 0.5).astype(np.int32), 0, len(colours) - 1)]
    fraction = (position - index)[..., None]
    result: Field = colours[index] * (1 - fraction) + colours[np.minimum(index + 1, len(colours) - 1)] * fraction
    return result


def _clouds(random: np.random.Generator, side: int) -> Field:
    return fractal_noise(random, side, side, random.uniform(1.5, 6), roughness=random.uniform(0.4, 0.75))


def _marble(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    warp = fractal_noise(random, side, side, random.uniform(2, 5))
    angle = random.uniform(0, np.pi)
    wave = np.sin(2 * np.pi * (random.uniform(2, 8) * (x * np.cos(angle) + y * np.sin(angle)) + 2.5 * warp))
    field: Field = (0.5 + 0.5 * wave).astype(np.float32)
    return field


def _wood(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    warp = fractal_noise(random, side, side, 2.0)
    distance = np.hypot((x - random.uniform(-0.5, 1.5)) * random.uniform(0.3, 1), y - random.uniform(-0.5, 1.5))
    field: Field = ((distance * random.uniform(6, 20) + warp * 1.5) % 1.0).astype(np.float32)
    return field


def _stripes(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    angle = random.uniform(0, np.pi)
    bend = random.uniform(0, 0.15) * np.sin(2 * np.pi * (y * random.uniform(0.5, 3) + random.random()))
    phase = random.uniform(3, 24) * ((x + bend) * np.cos(angle) + y * np.sin(angle))
    field: Field = (np.abs(phase % 2.0 - 1.0)).astype(np.float32)
    return field


def _checks(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    angle, count = random.uniform(0, np.pi / 2), random.uniform(3, 14)
    u = count * (x * np.cos(angle) - y * np.sin(angle)) + 50
    v = count * (x * np.sin(angle) + y * np.cos(angle)) + 50
    cells = random.random((128, 128)).astype(np.float32)
    field: Field = cells[u.astype(np.int32) % 128, v.astype(np.int32) % 128]
    return field


def _cells(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    count = int(random.integers(12, 70))
    points = random.random((count, 2), dtype=np.float32)
    nearest = np.full((side, side), 9.0, np.float32)
    second = nearest.copy()
    owner = np.zeros((side, side), np.int32)
    for index, (px, py) in enumerate(points):
        distance = np.hypot(x - px, y - py)
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        nearest = np.where(closer, distance, nearest)
        owner[closer] = index
    shades = random.random(count).astype(np.float32)
    field = shades[owner] if random.random() < 0.6 else np.clip(nearest * np.sqrt(count), 0, 1)
    if random.random() < 0.5:  # Leaded glass: dark seams between the cells.
        field = np.where(second - nearest < 0.012, 0.0, field)
    return field.astype(np.float32)


def _dots(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    count, angle = random.uniform(5, 24), random.uniform(0, np.pi / 2)
    u = count * (x * np.cos(angle) - y * np.sin(angle))
    v = count * (x * np.sin(angle) + y * np.cos(angle))
    radius = 0.15 + 0.4 * fractal_noise(random, side, side, random.uniform(1, 4), 2)
    distance = np.hypot(u % 1.0 - 0.5, v % 1.0 - 0.5)
    field: Field = np.clip((radius - distance) * 12 + 0.5, 0, 1).astype(np.float32)
    return field


def _rings(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    field = np.zeros((side, side), np.float32)
    for _ in range(int(random.integers(2, 7))):
        distance = np.hypot(x - random.random(), y - random.random())
        field += np.sin(2 * np.pi * distance * random.uniform(3, 16)).astype(np.float32)
    return (0.5 + 0.5 * np.tanh(field)).astype(np.float32)


def _hatching(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    tone = fractal_noise(random, side, side, random.uniform(1.5, 4))
    field = np.ones((side, side), np.float32)
    frequency = random.uniform(20, 55)
    for layer, angle in enumerate(random.permutation([0.3, 1.1, 1.9, 2.6])):
        wobble = 0.4 * value_noise(random, side, side, 12)
        line = np.abs((frequency * (x * np.cos(angle) + y * np.sin(angle)) + wobble) % 1.0 - 0.5)
        field = np.where((line < 0.14) & (tone < 0.75 - 0.18 * layer), field * 0.35, field)
    return field


def _strokes(random: np.random.Generator, side: int) -> Field:
    """Short brush strokes that follow a flow field, later ones over earlier ones."""
    field = fractal_noise(random, side, side, 2.0)
    flow = 2 * np.pi * fractal_noise(random, side, side, random.uniform(1, 3), 2)
    length, width = random.uniform(0.04, 0.14) * side, random.uniform(0.008, 0.03) * side
    tone = fractal_noise(random, side, side, random.uniform(2, 5))
    reach = int(length) + 2
    for _ in range(int(random.integers(250, 500))):
        cx, cy = int(random.integers(side)), int(random.integers(side))
        angle = flow[cy, cx] + random.normal(0, 0.2)
        top, left = max(0, cy - reach), max(0, cx - reach)
        window = field[top : cy + reach, left : cx + reach]
        dy = (np.arange(window.shape[0], dtype=np.float32) + (top - cy))[:, None]
        dx = (np.arange(window.shape[1], dtype=np.float32) + (left - cx))[None, :]
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle)
        inside = (np.abs(along) < length / 2) & (np.abs(across) < width)
        shade = np.clip(tone[cy, cx] + random.normal(0, 0.12), 0, 1)
        bristle = 0.12 * np.cos(across / width * random.uniform(3, 9))
        window[inside] = np.clip(shade + bristle, 0, 1)[inside]
    return field


def _weave(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    count = random.uniform(8, 30)
    u, v = x * count, y * count
    over = (u.astype(np.int32) + v.astype(np.int32)) % 2 == 0
    thread = np.where(over, np.sin(np.pi * (u % 1.0)), np.sin(np.pi * (v % 1.0)))
    tint = np.where(over, 0.35, 0.0)
    field: Field = np.clip(0.6 * thread + tint + 0.1 * random.random((side, side), dtype=np.float32), 0, 1).astype(
        np.float32
    )
    return field


def _blocks(random: np.random.Generator, side: int) -> Field:
    """Rectangles split again and again, with dark frames."""
    field = np.zeros((side, side), np.float32)
    line = max(1, int(side * random.uniform(0.0, 0.02)))

    def split(top: int, left: int, bottom: int, right: int, depth: int) -> None:
        if depth == 0 or min(bottom - top, right - left) < side // 12:
            field[top + line : bottom, left + line : right] = random.random()
            return
        if bottom - top > right - left:
            middle = int(top + (bottom - top) * random.uniform(0.25, 0.75))
            split(top, left, middle, right, depth - 1)
            split(middle, left, bottom, right, depth - 1)
        else:
            middle = int(left + (right - left) * random.uniform(0.25, 0.75))
            split(top, left, bottom, middle, depth - 1)
            split(top, middle, bottom, right, depth - 1)

    split(0, 0, side, side, int(random.integers(3, 7)))
    return field


def _swirls(random: np.random.Generator, side: int) -> Field:
    x, y = coordinates(side)
    u, v = x.copy(), y.copy()
    for _ in range(int(random.integers(2, 6))):
        cx, cy = random.random(2)
        dx, dy = u - cx, v - cy
        twist = random.uniform(-6, 6) * np.exp(-(dx * dx + dy * dy) * random.uniform(8, 30))
        u = cx + dx * np.cos(twist) - dy * np.sin(twist)
        v = cy + dx * np.sin(twist) + dy * np.cos(twist)
    return (0.5 + 0.5 * np.sin(2 * np.pi * (random.uniform(2, 9) * u + random.uniform(-3, 3) * v))).astype(np.float32)


PATTERNS: dict[str, Callable[[np.random.Generator, int], Field]] = {
    "clouds": _clouds,
    "marble": _marble,
    "wood": _wood,
    "stripes": _stripes,
    "checks": _checks,
    "cells": _cells,
    "dots": _dots,
    "rings": _rings,
    "hatching": _hatching,
    "strokes": _strokes,
    "weave": _weave,
    "blocks": _blocks,
    "swirls": _swirls,
}


def texture(seed: int, side: int = 256, pattern: str | None = None) -> Picture:
    """Texture number `seed` as [side, side, 3]; `pattern` fixes its kind, else the seed chooses.

    For example, `texture(7, 224, "marble")`.
    """
    random = np.random.default_rng([20231201, seed])
    name = pattern if pattern is not None else list(PATTERNS)[int(random.integers(len(PATTERNS)))]
    field = PATTERNS[name](random, side)
    if pattern is None and random.random() < 0.3:  # Two patterns in one picture.
        other = PATTERNS[list(PATTERNS)[int(random.integers(len(PATTERNS)))]](random, side)
        share = np.float32(random.uniform(0.2, 0.5))
        field = field * (1 - share) + other * share
    picture = coloured(field, palette(random, int(random.integers(2, 7))), hard=bool(random.random() < 0.35))
    grain = random.choice([0.0, 0.0, 0.02, 0.06])
    picture = picture * (0.85 + 0.3 * fractal_noise(random, side, side, 3.0)[..., None])
    picture = picture + random.normal(0, grain, picture.shape).astype(np.float32) if grain else picture
    pixels: Picture = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels
