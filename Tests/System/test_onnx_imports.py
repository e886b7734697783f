"""ONNX files close to what a model file holds: either the same network comes out of the import, or none does."""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from test_model_imports import close, drawn, embedding, imported, onnx_runtime
from workplace import control

SIDE = 32
CHANNELS = 6

Body = Callable[[Any, str], str]
"""What a predictor does from its picture to the last layer's output of CHANNELS channels."""


@pytest.fixture
def networks() -> Any:
    """The writer of small networks; the tests skip where onnx is not installed."""
    pytest.importorskip("onnx")
    return importlib.import_module("onnx_networks")


def write_predictor(networks: Any, path: pathlib.Path, body: Body, **forms: Any) -> pathlib.Path:
    """Write a predictor around its middle; `sizes` and `type` are its picture's.

    The same calls of the writer give the same weights.
    """
    writer = networks.GraphWriter(is_tensorflow=False)
    kind = forms.get("type", networks.onnx.TensorProto.FLOAT)
    picture = networks.helper.make_tensor_value_info("picture", kind, forms.get("sizes", [1, 3, SIDE, SIDE]))
    x = writer.node("Flatten", writer.node("GlobalAveragePool", body(writer, "picture")))
    matrix = writer.weights(networks.EMBEDDING, CHANNELS)
    x = writer.node("Gemm", x, matrix, writer.small(networks.EMBEDDING), transB=1)
    writer.save(path, [picture], x, [1, networks.EMBEDDING])
    return path


def convolved(writer: Any, x: str, inputs: int = CHANNELS, **attributes: Any) -> str:
    """Convolve to CHANNELS channels, 3x3."""
    return str(writer.node("Conv", x, writer.weights(CHANNELS, inputs, 3, 3), writer.small(CHANNELS), **attributes))


def saturated(writer: Any, x: str, scale: float, zero: Any = None) -> str:
    """Pass a value through eight bits."""
    terms = writer.constant(np.float32(scale)), writer.constant(np.uint8(0) if zero is None else zero)
    return str(writer.node("DequantizeLinear", writer.node("QuantizeLinear", x, *terms), *terms))


def transformer(networks: Any, folder: pathlib.Path) -> pathlib.Path:
    """The other half of a pair."""
    networks.write_transformer(folder / "t.onnx", networks.GraphWriter(is_tensorflow=False), SIDE, SIDE)
    return folder / "t.onnx"


def compare(networks: Any, folder: pathlib.Path, body: Body, expected: Body | None = None) -> None:
    """Import a predictor and hold it against ONNX Runtime on it, or on the one that it ought to be."""
    path = write_predictor(networks, folder / "p.onnx", body)
    oracle = path if expected is None else write_predictor(networks, folder / "e.onnx", expected)
    pair = ["--predictor", str(path), "--transformer", str(transformer(networks, folder))]
    model = imported(folder / "m.safetensors", *pair)
    style = drawn(SIDE, SIDE, 1)
    close(embedding(model, style, folder), onnx_runtime(oracle, picture=(style / 255).astype(np.float32)), 1e-4)


def check_refusal(networks: Any, folder: pathlib.Path, body: Body, says: str, **forms: Any) -> None:
    """Import a predictor in vain."""
    path = write_predictor(networks, folder / "p.onnx", body, **forms)
    pair = ["--predictor", str(path), "--transformer", str(transformer(networks, folder))]
    run = control("model", "import", *pair, "--out", str(folder / "m"))
    assert run.returncode == 65, run.stderr
    assert says in run.stderr, run.stderr
    assert not (folder / "m").exists()


def normalized(writer: Any, x: str, *, is_shifted: bool) -> str:
    """Divide by a deviation for each channel, having subtracted a mean or not."""
    means = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
    deviations = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)
    if is_shifted:
        x = writer.node("Sub", x, writer.constant(means))
    return str(writer.node("Div", x, writer.constant(deviations)))


