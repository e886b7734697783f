"""The two style networks as PyTorch modules: teacher and student are two configurations of one form.

The predictor F is a MobileNetV2 that ends in an average and a linear map to 100 numbers. The transformer T
contracts twice, passes residual blocks and expands twice; after every convolution of its second half an
instance normalisation takes its scale and shift from the 100 numbers (Ghiasi et al. 2017).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

EMBEDDING_SIZE = 100
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class TransformerShape:
    """What T looks like: `width` channels at full size, then twice and four times as many."""

    width: int = 8
    first_kernel: int = 9
    last_kernel: int = 9
    residual_blocks: int = 5


@dataclass(frozen=True)
class PredictorBlock:
    """One inverted residual: expand by `expansion`, depthwise 3x3 with `stride`, project to `channels`."""

    expansion: int
    channels: int
    stride: int


@dataclass(frozen=True)
class PredictorShape:
    """What F looks like; `side` is the side of its square input."""

    side: int
    stem: int
    blocks: tuple[PredictorBlock, ...]
    head: int

    @staticmethod
    def mobilenet_v2(side: int = 256) -> PredictorShape:
        """The published table at width 1.0, which the teacher uses."""
        return PredictorShape.from_rows(
            side,
            32,
            [
                (1, 16, 1, 1),
                (6, 24, 2, 2),
                (6, 32, 3, 2),
                (6, 64, 4, 2),
                (6, 96, 3, 1),
                (6, 160, 3, 2),
                (6, 320, 1, 1),
            ],
            1280,
        )

    @staticmethod
    def compact(side: int = 128) -> PredictorShape:
        """The student's table: half the input side, about a ninth of the work, few channels where maps are large."""
        return PredictorShape.from_rows(
            side, 24, [(1, 32, 1, 2), (3, 32, 1, 1), (4, 48, 2, 2), (4, 80, 3, 2), (6, 96, 1, 1)], 640
        )

    @staticmethod
    def from_rows(side: int, stem: int, rows: list[tuple[int, int, int, int]], head: int) -> PredictorShape:
        """Rows are (expansion, channels, repeats, stride of the first repeat), as MobileNetV2's paper prints them."""
        blocks = [
            PredictorBlock(expansion, channels, stride if repeat == 0 else 1)
            for expansion, channels, repeats, stride in rows
            for repeat in range(repeats)
        ]
        return PredictorShape(side, stem, tuple(blocks), head)


class ReflectedConvolution(nn.Module):
    """Biased convolution and ReLU over a border of mirrored pixels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        convolved = functional.conv2d(mirrored(x, self.weight), self.weight, self.bias, self.stride)
        return functional.relu(convolved)

    def macs(self, input_side: int) -> int:
        """Multiply-accumulates for a square input."""
        return int(self.weight.numel()) * (input_side // self.stride) ** 2


class StyledConvolution(nn.Module):
    """Convolution over a border of mirrored pixels, then instance normalisation whose scale and shift are affine in
    the style embedding; optionally after doubling rows and columns. The activation is the caller's."""

    def __init__(self, inputs: int, outputs: int, kernel: int, upsample: bool = False) -> None:
        super().__init__()
        self.upsample = upsample
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.scale = nn.Linear(EMBEDDING_SIZE, outputs)
        self.shift = nn.Linear(EMBEDDING_SIZE, outputs)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.normal_(self.scale.weight, std=0.02)
        nn.init.normal_(self.shift.weight, std=0.02)
        nn.init.ones_(self.scale.bias)
        nn.init.zeros_(self.shift.bias)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        if self.upsample:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        x = functional.conv2d(mirrored(x, self.weight), self.weight)
        variance, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
        scale = self.scale(z)[:, :, None, None] * torch.rsqrt(variance + NORM_EPSILON)
        # One multiply and one add per pixel, as the product's kernels do it.
        y: Tensor = x * scale + (self.shift(z)[:, :, None, None] - mean * scale)
        return y

    def macs(self, input_side: int) -> int:
        """Multiply-accumulates for a square input, counted on the doubled image where it doubles."""
        return int(self.weight.numel()) * (input_side * 2 if self.upsample else input_side) ** 2


def mirrored(x: Tensor, weight: Tensor) -> Tensor:
    """`x` with half the kernel's side of mirrored pixels around it."""
    border = weight.shape[-1] // 2
    return functional.pad(x, (border, border, border, border), mode="reflect")


def residual_blocks(channels: int, count: int) -> nn.ModuleList:
    """Blocks of two styled convolutions each."""
    return nn.ModuleList(
        [
            nn.ModuleList([StyledConvolution(channels, channels, 3), StyledConvolution(channels, channels, 3)])
            for _ in range(count)
        ]
    )


