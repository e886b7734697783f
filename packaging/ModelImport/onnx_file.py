"""ONNX files: predictors and transformers of any exporter, float or int8 with quantised activations (QDQ).

The nodes are followed from the inputs to the output. A number that depends on no input is computed. What depends on
the picture is written down as a polynomial in the outputs of layers, their means and variances, and the maps of the
style; so an instance normalisation is recognised however its exporter wrote it, and whatever is none of the layers of a
model file is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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

# ONNX Runtime's quantiser leaves out an activation that the saturation of the integers does anyway: where it clamped at
# 6, their range ends there, but for the rounding of its scale.
LARGEST_RANGE_OF_RELU6 = 6 * (1 + 1 / 255)

# A layer, and how often it had been changed when its output was taken: before and after its activation it puts out
# something else.
Output = tuple[str, int]
Symbol = tuple[str, str, int]
Monomial = tuple[Symbol, ...]


@dataclass(frozen=True)
class Polynomial:
    """A sum of products of symbols, each with one coefficient or one for each channel.

    Symbols are ("picture", layer, version), ("mean", layer, version), ("variance", layer, version), ("root", layer,
    version) for sqrt(variance + epsilon), ("inverse", layer, version) for its reciprocal, ("style", map, 0) and
    ("z", "", 0).
    """

    terms: dict[Monomial, Numbers]

    @staticmethod
    def of(kind: str, name: str = "", version: int = 0) -> Polynomial:
        """Return a single symbol."""
        return Polynomial({((kind, name, version),): np.ones(1)})

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
                mean = Polynomial.of("mean", *pictures[0][1:])
            elif len(pictures) == 2 and pictures[0] == pictures[1]:
                output = pictures[0][1:]
                square = Polynomial.of("mean", *output).times(Polynomial.of("mean", *output))
                mean = Polynomial.of("variance", *output).plus(square)
            elif not pictures:
                mean = Polynomial({(): np.ones(1)})
            else:
                raise refused("it averages a product that no layer of a model file has")
            result = result.plus(rest.times(mean))
        return result

    def single(self, kind: str) -> Output | None:
        """Return the name and version of the symbol of a kind that this is, with the factor 1, or None."""
        if len(self.terms) != 1:
            return None
        ((monomial, factor),) = self.terms.items()
        is_one = len(monomial) == 1 and monomial[0][0] == kind and np.all(factor == 1)
        return monomial[0][1:] if is_one else None

    def pictures(self) -> set[Output]:
        """Return the layers whose outputs it holds."""
        return {(name, version) for monomial in self.terms for kind, name, version in monomial if kind == "picture"}


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

    @property
    def waits(self) -> bool:
        """Whether a border or an enlargement waits for the next convolution, which only a convolution can have."""
        return any(self.padding) or self.upsampling != 1


class Trace:
    """One graph on its way to layers."""

    def __init__(self, graph: Any, onnx: Any, picture: str, style: str | None, opset: int) -> None:
        """Start with the inputs and the constants; `opset` is the version of ONNX's own operators."""
        self.onnx = onnx
        self.opset = opset
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
        self.versions: dict[str, int] = {}
        self.saturated: dict[tuple[str, str], Traced] = {}

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
        for name, version in value.pictures():
            self.check_current(name, version)
        single = value.single("picture")
        if single is not None:
            return single[0]
        pictures = value.pictures()
        if len(pictures) == 1:
            return self.normalized(value, next(iter(pictures))[0])
        parts = [Polynomial.of("picture", *picture) for picture in sorted(pictures)]
        if len(parts) == 2 and not value.plus(parts[0], -1).plus(parts[1], -1).terms:
            order = [layer["name"] for layer in self.list.layers]
            names = sorted((name for name, _ in pictures), key=lambda name: order.index(name) if name in order else -1)
            for name in names:
                self.read.add(name)
            return self.list.add("addition", self.fresh_name("sum"), names)
        raise refused("it computes something of pictures that no layer of a model file does")

    def output(self, name: str) -> Polynomial:
        """Return what a layer puts out as it is now."""
        return Polynomial.of("picture", name, self.versions.get(name, 0))

    def changed(self, name: str) -> str:
        """Count a change of a layer, after which its output from before is to be had no more; return its name."""
        self.versions[name] = self.versions.get(name, 0) + 1
        return name

    def check_current(self, name: str, version: int) -> None:
        """Refuse the output of a layer from before a change."""
        if version != self.versions.get(name, 0):
            raise refused(f"an activation or a normalisation follows {name}, whose output others read without it")

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
        version = self.versions.get(name, 0)
        picture, mean, inverse = (("picture", name, version), ("mean", name, version), ("inverse", name, version))
        terms = dict(value.terms)
        if all(monomial in ((), (picture,)) for monomial in terms):
            scale = np.broadcast_to(terms.get((picture,), np.zeros(1)), (layer["channels"],))
            shift = np.broadcast_to(terms.get((), np.zeros(1)), (layer["channels"],))
            weight, bias = self.list.tensors[f"{name}.weight"], self.list.tensors[f"{name}.bias"]
            self.list.tensors[f"{name}.weight"] = (weight * scale[:, None, None, None]).astype(np.float32)
            self.list.tensors[f"{name}.bias"] = (bias * scale + shift).astype(np.float32)
            return self.changed(name)
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
        return self.changed(name)

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

    on_Identity = on_Dropout = on_DequantizeLinear = same

    def on_Cast(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Pass a value on in another type of real numbers; whole ones would lose what is behind the point."""
        types = self.onnx.TensorProto
        if attributes["to"] not in (types.FLOAT, types.FLOAT16, types.BFLOAT16, types.DOUBLE):
            raise refused(f"it casts to {types.DataType.Name(attributes['to'])}, and layers compute with real numbers")
        return self.operand(node.input[0])

    def on_QuantizeLinear(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Pass a value on; a range that starts at 0 is the activation that ONNX Runtime's quantiser left out for it."""
        value = self.operand(node.input[0])
        low, high = self.quantized_range(node, attributes)
        if not np.any(low == 0) or not (value.is_picture or value.value.single("end")):
            return value
        activation = "relu6" if np.all(high <= LARGEST_RANGE_OF_RELU6) else "relu"
        # Some quantisers give each reader integers of its own.
        made = (node.input[0], activation)
        if made in self.saturated:
            return self.saturated[made]
        # Squares are on their way to a variance, and are never below 0.
        is_square = any(sum(symbol[0] == "picture" for symbol in monomial) > 1 for monomial in value.value.terms)
        if np.all(low == 0) and (is_square or self.is_positive(value.value)):
            return value
        if not value.is_picture or not np.all(low == 0):
            raise refused("its integers clamp some numbers at 0, which no layer of a model file does there")
        self.saturated[made] = self.activated(node, activation, "the clamp of its integers at 0")
        return self.saturated[made]

    def quantized_range(self, node: Any, attributes: dict[str, Any]) -> tuple[Numbers, Numbers]:
        """Return the least and the greatest number that a QuantizeLinear can put out."""
        scale = np.asarray(self.constant(node, 1), np.float64)
        zero = self.constant(node, 2)
        if zero is None:
            wanted = attributes.get("output_dtype", 0) or self.onnx.TensorProto.UINT8
            zero = np.zeros(1, self.onnx.helper.tensor_dtype_to_np_dtype(wanted))
        integers = re.fullmatch(r"(u?)int([0-9]+)", np.asarray(zero).dtype.name)
        if integers is None:
            # Numbers of eight bits with a point have a sign.
            return np.full(1, -np.inf), np.full(1, np.inf)
        count = 2 ** int(integers[2])
        first = 0 if integers[1] else -count // 2
        centre = np.asarray(zero).astype(np.float64)
        return (first - centre) * scale, (first + count - 1 - centre) * scale

    def is_positive(self, value: Polynomial) -> bool:
        """Return whether a picture is 0 or greater everywhere, as it stands."""
        if value.pictures() == {("picture", 0)}:
            scale = value.terms.get((("picture", "picture", 0),), np.zeros(1))
            # The picture is in 0...1.
            return bool(np.all(np.minimum(scale, 0) + value.terms.get((), np.zeros(1)) >= 0))
        single = value.single("picture")
        if single is None:
            return False
        self.check_current(*single)
        positive = {"picture"}
        before = "picture"
        for layer in self.list.layers:
            if layer["layer"] == "convolution":
                is_positive = layer.get("activation", "identity") != "identity"
            else:
                # Means, maxima, sums and rearrangements of what is not negative are not either.
                is_positive = positive.issuperset(layer.get("from", [before]))
            before = layer["name"]
            if is_positive:
                positive.add(before)
        return single[0] in positive

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
        for name, other in zip(node.input, (right, left), strict=True):
            self.check_channels(name, other)
        if left.waits or right.waits:
            raise refused("it computes with a picture that has got a border or was enlarged, before a convolution")
        values = [left.value, right.value]
        if left.is_picture and right.is_picture and len(left.value.pictures() | right.value.pictures()) > 1:
            values = [self.output(self.layer(value)) for value in values]
        shape = max(left.shape, right.shape, key=lambda shape: (len(shape), np.prod(shape)))
        rows_axis = left.rows_axis if left.is_picture else right.rows_axis
        combined = combine(*values)
        if len(combined.pictures()) > 1:
            combined = self.output(self.layer(combined))
        return Traced(combined, shape, rows_axis=rows_axis)

    def check_channels(self, name: str, other: Traced) -> None:
        """Refuse constants that differ along the rows or columns of a picture instead of along its channels."""
        if name in self.traced or not other.is_picture:
            return
        shape = np.shape(self.constants[name])
        from_end = 3 if other.rows_axis == 2 else 1
        if any(size > 1 and len(shape) - axis != from_end for axis, size in enumerate(shape)):
            raise refused(f"constant {name} of shape {shape} has not one number for each channel of the picture")

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
        output = value.single("root")
        if output is None:
            raise refused("it divides by something else than a constant or a standard deviation")
        return Polynomial.of("inverse", *output)

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
        outputs = [symbol[1:] for monomial in value.value.terms for symbol in monomial if symbol[0] == "variance"]
        if len(outputs) != 1:
            raise refused("it takes the root of something else than a variance")
        rest = value.value.plus(Polynomial.of("variance", *outputs[0]), -1)
        if set(rest.terms) != {()} or abs(float(rest.terms[()][0]) - EPSILON) > 0.01 * EPSILON:
            raise refused(f"the variance under its root is not that of a picture with {EPSILON} added")
        return replace(value, value=Polynomial.of("root", *outputs[0]))

    def averaged(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Average over the picture."""
        value = self.operand(node.input[0])
        if not value.is_picture:
            raise refused("it averages something else than a picture")
        if value.waits or (node.op_type == "GlobalAveragePool" and value.rows_axis != 2):
            raise refused("it averages a picture that has got a border or was enlarged, or whose channels come last")
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
        if value.waits or value.rows_axis != 2:
            raise refused("it normalises a picture that has got a border or was enlarged, or whose channels come last")
        name = self.layer(value.value)
        version = self.versions.get(name, 0)
        if abs(attributes.get("epsilon", 1e-5) - EPSILON) > 0.01 * EPSILON:
            raise refused(f"its epsilon is not {EPSILON}")
        centred = Polynomial.of("picture", name, version).plus(Polynomial.of("mean", name, version), -1)
        scale = Polynomial({(): np.asarray(self.constant(node, 1), np.float64)})
        shift = Polynomial({(): np.asarray(self.constant(node, 2), np.float64)})
        normalized = centred.times(Polynomial.of("inverse", name, version))
        if np.all(scale.terms[()] == 1):
            scale = Polynomial({(): np.ones(1)})
        return replace(value, value=normalized.times(scale).plus(shift))

    # Layers

    def on_Pad(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Remember a border for the next convolution."""
        value = self.operand(node.input[0])
        mode = attributes.get("mode", b"constant").decode()
        if self.constant(node, 3) is not None:
            raise refused("its border is given for axes by their numbers; export it for an operator set before 18")
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
        if not self.repeats(attributes):
            raise refused(
                "it enlarges by taking other pixels than each twice; export it with coordinate_transformation_mode "
                "asymmetric and nearest_mode floor"
            )
        shape = list(value.shape)
        for axis in range(2):
            shape[value.rows_axis + axis] *= 2
        return replace(value, shape=tuple(shape), upsampling=value.upsampling * 2)

    on_Upsample = on_Resize

    def repeats(self, attributes: dict[str, Any]) -> bool:
        """Return whether an enlargement to the double by nearest pixels takes each of them twice."""
        # Upsample, and Resize before it had the two attributes, repeat; later the defaults are others.
        modes = ("asymmetric", "floor") if self.opset < 11 else ("half_pixel", "round_prefer_floor")
        names = ("coordinate_transformation_mode", "nearest_mode")
        transformation, rounding = (
            attributes.get(name, mode.encode()).decode() for name, mode in zip(names, modes, strict=True)
        )
        out = np.arange(2, 6)
        half = (out + 0.5) / 2
        places: dict[str, Numbers] = {
            "asymmetric": out / 2,
            "half_pixel": half - 0.5,
            "half_pixel_symmetric": half - 0.5,
            "pytorch_half_pixel": half - 0.5,
            "tf_half_pixel_for_nn": half,
        }
        roundings: dict[str, Callable[[Numbers], Numbers]] = {
            "floor": np.floor,
            "ceil": np.ceil,
            "round_prefer_floor": lambda place: np.ceil(place - 0.5),
            "round_prefer_ceil": lambda place: np.floor(place + 0.5),
        }
        if transformation not in places or rounding not in roundings:
            return False
        return bool(np.array_equal(roundings[rounding](places[transformation]), [1, 1, 2, 2]))

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
        group = attributes.get("group", 1)
        if group not in (1, weight.shape[0]) or (group > 1 and value.shape[1] != group):
            raise refused(f"its channels are in {group} groups")
        strides = list(attributes.get("strides", [1, 1]))
        if strides[0] != strides[1] or any(size != 1 for size in attributes.get("dilations", [1, 1])):
            raise refused("it has uneven strides or gaps in its kernel")
        padding, border = value.padding, value.border
        own = self.own_padding(value, attributes, weight.shape[2:], strides[0])
        if any(own):
            if any(padding):
                raise refused("it has two borders")
            padding, border = own, "zeros"
        # Only now: whether what was done to the picture can go into the weights depends on the border.
        reads, weight, bias = self.source(value, weight, bias, padding, border)
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
        return Traced(self.output(name), (1, weight.shape[0], rows, columns))

    @staticmethod
    def own_padding(
        value: Traced, attributes: dict[str, Any], kernel: Sequence[int], stride: int
    ) -> tuple[int, int, int, int]:
        """Return the border that a convolution or a pooling brings itself: top, bottom, left, right."""
        pads = [int(size) for size in attributes.get("pads", [0, 0, 0, 0])]
        mode = attributes.get("auto_pad", b"NOTSET").decode()
        if mode == "NOTSET":
            return pads[0], pads[2], pads[1], pads[3]
        if any(pads):
            raise refused(f"it has two borders, of its pads and its auto_pad {mode}")
        if mode == "VALID":
            return 0, 0, 0, 0
        if mode not in ("SAME_UPPER", "SAME_LOWER"):
            raise refused(f"its auto_pad is {mode}, which ONNX does not know")
        if any(value.padding):
            raise refused("it has two borders")
        # The border that makes the output as large as the input over the stride.
        sides = []
        for axis in range(2):
            size = value.shape[2 + axis]
            whole = max(0, (-(-size // stride) - 1) * stride + kernel[axis] - size)
            half = whole // 2
            sides += [half, whole - half] if mode == "SAME_UPPER" else [whole - half, half]
        return sides[0], sides[1], sides[2], sides[3]

    def source(
        self, value: Traced, weight: Array, bias: Array, padding: tuple[int, int, int, int], border: str
    ) -> tuple[str, Array, Array]:
        """Return the layer that a convolution reads; what was done to the picture itself goes into the weights."""
        picture = (("picture", "picture", 0),)
        if set(value.value.terms) <= {(), picture} and value.value.single("picture") is None:
            scale = np.broadcast_to(value.value.terms.get(picture, np.zeros(1)), (3,))
            shift = np.broadcast_to(value.value.terms.get((), np.zeros(1)), (3,))
            # In the weights the shift would be added to the border too; a factor leaves zeros what they are.
            if any(padding) and border == "zeros" and np.any(shift != 0):
                raise refused(
                    "a border of zeros lies around a picture from which something was subtracted, or to which it was "
                    "added, and a model's border is around the picture in 0...1; export the network without that "
                    "(trained on pictures in 0...1), or with a mirrored border or none in its first convolution"
                )
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
        self.check_current(*mean)
        if not self.list.layers or self.list.layers[-1]["name"] != mean[0]:
            raise refused("it maps the means of a picture that is not the last")
        self.read.add(mean[0])
        self.end = (matrix, bias)
        return Traced(Polynomial.of("end"), (1, matrix.shape[0]))

    def activated(self, node: Any, activation: str, what: str | None = None) -> Traced:
        """Give a convolution its activation, which a refusal calls `what`."""
        value = self.operand(node.input[0])
        if activation == "sigmoid" and any(value.padding):
            raise refused("its sigmoid makes something else of the border that was added before it")
        name = self.layer(value.value)
        for layer in self.list.layers:
            if layer["name"] == name and layer["layer"] == "convolution" and "activation" not in layer:
                if name in self.read:
                    break
                layer["activation"] = activation
                return replace(value, value=self.output(self.changed(name)))
        raise refused(f"{what or 'its ' + activation} follows no convolution, or one that others read without it")

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
        is_maximum = kind == "max_pooling"
        unusual = value.waits or value.rows_axis != 2 or attributes.get("ceil_mode", 0)
        unusual = unusual or any(size != 1 for size in attributes.get("dilations", [1, 1]))
        if unusual or strides[0] != strides[1]:
            raise refused("its window is none that a pooling layer has")
        padding = self.own_padding(value, attributes, kernel, strides[0])
        if any(padding) if is_maximum else strides[0] != 1:
            raise refused("its window is none that a pooling layer has")
        reads = self.layer(value.value)
        self.read.add(reads)
        name = self.fresh_name(f"pool{sum(layer['layer'].endswith('pooling') for layer in self.list.layers)}")
        if strides[0] != 1:
            keys = keys | {"stride": strides[0]}
        if any(padding):
            keys = keys | {"padding": list(padding)}
        self.list.add(kind, name, [reads], kernel=kernel, **keys)
        rows, columns = (
            (value.shape[2 + axis] + sum(padding[2 * axis : 2 * axis + 2]) - kernel[axis]) // strides[0] + 1
            for axis in range(2)
        )
        return Traced(self.output(name), (1, value.shape[1], rows, columns))

    def on_Concat(self, node: Any, attributes: dict[str, Any]) -> Traced:
        """Add a layer that puts channels together."""
        values = [self.operand(name) for name in node.input]
        unusual = any(not value.is_picture or value.waits or value.rows_axis != 2 for value in values)
        if attributes["axis"] % 4 != 1 or unusual:
            raise refused("it puts together something else than channels of pictures")
        reads = []
        for value in values:
            reads.append(self.layer(value.value))
            # At once, lest the next of them change it.
            self.read.add(reads[-1])
        name = self.list.add("concatenation", self.fresh_name("together"), reads)
        shape = values[0].shape
        return Traced(self.output(name), (1, sum(value.shape[1] for value in values), *shape[2:]))


def check_side(picture: Any) -> None:
    """Refuse a predictor's picture that is not square, or of open size: its means depend on the side it sees."""
    dimensions = picture.type.tensor_type.shape.dim
    sizes = [dimension.dim_value for dimension in dimensions]
    first = 1 if sizes[3] == 3 and sizes[1] != 3 else 2
    if not sizes[first] or sizes[first] != sizes[first + 1]:
        height, width = (
            dimension.dim_param or dimension.dim_value or "?" for dimension in dimensions[first : first + 2]
        )
        raise refused(
            f"its picture {picture.name} is {height} pixels high and {width} wide, and a predictor sees squares of one "
            "size; export it for the size that it was trained with"
        )


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
    for value in inputs:
        kind = value.type.tensor_type.elem_type
        if kind not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            raise refused(
                f"its input {value.name} is of type {onnx.TensorProto.DataType.Name(kind)}; export it for float32 or "
                "float16, the picture in 0...1"
            )
    if role == "predictor":
        check_side(pictures[0])
    opset = max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    trace = Trace(graph, onnx, pictures[0].name, others[0].name if others else None, opset)
    output = trace.run()
    if role == "predictor":
        shape = Trace.shape_of(pictures[0])
        side = shape[trace.traced[pictures[0].name].rows_axis]
        if trace.end is None or output.value.single("end") is None:
            raise refused("its output is no linear map of the means of a picture")
        matrix, bias = trace.end
        tensors = trace.list.tensors | {"embedding.weight": matrix, "embedding.bias": bias}
        return Network({"side": side, "layers": trace.list.layers}, matrix.shape[0], tensors)
    if output.waits or not trace.list.layers or trace.list.layers[-1]["name"] != trace.layer(output.value):
        raise refused("its output is not that of its last layer")
    lengths = {matrix.shape[1] for matrix, _ in trace.styles.values()}
    if len(lengths) != 1:
        raise refused("no layer of it is normalised by the style")
    return Network({"layers": trace.list.layers}, lengths.pop(), trace.list.tensors)