def bordered(writer: Any, x: str, border: str) -> str:
    """Convolve a picture with a border that comes in one of three ways, or with none."""
    if border == "node":
        x = writer.node("Pad", x, writer.constant(np.array([0, 0, 1, 1] * 2, np.int64)))
    if border == "mirrored":
        x = writer.mirrored(x, 1)
    forms: dict[str, dict[str, Any]] = {"pads": {"pads": [1, 1, 1, 1]}, "auto_pad": {"auto_pad": "SAME_UPPER"}}
    keys = forms.get(border, {})
    return str(writer.node("Relu", convolved(writer, x, 3, **keys)))


@pytest.mark.parametrize("border", ["pads", "auto_pad", "node"])
def test_a_zero_border_around_a_shifted_picture_is_refused_and_a_scaled_one_is_exact(
    border: str, networks: Any, tmp_path: pathlib.Path
) -> None:
    says = "a border of zeros lies around a picture"
    check_refusal(
        networks, tmp_path, lambda w, x: bordered(w, normalized(w, x, is_shifted=True), border), f"(Conv): {says}"
    )
    compare(networks, tmp_path, lambda w, x: bordered(w, normalized(w, x, is_shifted=False), border))


@pytest.mark.parametrize("border", ["mirrored", "none"])
def test_a_shifted_picture_with_another_border_is_exact(border: str, networks: Any, tmp_path: pathlib.Path) -> None:
    compare(networks, tmp_path, lambda w, x: bordered(w, normalized(w, x, is_shifted=True), border))


def test_a_border_or_an_enlargement_in_front_of_anything_but_a_convolution_is_refused(
    networks: Any, tmp_path: pathlib.Path
) -> None:
    def bordered_first(writer: Any, x: str) -> str:
        padded = writer.node("Pad", x, writer.constant(np.array([0, 0, 1, 1] * 2, np.int64)))
        return convolved(writer, normalized(writer, padded, is_shifted=False), 3)

    def averaged(writer: Any, x: str) -> str:
        x = writer.node("Relu", convolved(writer, x, 3))
        return str(writer.node("Pad", x, writer.constant(np.array([0, 0, 1, 1] * 2, np.int64))))

    check_refusal(networks, tmp_path, bordered_first, "that has got a border")
    check_refusal(networks, tmp_path, averaged, "that has got a border")


def test_an_output_is_never_read_with_an_activation_that_came_later(networks: Any, tmp_path: pathlib.Path) -> None:
    def raw(writer: Any, x: str) -> str:
        x = convolved(writer, x, 3)
        y = convolved(writer, writer.node("Relu", x), pads=[1, 1, 1, 1])
        return str(writer.node("Add", x, y))

    def raw_means(writer: Any, x: str) -> str:
        x = convolved(writer, x, 3)
        writer.node("Relu", x)
        return x

    def folded_twice(writer: Any, x: str) -> str:
        factors = writer.constant(np.linspace(0.5, 2, CHANNELS, dtype=np.float32).reshape(1, CHANNELS, 1, 1))
        x = writer.node("Mul", convolved(writer, x, 3), factors)
        return convolved(writer, writer.node("Concat", x, x, axis=1), 2 * CHANNELS)

    def raw_and_folded(writer: Any, x: str) -> str:
        x = convolved(writer, x, 3)
        y = writer.node("Mul", x, writer.constant(np.float32(2)))
        return convolved(writer, writer.node("Concat", x, y, axis=1), 2 * CHANNELS)

    def activated(writer: Any, x: str) -> str:
        x = writer.node("Relu", convolved(writer, x, 3))
        return str(writer.node("Add", x, convolved(writer, x, pads=[1, 1, 1, 1])))

    for body in (raw, raw_means, folded_twice):
        check_refusal(networks, tmp_path, body, "whose output others read without it")
    check_refusal(networks, tmp_path, raw_and_folded, "is part of no layer of a model file")
    compare(networks, tmp_path, activated)


