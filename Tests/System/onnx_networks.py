"""Small style networks as ONNX files, in the two dialects of common exporters, and with quantised activations.

What PyTorch's exporter and TensorFlow's differ in: where the channels are, how an instance normalisation is written
down, and how the maps of the style are.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]
EMBEDDING = 8
SIDE = 32


class GraphWriter:
    """Nodes and constants of a graph under construction."""

    def __init__(self, *, is_tensorflow: bool, is_quantized: bool = False) -> None:
        """Start an empty graph in one of the dialects."""
        self.is_tensorflow = is_tensorflow
        self.is_quantized = is_quantized
        self.random = np.random.default_rng(5)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Array | np.generic) -> str:
        """Return the name of a constant."""
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weights(self, *shape: int) -> str:
        """Return random weights; where the graph is quantised, integers with a scale for each output channel."""
        values = self.random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
        if not self.is_quantized:
            return self.constant(values)
        scale = (np.abs(values).reshape(shape[0], -1).max(1) / 127).astype(np.float32)
        integers = np.round(values / scale.reshape(-1, *[1] * (len(shape) - 1))).astype(np.int8)
        zeros = self.constant(np.zeros(shape[0], np.int8))
        return self.node("DequantizeLinear", self.constant(integers), self.constant(scale), zeros, axis=0)

    def small(self, count: int, centre: float = 0) -> str:
        """Return random numbers for a bias."""
        return self.constant((centre + self.random.normal(0, 0.1, count)).astype(np.float32))

    def quantized(self, value: str) -> str:
        """Pass a value through eight bits, as a runtime on integers would."""
        if not self.is_quantized:
            return value
        scale, zero = self.constant(np.float32(0.05)), self.constant(np.uint8(128))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", value, scale, zero), scale, zero)

    def mirrored(self, value: str, pixels: int) -> str:
        """Add a mirrored border."""
        sides = [0, 0, pixels, pixels] * 2
        return self.node("Pad", value, self.constant(np.array(sides, np.int64)), mode="reflect")

    def style_map(self, z: str, channels: int, centre: float) -> str:
        """Return a linear map of z, one number for each channel [1][channels][1][1]."""
        bias = self.small(channels, centre)
        if self.is_tensorflow:
            return self.node("Conv", z, self.weights(channels, EMBEDDING, 1, 1), bias, kernel_shape=[1, 1])
        mapped = self.node("Gemm", z, self.weights(channels, EMBEDDING), bias, transB=1)
        return self.node("Unsqueeze", mapped, self.constant(np.array([2, 3], np.int64)))

    def normalized(self, value: str, z: str, channels: int) -> str:
        """Return conditional instance normalisation, spelled out as the exporter does."""
        scale, shift = self.style_map(z, channels, 1), self.style_map(z, channels, 0)
        epsilon = self.constant(np.float32(1e-5))
        if self.is_tensorflow:
            mean = self.node("GlobalAveragePool", value)
            distance = self.node("Sub", value, mean)
            variance = self.node("GlobalAveragePool", self.node("Mul", distance, distance))
            inverse = self.node("Reciprocal", self.node("Sqrt", self.node("Add", variance, epsilon)))
            factor = self.node("Mul", inverse, scale)
            rest = self.node("Sub", shift, self.node("Mul", mean, factor))
            return self.node("Add", self.node("Mul", value, factor), rest)
        axes = self.constant(np.array([2, 3], np.int64))
        distance = self.node("Sub", value, self.node("ReduceMean", value, axes, keepdims=1))
        square = self.node("Pow", distance, self.constant(np.float32(2)))
        variance = self.node("ReduceMean", square, axes, keepdims=1)
        deviation = self.node("Sqrt", self.node("Add", variance, epsilon))
        return self.node("Add", self.node("Mul", scale, self.node("Div", distance, deviation)), shift)

    def enlarged(self, value: str) -> str:
        """Repeat rows and columns."""
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node("Resize", value, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric")

    def save(self, path: pathlib.Path, inputs: list[Any], output: str, shape: list[int]) -> None:
        """Write the file."""
        result = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "network", inputs, [result], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def picture_input(writer: GraphWriter, width: int, height: int) -> tuple[Any, str]:
    """Return the input for a picture, and its value with the channels first."""
    sizes = [1, height, width, 3] if writer.is_tensorflow else [1, 3, height, width]
    value = helper.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, sizes)
    return value, writer.node("Transpose", "picture", perm=[0, 3, 1, 2]) if writer.is_tensorflow else "picture"


def write_transformer(path: pathlib.Path, writer: GraphWriter, width: int, height: int) -> None:
    """Write a transformer of the form of Ghiasi et al. with one residual block."""
    value, x = picture_input(writer, width, height)
    style_sizes = [1, 1, 1, EMBEDDING] if writer.is_tensorflow else [1, EMBEDDING]
    style = helper.make_tensor_value_info("style", onnx.TensorProto.FLOAT, style_sizes)
    z = writer.node("Transpose", "style", perm=[0, 3, 1, 2]) if writer.is_tensorflow else "style"

    def convolve(x: str, out: int, inputs: int, kernel: int, stride: int = 1, *, has_bias: bool = True) -> str:
        terms = [writer.weights(out, inputs, kernel, kernel)] + ([writer.small(out)] if has_bias else [])
        return writer.node("Conv", writer.mirrored(x, kernel // 2), *terms, strides=[stride, stride])

    for out, inputs, kernel, stride in ((4, 3, 9, 1), (6, 4, 3, 2), (8, 6, 3, 2)):
        x = writer.quantized(writer.node("Relu", convolve(x, out, inputs, kernel, stride)))
    first = writer.node("Relu", writer.normalized(convolve(x, 8, 8, 3, has_bias=False), z, 8))
    x = writer.node("Add", x, writer.normalized(convolve(writer.quantized(first), 8, 8, 3, has_bias=False), z, 8))
    for out, inputs in ((6, 8), (4, 6)):
        x = writer.node("Relu", writer.normalized(convolve(writer.enlarged(x), out, inputs, 3, has_bias=False), z, out))
    x = writer.node("Sigmoid", writer.normalized(convolve(x, 3, 4, 9, has_bias=False), z, 3))
    shape = [1, 3, height, width]
    if writer.is_tensorflow:
        x, shape = writer.node("Transpose", x, perm=[0, 2, 3, 1]), [1, height, width, 3]
    writer.save(path, [value, style], x, shape)


def write_predictor(path: pathlib.Path, writer: GraphWriter) -> None:
    """Write a MobileNetV2 with two blocks, the second of which adds its input."""
    value, x = picture_input(writer, SIDE, SIDE)

    def clamped(x: str) -> str:
        bounds = writer.constant(np.float32(0)), writer.constant(np.float32(6))
        return writer.quantized(writer.node("Clip", x, *bounds))

    def convolve(x: str, out: int, inputs: int, kernel: int, **attributes: Any) -> str:
        return writer.node("Conv", x, writer.weights(out, inputs, kernel, kernel), writer.small(out, 0.2), **attributes)

    half: dict[str, Any] = {"strides": [2, 2], "pads": [0, 0, 1, 1]}
    x = clamped(convolve(x, 6, 3, 3, **half))
    x = clamped(convolve(x, 6, 1, 3, group=6, **half))
    x = convolve(x, 5, 6, 1)
    inner = clamped(convolve(x, 15, 5, 1))
    inner = clamped(convolve(inner, 15, 1, 3, group=15, pads=[1, 1, 1, 1]))
    x = writer.node("Add", x, convolve(inner, 5, 15, 1))
    x = clamped(convolve(x, 20, 5, 1))
    if writer.is_tensorflow:
        x = convolve(writer.node("GlobalAveragePool", x), EMBEDDING, 20, 1)
        writer.save(path, [value], x, [1, EMBEDDING, 1, 1])
        return
    axes = writer.constant(np.array([2, 3], np.int64))
    means = writer.node("Flatten", writer.node("ReduceMean", x, axes, keepdims=1))
    x = writer.node("Gemm", means, writer.weights(EMBEDDING, 20), writer.small(EMBEDDING), transB=1)
    writer.save(path, [value], x, [1, EMBEDDING])


def without_quantized_activations(path: pathlib.Path, out: pathlib.Path) -> None:
    """Write the network with the numbers that weights stand for and activations as they are, as an import has it."""
    model = onnx.load(str(path))
    passed: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        node.input[:] = [passed.get(name, name) for name in node.input]
        constants = {tensor.name for tensor in model.graph.initializer}
        if node.op_type == "QuantizeLinear" or (node.op_type == "DequantizeLinear" and node.input[0] not in constants):
            passed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    for output in model.graph.output:
        source = passed.get(output.name)
        for node in kept if source else []:
            node.input[:] = [output.name if name == source else name for name in node.input]
            node.output[:] = [output.name if name == source else name for name in node.output]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, str(out))
