"""Residual networks (He et al. 2016) without their classifier."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Kind of block, and number of them in each of the four stages.
_SHAPES: Final = {
    "resnet10": ("basic", (1, 1, 1, 1)),
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
}


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution followed by batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    # In the order of the pixels, which is a tenth faster on processors.
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """What a stage repeats: some convolutions, and what came in added to what comes out."""

    def __init__(self, kind: str, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        if kind == "basic":
            self.outputs = channels
            layers = [convolution(inputs, channels, 3, stride), nn.ReLU(), convolution(channels, channels, 3)]
        else:
            self.outputs = 4 * channels
            first = [convolution(inputs, channels, 1), nn.ReLU(), convolution(channels, channels, 3, stride)]
            layers = [*first, nn.ReLU(), convolution(channels, self.outputs, 1)]
        self.layers = nn.Sequential(*layers)
        is_same = stride == 1 and inputs == self.outputs
        self.shortcut = nn.Identity() if is_same else convolution(inputs, self.outputs, 1, stride)

    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(self.layers(images) + self.shortcut(images))


class ResidualNetwork(nn.Module):
    """Pictures [count, 3, side, side] to features [count, `features`].

    Pictures below 128 pixels are small for the published first convolution, 7x7: they get one of 3x3.
    """

    def __init__(self, name: str, width: int, side: int) -> None:
        super().__init__()
        kind, repetitions = _SHAPES[name]
        layers: list[nn.Module] = [convolution(3, width, 7 if side >= 128 else 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        channels = width
        for stage, count in enumerate(repetitions):
            for position in range(count):
                block = Block(kind, channels, width << stage, 2 if stage > 0 and position == 0 else 1)
                layers.append(block)
                channels = block.outputs
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.features: int = channels

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features