def test_the_means_that_a_predictor_ends_in_are_read(networks: Any, tmp_path: pathlib.Path) -> None:
    writer = networks.GraphWriter(is_tensorflow=False)
    picture, x = networks.picture_input(writer, SIDE, SIDE)
    x = convolved(writer, x, 3)
    means = writer.node("Flatten", writer.node("GlobalAveragePool", x))
    end = writer.node("Gemm", means, writer.weights(networks.EMBEDDING, CHANNELS), transB=1)
    writer.node("Relu", x)
    writer.save(tmp_path / "p.onnx", [picture], end, [1, networks.EMBEDDING])
    pair = ["--predictor", str(tmp_path / "p.onnx"), "--transformer", str(transformer(networks, tmp_path))]
    run = control("model", "import", *pair, "--out", str(tmp_path / "m"))
    assert run.returncode == 65, run.stderr
    assert "its relu follows no convolution, or one that others read without it" in run.stderr


@pytest.mark.parametrize(("scale", "activation"), [(6 / 255, "Clip"), (9 / 255, "Relu")])
def test_an_activation_that_a_quantiser_left_to_the_saturation(
    scale: float, activation: str, networks: Any, tmp_path: pathlib.Path
) -> None:
    def body(writer: Any, x: str, *, is_quantized: bool) -> str:
        bounds = [writer.constant(np.float32(bound)) for bound in (0, 6)] if activation == "Clip" else []

        def eight_bits(x: str) -> str:
            return saturated(writer, x, scale) if is_quantized else x

        # Twelve times what the picture is, so that some numbers are above 6.
        x = convolved(writer, writer.node("Mul", x, writer.constant(np.float32(12))), 3)
        clamped = x if is_quantized else writer.node(activation, x, *bounds)
        # Integers for each reader, and those of the pooling, which has nothing below 0 to clamp.
        left = eight_bits(writer.node("MaxPool", eight_bits(clamped), kernel_shape=[3, 3]))
        right = convolved(writer, eight_bits(clamped))
        x = writer.node("Concat", left, right, axis=1)
        # Beside an activation that the quantiser left in its place, and a convolution that has none.
        x = eight_bits(writer.node(activation, convolved(writer, x, 2 * CHANNELS), *bounds))
        x = convolved(writer, x)
        return saturated(writer, x, 0.1, np.uint8(128)) if is_quantized else x

    compare(networks, tmp_path, lambda w, x: body(w, x, is_quantized=True), lambda w, x: body(w, x, is_quantized=False))


def test_a_saturation_that_no_layer_does_is_refused(networks: Any, tmp_path: pathlib.Path) -> None:
    def read_before(writer: Any, x: str) -> str:
        x = convolved(writer, x, 3)
        y = convolved(writer, x, pads=[1, 1, 1, 1])
        return str(writer.node("Add", saturated(writer, x, 9 / 255), y))

    def of_a_sum(writer: Any, x: str) -> str:
        x = convolved(writer, x, 3)
        return saturated(writer, writer.node("Add", x, convolved(writer, x, pads=[1, 1, 1, 1])), 9 / 255)

    for body in (read_before, of_a_sum):
        check_refusal(networks, tmp_path, body, "the clamp of its integers at 0 follows no convolution")


@pytest.mark.parametrize("sizes", [[1, 3, "height", "width"], [1, 3, SIDE, "width"], [1, 3, SIDE, 2 * SIDE]])
def test_a_predictor_of_no_one_side_is_refused(sizes: list[Any], networks: Any, tmp_path: pathlib.Path) -> None:
    says = "export it for the size that it was trained with"
    check_refusal(networks, tmp_path, lambda w, x: convolved(w, x, 3), says, sizes=sizes)


def test_a_picture_of_bytes_is_refused(networks: Any, tmp_path: pathlib.Path) -> None:
    def body(writer: Any, x: str) -> str:
        return convolved(writer, writer.node("Cast", x, to=networks.onnx.TensorProto.FLOAT), 3)

    says = "its input picture is of type UINT8"
    check_refusal(networks, tmp_path, body, says, type=networks.onnx.TensorProto.UINT8)


