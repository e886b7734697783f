"""ONNX files: predictors and transformers of any exporter, float or int8 with quantised activations (QDQ).

The nodes are followed from the inputs to the output. A number that depends on no input is computed. What depends on
the picture is written down as a polynomial in the outputs of layers, their means and variances, and the maps of the
style; so an instance normalisation is recognised however its exporter wrote it, and whatever is none of the layers of a
model file is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from network_file import Array, LayerList, Network, refused, required

Numbers = npt.NDArray[np.float64]

# In a picture whose size the file leaves open.
NOMINAL_SIDE = 64
# The epsilon of every published network; a quantised file has it rounded.
EPSILON = 1e-5

Symbol = tuple[str, str]
Monomial = tuple[Symbol, ...]


@dataclass(frozen=True)
class Polynomial:
    """A sum of products of symbols, each with one coefficient or one for each channel.

    Symbols are ("picture", layer), ("mean", layer), ("variance", layer), ("root", layer) for sqrt(variance + epsilon),
    ("inverse", layer) for its reciprocal, ("style", map) and ("z", "").
    """

    terms: dict[Monomial, Numbers]

    @staticmethod
    def of(kind: str, name: str = "") -> Polynomial:
        """Return a single symbol."""
        return Polynomial({((kind, name),): np.ones(1)})

    def plus(self, other: Polynomial, sign: float = 1) -> Polynomial:
        """Return the sum or the difference."""
        terms = dict(self.terms)
        for monomial, factor in other.terms.items():
            terms[monomial] = terms.get(monomial, np.zeros(1)) + sign * factor
        return Polynomial({monomial: factor for monomial, factor in terms.items() if np.any(factor != 0)})

    def times(self, other: Polynomial) -> Polynomial:
        """Return the product, in which a root and its inverse cancel."""
        product = Polynomial({})
        for left, factor in self.terms.items():
            for right, more in other.terms.items():
                product = product.plus(Polynomial({tuple(sorted(left + right)): factor * more}))
        return product

    def averaged(self) -> Polynomial:
        """Return the mean over the picture."""
        result = Polynomial({})
        for monomial, factor in self.terms.items():
            pictures = [symbol for symbol in monomial if symbol[0] == "picture"]
            rest = Polynomial({tuple(symbol for symbol in monomial if symbol[0] != "picture"): factor})
            if len(pictures) == 1:
                mean = Polynomial.of("mean", pictures[0][1])
            elif len(pictures) == 2 and pictures[0] == pictures[1]:
                layer = pictures[0][1]
                square = Polynomial.of("mean", layer).times(Polynomial.of("mean", layer))
                mean = Polynomial.of("variance", layer).plus(square)
            elif not pictures:
                mean = Polynomial({(): np.ones(1)})
            else:
                raise refused("it averages a product that no layer of a model file has")
            result = result.plus(rest.times(mean))
        return result

    def single(self, kind: str) -> str | None:
        """Return the name of the symbol of a kind that this is, with the factor 1, or None."""
        if len(self.terms) != 1:
            return None
        ((monomial, factor),) = self.terms.items()
        is_one = len(monomial) == 1 and monomial[0][0] == kind and np.all(factor == 1)
        return monomial[0][1] if is_one else None

    def pictures(self) -> set[str]:
        """Return the layers whose outputs it holds."""
        return {name for monomial in self.terms for kind, name in monomial if kind == "picture"}


@dataclass(frozen=True)
class Traced:
    """What a node puts out that depends on an input."""

    value: Polynomial
    shape: tuple[int, ...]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Top, bottom, left, right: of a border that the next convolution will see."""
    border: str = "zeros"
    upsampling: int = 1
    """By which the next convolution will see it enlarged, before its border."""
    rows_axis: int = 2
    """2 for [n][c][h][w], 1 for [n][h][w][c]."""

    @property
    def is_picture(self) -> bool:
        """Whether it has rows and columns."""
        return bool(self.value.pictures())


