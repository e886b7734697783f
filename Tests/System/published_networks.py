"""The published networks once more, in PyTorch's own operations, with random weights under their published names.

They share nothing with the importer: its layers, its folding and its names are held against these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

Array = npt.NDArray[np.float32]
Tensor = torch.Tensor
Convolve = Callable[..., Tensor]


class RandomWeights:
    """Weights that are made when they are first asked for, scaled so that activations neither vanish nor explode."""

    def __init__(self, seed: int) -> None:
        """Start a stream of numbers."""
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors: dict[str, Tensor] = {}

    def make(self, name: str, shape: tuple[int, ...], spread: float, centre: float = 0) -> Tensor:
        """Return a tensor in double precision, made the first time."""
        if name not in self.tensors:
            self.tensors[name] = centre + spread * torch.randn(shape, generator=self.generator)
        return self.tensors[name].double()

    def positive(self, name: str, channels: int) -> Tensor:
        """Return a variance for each channel."""
        if name not in self.tensors:
            self.tensors[name] = 0.5 + torch.rand(channels, generator=self.generator)
        return self.tensors[name].double()

    def kernel(self, name: str, out: int, inputs: int, rows: int, columns: int) -> Tensor:
        """Return a convolution's weights."""
        return self.make(name, (out, inputs, rows, columns), (2 / (inputs * rows * columns)) ** 0.5)


