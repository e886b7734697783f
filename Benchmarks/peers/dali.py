#!/usr/bin/env python3
"""NVIDIA DALI on CPU cores: JPEG files to two-view batches by MoCo v2's recipe, without style transfer.

DALI's colour twist has a fixed order, and its hue and saturation are one matrix: the recipe is close to torchvision's,
not equal. One image is one sample: two views. A picture is decoded once, or once for each view and then only where the
view's crop is; the faster of the two counts.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import time
from typing import Any

from nvidia.dali import fn, pipeline_def, types

SIDE = 224


def chance(probability: float) -> Any:
    return fn.cast(fn.random.coin_flip(probability=probability), dtype=types.BOOL)


def factor() -> Any:
    return fn.random.uniform(range=(0.6, 1.4))


def augmented(view: Any) -> Any:
    view = fn.flip(view, horizontal=fn.random.coin_flip(probability=0.5))
    if chance(0.8):
        hue = fn.random.uniform(range=(-36.0, 36.0))
        view = fn.color_twist(view, brightness=factor(), contrast=factor(), saturation=factor(), hue=hue)
    if chance(0.2):
        view = fn.hsv(view, saturation=0.0)
    if chance(0.5):
        view = fn.gaussian_blur(view, window_size=23, sigma=fn.random.uniform(range=(0.1, 2.0)))
    return view


@pipeline_def(enable_conditionals=True)  # type: ignore[untyped-decorator]
def two_views(files: list[str], decodes_crops: bool) -> Any:
    data, _ = fn.readers.file(files=files, random_shuffle=True, name="reader")
    window = {"random_area": [0.2, 1.0], "random_aspect_ratio": [3 / 4, 4 / 3]}
    if decodes_crops:
        parts = [fn.decoders.image_random_crop(data, device="cpu", **window) for _ in range(2)]
        crops = [fn.resize(part, size=[SIDE, SIDE], antialias=True) for part in parts]
    else:
        image = fn.decoders.image(data, device="cpu")
        crops = [fn.random_resized_crop(image, size=[SIDE, SIDE], antialias=True, **window) for _ in range(2)]
    return tuple(augmented(crop) for crop in crops)


def rate(files: list[str], decodes_crops: bool, batch: int, workers: int, epochs: int) -> float:
    """Images per second: the median of the epochs after the first."""
    pipeline = two_views(files, decodes_crops, batch_size=batch, num_threads=workers, device_id=None)
    pipeline.build()
    rates: list[float] = []
    steps = len(files) // batch
    for _ in range(epochs):
        start = time.perf_counter()
        for _ in range(steps):
            for view in pipeline.run():
                view.as_array()
        rates.append(steps * batch / (time.perf_counter() - start))
    return statistics.median(rates[1:] or rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder of JPEG files")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    files = sorted(str(path) for path in options.data.rglob("*") if path.is_file())
    best = max(rate(files, way, options.batch, options.workers, options.epochs) for way in (False, True))
    if options.json:
        print(json.dumps({"images_per_second": round(best, 1)}))
    else:
        print(f"DALI on CPU, {options.workers} threads, no style: {best:.1f} images/s")


if __name__ == "__main__":
    main()
