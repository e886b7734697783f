"""What a transformer in training is asked for: contents, and the embeddings that they are to be repainted with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from textures import texture

from .pictures import Picture, random_crop, recoloured
from .prepare_views import Views, as_images


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


def drawn(
    contents: ContentSource, styles: StyleSource, random: np.random.Generator, batch: int, side: int
) -> tuple[Tensor, Tensor]:
    """A batch to repaint: contents [batch, 3, side, side] in [0, 1] and embeddings [batch, 100]."""
    crops = [contents.draw(random, side) for _ in range(batch)]
    embeddings = np.stack([styles.draw(random, content) for _, content in crops])
    return as_images(np.stack([crop for crop, _ in crops])), torch.from_numpy(embeddings).float()
