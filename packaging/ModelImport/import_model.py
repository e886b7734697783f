#!/usr/bin/env python3
"""Turn published style networks into one SASSL model file (docs/model-format.md).

usage: import_model.py [--predictor PREDICTOR.tflite] --transformer TRANSFORMER --out MODEL.safetensors
                       [--provenance TEXT] [--licence TEXT]

The predictor is a TensorFlow Lite file of a MobileNetV2 that ends in a mean and a linear map. The transformer is
a TensorFlow Lite file of the network of Ghiasi et al. 2017, or a safetensors file of its TensorFlow variables
(convolution kernels [rows][columns][in][out]). Quantised weights are turned back into the numbers they stand for; the
batch normalisations of such files are folded into weights and biases already. Without --predictor the model
can repaint pictures but not compute styles.

Equal inputs give equal bytes. Exit status: 0 done, 64 wrong usage, 65 a file is not what it should be,
66 a file cannot be read, 69 a Python package is missing, 73 the model cannot be written.

Needs (pip): numpy safetensors tflite.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

USAGE, NOT_A_MODEL, UNREADABLE, MISSING_PACKAGE, UNWRITABLE = 64, 65, 66, 69, 73

try:
    import numpy as np
    import numpy.typing as npt
    import safetensors
    import safetensors.numpy
    import tflite  # type: ignore[import-untyped, import-not-found, unused-ignore]
except ModuleNotFoundError as missing:
    print(
        f"import_model: the Python package {missing.name} is missing; install what the import needs with "
        f"'{sys.executable} -m pip install numpy safetensors tflite', or name a Python that has it in SASSL_PYTHON",
        file=sys.stderr,
    )
    sys.exit(MISSING_PACKAGE)

Array = npt.NDArray[np.float32]


class UnusableInputError(Exception):
    """What is wrong with which file, and the exit status that says so."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the message for the user and the status for the shell."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Layer:
    """One convolution of a TensorFlow Lite file."""

    scope: str
    """Its TensorFlow name, such as MobilenetV2/expanded_conv_1/expand."""
    weight: Array
    """[out][in][rows][columns]; depthwise [channels][1][rows][columns]."""
    bias: Array
    stride: int
    activation: int
    """As tflite.ActivationFunctionType numbers them."""
    is_depthwise: bool


# TensorFlow Lite files


def dequantized(model: Any, tensor: Any) -> Array:
    """Return the numbers that a constant tensor stands for."""
    types = {
        tflite.TensorType.FLOAT32: np.float32,
        tflite.TensorType.FLOAT16: np.float16,
        tflite.TensorType.INT8: np.int8,
        tflite.TensorType.UINT8: np.uint8,
        tflite.TensorType.INT32: np.int32,
    }
    name = tensor.Name().decode()
    if tensor.Type() not in types:
        raise UnusableInputError(NOT_A_MODEL, f"tensor {name} has a type that holds no weights")
    shape = tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(raw, int):
        raise UnusableInputError(NOT_A_MODEL, f"tensor {name} is no constant")
    values = np.frombuffer(raw.tobytes(), types[tensor.Type()])
    if values.size != int(np.prod(shape)):
        raise UnusableInputError(NOT_A_MODEL, f"tensor {name} is cut off")
    values = values.reshape(shape)
    quantization = tensor.Quantization()
    if np.issubdtype(values.dtype, np.floating) or quantization is None or quantization.ScaleLength() == 0:
        return values.astype(np.float32)
    axis = quantization.QuantizedDimension()
    broadcast = [1] * len(shape)
    broadcast[axis] = quantization.ScaleLength()
    scale = quantization.ScaleAsNumpy().astype(np.float64).reshape(broadcast)
    zero = quantization.ZeroPointAsNumpy().astype(np.float64).reshape(broadcast)
    numbers: Array = ((values.astype(np.float64) - zero) * scale).astype(np.float32)
    return numbers


