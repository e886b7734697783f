"""What a transformer in training is asked for: contents, and the embeddings that they are to be repainted with."""

from __future__ import annotations

import argparse
from typing import Final

import numpy as np
import torch
from torch import Tensor

from textures import texture

from .pictures import Picture, load, random_crop, recoloured, split
from .prepare_views import Views, as_images
from .teacher import load_transformer
from .training import training_parser

LARGE_FROM: Final = 0.92
"""Part of the steps after which crops have twice the side."""


class StyleSource:
    """Embeddings as SASSL mixes them, from what the teacher's predictor said about the training views."""

    def __init__(self, views: Views, contents: int) -> None:
        self.embeddings = views.embeddings.numpy()
        self.of_content = [np.flatnonzero(views.contents == index) for index in range(contents)]
        self.mean = self.embeddings.mean(axis=0)
        self.factor = np.linalg.cholesky(np.cov(self.embeddings.T) + 1e-6 * np.eye(self.embeddings.shape[1]))

    def any(self, random: np.random.Generator) -> np.ndarray:
        """A style: mostly one that some view has, sometimes a mixture of two, sometimes drawn from the Gaussian."""
        kind = random.random()
        first: np.ndarray = self.embeddings[random.integers(len(self.embeddings))]
        if kind < 0.75:
            return first
        if kind < 0.9:
            share = random.random()
            second = self.embeddings[random.integers(len(self.embeddings))]
            mixture: np.ndarray = share * first + (1 - share) * second
            return mixture
        drawn: np.ndarray = self.mean + self.factor @ random.standard_normal(len(self.mean))
        return drawn

    def draw(self, random: np.random.Generator, content: int) -> np.ndarray:
        """The embedding a content is to be repainted with: z_c blended towards a style, or the style itself."""
        style = self.any(random)
        kind = random.random()
        if kind < 0.3:
            return style
        views = self.of_content[content] if content >= 0 else np.empty(0, np.int64)
        own = self.embeddings[views[random.integers(len(views))]] if len(views) else self.any(random)
        alpha = random.uniform(0.1, 0.3) if kind < 0.85 else random.random()
        return (1 - alpha) * own + alpha * style


class ContentSource:
    """Crops to repaint: photographs first, then recoloured ones, styles and textures."""

    def __init__(self, contents: list[Picture], styles: list[Picture]) -> None:
        self.contents, self.styles = contents, styles

    def draw(self, random: np.random.Generator, side: int) -> tuple[Picture, int]:
        kind = random.random()
        if kind < 0.9:
            index = int(random.integers(len(self.contents)))
            # A window of the product's crop, which is larger than `side`: patterns keep their size in pixels.
            area = float(np.exp(random.uniform(np.log(0.06), np.log(0.8))))
            crop = random_crop(self.contents[index], random, side, (area, area))
            return (recoloured(crop, random) if kind > 0.8 else crop), index
        if kind < 0.96:
            return random_crop(self.styles[int(random.integers(len(self.styles)))], random, side, (0.05, 0.6)), -1
        return texture(int(random.integers(1 << 30)), side), -1


class Repaintings:
    """The batches of a training run, each a pure function of its step; crops of twice the side in the last twelfth.

    - arguments: what a `repainting_parser` read.
    - device: where batches and teacher go.
    """

    def __init__(self, arguments: argparse.Namespace, device: torch.device) -> None:
        parts = split(arguments.data / "images/content", arguments.data / "images/style")
        self.contents = ContentSource([load(path) for path in parts.contents], [load(path) for path in parts.styles])
        self.styles = StyleSource(Views(arguments.views), len(parts.contents))
        self.teacher = load_transformer(arguments.data / "models/magenta-lite/transfer.tflite").to(device)
        self.arguments, self.device = arguments, device

    def is_forced(self, step: int) -> bool:
        """Whether parts of the student still learn each on its own, given the teacher's features."""
        return bool(step / self.arguments.steps < self.arguments.forced)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Contents [batch, 3, side, side] in [0, 1] and the embeddings [batch, 100] to repaint them with."""
        given = self.arguments
        large = step / given.steps > LARGE_FROM
        side = given.side * 2 if large else given.side
        random = np.random.default_rng([given.seed, step])
        crops = [self.contents.draw(random, side) for _ in range(max(2, given.batch // 4) if large else given.batch)]
        embeddings = np.stack([self.styles.draw(random, content) for _, content in crops])
        x = as_images(np.stack([crop for crop, _ in crops]))
        return x.to(self.device), torch.from_numpy(embeddings).float().to(self.device)


def repainting_parser(
    description: str | None, steps: int, rate: float, forced: float, alone: str
) -> argparse.ArgumentParser:
    """The options of all trainers of transformers. `alone` says what happens in the share of steps that is `forced`."""
    parser = training_parser(description, steps=steps, batch=4, rate=rate)
    parser.add_argument("--forced", type=float, default=forced, help=f"share of the steps {alone}")
    parser.add_argument("--side", type=int, default=112, help="side of the crops; the last twelfth uses twice that")
    return parser


def seeded(arguments: argparse.Namespace) -> torch.device:
    """Sets threads and seed; returns the GPU if there is one."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
