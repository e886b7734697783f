"""Reads the public TensorFlow Lite pair (predict.tflite, transfer.tflite) as PyTorch networks, dequantized.

The teacher is only ever read here: none of its numbers is written to a file by the training tools.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tflite  # type: ignore[import-untyped, import-not-found, unused-ignore]
import torch
from torch import Tensor, nn

from network_file import UnusableInputError
from tflite_file import dequantized

from .networks import (
    InvertedResidual,
    NormedConvolution,
    PredictorShape,
    ReflectedConvolution,
    StyledConvolution,
    StylePredictor,
    StyleTransformer,
    TransformerShape,
)

Network = TypeVar("Network", bound=nn.Module)


def dequantized_tensors(path: Path) -> dict[str, Tensor]:
    """Every constant of a TensorFlow Lite file by its name, as float32."""
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    tensors: dict[str, Tensor] = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        try:
            tensors[tensor.Name().decode()] = torch.from_numpy(dequantized(model, tensor))
        except UnusableInputError:  # An activation: it has no value before the network runs.
            continue
    return tensors


def load_predictor(path: Path) -> StylePredictor:
    """The teacher's F, for 256x256 inputs."""
    tensors = dequantized_tensors(path)
    network = StylePredictor(PredictorShape.mobilenet_v2(256))

    def fill(convolution: NormedConvolution, weight: str, bias: str) -> None:
        kernel = tensors[f"MobilenetV2/{weight}"]
        order = (3, 0, 1, 2) if weight.endswith("depthwise_weights") else (0, 3, 1, 2)
        convolution.load_folded(kernel.permute(*order), tensors[f"MobilenetV2/{bias}"])

    fill(network.stem, "Conv/weights", "Conv/Conv2D_bias")
    for index, block in enumerate(network.blocks):
        assert isinstance(block, InvertedResidual)
        scope = "expanded_conv" if index == 0 else f"expanded_conv_{index}"
        for name, convolution in block.convolutions():
            if name == "depthwise":
                fill(convolution, f"{scope}/depthwise/depthwise_weights", f"{scope}/depthwise/depthwise_bias")
            else:
                fill(convolution, f"{scope}/{name}/weights", f"{scope}/{name}/Conv2D_bias")
    fill(network.head, "Conv_1/weights", "Conv_1/Conv2D_bias")
    with torch.no_grad():
        network.embedding.weight.copy_(tensors["mobilenet_conv/Conv/weights"][:, 0, 0, :])
        network.embedding.bias.copy_(tensors["mobilenet_conv/Conv/Conv2D_bias"])
    return frozen(network)


def load_transformer(path: Path) -> StyleTransformer:
    """The teacher's T, width 8."""
    tensors = dequantized_tensors(path)
    network = StyleTransformer(TransformerShape())

    def kernel(weight: Tensor, name: str) -> None:
        weight.copy_(tensors[f"transformer/{name}/weights/read"].permute(0, 3, 1, 2))

    def styled(convolution: nn.Module, name: str) -> None:
        assert isinstance(convolution, StyledConvolution)
        kernel(convolution.weight, name)
        # TensorFlow created the shift first, so "Conv" is the shift and "Conv_1" the scale.
        for linear, scope in ((convolution.shift, "Conv"), (convolution.scale, "Conv_1")):
            prefix = f"style_params/transformer/{name}/StyleNorm/{scope}"
            linear.weight.copy_(tensors[f"{prefix}/weights/read"][:, 0, 0, :])
            linear.bias.copy_(tensors[f"{prefix}/Conv2D_bias"])

    with torch.no_grad():
        for index, convolution in enumerate(network.contract):
            assert isinstance(convolution, ReflectedConvolution)
            kernel(convolution.weight, f"contract/conv{index + 1}")
            convolution.bias.copy_(tensors[f"transformer/contract/conv{index + 1}/Conv2D_bias"])
        for index, block in enumerate(network.residual):
            assert isinstance(block, nn.ModuleList)
            for inner, convolution in enumerate(block):
                styled(convolution, f"residual/residual{index + 1}/conv{inner + 1}")
        for index, convolution in enumerate(network.expand):
            styled(convolution, f"expand/conv{index + 1}/conv")
    return frozen(network)


def embedder(path: Path, threads: int = 1) -> Callable[[Tensor], Tensor]:
    """The teacher's F as a function of images [n, 3, 256, 256], on the fastest thing this machine has: a GPU, else
    OpenVINO where it is installed, else PyTorch on the CPU."""
    network = load_predictor(path)
    if torch.cuda.is_available():
        network = network.cuda()
        return lambda images: network(images.cuda()).cpu()
    try:
        import openvino
    except ImportError:
        return lambda images: network(images)
    model = openvino.convert_model(network, example_input=torch.zeros(4, 3, 256, 256))
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", options)

    def embed(images: Tensor) -> Tensor:
        # Four at a time: larger batches leave the cache and are slower per image.
        return torch.cat([torch.from_numpy(compiled(four.numpy())[0].copy()) for four in fours(images)])

    return embed


def fours(images: Tensor) -> list[Tensor]:
    """A batch in parts of four."""
    return [images[start : start + 4] for start in range(0, len(images), 4)]


def frozen(network: Network) -> Network:
    """The network in inference mode, out of reach of any optimiser."""
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network.eval()
    return network