def read_tflite(path: Path) -> tuple[list[int], list[Layer]]:
    """Return the shape of the first input and all convolutions in the order in which they run."""
    contents = path.read_bytes()
    if contents[4:8] != b"TFL3":
        raise UnusableInputError(NOT_A_MODEL, "it is not a TensorFlow Lite file")
    model = tflite.Model.GetRootAsModel(contents, 0)
    graph = model.Subgraphs(0)
    layers = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind not in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
            continue
        is_depthwise = kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D
        options = tflite.DepthwiseConv2DOptions() if is_depthwise else tflite.Conv2DOptions()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        if options.StrideW() != options.StrideH() or options.DilationWFactor() != 1 or options.DilationHFactor() != 1:
            raise UnusableInputError(NOT_A_MODEL, f"convolution {index} has uneven strides or gaps in its kernel")
        kernel = graph.Tensors(operator.Inputs(1))
        weight = dequantized(model, kernel)
        layers.append(
            Layer(
                scope=scope_of(kernel.Name().decode()),
                weight=np.ascontiguousarray(weight.transpose((3, 0, 1, 2) if is_depthwise else (0, 3, 1, 2))),
                bias=dequantized(model, graph.Tensors(operator.Inputs(2))),
                stride=options.StrideW(),
                activation=options.FusedActivationFunction(),
                is_depthwise=is_depthwise,
            )
        )
    return [int(size) for size in graph.Tensors(graph.Inputs(0)).ShapeAsNumpy()], layers


def scope_of(tensor: str) -> str:
    """Return the layer's name from the name of its kernel."""
    for ending in ("/read", "/weights", "/depthwise_weights"):
        tensor = tensor.removesuffix(ending)
    return tensor


# The predictor


def import_predictor(path: Path) -> tuple[dict[str, Any], int, dict[str, Array]]:
    """Return the predictor's architecture, the length of the embedding, and its tensors."""
    shape, layers = read_tflite(path)
    if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise UnusableInputError(NOT_A_MODEL, f"its input has shape {shape}, not one square RGB picture")
    if len(layers) < 5:
        raise UnusableInputError(NOT_A_MODEL, "it is not a MobileNetV2: it has too few convolutions")
    stem, *inner, head, embedding = layers
    tensors: dict[str, Array] = {}

    def keep(name: str, layer: Layer, activation: int) -> None:
        if layer.activation != activation:
            raise UnusableInputError(NOT_A_MODEL, f"layer {layer.scope} has an unexpected activation")
        tensors[f"{name}.weight"] = layer.weight
        tensors[f"{name}.bias"] = layer.bias

    relu6, identity = tflite.ActivationFunctionType.RELU6, tflite.ActivationFunctionType.NONE
    keep("predictor.stem", stem, relu6)
    blocks: list[list[int]] = []
    channels = stem.weight.shape[0]
    while inner:
        name = f"predictor.blocks.{len(blocks)}"
        expand = None if inner[0].is_depthwise else inner.pop(0)
        if len(inner) < 2 or not inner[0].is_depthwise or inner[1].is_depthwise:
            raise UnusableInputError(NOT_A_MODEL, f"it is not a MobileNetV2: block {len(blocks)} has another form")
        depthwise, project = inner.pop(0), inner.pop(0)
        if expand is not None:
            keep(f"{name}.expand", expand, relu6)
        keep(f"{name}.depthwise", depthwise, relu6)
        keep(f"{name}.project", project, identity)
        expansion, remainder = divmod(depthwise.weight.shape[0], channels)
        if remainder:
            raise UnusableInputError(NOT_A_MODEL, f"block {len(blocks)} does not widen by a whole factor")
        channels = project.weight.shape[0]
        blocks.append([expansion, channels, depthwise.stride])
    keep("predictor.head", head, relu6)
    keep("predictor.embedding", embedding, identity)
    tensors["predictor.embedding.weight"] = embedding.weight[:, :, 0, 0]
    architecture = {
        "kind": "mobilenet_v2",
        "side": shape[1],
        "stem": stem.weight.shape[0],
        "blocks": blocks,
        "head": head.weight.shape[0],
    }
    return architecture, embedding.weight.shape[0], tensors


# The transformer


def transformer_variables(path: Path) -> dict[str, Array]:
    """Return weights ([out][in][rows][columns]) and biases under their TensorFlow names."""
    if path.suffix == ".tflite":
        _, layers = read_tflite(path)
        variables = {f"{layer.scope}/weights": layer.weight for layer in layers}
        return variables | {f"{layer.scope}/biases": layer.bias for layer in layers}
    try:
        stored = safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise UnusableInputError(NOT_A_MODEL, f"it is neither a .tflite nor a safetensors file ({error})") from error
    return {
        name: np.ascontiguousarray(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value).astype(np.float32)
        for name, value in stored.items()
    }


