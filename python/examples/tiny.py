"""What the examples in PyTorch share, and what a script of your own has already: a small network and its loss."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of ImageNet, in the order red, green, blue; sassld hands over plain pixels.
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
FEATURES = 256
EMBEDDING = 64
TEMPERATURE = 0.2


def backbone() -> nn.Sequential:
    """A small convolutional network: images [batch, 3, height, width] to `FEATURES` numbers each."""
    widths = [3, 32, 64, 128, FEATURES]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(8, outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def encoder() -> nn.Sequential:
    """The same with the two-layer head of SimCLR and MoCo v2, which gives `EMBEDDING` numbers."""
    head = [nn.Linear(FEATURES, FEATURES), nn.ReLU(inplace=True), nn.Linear(FEATURES, EMBEDDING)]
    return nn.Sequential(*backbone(), *head)


def pixels(view: Tensor, device: torch.device, side: int | None = None) -> Tensor:
    """One view as the network wants it, no larger than `side`. Copies out of the ring: the batch may be released."""
    images = view.to(device).permute(0, 3, 1, 2).float() / 255
    if side is not None and images.shape[-1] > side:
        images = functional.interpolate(images, side, mode="area")
    return (images - MEAN.to(device)) / DEVIATION.to(device)


def contrast(first: Tensor, second: Tensor) -> Tensor:
    """SimCLR's loss (Chen et al. 2020): how badly the two views of each image are told from all other views."""
    embeddings = functional.normalize(torch.cat([first, second]), dim=1)
    similarity = embeddings @ embeddings.t() / TEMPERATURE
    similarity.fill_diagonal_(float("-inf"))
    count = len(first)
    other = torch.arange(2 * count, device=first.device).roll(count)
    return functional.cross_entropy(similarity, other)


def save(path: Path, **state: Any) -> None:
    """Writes a checkpoint in one step: a crash leaves the old one or the new one, never half of one."""
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.replace(path)