class Trace:
    """One graph on its way to layers."""

    def __init__(self, graph: Any, onnx: Any, picture: str, style: str | None) -> None:
        """Start with the inputs and the constants."""
        self.onnx = onnx
        self.graph = graph
        self.list = LayerList()
        self.styles: dict[str, tuple[Array, Array]] = {}
        self.end: tuple[Array, Array] | None = None
        self.constants: dict[str, Any] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        self.traced: dict[str, Traced] = {}
        for value in graph.input:
            if value.name == picture:
                shape = self.shape_of(value)
                rows_axis = 1 if shape[3] == 3 and shape[1] != 3 else 2
                if shape[4 - 3 * (rows_axis - 1) - 1 if rows_axis == 1 else 1] != 3:
                    raise refused(f"its picture {picture} has not three channels")
                self.traced[value.name] = Traced(Polynomial.of("picture", "picture"), shape, rows_axis=rows_axis)
            elif value.name == style:
                self.traced[value.name] = Traced(Polynomial.of("z"), self.shape_of(value))
        self.read: set[str] = set()

    @staticmethod
    def shape_of(value: Any) -> tuple[int, ...]:
        """Return the sizes of an input; open ones are 1 for the batch and a nominal side for rows and columns."""
        sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        return (1, *(size or NOMINAL_SIDE for size in sizes[1:]))

    def run(self) -> Traced:
        """Follow every node; return the output."""
        for node in self.graph.node:
            self.follow(node)
        name = self.graph.output[0].name
        if name not in self.traced:
            raise refused(f"its output {name} depends on no input")
        return self.traced[name]

    def follow(self, node: Any) -> None:
        """Give a node's output a meaning."""
        names = [name for name in node.input if name]
        inputs = [self.traced.get(name) for name in names]
        if all(value is None for value in inputs) or (node.op_type == "Shape" and inputs[0] is not None):
            self.compute(node, inputs)
            return
        attributes = {item.name: self.onnx.helper.get_attribute_value(item) for item in node.attribute}
        handler: Callable[[Any, dict[str, Any]], Traced] | None = getattr(self, f"on_{node.op_type}", None)
        if node.domain not in ("", "ai.onnx") or handler is None:
            raise refused(
                f"node {node.name or node.output[0]} is a {node.op_type}, which no layer of a model file does"
            )
        try:
            self.traced[node.output[0]] = handler(node, attributes)
        except Exception as failure:
            failure.add_note(f"node {node.name or node.output[0]} ({node.op_type})")
            raise

    def compute(self, node: Any, inputs: list[Traced | None]) -> None:
        """Compute what depends on no input, and the shape of what does."""
        if node.op_type == "Shape" and inputs[0] is not None:
            self.constants[node.output[0]] = np.array(inputs[0].shape, np.int64)
            return
        if node.op_type == "Constant":
            attribute = node.attribute[0]
            value = self.onnx.helper.get_attribute_value(attribute)
            is_tensor = attribute.name == "value"
            self.constants[node.output[0]] = self.onnx.numpy_helper.to_array(value) if is_tensor else np.array(value)
            return
        evaluator = required("onnx.reference", "ONNX files", "onnx").ReferenceEvaluator(node)
        results = evaluator.run(None, {name: self.constants[name] for name in node.input if name})
        for name, value in zip(node.output, results, strict=True):
            self.constants[name] = value

    # What a node reads

    def operand(self, name: str) -> Traced:
        """Return an input as a polynomial, a constant too."""
        if name in self.traced:
            return self.traced[name]
        constant = np.asarray(self.constants[name], np.float64)
        if sum(size > 1 for size in constant.shape) > 1:
            raise refused(f"constant {name} has shape {constant.shape} where one number for each channel is understood")
        return Traced(Polynomial({(): constant.reshape(-1)}), constant.shape)

    def constant(self, node: Any, index: int, default: Any = None) -> Any:
        """Return an input that depends on nothing."""
        if index >= len(node.input) or not node.input[index]:
            return default
        if node.input[index] not in self.constants:
            raise refused("it depends on an input where a constant is understood")
        return self.constants[node.input[index]]

    def layer(self, value: Polynomial) -> str:
        """Return the layer whose output a polynomial is, making the layers that it calls for."""
        name = value.single("picture")
        if name is not None:
            return name
        pictures = value.pictures()
        if len(pictures) == 1:
            return self.normalized(value, next(iter(pictures)))
        parts = [Polynomial.of("picture", picture) for picture in sorted(pictures)]
        if len(parts) == 2 and not value.plus(parts[0], -1).plus(parts[1], -1).terms:
            order = [layer["name"] for layer in self.list.layers]
            names = sorted(pictures, key=lambda name: order.index(name) if name in order else -1)
            for name in names:
                self.read.add(name)
            return self.list.add("addition", self.fresh_name("sum"), names)
        raise refused("it computes something of pictures that no layer of a model file does")

    def convolution(self, name: str) -> dict[str, Any]:
        """Return a convolution that may still be changed, because nobody has read it."""
        for layer in self.list.layers:
            if layer["name"] == name and layer["layer"] == "convolution" and name not in self.read:
                if "normalization" in layer or "activation" in layer:
                    break
                return layer
        raise refused(f"what is done to the output of {name} is part of no layer of a model file")

    def normalized(self, value: Polynomial, name: str) -> str:
        """Recognise a convolution's instance normalisation, or constants that go into its weights."""
        layer = self.convolution(name)
        picture, mean, inverse = ("picture", name), ("mean", name), ("inverse", name)
        terms = dict(value.terms)
        if all(monomial in ((), (picture,)) for monomial in terms):
            scale = np.broadcast_to(terms.get((picture,), np.zeros(1)), (layer["channels"],))
            shift = np.broadcast_to(terms.get((), np.zeros(1)), (layer["channels"],))
            weight, bias = self.list.tensors[f"{name}.weight"], self.list.tensors[f"{name}.bias"]
            self.list.tensors[f"{name}.weight"] = (weight * scale[:, None, None, None]).astype(np.float32)
            self.list.tensors[f"{name}.bias"] = (bias * scale + shift).astype(np.float32)
            return name
        styles = [symbol for monomial in terms for symbol in monomial if symbol[0] == "style"]
        scales = [symbol for monomial in terms for symbol in monomial if symbol[0] == "style" and picture in monomial]
        shifts = [symbol for symbol in styles if symbol not in scales]
        expected = Polynomial.of(*picture).plus(Polynomial.of(*mean), -1).times(Polynomial.of(*inverse))
        if scales and shifts:
            expected = expected.times(Polynomial.of(*scales[0])).plus(Polynomial.of(*shifts[0]))
        if set(value.terms) != set(expected.terms) or value.plus(expected, -1).terms:
            raise refused(f"what is done to the output of {name} is no instance normalisation of a model file")
        del self.list.tensors[f"{name}.bias"]
        layer["normalization"] = "style" if scales else "instance"
        for part, symbols in (("scale", scales), ("shift", shifts)):
            if symbols:
                matrix, bias = self.styles[symbols[0][1]]
                self.list.tensors[f"{name}.{part}.weight"], self.list.tensors[f"{name}.{part}.bias"] = matrix, bias
        return name

    def fresh_name(self, wanted: str) -> str:
        """Return a name that no layer has, from what a file calls a weight."""
        name = re.sub(r"[^A-Za-z0-9_]+", ".", wanted).strip(".")
        for ending in ("_dequant", ".read", ".weights", ".depthwise_weights", ".weight"):
            name = name.removesuffix(ending)
        taken = {layer["name"] for layer in self.list.layers} | {"picture", "embedding"}
        count = 0
        fresh = name or "layer"
        while fresh in taken:
            count += 1
            fresh = f"{name or 'layer'}.{count}"
        return fresh

    # Nodes that change nothing here

    def same(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Pass a value on."""
        return self.operand(node.input[0])

    on_Identity = on_Cast = on_Dropout = on_QuantizeLinear = on_DequantizeLinear = same

    def reshaped(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Pass on numbers of channels in another shape."""
        value = self.operand(node.input[0])
        if value.is_picture:
            raise refused("it reshapes a picture")
        return replace(value, shape=(1, max(value.shape)))

    on_Reshape = on_Unsqueeze = on_Squeeze = on_Flatten = reshaped

    def on_Transpose(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Move the channels of a picture to their place."""
        value = self.operand(node.input[0])
        if not value.is_picture:
            return value
        order = list(attributes["perm"])
        shape = tuple(value.shape[axis] for axis in order)
        if order == [0, 3, 1, 2] and value.rows_axis == 1:
            return replace(value, shape=shape, rows_axis=2)
        if order == [0, 2, 3, 1] and value.rows_axis == 2:
            return replace(value, shape=shape, rows_axis=1)
        raise refused(f"it transposes a picture by {order}")

    # Arithmetic

    def arithmetic(self, node: Any, combine: Callable[[Polynomial, Polynomial], Polynomial]) -> Traced:
        """Combine two operands; two pictures become a layer."""
        left, right = (self.operand(name) for name in node.input)
        values = [left.value, right.value]
        if left.is_picture and right.is_picture and len(left.value.pictures() | right.value.pictures()) > 1:
            values = [Polynomial.of("picture", self.layer(value)) for value in values]
        shape = max(left.shape, right.shape, key=lambda shape: (len(shape), np.prod(shape)))
        rows_axis = left.rows_axis if left.is_picture else right.rows_axis
        combined = combine(*values)
        if len(combined.pictures()) > 1:
            combined = Polynomial.of("picture", self.layer(combined))
        return Traced(combined, shape, rows_axis=rows_axis)

    def on_Add(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Add."""
        return self.arithmetic(node, lambda left, right: left.plus(right))

    def on_Sub(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Subtract."""
        return self.arithmetic(node, lambda left, right: left.plus(right, -1))

    def on_Mul(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Multiply."""
        return self.arithmetic(node, lambda left, right: left.times(right))

    def on_Div(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Divide."""
        return self.arithmetic(node, lambda left, right: left.times(self.reciprocal(right)))

    @staticmethod
    def reciprocal(value: Polynomial) -> Polynomial:
        """Return one over a constant, or over the root of a variance."""
        if set(value.terms) == {()}:
            return Polynomial({(): 1 / value.terms[()]})
        name = value.single("root")
        if name is None:
            raise refused("it divides by something else than a constant or a standard deviation")
        return Polynomial.of("inverse", name)

    def on_Reciprocal(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Return one over it."""
        value = self.operand(node.input[0])
        return replace(value, value=self.reciprocal(value.value))

    def on_Pow(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Square."""
        value = self.operand(node.input[0])
        if float(self.constant(node, 1)) != 2:
            raise refused("it raises to another power than 2")
        return replace(value, value=value.value.times(value.value))

    def on_Sqrt(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Return the root of a variance and an epsilon."""
        value = self.operand(node.input[0])
        names = [name for monomial in value.value.terms for kind, name in monomial if kind == "variance"]
        if len(names) != 1:
            raise refused("it takes the root of something else than a variance")
        rest = value.value.plus(Polynomial.of("variance", names[0]), -1)
        if set(rest.terms) != {()} or abs(float(rest.terms[()][0]) - EPSILON) > 0.01 * EPSILON:
            raise refused(f"the variance under its root is not that of a picture with {EPSILON} added")
        return replace(value, value=Polynomial.of("root", names[0]))

    def averaged(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Average over the picture."""
        value = self.operand(node.input[0])
        if not value.is_picture:
            raise refused("it averages something else than a picture")
        axes = (
            self.constant(node, 1) if node.op_type == "ReduceMean" and len(node.input) > 1 else attributes.get("axes")
        )
        if node.op_type == "ReduceMean":
            wanted = {value.rows_axis, value.rows_axis + 1}
            if axes is None or {int(axis) % 4 for axis in axes} != wanted:
                raise refused("it averages over other axes than rows and columns")
        return Traced(value.value.averaged(), (1, value.shape[1 if value.rows_axis == 2 else 3]))

    on_GlobalAveragePool = on_ReduceMean = averaged

    def on_InstanceNormalization(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Normalise with constants."""
        value = self.operand(node.input[0])
        name = self.layer(value.value)
        if abs(attributes.get("epsilon", 1e-5) - EPSILON) > 0.01 * EPSILON:
            raise refused(f"its epsilon is not {EPSILON}")
        centred = Polynomial.of("picture", name).plus(Polynomial.of("mean", name), -1)
        scale = Polynomial({(): np.asarray(self.constant(node, 1), np.float64)})
        shift = Polynomial({(): np.asarray(self.constant(node, 2), np.float64)})
        normalized = centred.times(Polynomial.of("inverse", name))
        if np.all(scale.terms[()] == 1):
            scale = Polynomial({(): np.ones(1)})
        return replace(value, value=normalized.times(scale).plus(shift))

    # Layers

    def on_Pad(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Remember a border for the next convolution."""
        value = self.operand(node.input[0])
        mode = attributes.get("mode", b"constant").decode()
        pads = [int(size) for size in (self.constant(node, 1) if len(node.input) > 1 else attributes["pads"])]
        row, column = value.rows_axis, value.rows_axis + 1
        sides = (pads[row], pads[row + 4], pads[column], pads[column + 4])
        if not any(pads):
            return value
        others = [size for index, size in enumerate(pads) if index % 4 not in (row, column)]
        if any(others) or any(value.padding) or mode not in ("constant", "reflect"):
            raise refused(f"its border ({mode}, {pads}) is none that a convolution has")
        if mode == "constant" and float(self.constant(node, 2, np.zeros(1)).reshape(-1)[0]) != 0:
            raise refused("its border is neither of zeros nor mirrored")
        shape = list(value.shape)
        shape[row] += sides[0] + sides[1]
        shape[column] += sides[2] + sides[3]
        border = "zeros" if mode == "constant" else "mirrored"
        return replace(value, shape=tuple(shape), padding=sides, border=border)

    def on_Resize(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Remember an enlargement for the next convolution."""
        value = self.operand(node.input[0])
        sizes = self.constant(node, 3) if len(node.input) > 3 else None
        scales = self.constant(node, 2 if len(node.input) > 2 else 1)
        if sizes is None:
            sizes = [int(size * scale) for size, scale in zip(value.shape, scales, strict=True)]
        factors = {int(size) / old for size, old in zip(sizes, value.shape, strict=True)}
        sides = [int(sizes[value.rows_axis + axis]) / value.shape[value.rows_axis + axis] for axis in range(2)]
        if factors == {1.0}:
            return value
        if attributes.get("mode", b"nearest") != b"nearest" or sides != [2.0, 2.0] or any(value.padding):
            raise refused("it enlarges by something else than repeating rows and columns once")
        shape = list(value.shape)
        for axis in range(2):
            shape[value.rows_axis + axis] *= 2
        return replace(value, shape=tuple(shape), upsampling=value.upsampling * 2)

    on_Upsample = on_Resize

    def on_Conv(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Add a convolution, or a map of the style, or the predictor's end."""
        value = self.operand(node.input[0])
        weight = np.asarray(self.constant(node, 1), np.float32)
        bias = np.asarray(self.constant(node, 2, np.zeros(weight.shape[0])), np.float32)
        if not value.is_picture:
            if weight.shape[2:] != (1, 1):
                raise refused("it convolves numbers that are no picture")
            return self.mapped(value, weight[:, :, 0, 0], bias)
        if value.rows_axis != 2:
            raise refused("it convolves a picture whose channels come last")
        reads, weight, bias = self.source(value, weight, bias)
        group = attributes.get("group", 1)
        if group not in (1, weight.shape[0]) or (group > 1 and value.shape[1] != group):
            raise refused(f"its channels are in {group} groups")
        strides = list(attributes.get("strides", [1, 1]))
        if strides[0] != strides[1] or any(size != 1 for size in attributes.get("dilations", [1, 1])):
            raise refused("it has uneven strides or gaps in its kernel")
        padding, border = value.padding, value.border
        if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            padding = self.same_padding(value, weight, strides[0], attributes["auto_pad"])
            border = "zeros"
        pads = attributes.get("pads", [0, 0, 0, 0])
        if any(pads):
            if any(padding):
                raise refused("it has two borders")
            padding, border = (pads[0], pads[2], pads[1], pads[3]), "zeros"
        keys: dict[str, Any] = {}
        if strides[0] != 1:
            keys["stride"] = strides[0]
        if group > 1:
            keys["depthwise"] = True
        if value.upsampling != 1:
            keys["upsampling"] = value.upsampling
        if any(padding):
            keys |= {"padding": [int(size) for size in padding], "border": border}
        name = self.fresh_name(node.input[1])
        self.read.add(reads)
        self.list.convolve(name, weight, bias, [reads], **keys)
        before = (padding[0] + padding[1], padding[2] + padding[3]) if not any(value.padding) else (0, 0)
        rows, columns = (
            (value.shape[2 + axis] + before[axis] - weight.shape[2 + axis]) // strides[0] + 1 for axis in range(2)
        )
        return Traced(Polynomial.of("picture", name), (1, weight.shape[0], rows, columns))

    @staticmethod
    def same_padding(value: Traced, weight: Array, stride: int, mode: bytes) -> tuple[int, int, int, int]:
        """Return the border that makes the output as large as the input over the stride."""
        if any(value.padding):
            raise refused("it has two borders")
        sides = []
        for axis in range(2):
            size = value.shape[2 + axis]
            whole = max(0, (-(-size // stride) - 1) * stride + weight.shape[2 + axis] - size)
            half = whole // 2
            sides += [half, whole - half] if mode == b"SAME_UPPER" else [whole - half, half]
        return sides[0], sides[1], sides[2], sides[3]

    def source(self, value: Traced, weight: Array, bias: Array) -> tuple[str, Array, Array]:
        """Return the layer that a convolution reads; what was done to the picture itself goes into the weights."""
        picture = (("picture", "picture"),)
        if set(value.value.terms) <= {(), picture} and value.value.single("picture") is None:
            if any(value.padding) and value.border == "zeros":
                raise refused("a border of zeros lies around a picture that is not in 0...1")
            scale = np.broadcast_to(value.value.terms.get(picture, np.zeros(1)), (3,))
            shift = np.broadcast_to(value.value.terms.get((), np.zeros(1)), (3,))
            exact = weight.astype(np.float64)
            bias = (bias + (exact * shift[None, :, None, None]).sum((1, 2, 3))).astype(np.float32)
            return "picture", (exact * scale[None, :, None, None]).astype(np.float32), bias
        return self.layer(value.value), weight, bias

    def on_Gemm(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Add a map of the style, or the predictor's end."""
        matrix = np.asarray(self.constant(node, 1), np.float32) * attributes.get("alpha", 1.0)
        if not attributes.get("transB", 0):
            matrix = matrix.T
        bias = np.asarray(self.constant(node, 2, np.zeros(matrix.shape[0])), np.float32) * attributes.get("beta", 1.0)
        return self.mapped(
            self.operand(node.input[0]), np.ascontiguousarray(matrix, np.float32), np.asarray(bias, np.float32)
        )

    def mapped(self, value: Traced, matrix: Array, bias: Array) -> Traced:
        """Apply a linear map to the style, or to the means of the last picture."""
        if value.value.single("z") is not None:
            name = str(len(self.styles))
            self.styles[name] = (matrix, bias)
            return Traced(Polynomial.of("style", name), (1, matrix.shape[0]))
        mean = value.value.single("mean")
        if mean is None or self.end is not None:
            raise refused("it maps something else than the style, or the means of the last picture")
        if self.list.layers[-1]["name"] != mean:
            raise refused("it maps the means of a picture that is not the last")
        self.end = (matrix, bias)
        return Traced(Polynomial.of("end"), (1, matrix.shape[0]))

    def activated(self, node: Any, activation: str) -> Traced:
        """Give a convolution its activation."""
        value = self.operand(node.input[0])
        name = self.layer(value.value)
        for layer in self.list.layers:
            if layer["name"] == name and layer["layer"] == "convolution" and "activation" not in layer:
                if name in self.read:
                    break
                layer["activation"] = activation
                return replace(value, value=Polynomial.of("picture", name))
        raise refused(f"its {activation} follows no convolution, or one that others read without it")

    def on_Relu(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Clamp at 0."""
        return self.activated(node, "relu")

    def on_Sigmoid(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Put into 0...1."""
        return self.activated(node, "sigmoid")

    def on_Clip(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Clamp at 0 and 6."""
        low = self.constant(node, 1, np.array(attributes.get("min", -np.inf)))
        high = self.constant(node, 2, np.array(attributes.get("max", np.inf)))
        if float(low) != 0 or abs(float(high) - 6) > 1e-6:
            raise refused(f"it clamps to {float(low)}...{float(high)}, and a layer of a model file to 0...6")
        return self.activated(node, "relu6")

    def on_MaxPool(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Add a layer that takes the largest of each window."""
        return self.pooled(node, attributes, "max_pooling", {})

    def on_AveragePool(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Add a layer that takes the mean of each window."""
        counts = {"counts_border": True} if attributes.get("count_include_pad", 0) else {}
        return self.pooled(node, attributes, "average_pooling", counts)

    def pooled(self, node: Any, attributes: dict[str, Any], kind: str, keys: dict[str, Any]) -> Traced:
        """Add a pooling layer."""
        value = self.operand(node.input[0])
        kernel = list(attributes["kernel_shape"])
        strides = list(attributes.get("strides", [1, 1]))
        pads = list(attributes.get("pads", [0, 0, 0, 0]))
        is_maximum = kind == "max_pooling"
        unusual = any(value.padding) or value.upsampling != 1 or attributes.get("ceil_mode", 0)
        if unusual or strides[0] != strides[1] or (any(pads) if is_maximum else strides[0] != 1):
            raise refused("its window is none that a pooling layer has")
        reads = self.layer(value.value)
        self.read.add(reads)
        name = self.fresh_name(f"pool{sum(layer['layer'].endswith('pooling') for layer in self.list.layers)}")
        if strides[0] != 1:
            keys = keys | {"stride": strides[0]}
        if any(pads):
            keys = keys | {"padding": [pads[0], pads[2], pads[1], pads[3]]}
        self.list.add(kind, name, [reads], kernel=kernel, **keys)
        rows, columns = (
            (value.shape[2 + axis] + pads[axis] + pads[2 + axis] - kernel[axis]) // strides[0] + 1 for axis in range(2)
        )
        return Traced(Polynomial.of("picture", name), (1, value.shape[1], rows, columns))

    def on_Concat(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Add a layer that puts channels together."""
        values = [self.operand(name) for name in node.input]
        if attributes["axis"] % 4 != 1 or any(not value.is_picture or any(value.padding) for value in values):
            raise refused("it puts together something else than channels of pictures")
        reads = [self.layer(value.value) for value in values]
        self.read.update(reads)
        name = self.list.add("concatenation", self.fresh_name("together"), reads)
        shape = values[0].shape
        return Traced(Polynomial.of("picture", name), (1, sum(value.shape[1] for value in values), *shape[2:]))


def read_onnx(path: Path, role: str) -> Network:
    """Read a predictor or a transformer."""
    onnx = required("onnx", "ONNX files")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:
        if isinstance(error, OSError):
            raise
        raise refused(f"it is no ONNX model ({str(error).splitlines()[0]})") from error
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    pictures = [value for value in inputs if len(shape := Trace.shape_of(value)) == 4 and 3 in (shape[1], shape[3])]
    others = [value for value in inputs if value not in pictures]
    if len(pictures) != 1 or len(others) != (1 if role == "transformer" else 0):
        wanted = "a picture and a style" if role == "transformer" else "one picture"
        raise refused(f"it takes {', '.join(value.name for value in inputs)}, and a {role} takes {wanted}")
    trace = Trace(graph, onnx, pictures[0].name, others[0].name if others else None)
    output = trace.run()
    if role == "predictor":
        shape = Trace.shape_of(pictures[0])
        side = shape[trace.traced[pictures[0].name].rows_axis]
        if trace.end is None or output.value.single("end") is None:
            raise refused("its output is no linear map of the means of a picture")
        matrix, bias = trace.end
        tensors = trace.list.tensors | {"embedding.weight": matrix, "embedding.bias": bias}
        return Network({"side": side, "layers": trace.list.layers}, matrix.shape[0], tensors)
    if trace.list.layers[-1]["name"] != trace.layer(output.value):
        raise refused("its output is not that of its last layer")
    lengths = {matrix.shape[1] for matrix, _ in trace.styles.values()}
    if len(lengths) != 1:
        raise refused("no layer of it is normalised by the style")
    return Network({"layers": trace.list.layers}, lengths.pop(), trace.list.tensors)
