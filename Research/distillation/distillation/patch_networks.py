"""A transformer whose ends work on patches: nothing in it is computed at the full side.

Patches of 4x4 pixels are the 48 channels of a picture of a quarter of the side. Two convolutions make the features
from them that the residual blocks know, two make patches of what the blocks leave. Each place in a patch so has a style
scale and shift of its own. The residual blocks are those of `networks.StyleTransformer`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .networks import ReflectedConvolution, StyledConvolution, residual_block, residual_blocks

PATCH = 4
PATCH_CHANNELS = 3 * PATCH * PATCH


@dataclass(frozen=True)
class PatchShape:
    """What it looks like: `features` channels in the residual blocks, `contract` before and `expand` behind them."""

    contract: int = 48
    features: int = 32
    expand: int = 48
    residual_blocks: int = 5


class PatchTransformer(nn.Module):
    """T: content [n, 3, h, w] in [0, 1] and embeddings [n, 100] to the stylized image, same shape and range.

    Width and height are multiples of 4, at least 8. The channels of a patch are in the order of PyTorch's
    `pixel_unshuffle`: colour, row, column. Parameter names are those of the model file, without the leading
    `transformer.`.
    """

    def __init__(self, shape: PatchShape) -> None:
        super().__init__()
        self.shape = shape
        self.contract = nn.ModuleList(
            [
                ReflectedConvolution(PATCH_CHANNELS, shape.contract, 3),
                ReflectedConvolution(shape.contract, shape.features, 3),
            ]
        )
        self.residual = residual_blocks(shape.features, shape.residual_blocks)
        self.expand = nn.ModuleList(
            [
                StyledConvolution(shape.features, shape.expand, 3),
                StyledConvolution(shape.expand, PATCH_CHANNELS, 3),
            ]
        )

    def contracted(self, x: Tensor) -> Tensor:
        """The features of a picture, [n, features, h / 4, w / 4]."""
        x = functional.pixel_unshuffle(x, PATCH)
        for convolution in self.contract:
            x = convolution(x)
        return x

    def expanded(self, x: Tensor, z: Tensor) -> Tensor:
        """The stylized picture that features stand for."""
        x = functional.relu(self.expand[0](x, z))
        return torch.sigmoid(functional.pixel_shuffle(self.expand[1](x, z), PATCH))

    def stages(self, x: Tensor, z: Tensor) -> list[Tensor]:
        """The contracted features, what each residual block makes of them, and the stylized image."""
        features = [self.contracted(x)]
        for block in self.residual:
            features.append(residual_block(block, features[-1], z))
        return [*features, self.expanded(features[-1], z)]

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.stages(x, z)[-1]

    def macs(self, side: int) -> int:
        """Multiply-accumulates of the convolutions for one square image."""
        convolutions = [part for part in self.modules() if isinstance(part, ReflectedConvolution | StyledConvolution)]
        return sum(part.macs(side // PATCH) for part in convolutions)
