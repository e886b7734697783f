"""The pictures that distillation learns from, and those it is measured on and never learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from textures import texture

Picture = NDArray[np.uint8]

HELD_OUT_CONTENTS = 60
HELD_OUT_STYLES = 8
CROP_SIDE = 224
MEMORY_SIDE = 352
"""Shorter side at which a decoded picture is kept: enough for a crop of a fifth of its area."""


@dataclass(frozen=True)
class Split:
    """Files to learn from and files held out, contents and styles."""

    contents: list[Path]
    styles: list[Path]
    held_out_contents: list[Path]
    held_out_styles: list[Path]


def files_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def stem_words(path: Path) -> str:
    """The name without what distinguishes a picture from a crop of the same picture."""
    name = path.stem.lower().replace("-", "_")
    for suffix in ("_cropped", "_crop"):
        name = name.removesuffix(suffix)
    return name


def split(content_folder: Path, style_folder: Path) -> Split:
    """Holds out every k-th file by name. A style with a near-copy in the folder is never held out: the copy would
    have been learnt."""
    contents, styles = files_in(content_folder), files_in(style_folder)
    words = [stem_words(path) for path in styles]
    alone = [path for path, word in zip(styles, words, strict=True) if words.count(word) == 1]
    held_contents = contents[3 :: max(1, len(contents) // HELD_OUT_CONTENTS)][:HELD_OUT_CONTENTS]
    held_styles = alone[2 :: max(1, len(alone) // HELD_OUT_STYLES)][:HELD_OUT_STYLES]
    return Split(
        [path for path in contents if path not in held_contents],
        [path for path in styles if path not in held_styles],
        held_contents,
        held_styles,
    )


def load(path: Path, shorter_side: int = MEMORY_SIDE) -> Picture:
    """Decodes a picture as RGB and shrinks it until its shorter side is `shorter_side`."""
    with Image.open(path) as file:
        file.draft("RGB", (shorter_side, shorter_side))
        image = file.convert("RGB")
    scale = shorter_side / min(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)


def centre_crop(path: Path, side: int = CROP_SIDE) -> Picture:
    """The largest central square of a picture at `side` x `side`: what evaluation uses."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    box = (left, top, left + edge, top + edge)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))


def random_crop(
    picture: Picture, random: np.random.Generator, side: int, area: tuple[float, float] = (0.15, 1.0)
) -> Picture:
    """A crop of random area and aspect ratio at `side` x `side`, mirrored half of the time."""
    height, width = picture.shape[:2]
    wanted = random.uniform(*area) * height * width
    ratio = float(np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3))))
    w = int(np.clip(round(np.sqrt(wanted * ratio)), 8, width))
    h = int(np.clip(round(np.sqrt(wanted / ratio)), 8, height))
    left, top = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
    image = Image.fromarray(picture).resize(
        (side, side), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h), reducing_gap=2.0
    )
    array = np.asarray(image)
    return array[:, ::-1] if random.random() < 0.5 else array


