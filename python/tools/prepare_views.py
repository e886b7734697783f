#!/usr/bin/env python3
"""Renders the training views once and asks the teacher's predictor for their embeddings.

    python prepare_views.py --data ../../../shared --work /tmp/distill --views 26000

Writes to the work folder: views.npy [n, 128, 128, 3] uint8 (what the student's predictor sees), embeddings.npy
[n, 100] float32 (what the teacher's predictor says about the same view), contents.npy [n] int32 (which content a
view shows, -1 where none). Both trainers read them; nothing of it is needed afterwards.
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from tqdm import tqdm

from pictures import CROP_SIDE, Picture, ViewSource, load, split
from teacher import embedder

STUDENT_SIDE = 128
CHUNK = 32

source: ViewSource | None = None


def resized(views: torch.Tensor, side: int) -> torch.Tensor:
    """[n, 3, h, w] at `side` x `side`, bilinear with antialiasing, as the product resizes for the predictor."""
    return functional.interpolate(views, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def render(chunk: int) -> tuple[Picture, list[int]]:
    """The views of one chunk at crop size."""
    assert source is not None
    views = [source.view(chunk * CHUNK + offset, CROP_SIDE) for offset in range(CHUNK)]
    return np.stack([view for view, _ in views]), [content for _, content in views]


def main() -> None:
    global source
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/content, images/style, models")
    parser.add_argument("--work", type=Path, required=True, help="folder for the results")
    parser.add_argument("--views", type=int, default=26_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    arguments.work.mkdir(parents=True, exist_ok=True)
    parts = split(arguments.data / "images/content", arguments.data / "images/style")
    contents = [load(path) for path in parts.contents]
    styles = [load(path, 512) for path in parts.styles]
    source = ViewSource(contents, styles, arguments.seed)
    torch.set_num_threads(1)

    chunks = arguments.views // CHUNK
    views = np.lib.format.open_memmap(
        arguments.work / "views.npy", "w+", np.uint8, (chunks * CHUNK, STUDENT_SIDE, STUDENT_SIDE, 3)
    )
    embeddings = np.zeros((chunks * CHUNK, 100), np.float32)
    shown = np.full(chunks * CHUNK, -1, np.int32)
    # Forked before the first convolution, so that the children inherit the pictures and no thread pool.
    with multiprocessing.get_context("fork").Pool(arguments.workers) as pool, torch.inference_mode():
        embed = embedder(arguments.data / "models/magenta-lite/predict.tflite")
        rendered = pool.imap(render, range(chunks))
        for chunk, (pixels, numbers) in enumerate(tqdm(rendered, total=chunks, unit="chunk", mininterval=5)):
            crops = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
            where = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            embeddings[where] = embed(resized(crops, 256))
            small = resized(crops, STUDENT_SIDE) * 255 + 0.5
            views[where] = small.to(torch.uint8).permute(0, 2, 3, 1).numpy()
            shown[where] = numbers
    views.flush()
    np.save(arguments.work / "embeddings.npy", embeddings)
    np.save(arguments.work / "contents.npy", shown)
    print(f"{chunks * CHUNK} views in {arguments.work}")


if __name__ == "__main__":
    main()
