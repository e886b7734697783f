"""Procedural scenes: small pictures to try the program on, each a pure function of its class and number.

Photographs have owners; these do not. Only numpy is needed. A scene is painted back to front on a canvas
[height, width, 3] in [0, 1]; shapes are masks with soft edges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textures import Field, Picture, fractal_noise, value_noise

Colour = NDArray[Any]


def colour(red: float, green: float, blue: float) -> Colour:
    return np.array([red, green, blue], np.float32)


def from_hue(hue: float, saturation: float, value: float) -> Colour:
    """A colour from hue (a full turn is 1), saturation and value."""
    wave = np.clip(np.abs((hue + np.array([0.0, 2 / 3, 1 / 3])) % 1.0 * 6 - 3) - 1, 0, 1)
    mixed: Colour = (value * (1 - saturation + saturation * wave)).astype(np.float32)
    return mixed


class Canvas:
    """A picture in the making, with the coordinates of its pixels."""

    def __init__(self, random: np.random.Generator, height: int, width: int) -> None:
        self.random, self.height, self.width = random, height, width
        self.y, self.x = np.mgrid[0:height, 0:width].astype(np.float32)
        self.pixels = np.zeros((height, width, 3), np.float32)

    def window(self, left: float, top: float, right: float, bottom: float) -> Canvas:
        """A part of this canvas to paint on as on the whole, with the same coordinates; at least 4x4 pixels."""
        first_row, first_column = (int(np.clip(v, 0, m - 4)) for v, m in ((top, self.height), (left, self.width)))
        last_row, last_column = max(int(bottom) + 1, first_row + 4), max(int(right) + 1, first_column + 4)
        part = Canvas.__new__(Canvas)
        part.random = self.random
        part.y = self.y[first_row:last_row, first_column:last_column]
        part.x = self.x[first_row:last_row, first_column:last_column]
        part.pixels = self.pixels[first_row:last_row, first_column:last_column]
        part.height, part.width = part.y.shape
        return part

    def gradient(self, top: Colour, bottom: Colour, bottom_row: float | None = None) -> None:
        """Fills everything with a blend from `top` at row 0 to `bottom` at `bottom_row`."""
        share = np.clip(self.y / (bottom_row or self.height), 0, 1)[..., None]
        self.pixels[:] = top * (1 - share) + bottom * share

    def paint(self, mask: Field, paint: Field | Colour) -> None:
        """Lays `paint` (one colour or a picture) over the canvas as far as `mask` covers."""
        self.pixels += mask[..., None] * (paint - self.pixels)

    def noise(self, cells: float, octaves: int = 5, roughness: float = 0.5) -> Field:
        return fractal_noise(self.random, self.height, self.width, cells, octaves, roughness)

    def disc(self, x: float, y: float, radius: float, soft: float = 1.0) -> Field:
        """Coverage of a disc; `soft` is the width of its edge in pixels."""
        coverage: Field = np.clip((radius - np.hypot(self.x - x, self.y - y)) / soft + 0.5, 0, 1)
        return coverage

    def ellipse(self, x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Field:
        """Coverage of an ellipse whose first axis is turned by `turn` radians."""
        dx, dy = self.x - x, self.y - y
        u = (dx * np.cos(turn) + dy * np.sin(turn)) / rx
        v = (dy * np.cos(turn) - dx * np.sin(turn)) / ry
        coverage: Field = np.clip((1 - np.hypot(u, v)) * min(rx, ry) + 0.5, 0, 1).astype(np.float32)
        return coverage

    def box(self, left: float, top: float, right: float, bottom: float) -> Field:
        inside = np.minimum(np.minimum(self.x - left, right - self.x), np.minimum(self.y - top, bottom - self.y))
        coverage: Field = np.clip(inside + 0.5, 0, 1)
        return coverage

    def below(self, line: Field) -> Field:
        """Coverage of everything under a height line given for each column."""
        coverage: Field = np.clip(self.y - line[None, :] + 0.5, 0, 1)
        return coverage

    def ridge(self, base: float, height: float, cells: float, roughness: float = 0.5) -> Field:
        """A mountain line: the row of the ground for each column."""
        profile = fractal_noise(self.random, 4, self.width, cells * 4 / self.width, 6, roughness)[1]
        line: Field = (base - height * profile).astype(np.float32)
        return line

    def sphere(self, x: float, y: float, radius: float, paint: Field | Colour, gloss: float = 0.6) -> None:
        """A shaded ball lit from the upper left, with its shadow on the ground below."""
        shadow = self.ellipse(x + 0.35 * radius, y + 0.92 * radius, 1.15 * radius, 0.3 * radius)
        self.paint(0.45 * shadow, colour(0, 0, 0))
        nx, ny = (self.x - x) / radius, (self.y - y) / radius
        nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0, 1))
        light = np.clip(-0.5 * nx - 0.6 * ny + 0.62 * nz, 0, 1)
        shade = (0.28 + 0.85 * light + 0.12 * np.clip(ny, 0, 1))[..., None]
        shine = (gloss * np.clip(light, 0, 1) ** 24)[..., None]
        self.paint(self.disc(x, y, radius), np.clip(paint * shade + shine, 0, 1))

    def finished(self) -> Picture:
        """The picture as bytes, with a little grain and darker corners as a camera would give it."""
        dx, dy = self.x / self.width - 0.5, self.y / self.height - 0.5
        vignette = (1 - 0.35 * (dx * dx + dy * dy))[..., None]
        grain = self.random.normal(0, 0.008, self.pixels.shape).astype(np.float32)
        picture: Picture = (np.clip(self.pixels * vignette + grain, 0, 1) * 255 + 0.5).astype(np.uint8)
        return picture


def sky(canvas: Canvas, horizon: float, hour: float) -> None:
    """Sky with clouds and sun; `hour` 0 is noon, 1 late dusk."""
    warm = colour(1.0, 0.72, 0.45) * (1 - 0.4 * hour) + colour(0.55, 0.2, 0.35) * 0.4 * hour
    top = colour(0.22, 0.48, 0.85) * (1 - hour) + colour(0.10, 0.08, 0.28) * hour
    bottom = colour(0.75, 0.88, 0.97) * (1 - hour) + warm * hour
    canvas.gradient(top, bottom, horizon)
    random = canvas.random
    x, y = random.uniform(0.15, 0.85) * canvas.width, horizon * (0.25 + 0.6 * hour)
    glow = np.exp(-np.hypot(canvas.x - x, canvas.y - y) / (0.28 * canvas.width))
    canvas.paint(0.55 * glow.astype(np.float32), colour(1.0, 0.9, 0.65))
    canvas.paint(canvas.disc(x, y, canvas.height * 0.05, 2), colour(1.0, 0.97, 0.85))
    cover = np.clip((canvas.noise(random.uniform(2, 4), 6, 0.55) - random.uniform(0.45, 0.62)) * 3, 0, 0.9)
    lit = canvas.noise(5, 4)[..., None]
    white = (colour(1, 1, 1) * (1 - 0.4 * hour) + colour(0.9, 0.45, 0.4) * 0.4 * hour) * (0.8 + 0.25 * lit)
    canvas.paint(cover * np.clip(1.2 - canvas.y / horizon, 0.25, 1), white)


def mountains(canvas: Canvas) -> None:
    random = canvas.random
    hour, horizon = random.random(), canvas.height * random.uniform(0.55, 0.7)
    sky(canvas, horizon, hour)
    air = canvas.pixels[int(horizon) - 1].mean(axis=0)
    hue = random.uniform(0.25, 0.72)
    layers = int(random.integers(3, 6))
    for layer in range(layers):
        near = (layer + 1) / layers
        base = horizon + (canvas.height - horizon) * near * 0.75
        line = canvas.ridge(base, canvas.height * random.uniform(0.25, 0.5) * (1.1 - 0.5 * near), 2 + 3 * near, 0.52)
        rock = from_hue(hue + 0.1 * near, 0.35, 0.62 - 0.32 * near)
        relief = (0.7 + 0.6 * canvas.noise(10 + 14 * near, 5, 0.6))[..., None]
        paint = (rock * near + air * (1 - near)) * relief
        depth = canvas.y - line[None, :]
        snow = np.clip(1 - depth / (canvas.height * 0.09) - 1.3 * canvas.noise(16), 0, 1) * (1 - near)
        paint = paint * (1 - snow[..., None]) + colour(0.97, 0.98, 1.0) * snow[..., None]
        canvas.paint(canvas.below(line), np.clip(paint, 0, 1))
    if random.random() < 0.6:
        lake(canvas, canvas.height * random.uniform(0.78, 0.88))


def lake(canvas: Canvas, shore: float) -> None:
    """Water that mirrors what is above the shore, with ripples."""
    top = int(shore)
    rows = np.arange(top, canvas.height)
    ripple = (canvas.noise(20, 3)[rows] - 0.5) * (2 + 10 * ((rows - top) / max(1, canvas.height - top)))[:, None]
    mirrored = (2 * top - rows - 0.4 * (rows - top))[:, None] + ripple
    source = np.clip(mirrored, 0, top - 1).astype(np.int32)
    columns = np.broadcast_to(np.arange(canvas.width)[None, :], source.shape)
    canvas.pixels[rows] = canvas.pixels[source, columns] * 0.72 + colour(0.10, 0.22, 0.30) * 0.28


def seas(canvas: Canvas) -> None:
    random = canvas.random
    hour, horizon = random.random(), canvas.height * random.uniform(0.4, 0.6)
    sky(canvas, horizon, hour)
    reflected = canvas.pixels[int(horizon) // 2].mean(axis=0)
    depth = np.clip((canvas.y - horizon) / (canvas.height - horizon), 0, 1)
    waves = np.zeros_like(depth)
    for octave in range(4):
        pace = (6 + 16 * octave) / (0.12 + depth)
        wobble = 5 * value_noise(random, canvas.height, canvas.width, 4 + 4 * octave)
        waves += np.sin(pace * 2.2 + wobble + canvas.x * 0.02 * (octave + 1)) / (octave + 1.5)
    deep = from_hue(random.uniform(0.48, 0.6), 0.7, 0.45)
    water = deep * (1.25 - 0.55 * depth[..., None]) * 0.6 + reflected * 0.4
    water = water + 0.10 * waves[..., None] * (0.5 + depth[..., None])
    foam = np.clip((waves - 1.1) * 2, 0, 1) * depth
    water = water * (1 - foam[..., None]) + foam[..., None]
    canvas.paint(canvas.below(np.full(canvas.width, horizon, np.float32)), np.clip(water, 0, 1))
    for _ in range(int(random.integers(1, 5))):
        sail(canvas, random.uniform(0.1, 0.9) * canvas.width, horizon, random.uniform(0.05, 0.3))
    if random.random() < 0.5:
        beach = canvas.ridge(canvas.height * 1.02, canvas.height * 0.22, 2, 0.35)
        sand = colour(0.93, 0.83, 0.62) * (0.85 + 0.25 * canvas.noise(30, 4, 0.7))[..., None]
        canvas.paint(canvas.below(beach), sand)


def sail(canvas: Canvas, x: float, horizon: float, near: float) -> None:
    """A sailing boat; the nearer, the larger and lower."""
    y, size = horizon + near * 0.7 * (canvas.height - horizon), canvas.height * (0.06 + 0.9 * near)
    hull = canvas.ellipse(x, y, 0.34 * size, 0.13 * size) * (canvas.y > y - 0.02 * size)
    canvas.paint(hull.astype(np.float32), from_hue(canvas.random.random(), 0.6, 0.45))
    up = (y - 0.05 * size - canvas.y) / size
    for side, hue in ((1, canvas.random.random()), (-1, canvas.random.random())):
        away = side * (canvas.x - x) / size - 0.015
        inside = np.minimum(np.minimum(away, up), (0.9 if side > 0 else 0.7) - up - 2.6 * away)
        paint = from_hue(hue, 0.3, 0.97) * (1 - 0.5 * np.clip(away, 0, 1))[..., None]
        canvas.paint(np.clip(inside * size + 0.5, 0, 1), paint)


def meadows(canvas: Canvas) -> None:
    random = canvas.random
    horizon = canvas.height * random.uniform(0.25, 0.45)
    sky(canvas, horizon, 0.5 * random.random())
    grass = from_hue(random.uniform(0.2, 0.36), 0.65, 0.6)
    hill = canvas.ridge(horizon + 0.08 * canvas.height, 0.12 * canvas.height, 1.5, 0.3)
    blades = canvas.noise(40, 3, 0.8)
    depth = np.clip((canvas.y - horizon) / (canvas.height - horizon), 0, 1)
    shade = (0.55 + 0.7 * blades * (0.4 + 0.6 * depth) + 0.15 * canvas.noise(3))[..., None]
    canvas.paint(canvas.below(hill), np.clip(grass * shade, 0, 1))
    count = int(random.integers(30, 60))
    hues = random.random(3)
    for near in np.sort(random.random(count)) ** 1.4:
        x = random.uniform(-0.02, 1.02) * canvas.width
        y = horizon + 0.08 * canvas.height + near * (canvas.height * 0.9 - horizon)
        flower(canvas, x, y, canvas.height * (0.012 + 0.085 * near), float(hues[random.integers(3)]))


def flower(canvas: Canvas, x: float, y: float, size: float, hue: float) -> None:
    """A blossom of several petals on its stem, painted into a window of the canvas only."""
    random = canvas.random
    left, right = int(max(0, x - 2 * size)), int(min(canvas.width, x + 2 * size + 1))
    top, bottom = int(max(0, y - 2 * size)), int(min(canvas.height, y + 4 * size + 1))
    if right - left < 2 or bottom - top < 2:
        return
    dx, dy = canvas.x[top:bottom, left:right] - x, canvas.y[top:bottom, left:right] - y
    window = canvas.pixels[top:bottom, left:right]
    bend = x * 0.13 % 1.0 - 0.5
    stem = np.clip(size * 0.09 + 0.5 - np.abs(dx - bend * dy * dy / (4 * size)), 0, 1) * (dy > 0)
    window += stem[..., None] * (colour(0.16, 0.42, 0.12) - window)
    petals, turn = int(random.integers(5, 10)), random.uniform(0, 6.28)
    angle, radius = np.arctan2(dy * 1.15, dx) + turn, np.hypot(dx, dy * 1.15)
    outline = size * (0.62 + 0.38 * np.abs(np.cos(angle * petals / 2)))
    mask = np.clip(outline - radius + 0.5, 0, 1)[..., None]
    shade = (0.62 + 0.5 * radius / size + 0.08 * np.cos(angle * petals))[..., None]
    window += mask * (np.clip(from_hue(hue, random.uniform(0.35, 0.85), 0.95) * shade, 0, 1) - window)
    heart = np.clip(size * 0.27 - radius + 0.5, 0, 1)[..., None]
    window += heart * (from_hue(0.12, 0.8, 0.9) * (1.15 - 0.6 * radius / size)[..., None] - window)


def fruits(canvas: Canvas) -> None:
    random = canvas.random
    table = canvas.height * random.uniform(0.45, 0.6)
    wall = from_hue(random.random(), random.uniform(0.1, 0.5), random.uniform(0.35, 0.85))
    canvas.gradient(wall * 1.1, wall * 0.7, table)
    canvas.pixels *= (0.9 + 0.2 * canvas.noise(4, 4))[..., None]
    grain = canvas.noise(3, 2)
    lines = 0.5 + 0.5 * np.sin(canvas.y * 0.35 + 14 * grain + 0.02 * canvas.x)
    wood = from_hue(random.uniform(0.04, 0.11), 0.6, random.uniform(0.4, 0.75))
    board = wood * (0.75 + 0.2 * lines + 0.15 * canvas.noise(50, 2))[..., None]
    canvas.paint(canvas.below(np.full(canvas.width, table, np.float32)), board)
    if random.random() < 0.5:
        vase(canvas, random.uniform(0.2, 0.8) * canvas.width, table + 0.08 * canvas.height)
    count = int(random.integers(4, 10))
    for y in np.sort(random.uniform(table, canvas.height * 0.86, count)):
        radius = canvas.height * random.uniform(0.07, 0.125)
        x = random.uniform(0.06, 0.94) * canvas.width
        hue = random.choice([0.0, 0.03, 0.08, 0.13, 0.2, 0.3, 0.78, 0.95])
        part = canvas.window(x - 1.6 * radius, y - 1.4 * radius, x + 1.6 * radius, y + 1.4 * radius)
        speckle = (0.85 + 0.3 * part.noise(random.uniform(3, 20), 3, 0.7))[..., None]
        cheek = np.clip((part.x - x) / radius * 0.5 + 0.5, 0, 1)[..., None] * random.uniform(0, 0.7)
        skin = from_hue(hue, 0.8, 0.9) * (1 - cheek) + from_hue(hue + 0.12, 0.8, 0.85) * cheek
        part.sphere(x, y, radius, skin * speckle, random.uniform(0.1, 0.7))
        stalk = np.clip(1.8 - np.abs(part.x - x - 0.25 * (y - 0.8 * radius - part.y)), 0, 1)
        stalk *= (part.y < y - 0.78 * radius) & (part.y > y - 1.2 * radius)
        part.paint(stalk.astype(np.float32), colour(0.25, 0.16, 0.08))
        if random.random() < 0.5:
            leaf = part.ellipse(x + 0.45 * radius, y - 1.05 * radius, 0.4 * radius, 0.16 * radius, -0.4)
            part.paint(leaf, colour(0.22, 0.5, 0.16))


def vase(canvas: Canvas, x: float, foot: float) -> None:
    """A turned vase with a flower or three."""
    random = canvas.random
    height = canvas.height * random.uniform(0.3, 0.42)
    top = foot - height
    level = np.clip((canvas.y - top) / height, 0, 1)
    swing = random.uniform(2.5, 5)
    half = height * (0.17 + 0.1 * np.sin(level * swing + random.uniform(0, 2)))
    across = (canvas.x - x) / half
    inside = np.clip((1 - np.abs(across)) * half + 0.5, 0, 1) * (canvas.y > top) * (canvas.y < foot)
    light = np.clip(np.sqrt(np.clip(1 - across * across, 0, 1)) * 0.8 - 0.35 * across + 0.2, 0.15, 1.3)
    bands = 0.85 + 0.15 * np.sign(np.sin(level * random.uniform(8, 40)))
    for _ in range(int(random.integers(1, 4))):
        bx = x + random.uniform(-0.25, 0.25) * height
        flower(canvas, bx, top - random.uniform(0.1, 0.35) * height, 0.16 * height, random.random())
    canvas.paint(0.4 * canvas.ellipse(x + 0.1 * height, foot, 0.4 * height, 0.06 * height), colour(0, 0, 0))
    glaze = from_hue(random.random(), 0.55, 0.85) * (light * bands)[..., None]
    canvas.paint(inside.astype(np.float32), np.clip(glaze, 0, 1))


def cities(canvas: Canvas) -> None:
    random = canvas.random
    hour, ground = random.random(), canvas.height * random.uniform(0.82, 0.92)
    sky(canvas, ground, hour)
    air = canvas.pixels[int(ground * 0.9)].mean(axis=0)
    for layer in range(3):
        near = (layer + 1) / 3
        x = random.uniform(-30, 0)
        while x < canvas.width:
            width = canvas.width * random.uniform(0.06, 0.13) * (0.6 + 0.6 * near)
            top = ground - canvas.height * random.uniform(0.15, 0.62) * (1.15 - 0.45 * near)
            value = (0.75 - 0.45 * hour) * random.uniform(0.7, 1.1)
            tone = from_hue(random.random(), random.uniform(0.05, 0.45), value)
            building(canvas, x, top, width, ground, tone * near + air * (1 - near), near > 0.5, hour)
            x += width * random.uniform(0.85, 1.25)
    street = colour(0.32, 0.32, 0.36) * (0.8 + 0.3 * canvas.noise(40, 3))[..., None]
    canvas.paint(canvas.below(np.full(canvas.width, ground, np.float32)), street)
    if random.random() < 0.4:
        lake(canvas, ground)


def building(
    canvas: Canvas, x: float, top: float, width: float, ground: float, wall: Colour, windows: bool, hour: float
) -> None:
    """A house front; some have a pointed roof, near ones have windows, more of them lit the later it is."""
    random = canvas.random
    part = canvas.window(x - 1, top - 0.7 * width, x + width + 1, ground)
    light = (1.1 - 0.35 * (part.x - x) / width)[..., None]
    part.paint(part.box(x, top, x + width, ground), np.clip(wall * light, 0, 1))
    if random.random() < 0.35:
        slope = 0.5 * width - np.abs(part.x - x - width / 2)
        roof = np.clip(np.minimum(part.y - (top - 0.6 * width), part.y - top + 1.2 * slope), 0, 1)
        part.paint((roof * (part.y <= top) * (slope > 0)).astype(np.float32), np.clip(wall * 0.6, 0, 1))
    if windows:
        pane = max(4.0, width / random.integers(3, 7))
        u, v = (part.x - x) % pane / pane, (part.y - top) % (1.5 * pane) / (1.5 * pane)
        glass = (np.abs(u - 0.5) < 0.27) & (np.abs(v - 0.5) < 0.3)
        number = ((part.x - x) // pane + 31 * ((part.y - top) // (1.5 * pane))).astype(np.int64) % 97
        lit = random.random(97)[number] < 0.25 + 0.5 * hour
        lamp, day = colour(1.0, 0.85, 0.5) * (0.5 + 0.5 * hour), colour(0.25, 0.32, 0.42)
        mask = 0.85 * glass * part.box(x + 2, top + 3, x + width - 2, ground)
        part.paint(mask.astype(np.float32), np.where(lit[..., None], lamp, day))


def balloons(canvas: Canvas) -> None:
    random = canvas.random
    sky(canvas, canvas.height * 1.05, 0.6 * random.random())
    field = canvas.ridge(canvas.height * 0.98, canvas.height * 0.2, 2, 0.4)
    grass = from_hue(random.uniform(0.12, 0.34), 0.5, 0.55) * (0.7 + 0.5 * canvas.noise(14))[..., None]
    canvas.paint(canvas.below(field), grass)
    for size in np.sort(random.uniform(0.06, 0.24, int(random.integers(3, 8)))):
        radius = size * canvas.height
        x, y = random.uniform(0.08, 0.92) * canvas.width, random.uniform(0.12, 0.62) * canvas.height
        gores = int(random.integers(4, 9))
        part = canvas.window(x - 1.1 * radius, y - 1.1 * radius, x + 1.1 * radius, y + 1.8 * radius)
        nx, ny = (part.x - x) / radius, (part.y - y) / radius
        narrow = np.where(ny > 0.2, 1 - 0.55 * np.clip(ny - 0.2, 0, 1.1), 1.0)
        across = nx / np.maximum(narrow, 0.05)
        inside = np.clip((1 - np.hypot(across, np.where(ny > 0, ny / 1.3, ny))) * radius + 0.5, 0, 1)
        band = (np.arcsin(np.clip(across, -1, 1)) / np.pi * gores + 50).astype(np.int32) % 2
        first, second = from_hue(random.random(), 0.75, 0.95), from_hue(random.random(), 0.6, 0.95)
        cloth = np.where(band[..., None] == 0, first, second)
        light = np.clip(0.72 - 0.35 * across - 0.3 * ny + 0.25 * np.sqrt(np.clip(1 - across**2, 0, 1)), 0.2, 1.15)
        part.paint(inside.astype(np.float32), np.clip(cloth * light[..., None], 0, 1).astype(np.float32))
        basket = part.box(x - 0.14 * radius, y + 1.5 * radius, x + 0.14 * radius, y + 1.72 * radius)
        ropes = np.clip(1 - np.abs(np.abs(part.x - x) - 0.13 * radius), 0, 0.7)
        ropes *= (part.y > y + 1.2 * radius) & (part.y < y + 1.5 * radius)
        part.paint(ropes.astype(np.float32), colour(0.2, 0.15, 0.1))
        part.paint(basket, colour(0.45, 0.3, 0.15))


def forests(canvas: Canvas) -> None:
    random = canvas.random
    season = random.choice([0.08, 0.13, 0.24, 0.3, 0.36])
    horizon = canvas.height * 0.6
    sky(canvas, horizon, 0.6 * random.random())
    air = canvas.pixels[int(horizon) - 2].mean(axis=0)
    floor = from_hue(season, 0.45, 0.4) * (0.6 + 0.7 * canvas.noise(24, 4, 0.7))[..., None]
    canvas.paint(canvas.below(canvas.ridge(horizon + 10, 14, 3, 0.5)), np.clip(floor, 0, 1))
    if random.random() < 0.5:  # A path towards the horizon.
        depth = np.clip((canvas.y - horizon) / (canvas.height - horizon), 0.001, 1)
        middle = canvas.width * (0.5 + 0.2 * np.sin(depth * random.uniform(2, 5)))
        path = np.clip((0.05 + 0.3 * depth) * canvas.width * 0.6 - np.abs(canvas.x - middle) + 0.5, 0, 1)
        sand = colour(0.72, 0.6, 0.45) * (0.8 + 0.3 * canvas.noise(30))[..., None]
        canvas.paint((path * (canvas.y > horizon + 4)).astype(np.float32), sand)
    for near in np.sort(random.random(int(random.integers(14, 26)))):
        x = random.uniform(-0.05, 1.05) * canvas.width
        foot = horizon + near * near * (canvas.height - horizon) * 0.85 + 4
        height = canvas.height * (0.25 + 0.5 * near)
        part = canvas.window(x - 0.4 * height, foot - 1.1 * height, x + 0.4 * height, foot)
        tree(part, x, foot, height, season + random.normal(0, 0.03), air, 0.35 + 0.65 * near)


def tree(canvas: Canvas, x: float, foot: float, height: float, hue: float, air: Colour, near: float) -> None:
    """A fir or a leafy tree, paler in the distance."""
    random = canvas.random
    bark = colour(0.3, 0.2, 0.13) * near + air * (1 - near)
    canvas.paint(canvas.box(x - 0.03 * height, foot - 0.45 * height, x + 0.03 * height, foot), bark)
    ragged = canvas.noise(canvas.height / 4, 2, 0.7)
    if random.random() < 0.4:
        for tier in range(5):
            base = foot - height * (0.18 + 0.16 * tier)
            up = base - canvas.y
            half = height * (0.24 - 0.035 * tier) * np.clip(1 - up / (0.3 * height), 0, 1) * (0.75 + 0.5 * ragged)
            mask = np.clip(half - np.abs(canvas.x - x) + 0.5, 0, 1) * (up > 0) * (up < 0.3 * height)
            needles = from_hue(0.38, 0.5, 0.3 + 0.05 * tier) * near + air * (1 - near)
            lit = ((1.1 - (canvas.x - x) / height) * (0.75 + 0.5 * ragged))[..., None]
            canvas.paint(mask.astype(np.float32), np.clip(needles * lit, 0, 1))
        return
    for _ in range(14):
        angle, away = random.uniform(0, 6.28), height * 0.2 * np.sqrt(random.random())
        cx, cy = x + away * np.cos(angle), foot - 0.68 * height + away * np.sin(angle)
        radius = height * random.uniform(0.08, 0.14)
        leaves = from_hue(hue + random.normal(0, 0.015), 0.65, random.uniform(0.45, 0.8)) * near + air * (1 - near)
        light = np.clip(0.95 - 0.35 * (canvas.x - cx + canvas.y - cy) / radius, 0.5, 1.3) * (0.7 + 0.6 * ragged)
        edge = radius * (0.6 + 0.75 * ragged)
        mask = np.clip(edge - np.hypot(canvas.x - cx, canvas.y - cy) + 0.5, 0, 1)
        canvas.paint(mask.astype(np.float32), np.clip(leaves * light[..., None], 0, 1))


def planets(canvas: Canvas) -> None:
    random = canvas.random
    canvas.gradient(colour(0.02, 0.02, 0.07), colour(0.05, 0.03, 0.12))
    for _ in range(2):
        cloud = np.clip(canvas.noise(2.5, 6, 0.55) - 0.45, 0, 1) * 1.6
        canvas.paint(np.clip(cloud, 0, 0.75), from_hue(random.random(), 0.6, 0.6))
    for _ in range(130):
        size = random.uniform(0.4, 1.3)
        x, y = random.uniform(0, canvas.width), random.uniform(0, canvas.height)
        row, column = int(y), int(x)
        canvas.pixels[row : row + 2, column : column + 2] = np.clip(0.55 + 0.4 * size, 0, 1)
    for size in np.sort(random.uniform(0.07, 0.34, int(random.integers(1, 4)))):
        radius = size * canvas.height
        x, y = random.uniform(0.15, 0.85) * canvas.width, random.uniform(0.2, 0.8) * canvas.height
        nx, ny = (canvas.x - x) / radius, (canvas.y - y) / radius
        nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0, 1))
        warp = canvas.noise(random.uniform(3, 8), 6, 0.6)
        bands = 0.5 + 0.5 * np.sin(ny * random.uniform(4, 14) + 5 * warp) if random.random() < 0.6 else warp
        hue = random.random()
        ground = from_hue(hue, 0.6, 0.95) * bands[..., None] + from_hue(hue + 0.2, 0.5, 0.5) * (1 - bands[..., None])
        light = np.clip(-0.6 * nx - 0.45 * ny + 0.65 * nz, 0.03, 1)[..., None]
        ring = random.random() < 0.4
        distance = np.hypot(nx * 0.94 + ny * 0.34, (ny * 0.94 - nx * 0.34) * 3.4)
        arc = np.clip(1 - np.abs(distance - 1.65) / 0.32, 0, 1) * (0.5 + 0.5 * np.sin(distance * 40)) * 0.8
        front = (ny * 0.94 - nx * 0.34) > 0
        if ring:
            canvas.paint((arc * ~front).astype(np.float32), from_hue(hue + 0.1, 0.3, 0.9))
        canvas.paint(canvas.disc(x, y, radius), np.clip(ground * light, 0, 1).astype(np.float32))
        if ring:
            canvas.paint((arc * front).astype(np.float32), from_hue(hue + 0.1, 0.3, 0.9))


SCENES: dict[str, Callable[[Canvas], None]] = {
    "balloons": balloons,
    "cities": cities,
    "forests": forests,
    "fruits": fruits,
    "meadows": meadows,
    "mountains": mountains,
    "planets": planets,
    "seas": seas,
}


def scene(kind: str, number: int, width: int = 320, height: int = 240) -> Picture:
    """Picture `number` of a class as [height, width, 3]. For example, `scene("fruits", 3)`."""
    random = np.random.default_rng([20231202, list(SCENES).index(kind), number])
    canvas = Canvas(random, height, width)
    SCENES[kind](canvas)
    return canvas.finished()
