#!/usr/bin/env python3
"""Renders the training views once and asks the teacher's predictor for their embeddings.

    python -m distillation.prepare_views --data DATA --work /tmp/distill/views --views 48000

Writes to the work folder: views.npy [n, 224, 224, 3] uint8 (the crops; 150 KB each), embeddings.npy [n, 100] float32
(what the teacher's predictor says about them), contents.npy [n] int32 (which content a view shows as it is, -1 where it
shows something else, -2 where it is still to be rendered). All trainers read them; nothing of it is needed afterwards.

Every view is a pure function of the seed and its number. Stopping and starting the same command again continues where
it was stopped, and the trainers take what is there, so they can start while views are still being rendered.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from tqdm import tqdm

from .networks import EMBEDDING_SIZE
from .pictures import CROP_SIDE, Picture, ViewSource, files_in, load, split
from .teacher import embedder

CHUNK = 32

NOT_RENDERED = -2
TEACHER_SIDE = 256

source: ViewSource | None = None
embed: Callable[[torch.Tensor], torch.Tensor] | None = None


class Views:
    """What this tool left in a work folder, as far as it has come: pixels, the teacher's embeddings, contents shown."""

    def __init__(self, work: Path) -> None:
        shown = np.load(work / "contents.npy", mmap_mode="r")
        count = rendered_views(shown)
        self.contents = np.array(shown[:count])
        self.pixels = np.load(work / "views.npy", mmap_mode="r")[:count]
        self.embeddings = torch.from_numpy(np.array(np.load(work / "embeddings.npy", mmap_mode="r")[:count]))

    def __len__(self) -> int:
        return len(self.contents)

    def images(self, chosen: NDArray[np.int64]) -> torch.Tensor:
        """Some of them as network inputs at crop size."""
        return as_images(self.pixels[chosen])


def rendered_views(shown: NDArray[np.int32]) -> int:
    """How many views are there: they are rendered in order."""
    missing = np.flatnonzero(shown == NOT_RENDERED)
    return int(missing[0]) if len(missing) else len(shown)


def as_images(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """[n, h, w, 3] bytes as [n, 3, h, w] in [0, 1], channels last in memory."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def resized(views: torch.Tensor, side: int) -> torch.Tensor:
    """[n, 3, h, w] at `side` x `side`, bilinear with antialiasing, as the product resizes for the predictor."""
    return functional.interpolate(views, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def begin_work(teacher: Path) -> None:
    """Gives a worker its own copy of the teacher: a thread pool does not survive a fork."""
    global embed
    torch.set_num_threads(1)
    embed = embedder(teacher)


def render(chunk: int) -> tuple[Picture, NDArray[np.float32], list[int]]:
    """The views of one chunk at crop size, what the teacher says about them, and which contents they show."""
    assert source is not None and embed is not None
    drawn = [source.view(chunk * CHUNK + offset, CROP_SIDE) for offset in range(CHUNK)]
    views = np.stack([view for view, _ in drawn])
    with torch.inference_mode():
        return views, embed(resized(as_images(views), TEACHER_SIDE)).numpy(), [content for _, content in drawn]


def main() -> None:
    global source
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/content, images/style, models")
    parser.add_argument("--work", type=Path, required=True, help="folder for the results")
    parser.add_argument("--views", type=int, default=48_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help="more photographs to show, a flat folder")
    arguments = parser.parse_args()

    arguments.work.mkdir(parents=True, exist_ok=True)
    parts = split(arguments.data / "images/content", arguments.data / "images/style")
    contents = [load(path) for path in parts.contents]
    styles = [load(path, 512) for path in parts.styles]
    more = [load(path) for path in files_in(arguments.photographs)] if arguments.photographs else []
    source = ViewSource(contents, styles, arguments.seed, more)

    chunks = arguments.views // CHUNK
    files = [arguments.work / name for name in ("views.npy", "embeddings.npy", "contents.npy")]
    count = chunks * CHUNK
    if files[-1].exists():
        views, embeddings, shown = (np.lib.format.open_memmap(path, "r+") for path in files)
        if len(shown) != count:
            raise SystemExit(f"{arguments.work} was started for {len(shown)} views: use another work folder")
    else:
        views = np.lib.format.open_memmap(files[0], "w+", np.uint8, (count, CROP_SIDE, CROP_SIDE, 3))
        embeddings = np.lib.format.open_memmap(files[1], "w+", np.float32, (count, EMBEDDING_SIZE))
        shown = np.lib.format.open_memmap(files[2], "w+", np.int32, (count,))
        shown[:] = NOT_RENDERED
    done = rendered_views(shown) // CHUNK
    # Forked, so that the workers inherit the decoded pictures.
    teacher = arguments.data / "models/magenta-lite/predict.tflite"
    with multiprocessing.get_context("fork").Pool(arguments.workers, begin_work, (teacher,)) as pool:
        rendered = pool.imap(render, range(done, chunks))
        for chunk in tqdm(range(done, chunks), total=chunks, initial=done, unit="chunk", mininterval=5):
            where = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            views[where], embeddings[where], shown[where] = next(rendered)
    print(f"{count} views in {arguments.work}")


if __name__ == "__main__":
    main()
