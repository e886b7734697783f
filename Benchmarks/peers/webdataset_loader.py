#!/usr/bin/env python3
"""WebDataset's own loader on tar shards: random resized crops of 224 pixels in batches, by Pillow.

Each worker reads its shards from the front to the end, shuffles within a window of 1000 pictures, decodes, crops and
resizes; the loader stacks the batches. With `--cold`, the shards are taken out of the page cache before each epoch.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pathlib
import random
import statistics
import time
from typing import Any

import core_time
import numpy as np
import torch
import webdataset
from page_cache import evict
from PIL import Image

SIDE = 224


def crop(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A random resized crop with torchvision's defaults for MoCo v2, resampled from the crop alone."""
    area = picture.width * picture.height * random.uniform(0.2, 1.0)
    aspect = random.uniform(3 / 4, 4 / 3)
    width = min(picture.width, max(1, round((area * aspect) ** 0.5)))
    height = min(picture.height, max(1, round((area / aspect) ** 0.5)))
    left, top = random.randint(0, picture.width - width), random.randint(0, picture.height - height)
    box = (left, top, left + width, top + height)
    return np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder of shards")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="read from the disk in each epoch")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shards = sorted(str(path) for path in options.data.glob("*.tar"))
    dataset = (
        webdataset.WebDataset(shards, shardshuffle=len(shards), empty_check=False)
        .shuffle(1000)
        .decode("pil")
        .to_tuple("jpg")
        .map(lambda sample: (crop(sample[0]),))
        .batched(options.batch, partial=True)
    )
    loader = webdataset.WebLoader(
        dataset, batch_size=None, num_workers=options.workers, persistent_workers=options.workers > 0
    )
    rates: list[float] = []
    core_seconds: list[float] = []

    def spent() -> float:
        return core_time.seconds([os.getpid(), *(child.pid or 0 for child in multiprocessing.active_children())])

    for _ in range(options.epochs):
        before = spent() if core_seconds else 0.0
        if options.cold:
            evict(options.data)
        start = time.perf_counter()
        images = 0
        for (views,) in loader:
            assert views.shape[1:] == (SIDE, SIDE, 3)
            images += len(views)
        rates.append(images / (time.perf_counter() - start))
        core_seconds.append((spent() - before) / images)
    # The first epoch has the start of everything in it.
    core_milliseconds = round(1000 * statistics.median(core_seconds[1:] or core_seconds), 3)
    rate = round(statistics.median(rates[1:] or rates), 1)
    if options.json:
        print(json.dumps({"images_per_second": rate, "core_milliseconds": core_milliseconds}))
    else:
        print(f"webdataset, {options.workers} workers: {rate} images/s, {core_milliseconds} ms of core time each")


if __name__ == "__main__":
    main()
