"""TensorFlow Lite files: a MobileNetV2 predictor, and the transformer of Ghiasi et al. 2017.

Quantised weights are turned back into the numbers they stand for; the batch normalisations of such files are folded
into weights and biases already.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from network_file import Array, Network, refused, required


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


def dequantized(model: Any, tensor: Any) -> Array:
    """Return the numbers that a constant tensor stands for."""
    tflite = required("tflite", "TensorFlow Lite files")
    types = {
        tflite.TensorType.FLOAT32: np.float32,
        tflite.TensorType.FLOAT16: np.float16,
        tflite.TensorType.INT8: np.int8,
        tflite.TensorType.UINT8: np.uint8,
        tflite.TensorType.INT32: np.int32,
    }
    name = tensor.Name().decode()
    if tensor.Type() not in types:
        raise refused(f"tensor {name} has a type that holds no weights")
    shape = tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(raw, int):
        raise refused(f"tensor {name} is no constant")
    values = np.frombuffer(raw.tobytes(), types[tensor.Type()])
    if values.size != int(np.prod(shape)):
        raise refused(f"tensor {name} is cut off")
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
    tflite = required("tflite", "TensorFlow Lite files")
    contents = path.read_bytes()
    if contents[4:8] != b"TFL3":
        raise refused("it is not a TensorFlow Lite file")
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
            raise refused(f"convolution {index} has uneven strides or gaps in its kernel")
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


def read_tflite_predictor(path: Path) -> Network:
    """Read a MobileNetV2 that ends in a mean and a linear map."""
    tflite = required("tflite", "TensorFlow Lite files")
    shape, layers = read_tflite(path)
    if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
        raise refused(f"its input has shape {shape}, not one square RGB picture")
    if len(layers) < 5:
        raise refused("it is not a MobileNetV2: it has too few convolutions")
    stem, *inner, head, embedding = layers
    tensors: dict[str, Array] = {}

    def keep(name: str, layer: Layer, activation: int) -> None:
        if layer.activation != activation:
            raise refused(f"layer {layer.scope} has an unexpected activation")
        tensors[f"{name}.weight"] = layer.weight
        tensors[f"{name}.bias"] = layer.bias

    relu6, identity = tflite.ActivationFunctionType.RELU6, tflite.ActivationFunctionType.NONE
    keep("stem", stem, relu6)
    blocks: list[list[int]] = []
    channels = stem.weight.shape[0]
    while inner:
        name = f"blocks.{len(blocks)}"
        expand = None if inner[0].is_depthwise else inner.pop(0)
        if len(inner) < 2 or not inner[0].is_depthwise or inner[1].is_depthwise:
            raise refused(f"it is not a MobileNetV2: block {len(blocks)} has another form")
        depthwise, project = inner.pop(0), inner.pop(0)
        if expand is not None:
            keep(f"{name}.expand", expand, relu6)
        keep(f"{name}.depthwise", depthwise, relu6)
        keep(f"{name}.project", project, identity)
        expansion, remainder = divmod(depthwise.weight.shape[0], channels)
        if remainder:
            raise refused(f"block {len(blocks)} does not widen by a whole factor")
        channels = project.weight.shape[0]
        blocks.append([expansion, channels, depthwise.stride])
    keep("head", head, relu6)
    keep("embedding", embedding, identity)
    tensors["embedding.weight"] = embedding.weight[:, :, 0, 0]
    architecture = {
        "kind": "mobilenet_v2",
        "side": shape[1],
        "stem": stem.weight.shape[0],
        "blocks": blocks,
        "head": head.weight.shape[0],
    }
    return Network(architecture, embedding.weight.shape[0], tensors)


def tflite_variables(path: Path) -> dict[str, Array]:
    """Return weights ([out][in][rows][columns]) and biases under their TensorFlow names."""
    _, layers = read_tflite(path)
    variables = {f"{layer.scope}/weights": layer.weight for layer in layers}
    return variables | {f"{layer.scope}/biases": layer.bias for layer in layers}