def slim_inception(weights: RandomWeights, picture: Tensor) -> Tensor:
    """Return the embedding of Magenta's predictor: slim's Inception v3 to Mixed_6e with ReLU6."""

    def conv(
        x: Tensor, scope: str, out: int, rows: int, columns: int, stride: int = 1, padding: str = "SAME"
    ) -> Tensor:
        name = f"InceptionV3/{scope}"
        kernel = weights.kernel(f"{name}/weights", out, x.shape[1], rows, columns)
        sides = (rows // 2, columns // 2) if padding == "SAME" else (0, 0)
        x = F.conv2d(x, kernel, stride=stride, padding=sides)
        mean = weights.make(f"{name}/BatchNorm/moving_mean", (out,), 0.2)
        variance = weights.positive(f"{name}/BatchNorm/moving_variance", out)
        beta = weights.make(f"{name}/BatchNorm/beta", (out,), 0.2, 0.2)
        return F.relu6(F.batch_norm(x, mean, variance, None, beta, eps=0.001))

    def pool(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    x = conv(picture, "Conv2d_1a_3x3", 32, 3, 3, 2, "VALID")
    x = conv(x, "Conv2d_2a_3x3", 32, 3, 3, padding="VALID")
    x = F.max_pool2d(conv(x, "Conv2d_2b_3x3", 64, 3, 3), 3, 2)
    x = conv(x, "Conv2d_3b_1x1", 80, 1, 1)
    x = F.max_pool2d(conv(x, "Conv2d_4a_3x3", 192, 3, 3, padding="VALID"), 3, 2)
    for name, (first, second), pooled in (
        ("Mixed_5b", ("Conv2d_0a_1x1", "Conv2d_0b_5x5"), 32),
        ("Mixed_5c", ("Conv2d_0b_1x1", "Conv_1_0c_5x5"), 64),
        ("Mixed_5d", ("Conv2d_0a_1x1", "Conv2d_0b_5x5"), 64),
    ):
        a = conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 64, 1, 1)
        b = conv(conv(x, f"{name}/Branch_1/{first}", 48, 1, 1), f"{name}/Branch_1/{second}", 64, 5, 5)
        c = conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", 64, 1, 1)
        c = conv(conv(c, f"{name}/Branch_2/Conv2d_0b_3x3", 96, 3, 3), f"{name}/Branch_2/Conv2d_0c_3x3", 96, 3, 3)
        d = conv(pool(x), f"{name}/Branch_3/Conv2d_0b_1x1", pooled, 1, 1)
        x = torch.cat([a, b, c, d], 1)
    a = conv(x, "Mixed_6a/Branch_0/Conv2d_1a_1x1", 384, 3, 3, 2, "VALID")
    b = conv(conv(x, "Mixed_6a/Branch_1/Conv2d_0a_1x1", 64, 1, 1), "Mixed_6a/Branch_1/Conv2d_0b_3x3", 96, 3, 3)
    b = conv(b, "Mixed_6a/Branch_1/Conv2d_1a_1x1", 96, 3, 3, 2, "VALID")
    x = torch.cat([a, b, F.max_pool2d(x, 3, 2)], 1)
    for name, inner in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        a = conv(x, f"{name}/Branch_0/Conv2d_0a_1x1", 192, 1, 1)
        b = conv(x, f"{name}/Branch_1/Conv2d_0a_1x1", inner, 1, 1)
        b = conv(conv(b, f"{name}/Branch_1/Conv2d_0b_1x7", inner, 1, 7), f"{name}/Branch_1/Conv2d_0c_7x1", 192, 7, 1)
        c = conv(x, f"{name}/Branch_2/Conv2d_0a_1x1", inner, 1, 1)
        c = conv(conv(c, f"{name}/Branch_2/Conv2d_0b_7x1", inner, 7, 1), f"{name}/Branch_2/Conv2d_0c_1x7", inner, 1, 7)
        c = conv(conv(c, f"{name}/Branch_2/Conv2d_0d_7x1", inner, 7, 1), f"{name}/Branch_2/Conv2d_0e_1x7", 192, 1, 7)
        d = conv(pool(x), f"{name}/Branch_3/Conv2d_0b_1x1", 192, 1, 1)
        x = torch.cat([a, b, c, d], 1)
    means = x.mean((2, 3))
    matrix = weights.kernel("Conv/weights", 100, 768, 1, 1)
    return F.linear(means, matrix[:, :, 0, 0], weights.make("Conv/biases", (100,), 0.1))[0]


def magenta_transformer(weights: RandomWeights, picture: Tensor, z: Tensor, width: int) -> Tensor:
    """Return the picture that Magenta's transformer makes, its contraction batch-normalised."""

    def conv(x: Tensor, scope: str, out: int, kernel: int, stride: int = 1) -> Tensor:
        x = F.pad(x, (kernel // 2,) * 4, "reflect")
        return F.conv2d(x, weights.kernel(f"{scope}/weights", out, x.shape[1], kernel, kernel), stride=stride)

    def contract(x: Tensor, name: str, out: int, kernel: int, stride: int = 1) -> Tensor:
        scope = f"transformer/contract/{name}"
        mean = weights.make(f"{scope}/BatchNorm/moving_mean", (out,), 0.2)
        variance = weights.positive(f"{scope}/BatchNorm/moving_variance", out)
        beta = weights.make(f"{scope}/BatchNorm/beta", (out,), 0.2)
        return F.relu(F.batch_norm(conv(x, scope, out, kernel, stride), mean, variance, None, beta, eps=0.001))

    def styled(x: Tensor, scope: str, out: int, kernel: int) -> Tensor:
        maps = []
        for suffix, centre in (("Conv", 0.0), ("Conv_1", 1.0)):
            name = f"style_params/{scope}/StyleNorm/{suffix}"
            matrix = weights.make(f"{name}/weights", (out, 100, 1, 1), 0.03)[:, :, 0, 0]
            maps.append(F.linear(z, matrix, weights.make(f"{name}/biases", (out,), 0.1, centre)))
        return F.instance_norm(conv(x, scope, out, kernel), weight=maps[1], bias=maps[0], eps=1e-5)

    x = contract(picture, "conv1", width, 9)
    x = contract(contract(x, "conv2", 2 * width, 3, 2), "conv3", 4 * width, 3, 2)
    for block in range(1, 6):
        scope = f"transformer/residual/residual{block}"
        inner = F.relu(styled(x, f"{scope}/conv1", 4 * width, 3))
        x = x + styled(inner, f"{scope}/conv2", 4 * width, 3)
    for number, out in ((1, 2 * width), (2, width)):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.relu(styled(x, f"transformer/expand/conv{number}/conv", out, 3))
    return torch.sigmoid(styled(x, "transformer/expand/conv3/conv", 3, 9))


def styleaug_predictor(weights: RandomWeights, picture: Tensor) -> Tensor:
    """Return the embedding of StyleAug's predictor: torchvision's Inception v3 to Mixed_6e."""

    def conv(x: Tensor, name: str, out: int, size: int | tuple[int, int], **keys: Any) -> Tensor:
        rows, columns = (size, size) if isinstance(size, int) else size
        x = F.conv2d(x, weights.kernel(f"{name}.conv.weight", out, x.shape[1], rows, columns), **keys)
        mean = weights.make(f"{name}.bn.running_mean", (out,), 0.2)
        variance = weights.positive(f"{name}.bn.running_var", out)
        scale = weights.make(f"{name}.bn.weight", (out,), 0.1, 1)
        return F.relu(F.batch_norm(x, mean, variance, scale, weights.make(f"{name}.bn.bias", (out,), 0.2), eps=0.001))

    def column(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)[None, :, None, None]

    x = (picture - column(0.485, 0.456, 0.406)) / column(0.229, 0.224, 0.255)
    x = x * (column(0.229, 0.224, 0.225) / 0.5) + (column(0.485, 0.456, 0.406) - 0.5) / 0.5
    x = conv(conv(x, "Conv2d_1a_3x3", 32, 3, stride=2), "Conv2d_2a_3x3", 32, 3)
    x = F.max_pool2d(conv(x, "Conv2d_2b_3x3", 64, 3, padding=1), 3, 2)
    x = F.max_pool2d(conv(conv(x, "Conv2d_3b_1x1", 80, 1), "Conv2d_4a_3x3", 192, 3), 3, 2)
    for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        a = conv(x, f"{name}.branch1x1", 64, 1)
        b = conv(conv(x, f"{name}.branch5x5_1", 48, 1), f"{name}.branch5x5_2", 64, 5, padding=2)
        c = conv(conv(x, f"{name}.branch3x3dbl_1", 64, 1), f"{name}.branch3x3dbl_2", 96, 3, padding=1)
        c = conv(c, f"{name}.branch3x3dbl_3", 96, 3, padding=1)
        d = conv(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1), f"{name}.branch_pool", pooled, 1)
        x = torch.cat([a, b, c, d], 1)
    a = conv(x, "Mixed_6a.branch3x3", 384, 3, stride=2)
    b = conv(conv(x, "Mixed_6a.branch3x3dbl_1", 64, 1), "Mixed_6a.branch3x3dbl_2", 96, 3, padding=1)
    b = conv(b, "Mixed_6a.branch3x3dbl_3", 96, 3, stride=2)
    x = torch.cat([a, b, F.max_pool2d(x, 3, 2)], 1)
    for name, inner in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        a = conv(x, f"{name}.branch1x1", 192, 1)
        b = conv(conv(x, f"{name}.branch7x7_1", inner, 1), f"{name}.branch7x7_2", inner, (1, 7), padding=(0, 3))
        b = conv(b, f"{name}.branch7x7_3", 192, (7, 1), padding=(3, 0))
        c = conv(conv(x, f"{name}.branch7x7dbl_1", inner, 1), f"{name}.branch7x7dbl_2", inner, (7, 1), padding=(3, 0))
        c = conv(c, f"{name}.branch7x7dbl_3", inner, (1, 7), padding=(0, 3))
        c = conv(c, f"{name}.branch7x7dbl_4", inner, (7, 1), padding=(3, 0))
        c = conv(c, f"{name}.branch7x7dbl_5", 192, (1, 7), padding=(0, 3))
        d = conv(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1), f"{name}.branch_pool", 192, 1)
        x = torch.cat([a, b, c, d], 1)
    matrix = weights.make("fc.weight", (100, 768), 0.04)
    return F.linear(x.mean(3).mean(2), matrix, weights.make("fc.bias", (100,), 0.1))[0]


def styleaug_transformer(weights: RandomWeights, picture: Tensor, z: Tensor) -> Tensor:
    """Return the picture that StyleAug's transformer makes, of its published shape, under its parameters' names."""

    def conv(x: Tensor, name: str, out: int, size: int, stride: int = 1) -> Tensor:
        x = F.pad(x, (size // 2,) * 4, "reflect")
        bias = weights.make(f"{name}.bias", (out,), 0.2)
        return F.conv2d(x, weights.kernel(f"{name}.weight", out, x.shape[1], size, size), bias, stride=stride)

    def styled(x: Tensor, layer: str, number: str, out: int, size: int) -> Tensor:
        maps = []
        for part, centre in (("gamma", 1.0), ("beta", 0.0)):
            name = f"{layer}.fc_{part}{number}"
            matrix = weights.make(f"{name}.weight", (out, 100), 0.03)
            maps.append(F.linear(z, matrix, weights.make(f"{name}.bias", (out,), 0.1, centre))[None, :, None, None])
        return maps[0] * F.instance_norm(conv(x, f"{layer}.conv{number}", out, size)) + maps[1]

    x = picture
    for index, (out, size) in enumerate([(32, 9), (64, 3), (128, 3)]):
        x = F.relu(F.instance_norm(conv(x, f"layers.{index}.conv", out, size, 1 if index == 0 else 2)))
    for index in range(3, 8):
        x = x + styled(F.relu(styled(x, f"layers.{index}", "1", 128, 3)), f"layers.{index}", "2", 128, 3)
    for index, out in ((8, 64), (9, 32)):
        x = F.relu(styled(F.interpolate(x, scale_factor=2, mode="nearest"), f"layers.{index}", "", out, 3))
    return torch.sigmoid(styled(x, "layers.10", "", 3, 9))


def planes(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Return pixels [height][width][3] as [1][3][height][width] in 0...1."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