def import_transformer(path: Path) -> tuple[dict[str, Any], int, dict[str, Array]]:
    """Return the transformer's architecture, the length of the embedding, and its tensors."""
    variables = transformer_variables(path)
    tensors: dict[str, Array] = {}

    def variable(name: str) -> Array:
        if name not in variables:
            raise UnusableInputError(NOT_A_MODEL, f"it has no variable {name}")
        return variables[name]

    def keep_styled(name: str, scope: str) -> None:
        # A bias in front of the normalisation would be subtracted again, so it is left out.
        tensors[f"{name}.weight"] = variable(f"{scope}/weights")
        for part, suffix in (("shift", "Conv"), ("scale", "Conv_1")):
            style = f"style_params/{scope}/StyleNorm/{suffix}"
            tensors[f"{name}.{part}.weight"] = variable(f"{style}/weights")[:, :, 0, 0]
            tensors[f"{name}.{part}.bias"] = variable(f"{style}/biases")

    for index in range(3):
        scope = f"transformer/contract/conv{index + 1}"
        tensors[f"transformer.contract.{index}.weight"] = variable(f"{scope}/weights")
        tensors[f"transformer.contract.{index}.bias"] = variable(f"{scope}/biases")
    residual = 0
    while f"transformer/residual/residual{residual + 1}/conv1/weights" in variables:
        for index in range(2):
            keep_styled(
                f"transformer.residual.{residual}.{index}",
                f"transformer/residual/residual{residual + 1}/conv{index + 1}",
            )
        residual += 1
    for index in range(3):
        keep_styled(f"transformer.expand.{index}", f"transformer/expand/conv{index + 1}/conv")
    first, last = tensors["transformer.contract.0.weight"], tensors["transformer.expand.2.weight"]
    architecture = {
        "kind": "ghiasi",
        "contract": [tensors[f"transformer.contract.{index}.weight"].shape[0] for index in range(3)],
        "residual": residual,
        "expand": [tensors[f"transformer.expand.{index}.weight"].shape[0] for index in range(2)],
        "end_kernels": [first.shape[2], last.shape[2]],
    }
    return architecture, tensors["transformer.expand.2.scale.weight"].shape[1], tensors


# The command


def described(path: Path, role: str) -> str:
    """Return where a network came from, precisely enough to find the file again."""
    return f"{role} imported from {path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def encoded(tensors: dict[str, Array], metadata: dict[str, str]) -> bytes:
    """Return the bytes of a safetensors file.

    The safetensors package writes the metadata in a random order, and a model's identity is the hash of its bytes.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    data = bytearray()
    for name, value in sorted(tensors.items()):
        start = len(data)
        data += np.ascontiguousarray(value, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(data)


def import_model(predictor: Path | None, transformer: Path, out: Path, provenance: str | None, licence: str) -> None:
    """Read the networks and write the model file, which appears whole or not at all."""
    architecture: dict[str, Any] = {"format": 1}
    sources = []
    tensors: dict[str, Array] = {}
    lengths = []
    networks = [("predictor", predictor, import_predictor), ("transformer", transformer, import_transformer)]
    for role, path, read in networks:
        if path is None:
            continue
        try:
            shape, length, found = read(path)
            sources.append(described(path, role))
        except UnusableInputError as failure:
            raise UnusableInputError(
                failure.status, f"{path}: {failure}; give --{role} a published network"
            ) from failure
        except OSError as error:
            raise UnusableInputError(UNREADABLE, f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
            # What the readers raise on a damaged file, and numpy on weights of another form.
            raise UnusableInputError(NOT_A_MODEL, f"{path}: it is damaged or of another form ({error})") from error
        architecture[role] = shape
        lengths.append(length)
        tensors |= found
    if len(set(lengths)) > 1:
        raise UnusableInputError(
            NOT_A_MODEL,
            f"the predictor gives {lengths[0]} numbers, the transformer takes {lengths[1]}; use a matching pair",
        )
    architecture["embedding"] = lengths[0]
    metadata = {
        "architecture": json.dumps(architecture),
        "provenance": provenance or "; ".join(sources),
        "licence": licence,
    }
    contents = encoded(tensors, metadata)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(contents)
        unfinished.replace(out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise UnusableInputError(UNWRITABLE, f"{out}: cannot be written: {error.strerror}") from error


class UsageParser(argparse.ArgumentParser):
    """An argument parser with the exit status that sysexits.h gives to wrong usage."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = UsageParser(description="Turn published style networks into one SASSL model file.")
    parser.add_argument("--predictor", type=Path, help="MobileNetV2 style predictor, .tflite")
    parser.add_argument("--transformer", type=Path, required=True, help="style transformer, .tflite or .safetensors")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    parser.add_argument("--provenance", help="where the weights come from (default: names and SHA-256 of the files)")
    parser.add_argument("--licence", default="unstated", help="licence of the weights (default: unstated)")
    arguments = parser.parse_args()
    try:
        import_model(arguments.predictor, arguments.transformer, arguments.out, arguments.provenance, arguments.licence)
    except UnusableInputError as failure:
        print(f"import_model: {failure}", file=sys.stderr)
        return failure.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
