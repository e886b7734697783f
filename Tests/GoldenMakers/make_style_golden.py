#!/usr/bin/env python3
"""Make the small random style model, and what it computes, that the StyleTransfer tests compare against.

usage: make_style_golden.py FOLDER     (Tests/StyleTransferTests/Golden)

The networks are written once more here, from docs/model-format.md and in float64 PyTorch operations, so that they
share nothing with the Swift code. Every size in the model differs from the published ones and from its neighbours.

Needs (pip): torch safetensors.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F

ARCHITECTURE: dict[str, Any] = {
    "format": 1,
    "embedding": 6,
    "predictor": {
        "kind": "mobilenet_v2",
        "side": 24,
        "stem": 4,
        "blocks": [[1, 3, 1], [2, 5, 2], [2, 5, 1], [3, 7, 2]],
        "head": 11,
    },
    "transformer": {"kind": "ghiasi", "contract": [4, 6, 5], "residual": 2, "expand": [7, 3], "end_kernels": [7, 5]},
}
HALF_PRECISION = ("predictor.stem.weight", "transformer.contract.1.weight", "transformer.residual.0.0.scale.weight")

Weights = dict[str, torch.Tensor]


def random_weights(generator: torch.Generator) -> Weights:
    """Return every tensor of the model, scaled so that activations stay near 1."""
    weights: Weights = {}

    def add(name: str, *shape: int, bias: float | None = None) -> None:
        fan_in = max(1, torch.Size(shape[1:]).numel())
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        if bias is not None:
            weights[f"{name}.bias"] = bias + 0.3 * torch.randn(shape[0], generator=generator)

    length = ARCHITECTURE["embedding"]
    predictor, transformer = ARCHITECTURE["predictor"], ARCHITECTURE["transformer"]
    channels = predictor["stem"]
    add("predictor.stem", channels, 3, 3, 3, bias=0.2)
    for index, (expansion, out, _) in enumerate(predictor["blocks"]):
        name, inner = f"predictor.blocks.{index}", expansion * channels
        if expansion > 1:
            add(f"{name}.expand", inner, channels, 1, 1, bias=0.2)
        add(f"{name}.depthwise", inner, 1, 3, 3, bias=0.2)
        add(f"{name}.project", out, inner, 1, 1, bias=0.0)
        channels = out
    add("predictor.head", predictor["head"], channels, 1, 1, bias=0.2)
    add("predictor.embedding", length, predictor["head"], bias=0.0)

    def add_styled(name: str, out: int, inputs: int, kernel: int) -> None:
        add(name, out, inputs, kernel, kernel)
        add(f"{name}.scale", out, length, bias=1.0)
        add(f"{name}.shift", out, length, bias=0.0)

    channels, (first, last) = 3, transformer["end_kernels"]
    for index, out in enumerate(transformer["contract"]):
        kernel = first if index == 0 else 3
        add(f"transformer.contract.{index}", out, channels, kernel, kernel, bias=0.1)
        channels = out
    for index in range(transformer["residual"]):
        for half in range(2):
            add_styled(f"transformer.residual.{index}.{half}", channels, channels, 3)
    for index, out in enumerate([*transformer["expand"], 3]):
        add_styled(f"transformer.expand.{index}", out, channels, last if index == 2 else 3)
        channels = out
    return weights


def embed(weights: Weights, picture: torch.Tensor) -> torch.Tensor:
    """Return z of a picture [1][3][side][side]."""

    def convolve(name: str, x: torch.Tensor, stride: int = 1, groups: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        if kernel.shape[2] == 3:
            x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        return F.conv2d(x, kernel, weights[f"{name}.bias"], stride=stride, groups=groups)

    x = F.relu6(convolve("predictor.stem", picture, stride=2))
    for index, (expansion, out, stride) in enumerate(ARCHITECTURE["predictor"]["blocks"]):
        name, y = f"predictor.blocks.{index}", x
        if expansion > 1:
            y = F.relu6(convolve(f"{name}.expand", y))
        y = F.relu6(convolve(f"{name}.depthwise", y, stride=stride, groups=y.shape[1]))
        y = convolve(f"{name}.project", y)
        x = x + y if stride == 1 and x.shape[1] == out else y
    x = F.relu6(convolve("predictor.head", x)).mean((2, 3))
    return F.linear(x, weights["predictor.embedding.weight"], weights["predictor.embedding.bias"])[0]


def stylize(weights: Weights, picture: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return T of a picture [1][3][height][width]."""

    def convolve(name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        border = kernel.shape[2] // 2
        return F.conv2d(F.pad(x, (border,) * 4, "reflect"), kernel, weights.get(f"{name}.bias"), stride=stride)

    def styled(name: str, x: torch.Tensor) -> torch.Tensor:
        scale, shift = (
            F.linear(z, weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"]) for part in ("scale", "shift")
        )
        return F.instance_norm(convolve(name, x), weight=scale, bias=shift, eps=1e-5)

    x = picture
    for index in range(3):
        x = F.relu(convolve(f"transformer.contract.{index}", x, stride=1 if index == 0 else 2))
    for index in range(ARCHITECTURE["transformer"]["residual"]):
        name = f"transformer.residual.{index}"
        x = x + styled(f"{name}.1", F.relu(styled(f"{name}.0", x)))
    for index in range(2):
        x = F.relu(styled(f"transformer.expand.{index}", F.interpolate(x, scale_factor=2, mode="nearest")))
    return torch.sigmoid(styled("transformer.expand.2", x))


def main() -> None:
    """Write tiny-model.safetensors and tiny-cases.safetensors."""
    folder = Path(sys.argv[1])
    generator = torch.Generator().manual_seed(20231201)
    weights = random_weights(generator)
    for name in HALF_PRECISION:
        weights[name] = weights[name].half()
    metadata = {
        "architecture": json.dumps(ARCHITECTURE),
        "provenance": "random numbers from Tests/GoldenMakers/make_style_golden.py",
        "licence": "Apache-2.0",
    }
    safetensors.torch.save_file(weights, folder / "tiny-model.safetensors", metadata)

    exact = {name: value.double() for name, value in weights.items()}

    def pixels(width: int, height: int) -> torch.Tensor:
        return torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)

    def planes(picture: torch.Tensor) -> torch.Tensor:
        return picture.permute(2, 0, 1)[None].double() / 255

    side = ARCHITECTURE["predictor"]["side"]
    cases: Weights = {"style_pixels": pixels(side, side)}
    z = embed(exact, planes(cases["style_pixels"]))
    cases["embedding"] = z.float()
    for width, height in ((20, 12), (8, 8), (12, 28)):
        content = pixels(width, height)
        cases[f"content_{width}x{height}"] = content
        cases[f"stylized_{width}x{height}"] = (
            stylize(exact, planes(content), cases["embedding"].double())[0].permute(1, 2, 0).float().contiguous()
        )
    safetensors.torch.save_file(cases, folder / "tiny-cases.safetensors")


if __name__ == "__main__":
    main()
