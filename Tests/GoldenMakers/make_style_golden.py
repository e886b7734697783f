#!/usr/bin/env python3
"""Make the small random style models, and what they compute, that the StyleTransfer tests compare against.

usage: make_style_golden.py FOLDER     (Tests/StyleTransferTests/Golden)

The networks are written once more here, from docs/model-format.md and in float64 PyTorch operations, so that they
share nothing with the Swift code. Every size in the models differs from the published ones and from its neighbours.
The tiny model has the forms that a file can name, the two others spell their layers out.

Needs (pip): torch safetensors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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

Layer = dict[str, Any]


def convolution(name: str, channels: int, kernel: tuple[int, int], **keys: Any) -> Layer:
    """Return a convolution as a file spells it out."""
    return {"layer": "convolution", "name": name, "channels": channels, "kernel": list(kernel), **keys}


def around(pixels: int) -> Layer:
    """Return the keys of a mirrored border."""
    return {"padding": [pixels] * 4, "border": "mirrored"}


# Branches, pooling and uneven windows as in Inception, on an odd side; the contraction is normalised as in StyleAug.
BRANCHES: dict[str, Any] = {
    "format": 2,
    "embedding": 6,
    "predictor": {
        "side": 23,
        "layers": [
            convolution("first", 5, (3, 3), stride=2, activation="relu6"),
            convolution("second", 6, (3, 3), padding=[1, 1, 1, 1], activation="relu"),
            {"layer": "max_pooling", "name": "pool", "kernel": [3, 3], "stride": 2},
            convolution("one", 4, (1, 1), activation="relu"),
            convolution("wide.0", 3, (1, 1), **{"from": ["pool"]}),
            convolution("wide.1", 3, (1, 5), padding=[0, 0, 2, 2], activation="relu6"),
            convolution("wide.2", 5, (5, 1), padding=[2, 2, 0, 0], activation="relu"),
            {"layer": "average_pooling", "name": "inside", "from": ["pool"], "kernel": [3, 3], "padding": [1, 1, 1, 1]},
            convolution("inside.1", 2, (1, 1), activation="relu"),
            {
                "layer": "average_pooling",
                "name": "counted",
                "from": ["pool"],
                "kernel": [3, 3],
                "padding": [1, 1, 1, 1],
                "counts_border": True,
            },
            {"layer": "concatenation", "name": "together", "from": ["one", "wide.2", "inside.1", "counted"]},
            convolution("each", 17, (3, 3), padding=[1, 1, 1, 1], depthwise=True),
            {"layer": "addition", "name": "sum", "from": ["together", "each"]},
            convolution("after", 9, (3, 2), stride=2, padding=[1, 0, 0, 1], activation="relu"),
            {"layer": "concatenation", "name": "twice", "from": ["after", "after"]},
        ],
    },
    "transformer": {
        "layers": [
            convolution("c0", 4, (5, 5), normalization="instance", activation="relu", **around(2)),
            convolution("c1", 6, (3, 3), stride=2, normalization="instance", activation="relu", **around(1)),
            convolution("c2", 5, (3, 3), stride=2, activation="relu", **around(1)),
            convolution("r0", 5, (3, 3), normalization="style", activation="relu", **around(1)),
            convolution("r1", 5, (3, 3), normalization="style", **around(1)),
            {"layer": "addition", "name": "r", "from": ["c2", "r1"]},
            convolution("e0", 7, (3, 3), upsampling=2, normalization="style", activation="relu", **around(1)),
            convolution("e1", 3, (3, 3), upsampling=2, normalization="style", activation="relu", **around(1)),
            convolution("e2", 3, (7, 7), normalization="style", activation="sigmoid", **around(3)),
        ]
    },
}

# A transformer of no known form, with a connection that skips its middle.
SKIPPING: dict[str, Any] = {
    "format": 2,
    "embedding": 6,
    "transformer": {
        "layers": [
            convolution("in", 4, (3, 5), normalization="instance", activation="relu6", padding=[1, 1, 2, 2]),
            convolution("down", 4, (3, 3), stride=2, depthwise=True, activation="relu", **around(1)),
            convolution("up", 5, (5, 3), upsampling=2, normalization="style", padding=[2, 2, 1, 1], border="mirrored"),
            {"layer": "concatenation", "name": "both", "from": ["up", "in"]},
            convolution("out", 3, (1, 1), activation="sigmoid"),
        ]
    },
}

Weights = dict[str, torch.Tensor]

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
}


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


def spelled_weights(architecture: dict[str, Any], generator: torch.Generator) -> Weights:
    """Return every tensor of a model whose layers are spelled out."""
    weights: Weights = {}

    def add(name: str, *shape: int, bias: float | None = None) -> None:
        fan_in = max(1, torch.Size(shape[1:]).numel())
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        if bias is not None:
            weights[f"{name}.bias"] = bias + 0.3 * torch.randn(shape[0], generator=generator)

    for network in ("predictor", "transformer"):
        channels = {"picture": 3}
        last = "picture"
        for layer in architecture.get(network, {"layers": []})["layers"]:
            name, sources = layer["name"], layer.get("from", [last])
            inputs = [channels[source] for source in sources]
            last = name
            if layer["layer"] != "convolution":
                channels[name] = sum(inputs) if layer["layer"] == "concatenation" else inputs[0]
                continue
            channels[name] = layer["channels"]
            normalization = layer.get("normalization")
            shape = (layer["channels"], 1 if layer.get("depthwise") else inputs[0], *layer["kernel"])
            add(f"{network}.{name}", *shape, bias=None if normalization else 0.1)
            if normalization == "style":
                add(f"{network}.{name}.scale", layer["channels"], architecture["embedding"], bias=1.0)
                add(f"{network}.{name}.shift", layer["channels"], architecture["embedding"], bias=0.0)
        if network == "predictor" and network in architecture:
            add("predictor.embedding", architecture["embedding"], channels[last], bias=0.0)
    return weights


def run_spelled(weights: Weights, network: str, layers: list[Layer], x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return what layers that are spelled out make of a picture."""
    pictures, last = {"picture": x}, "picture"
    for layer in layers:
        sources = [pictures[source] for source in layer.get("from", [last])]
        last, y = layer["name"], sources[0]
        top, bottom, left, right = layer.get("padding", [0] * 4)
        if layer["layer"] == "convolution":
            name = f"{network}.{last}"
            y = F.interpolate(y, scale_factor=layer.get("upsampling", 1), mode="nearest")
            y = F.pad(y, (left, right, top, bottom), "reflect" if layer.get("border") == "mirrored" else "constant")
            groups = y.shape[1] if layer.get("depthwise") else 1
            bias = weights.get(f"{name}.bias")
            y = F.conv2d(y, weights[f"{name}.weight"], bias, stride=layer.get("stride", 1), groups=groups)
            if layer.get("normalization") == "instance":
                y = F.instance_norm(y, eps=1e-5)
            elif layer.get("normalization") == "style":
                scale, shift = (
                    F.linear(z, weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"])
                    for part in ("scale", "shift")
                )
                y = F.instance_norm(y, weight=scale, bias=shift, eps=1e-5)
            activation = layer.get("activation", "identity")
            if activation != "identity":
                y = ACTIVATIONS[activation](y)
        elif layer["layer"] == "max_pooling":
            y = F.max_pool2d(y, layer["kernel"], layer.get("stride", 1))
        elif layer["layer"] == "average_pooling":
            counts = layer.get("counts_border", False)
            y = F.avg_pool2d(y, layer["kernel"], 1, (top, left), count_include_pad=counts)
        elif layer["layer"] == "addition":
            y = sources[0] + sources[1]
        else:
            y = torch.cat(sources, 1)
        pictures[last] = y
    return pictures[last]


def write_spelled(folder: Path, name: str, architecture: dict[str, Any], generator: torch.Generator) -> None:
    """Write NAME-model.safetensors and NAME-cases.safetensors."""
    weights = spelled_weights(architecture, generator)
    exact = {name: value.double() for name, value in weights.items()}
    cases: Weights = {}
    z = torch.randn(architecture["embedding"], generator=generator).double()

    def pixels(width: int, height: int) -> tuple[torch.Tensor, torch.Tensor]:
        picture = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
        return picture, picture.permute(2, 0, 1)[None].double() / 255

    if "predictor" in architecture:
        side = architecture["predictor"]["side"]
        cases["style_pixels"], planes = pixels(side, side)
        features = run_spelled(exact, "predictor", architecture["predictor"]["layers"], planes, z).mean((2, 3))
        z = F.linear(features, exact["predictor.embedding.weight"], exact["predictor.embedding.bias"])[0]
    cases["embedding"] = z.float()
    for width, height in ((20, 12), (8, 8), (12, 28)):
        cases[f"content_{width}x{height}"], planes = pixels(width, height)
        layers = architecture["transformer"]["layers"]
        stylized = run_spelled(exact, "transformer", layers, planes, cases["embedding"].double())
        cases[f"stylized_{width}x{height}"] = stylized[0].permute(1, 2, 0).float().contiguous()
    metadata = {
        "architecture": json.dumps(architecture),
        "provenance": "random numbers from Tests/GoldenMakers/make_style_golden.py",
        "licence": "Apache-2.0",
    }
    safetensors.torch.save_file(weights, folder / f"{name}-model.safetensors", metadata)
    safetensors.torch.save_file(cases, folder / f"{name}-cases.safetensors")


def main() -> None:
    """Write the models and their cases."""
    folder = Path(sys.argv[1])
    write_spelled(folder, "branches", BRANCHES, torch.Generator().manual_seed(20250101))
    write_spelled(folder, "skipping", SKIPPING, torch.Generator().manual_seed(20250102))
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
