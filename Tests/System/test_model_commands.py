"""`sasslctl model` and `sasslctl stylize`, against reference tensors where they are at hand."""

from __future__ import annotations

import json
import pathlib
import sys

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from safetensors.numpy import load_file

from workplace import ROOT, SHARED, control

Pixels = npt.NDArray[np.uint8]
needs_references = pytest.mark.skipif(not (SHARED / "golden").is_dir(), reason=f"no reference tensors in {SHARED}")


@pytest.fixture
def style(tmp_path: pathlib.Path) -> pathlib.Path:
    """A picture with a style: coloured stripes."""
    rows, columns = np.mgrid[0:96, 0:96]
    stripes = np.stack([(rows * 7) % 256, (columns * 5) % 256, ((rows + columns) * 3) % 256], axis=-1)
    path = tmp_path / "style.png"
    Image.fromarray(stripes.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def content(tmp_path: pathlib.Path) -> tuple[pathlib.Path, Pixels]:
    """A picture whose sides are multiples of 4: smooth shades with noise."""
    noise = np.random.default_rng(0).integers(0, 60, (60, 88, 3))
    shade = np.linspace(0, 190, 88)[None, :, None]
    pixels = (noise + shade).astype(np.uint8)
    path = tmp_path / "content.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The public pair in the project's own format."""
    files = SHARED / "models" / "magenta-lite"
    if not files.is_dir():
        pytest.skip(f"no public model in {SHARED}")
    out = tmp_path_factory.mktemp("model") / "lite.safetensors"
    pair = ["--predictor", str(files / "predict.tflite"), "--transformer", str(files / "transfer.tflite")]
    made = control("model", "import", *pair, "--out", str(out))
    assert made.returncode == 0, made.stderr
    return out


def stylized(content: pathlib.Path, style: pathlib.Path, out: pathlib.Path, *more: str) -> pathlib.Path:
    run = control("stylize", "--content", str(content), "--style", str(style), "--out", str(out), *more)
    assert run.returncode == 0, run.stderr
    return out


def test_beta_zero_gives_the_content(
    content: tuple[pathlib.Path, Pixels], style: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path, pixels = content
    values = np.load(stylized(path, style, tmp_path / "y.npy", "--beta", "0"))
    assert values.dtype == np.float32
    assert np.array_equal(values, pixels.astype(np.float32) / 255)


def test_png_is_the_rounded_array(
    content: tuple[pathlib.Path, Pixels], style: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    strength = ["--alpha", "1", "--beta", "1"]
    values = np.load(stylized(content[0], style, tmp_path / "y.npy", *strength))
    picture = np.asarray(Image.open(stylized(content[0], style, tmp_path / "y.png", *strength)))
    assert np.abs(picture / 255 - values).max() <= 0.5 / 255 + 1e-6
    # And it is another picture than the content.
    assert np.abs(picture.astype(int) - content[1]).mean() > 5


def test_a_content_of_other_sides_is_made_to_fit(style: pathlib.Path, tmp_path: pathlib.Path) -> None:
    odd = tmp_path / "odd.png"
    Image.new("RGB", (67, 50), (10, 200, 30)).save(odd)
    assert np.load(stylized(odd, style, tmp_path / "y.npy")).shape == (48, 64, 3)


def test_the_embedded_model_describes_itself() -> None:
    info = json.loads(control("model", "info", "--json", "--size", "224x224").stdout)
    assert info["model"] == "embedded"
    assert info["licence"] == "Apache-2.0"
    assert info["embedding_length"] == 100
    # Well below the public pair's 629 and 391 million.
    assert info["transformer_macs"] + info["predictor_macs"] <= 0.6 * (628.7e6 + 391.3e6)


def test_costs_are_given_for_every_size_that_a_picture_may_have() -> None:
    info = json.loads(control("model", "info", "--json", "--size", "65536x8").stdout)
    assert (info["picture_width_pixels"], info["picture_height_pixels"]) == (65536, 8)
    assert control("model", "info", "--size", "65536x65536").returncode == 0


@pytest.mark.parametrize(
    "asked",
    ["1048580x8", "8x65540", "224", "224x", "x224", "224x224xfoo", "224x224x224", "224x225", "4x8", "-8x8", "", "wide"],
)
def test_a_size_that_no_picture_has_is_refused(asked: str) -> None:
    done = control("model", "info", f"--size={asked}")
    assert done.returncode == 64, done.stderr
    assert f"--size is '{asked}', but takes WxH" in done.stderr
    assert "multiples of 4 from 8 to 65536" in done.stderr


def test_the_layers_are_drawn_with_their_cost() -> None:
    info = json.loads(control("model", "info", "--json", "--size", "224x224").stdout)
    for network in ("predictor", "transformer"):
        layers = info[f"{network}_layers"]
        assert sum(layer["macs"] for layer in layers) == info[f"{network}_macs"]
        assert sum(layer["macs_percent"] for layer in layers) == pytest.approx(100)
    assert sum(layer["weight_bytes"] for layer in info["predictor_layers"] + info["transformer_layers"]) == (
        4 * info["parameters"]
    )
    first = info["transformer_layers"][0]
    assert (first["output_channels"], first["output_width"], first["output_height"]) == (48, 56, 56)
    assert info["transformer_widths"] == [48, 32, 48] and info["residual_blocks"] == 5
    drawn = control("model", "info").stdout
    assert all(layer["name"].partition(".")[2] in drawn for layer in info["transformer_layers"])
    assert "Winograd 3x3, integers" in drawn and "bands" in drawn


def test_the_public_pair_can_be_imported(imported: pathlib.Path) -> None:
    info = json.loads(control("model", "info", str(imported), "--json").stdout)
    assert info["transformer_widths"] == [8, 16, 32, 16, 8]
    assert info["residual_blocks"] == 5
    assert info["predictor_side_pixels"] == 256
    assert "SHA-256" in info["provenance"]


@needs_references
def test_stylize_agrees_with_the_reference(imported: pathlib.Path, tmp_path: pathlib.Path) -> None:
    # The case with alpha = 1: how the content was resized for the predictor does not matter there.
    tensors = load_file(SHARED / "golden" / "case01.safetensors")
    assert tensors["alpha"][0] == 1
    content, style = tmp_path / "content.png", tmp_path / "style.png"
    Image.fromarray(tensors["content_u8_hwc"]).save(content)
    Image.fromarray(tensors["style256_u8_hwc"]).save(style)
    strength = ["--alpha", "1", "--beta", str(tensors["beta"][0]), "--model", str(imported)]
    values = np.load(stylized(content, style, tmp_path / "y.npy", *strength))
    assert np.abs(values - tensors["output_f32_hwc"]).max() <= 1e-3


def test_importing_without_its_packages_says_what_to_install(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An interpreter that sees no packages at all, and one that is not there.
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    arguments = ["model", "import", "--transformer", "t.tflite", "--out", str(tmp_path / "m")]
    monkeypatch.setenv("SASSL_PYTHON", str(bare))
    run = control(*arguments)
    assert run.returncode == 69
    assert run.stderr.splitlines()[0].startswith("import_model: the Python package numpy is missing; install ")
    assert "-m pip install numpy'" in run.stderr
    assert "Traceback" not in run.stderr
    monkeypatch.setenv("SASSL_PYTHON", str(tmp_path / "absent"))
    run = control(*arguments)
    assert run.returncode == 69
    assert "SASSL_PYTHON" in run.stderr


def test_importing_needs_files_that_exist(tmp_path: pathlib.Path) -> None:
    run = control("model", "import", "--transformer", str(ROOT / "absent.tflite"), "--out", str(tmp_path / "m"))
    assert run.returncode != 0
    assert "absent.tflite" in run.stderr