def pooled(writer: Any, x: str, kind: str, **attributes: Any) -> str:
    """Pool the output of a convolution."""
    x = writer.node("Relu", convolved(writer, x, 3))
    return str(writer.node(kind, x, kernel_shape=[3, 3], **attributes))


def test_pooling_pads_as_it_is_told(networks: Any, tmp_path: pathlib.Path) -> None:
    same: dict[str, Any] = {"auto_pad": "SAME_UPPER"}
    compare(networks, tmp_path, lambda w, x: pooled(w, x, "AveragePool", **same))
    compare(networks, tmp_path, lambda w, x: pooled(w, x, "MaxPool", auto_pad="VALID", strides=[2, 2]))
    says = "its window is none that a pooling layer has"
    check_refusal(networks, tmp_path, lambda w, x: pooled(w, x, "MaxPool", **same), says)
    check_refusal(networks, tmp_path, lambda w, x: pooled(w, x, "MaxPool", dilations=[2, 2]), says)


def enlarged(writer: Any, x: str, *modes: str) -> str:
    """Enlarge the output of a convolution by nearest pixels in one of the modes."""
    x = writer.node("Relu", convolved(writer, x, 3))
    keys = dict(zip(("coordinate_transformation_mode", "nearest_mode"), modes, strict=False))
    scales = writer.constant(np.array([1, 1, 2, 2], np.float32))
    return convolved(writer, writer.node("Resize", x, "", scales, mode="nearest", **keys))


@pytest.mark.parametrize(
    "modes",
    [
        (),
        ("asymmetric", "floor"),
        ("asymmetric", "round_prefer_floor"),
        ("half_pixel", "round_prefer_ceil"),
        ("tf_half_pixel_for_nn", "floor"),
    ],
)
def test_an_enlargement_that_repeats_pixels(modes: tuple[str, ...], networks: Any, tmp_path: pathlib.Path) -> None:
    compare(networks, tmp_path, lambda w, x: enlarged(w, x, *modes))


@pytest.mark.parametrize(
    "modes",
    [
        ("asymmetric", "ceil"),
        ("asymmetric", "round_prefer_ceil"),
        ("half_pixel", "floor"),
        ("align_corners", "round_prefer_floor"),
    ],
)
def test_an_enlargement_by_other_pixels_is_refused(
    modes: tuple[str, ...], networks: Any, tmp_path: pathlib.Path
) -> None:
    says = "it enlarges by taking other pixels than each twice"
    check_refusal(networks, tmp_path, lambda w, x: enlarged(w, x, *modes), says)


def test_constants_along_the_columns_are_refused(networks: Any, tmp_path: pathlib.Path) -> None:
    def body(writer: Any, x: str) -> str:
        # As many columns as channels, along which a constant of one axis goes.
        x = convolved(writer, x, 3, strides=[6, 6])
        return convolved(writer, writer.node("Mul", x, writer.small(CHANNELS, 1)))

    check_refusal(networks, tmp_path, body, "has not one number for each channel of the picture")


def test_a_pytorch_that_could_be_made_to_run_a_checkpoint_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands in for an old PyTorch: it has a version, and leaves a trace if it is asked to open a file.
    load = f"def load(*_, **__):\n    import pathlib\n    pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    (tmp_path / "torch.py").write_text("__version__ = '2.5.1+cpu'\n" + load)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "t.pth").write_bytes(b"PK\x03\x04" + bytes(60))
    run = control("model", "import", "--transformer", str(tmp_path / "t.pth"), "--out", str(tmp_path / "m"))
    assert run.returncode == 69, run.stderr
    assert "install torch 2.6 or newer" in run.stderr
    assert not (tmp_path / "ran").exists() and not (tmp_path / "m").exists()
