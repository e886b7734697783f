"""Data sets of drawings: classes that a small network can tell apart, and styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 40
CLASSES = ("disc", "bars", "cross")


def draw(kind: str, generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A picture of the kind, of random place, size and colours."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] - generator.uniform(15, 25, (2, 1, 1))
    size = generator.uniform(7, 11)
    inside = {
        "disc": rows**2 + columns**2 < size**2,
        "bars": rows % size < size / 2,
        "cross": (abs(rows) < size / 3) | (abs(columns) < size / 3),
    }[kind]
    colours = generator.uniform(0, 255, (2, 3))
    picture = np.where(inside[..., None], colours[0], colours[1]) + generator.normal(0, 8, (SIDE, SIDE, 3))
    pixels: npt.NDArray[np.uint8] = np.clip(picture, 0, 255).astype(np.uint8)
    return pixels


def write_classes(folder: Path, count: int, seed: int) -> None:
    """As many pictures of each class, in a folder for each."""
    generator = np.random.default_rng(seed)
    for kind in CLASSES:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(draw(kind, generator)).save(folder / kind / f"{number:03d}.png")


def write_styles(folder: Path, count: int) -> None:
    """Coloured waves."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(count)
    for number in range(count):
        rows, columns = np.mgrid[0:64, 0:64]
        phases = [rows * a + columns * b for a, b in generator.uniform(-1, 1, (3, 2))]
        picture = 127 + 127 * np.sin(np.stack(phases, axis=-1))
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number}.png")