def residual_block(block: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    """One of them: x + norm(conv(relu(norm(conv(x)))))."""
    assert isinstance(block, nn.ModuleList)
    result: Tensor = x + block[1](functional.relu(block[0](x, z)), z)
    return result


class StyleTransformer(nn.Module):
    """T: content [n, 3, h, w] in [0, 1] and embeddings [n, 100] to the stylized image, same shape and range.

    Parameter names are those of the model file, without the leading `transformer.`.
    """

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.shape = shape
        c = shape.width
        self.contract = nn.ModuleList(
            [
                ReflectedConvolution(3, c, shape.first_kernel),
                ReflectedConvolution(c, 2 * c, 3, stride=2),
                ReflectedConvolution(2 * c, 4 * c, 3, stride=2),
            ]
        )
        self.residual = residual_blocks(4 * c, shape.residual_blocks)
        self.expand = nn.ModuleList(
            [
                StyledConvolution(4 * c, 2 * c, 3, upsample=True),
                StyledConvolution(2 * c, c, 3, upsample=True),
                StyledConvolution(c, 3, shape.last_kernel),
            ]
        )

    def stages(self, x: Tensor, z: Tensor) -> list[Tensor]:
        """Every intermediate feature in order: 3 of the contraction, one per residual block, 2 of the expansion,
        and the stylized image."""
        features: list[Tensor] = []
        for convolution in self.contract:
            x = convolution(x)
            features.append(x)
        for block in self.residual:
            x = residual_block(block, x, z)
            features.append(x)
        for convolution in self.expand:
            x = convolution(x, z)
            x = torch.sigmoid(x) if convolution is self.expand[-1] else functional.relu(x)
            features.append(x)
        return features

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.stages(x, z)[-1]

    def macs(self, side: int) -> int:
        """Multiply-accumulates of the convolutions for one square image."""
        convolutions = [part for part in self.modules() if isinstance(part, ReflectedConvolution | StyledConvolution)]
        inner = len(convolutions) - 6
        sides = [side, side, side // 2, *([side // 4] * inner), side // 4, side // 2, side]
        return sum(part.macs(given) for part, given in zip(convolutions, sides, strict=True))


class NormedConvolution(nn.Module):
    """Convolution and batch normalisation; `folded` turns the two into one biased convolution.

    With stride 2 the border is one row and column after the image and none before, as TensorFlow pads.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, depthwise: bool, active: bool) -> None:
        super().__init__()
        self.active = active
        self.kernel, self.stride = kernel, stride
        groups = inputs if depthwise else 1
        self.border = kernel // 2 if stride == 1 else 0
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, self.border, bias=False, groups=groups)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out" if not depthwise else "fan_in")
        self.norm: nn.BatchNorm2d | None = nn.BatchNorm2d(outputs, momentum=0.02)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            x = functional.pad(x, (0, 1, 0, 1))
        x = self.convolution(x)
        if self.norm is not None:
            x = self.norm(x)
        return functional.relu6(x) if self.active else x

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the equal convolution without batch normalisation."""
        weight = self.convolution.weight.detach()
        if self.norm is None:
            assert self.convolution.bias is not None
            return weight, self.convolution.bias.detach()
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        return weight * scale[:, None, None, None], norm.bias.detach() - norm.running_mean * scale

    def load_folded(self, weight: Tensor, bias: Tensor) -> None:
        """Replaces the pair by one biased convolution, for inference."""
        old = self.convolution
        self.norm = None
        self.convolution = nn.Conv2d(
            old.in_channels, old.out_channels, self.kernel, self.stride, self.border, groups=old.groups
        )
        with torch.no_grad():
            self.convolution.weight.copy_(weight)
            assert self.convolution.bias is not None
            self.convolution.bias.copy_(bias)


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, block: PredictorBlock) -> None:
        super().__init__()
        inner = inputs * block.expansion
        self.adds_input = block.stride == 1 and inputs == block.channels
        self.expand = NormedConvolution(inputs, inner, 1, 1, False, True) if block.expansion != 1 else None
        self.depthwise = NormedConvolution(inner, inner, 3, block.stride, True, True)
        self.project = NormedConvolution(inner, block.channels, 1, 1, False, False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.adds_input else y

    def convolutions(self) -> list[tuple[str, NormedConvolution]]:
        named = [("expand", self.expand), ("depthwise", self.depthwise), ("project", self.project)]
        return [(name, convolution) for name, convolution in named if convolution is not None]


class StylePredictor(nn.Module):
    """F: images [n, 3, side, side] in [0, 1] to style embeddings [n, 100]."""

    def __init__(self, shape: PredictorShape) -> None:
        super().__init__()
        self.shape = shape
        self.stem = NormedConvolution(3, shape.stem, 3, 2, False, True)
        blocks: list[InvertedResidual] = []
        channels = shape.stem
        for block in shape.blocks:
            blocks.append(InvertedResidual(channels, block))
            channels = block.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = NormedConvolution(channels, shape.head, 1, 1, False, True)
        self.embedding = nn.Linear(shape.head, EMBEDDING_SIZE)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.embedding(self.head(x).mean(dim=(2, 3)))
        return result

    def fold(self) -> None:
        """Turns every convolution and its batch normalisation into one biased convolution."""
        for part in self.modules():
            if isinstance(part, NormedConvolution):
                part.load_folded(*part.folded())

    def macs(self) -> int:
        """Multiply-accumulates of one embedding."""
        side = self.shape.side // 2
        total = self.stem.convolution.weight.numel() * side * side
        for block, shape in zip(self.blocks, self.shape.blocks, strict=True):
            assert isinstance(block, InvertedResidual)
            for name, convolution in block.convolutions():
                if name == "depthwise":
                    side //= shape.stride
                total += convolution.convolution.weight.numel() * side * side
        return int(total + self.head.convolution.weight.numel() * side * side + self.embedding.weight.numel())


def parameter_count(network: nn.Module) -> int:
    """Numbers that are stored: convolutions, norms' affine maps, linear maps."""
    return sum(parameter.numel() for parameter in network.parameters())


def shape_as_json(shape: Any) -> str:
    """The configuration as JSON text, for checkpoints."""
    return json.dumps(asdict(shape), sort_keys=True)


def predictor_shape_from_json(text: str) -> PredictorShape:
    """Reads what `shape_as_json` wrote."""
    values = json.loads(text)
    blocks = tuple(PredictorBlock(**block) for block in values["blocks"])
    return PredictorShape(values["side"], values["stem"], blocks, values["head"])
