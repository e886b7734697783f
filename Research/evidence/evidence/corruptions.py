"""Ways in which test pictures differ from training pictures, all but grey in three severities."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Bytes = npt.NDArray[np.uint8]

#: Standard deviation in pixels of a 64-pixel picture.
BLUR_RADII: Final = (0.75, 1.25, 2.0)
#: Standard deviation in 255ths.
NOISE_DEVIATIONS: Final = (10.0, 20.0, 40.0)
JPEG_QUALITIES: Final = (50, 25, 10)


def corruptions() -> Iterator[tuple[str, int, Callable[[Bytes], Bytes]]]:
    """Name, severity (from 1), and what makes [count, side, side, 3] of the same shape."""
    yield "grey", 1, grey
    for severity, radius in enumerate(BLUR_RADII, start=1):
        yield "blur", severity, partial(blur, radius=radius)
    for severity, deviation in enumerate(NOISE_DEVIATIONS, start=1):
        # One generator for a whole pass: no two pictures get the same noise, and every network the same.
        generator = np.random.default_rng(severity)
        yield "noise", severity, partial(noise, deviation=deviation, generator=generator)
    for severity, quality in enumerate(JPEG_QUALITIES, start=1):
        yield "jpeg", severity, partial(jpeg, quality=quality)


def grey(pixels: Bytes) -> Bytes:
    """Without colour."""
    return _each(pixels, lambda image: image.convert("L").convert("RGB"))


def blur(pixels: Bytes, radius: float) -> Bytes:
    """Gaussian blur; `radius` is its standard deviation at 64 pixels, and grows with the picture."""
    scaled = radius * pixels.shape[1] / 64
    return _each(pixels, lambda image: image.filter(ImageFilter.GaussianBlur(scaled)))


def noise(pixels: Bytes, deviation: float, generator: np.random.Generator) -> Bytes:
    """Gaussian noise, independent for each pixel and channel."""
    noisy = pixels + generator.normal(0.0, deviation, pixels.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def jpeg(pixels: Bytes, quality: int) -> Bytes:
    """Written as JPEG and read again; `quality` from 1 to 95."""

    def written(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _each(pixels, written)


def _each(pixels: Bytes, change: Callable[[Image.Image], Image.Image]) -> Bytes:
    return np.stack([np.asarray(change(Image.fromarray(picture)).convert("RGB")) for picture in pixels])
