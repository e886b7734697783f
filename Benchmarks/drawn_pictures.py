"""The pictures that benchmarks read: drawn scenes with a photograph's grain and size, as JPEG files."""

from __future__ import annotations

import os
import pathlib
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Tests" / "SamplePictures"))
from scenes import SCENES, scene  # noqa: E402

#: Close to the mean of 480 photographs of ImageNet, which have 85 KB and 453 x 386 pixels.
WIDTH, HEIGHT, GRAIN, QUALITY = 500, 375, 14.0, 90


def write(job: tuple[pathlib.Path, str, int]) -> None:
    path, kind, number = job
    drawn = scene(kind, number, WIDTH, HEIGHT)
    grain = np.random.default_rng(number).normal(0, GRAIN, drawn.shape)
    partial = path.with_suffix(".partial")
    Image.fromarray((drawn + grain).clip(0, 255).astype(np.uint8)).save(partial, "JPEG", quality=QUALITY)
    partial.replace(path)  # A picture is either whole or absent, also when this is interrupted.


def make(folder: pathlib.Path, count: int) -> None:
    """Fills `folder` with `count` pictures; those that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = list(SCENES)
    jobs = [
        (folder / f"{kinds[index % len(kinds)]}-{index:04d}.jpg", kinds[index % len(kinds)], index)
        for index in range(count)
    ]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(write, (job for job in jobs if not job[0].exists()), chunksize=4))


def described(folder: pathlib.Path) -> dict[str, int]:
    """How many pictures a folder has, and how large they are in the mean."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    sizes = []
    for path in files:
        with Image.open(path) as picture:
            sizes.append(picture.size)
    return {
        "pictures": len(files),
        "mean_bytes": round(sum(path.stat().st_size for path in files) / len(files)),
        "mean_width": round(sum(width for width, _ in sizes) / len(files)),
        "mean_height": round(sum(height for _, height in sizes) / len(files)),
    }
