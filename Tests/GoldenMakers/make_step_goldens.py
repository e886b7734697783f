#!/usr/bin/env python3
"""Makes what each augmentation step is compared with: its draw and its pixels, computed by torchvision.

usage: make_step_goldens.py [FOLDER]

Writes steps.json and steps.bin into FOLDER (default: Tests/AugmentationTests/Golden of this checkout). A case is a
step with its settings, as a table [[views.view]] has them, and what torchvision makes of a generated picture with
them. Numbers that the step draws are drawn here too, by keyed_draws.py and not by SASSL.

A new step needs one line in CASES.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from typing import Any

import torch
from torchvision.transforms.v2 import functional

from make_imaging_goldens import Goldens, colours, picture

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "System"))
from keyed_draws import bits  # noqa: E402

SEED, EPOCH, VIEW = 1, 0, 0
#: The samples whose draws are taken; in each of them everything of probability 1 happens, of course.
SAMPLES = (0, 1, 2)
Apply = Callable[[torch.Tensor, int], torch.Tensor]


def uniform(sample: int, purpose: int, low: float, high: float) -> float:
    """A number between two others, of which the stream's bits give 53."""
    return low + (next(bits(SEED, EPOCH, sample, VIEW, purpose)) >> 11) * 2.0**-53 * (high - low)


def permutation(sample: int, purpose: int, count: int) -> list[int]:
    """An order of so many things: Fisher and Yates, with Lemire's method for each index."""
    source = bits(SEED, EPOCH, sample, VIEW, purpose)
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        value = next(source)
        while value * (last + 1) % 2**64 < 2**64 % (last + 1):
            value = next(source)
        index = value * (last + 1) >> 64
        order[last], order[index] = order[index], order[last]
    return order


def jitter(image: torch.Tensor, sample: int) -> torch.Tensor:
    """Colour jitter of strengths 0.4, 0.3, 0.6 and 0.1, in the order and by the factors that are drawn for a sample."""
    adjustments: list[Apply] = [
        lambda image, sample: functional.adjust_brightness(image, uniform(sample, 34, 0.6, 1.4)),
        lambda image, sample: functional.adjust_contrast(image, uniform(sample, 35, 0.7, 1.3)),
        lambda image, sample: functional.adjust_saturation(image, uniform(sample, 36, 0.4, 1.6)),
        lambda image, sample: functional.adjust_hue(image, uniform(sample, 37, -0.1, 0.1)),
    ]
    for index in permutation(sample, 33, 4):
        image = adjustments[index](image, sample)
    return image


def blur(image: torch.Tensor, sample: int) -> torch.Tensor:
    """Blur of 7 pixels with a width between 0.5 and 2."""
    blurred: torch.Tensor = functional.gaussian_blur(image, [7, 7], [uniform(sample, 40, 0.5, 2.0)] * 2)
    return blurred


#: Step, its settings, what it does, and by how much one of its values may differ.
CASES: list[tuple[str, dict[str, Any], Apply, int]] = [
    ("flip", {}, lambda image, _: functional.horizontal_flip(image), 0),
    (
        "jitter",
        {"jitter_brightness": 0.4, "jitter_contrast": 0.3, "jitter_saturation": 0.6, "jitter_hue": 0.1},
        jitter,
        2,
    ),
    ("grayscale", {}, lambda image, _: functional.rgb_to_grayscale(image, num_output_channels=3), 0),
    ("blur", {"blur_sigma": [0.5, 2.0], "blur_kernel": 7}, blur, 1),
    ("solarize", {"solarize_threshold": 100}, lambda image, _: functional.solarize(image, 100), 0),
    ("equalize", {}, lambda image, _: functional.equalize(image), 0),
    ("posterize", {"posterize_bits": 3}, lambda image, _: functional.posterize(image, 3), 0),
]


def main() -> None:
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Tests" / "AugmentationTests" / "Golden"
    goldens = Goldens(folder, "steps")
    sources = {"picture": picture(48, 48, 4), "colours": colours(40, 40, 5)}
    for name, pixels in sources.items():
        goldens.add(pixels, source=name)
    for step, settings, apply, tolerance in CASES:
        for source, pixels in sources.items():
            for sample in SAMPLES if settings else SAMPLES[:1]:
                result = apply(torch.from_numpy(pixels).permute(2, 0, 1), sample)
                goldens.add(
                    result.permute(1, 2, 0).contiguous().numpy(),
                    step=step,
                    settings={f"{step}_probability": 1.0} | settings,
                    source=source,
                    sample=sample,
                    tolerance=tolerance,
                )
    goldens.write()


if __name__ == "__main__":
    main()