def recoloured(picture: Picture, random: np.random.Generator) -> Picture:
    """Other colours over the same shapes: jitter, swapped channels, now and then a negative or a blur."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if random.random() < 0.6:
        for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhancer(image).enhance(random.uniform(0.5, 1.6))
    if random.random() < 0.15:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.4, 2.5)))
    array = np.asarray(image)
    if random.random() < 0.5:
        array = array[:, :, random.permutation(3)]
    if random.random() < 0.1:
        array = 255 - array
    if random.random() < 0.08:
        array = np.repeat(array.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return array


def relit(picture: Picture, random: np.random.Generator) -> Picture:
    """The same photograph as if exposed, lit and developed otherwise: still a photograph, unlike what `recoloured`
    makes."""
    exponents = np.exp(random.normal(0, 0.3) + random.normal(0, 0.12, 3))
    gain = random.uniform(0.8, 1.1)
    table = np.concatenate([255 * np.clip(gain * np.linspace(0, 1, 256) ** exponent, 0, 1) for exponent in exponents])
    image = Image.fromarray(np.ascontiguousarray(picture)).point([round(value) for value in table])
    image = ImageEnhance.Contrast(image).enhance(random.uniform(0.75, 1.3))
    return np.asarray(ImageEnhance.Color(image).enhance(random.uniform(0.5, 1.5)))


def turned(picture: Picture, random: np.random.Generator) -> Picture:
    """Now and then upside down, now and then with rows and columns exchanged."""
    if random.random() < 0.25:
        picture = picture[::-1]
    return picture.transpose(1, 0, 2) if random.random() < 0.25 else picture


def mixed(first: Picture, second: Picture, random: np.random.Generator) -> Picture:
    """Two pictures of one size in one: blended, or one pasted into the other."""
    if random.random() < 0.5:
        share = random.uniform(0.25, 0.75)
        return (first * share + second * (1 - share)).astype(np.uint8)
    result = first.copy()
    side = first.shape[0]
    h, w = (int(side * random.uniform(0.3, 0.8)) for _ in range(2))
    top, left = int(random.integers(side - h + 1)), int(random.integers(side - w + 1))
    result[top : top + h, left : left + w] = second[top : top + h, left : left + w]
    return result


class ViewSource:
    """Any number of training views, each a pure function of its number.

    - more: other photographs, which take the place of a content in half of the draws.
    """

    def __init__(
        self, contents: list[Picture], styles: list[Picture], seed: int, more: list[Picture] | None = None
    ) -> None:
        self.contents, self.styles, self.seed = contents, styles, seed
        self.more = more or []

    def view(self, number: int, side: int = CROP_SIDE) -> tuple[Picture, int]:
        """View `number` and the index of the content it shows, or -1 where it shows something else."""
        random = np.random.default_rng([self.seed, number])
        kind = random.random()
        if kind < 0.3:  # A content as it is: what SASSL asks for most.
            index, picture = self.content(random)
            return np.ascontiguousarray(random_crop(picture, random, side, (0.2, 1.0))), index
        if kind < 0.55:  # There are few contents; other light makes more of them, and so does putting them together.
            return relit(turned(self.photograph(random, side), random), random), -1
        if kind < 0.8:
            collage = self.collage(random, side)
            return relit(collage, random) if random.random() < 0.5 else collage, -1
        if kind < 0.93:
            return np.ascontiguousarray(recoloured(self.plain(random, side), random)), -1
        return recoloured(mixed(self.plain(random, side), self.plain(random, side), random), random), -1

    def content(self, random: np.random.Generator) -> tuple[int, Picture]:
        """Any content and its number; those of the other photographs follow."""
        if self.more and random.random() < 0.5:
            index = int(random.integers(len(self.more)))
            return len(self.contents) + index, self.more[index]
        index = int(random.integers(len(self.contents)))
        return index, self.contents[index]

    def photograph(self, random: np.random.Generator, side: int) -> Picture:
        """A crop of any content, now and then of a style."""
        if random.random() < 0.85:
            picture = self.content(random)[1]
        else:
            picture = self.styles[int(random.integers(len(self.styles)))]
        return random_crop(picture, random, side, (0.1, 1.0))

    def collage(self, random: np.random.Generator, side: int) -> Picture:
        """Two to four photographs, each in its part of the picture."""
        result = np.empty((side, side, 3), np.uint8)
        row, column = (int(side * random.uniform(0.3, 0.7)) for _ in range(2))
        rows = [slice(0, row), slice(row, side)]
        if random.random() < 0.3:
            rows = [slice(0, side)]
        for part in rows:
            for across in (slice(0, column), slice(column, side)):
                height, width = part.stop - part.start, across.stop - across.start
                piece = turned(self.photograph(random, max(height, width)), random)
                result[part, across] = piece[:height, :width]
        return result

    def plain(self, random: np.random.Generator, side: int) -> Picture:
        """A crop of a style, a content or a procedural texture."""
        kind = random.random()
        if kind < 0.5:
            return random_crop(self.styles[int(random.integers(len(self.styles)))], random, side)
        if kind < 0.75:
            return random_crop(self.content(random)[1], random, side)
        picture = texture(int(random.integers(1 << 30)), side)
        return random_crop(picture, random, side) if random.random() < 0.5 else picture
