"""Where styles come from: banks that `sasslctl styles export` makes, and styles drawn from a bank's Gaussian."""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

import sassl
from keyed_draws import STYLE_CHOICE, STYLE_SAMPLE, normals, uniforms
from streams import fnv1a, read
from workplace import ROOT, Size, Workplace, control

EMBEDDED_MODEL = ROOT / "Sources" / "CEmbeddedModel" / "model.safetensors"
EMBEDDED_BANK = ROOT / "Sources" / "CEmbeddedModel" / "styles.safetensors"
#: The style alone, so that a wrong one shows.
FULL_STYLE: dict[str, Any] = {"style__probability": 1.0, "style__alpha": [1.0, 1.0], "style__beta": [1.0, 1.0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Five style pictures in two folders, and a file that is none."""
    folder = tmp_path_factory.mktemp("styles")
    for name, colour in {
        "paper/blue": (20, 60, 220),
        "paper/red": (220, 40, 30),
        "wood/brown": (120, 80, 30),
        "wood/pale": (220, 200, 160),
        "plain": (90, 90, 90),
    }.items():
        noise = np.random.default_rng(len(name)).integers(-60, 60, (70, 90, 3))
        file = folder / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray((noise + np.array(colour)).clip(0, 255).astype(np.uint8)).save(file)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


NAMES = ["plain.png", "paper/blue.png", "paper/red.png", "wood/brown.png", "wood/pale.png"]


@pytest.fixture(scope="module")
def bank(folder: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The bank of those pictures."""
    file = tmp_path_factory.mktemp("bank") / "bank.safetensors"
    run = control("styles", "export", str(folder), "--out", str(file), "--licence", "CC0-1.0")
    assert run.returncode == 0, run.stderr
    assert "left out: broken.png: " in run.stdout
    assert f"5 styles in {file}" in run.stdout
    return file


def contents(file: pathlib.Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Tensors and metadata of a bank."""
    with safe_open(file, "numpy") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118


def first_batch(name: str) -> dict[str, np.ndarray]:
    """Copies of the arrays of batch 0."""
    with sassl.attach(name, start=0) as ring:
        return {field: array.copy() for field, array in next(ring).arrays.items()}


def test_an_exported_bank_tells_what_it_is(bank: pathlib.Path) -> None:
    tensors, metadata = contents(bank)
    assert json.loads(metadata["names"]) == NAMES
    assert metadata["licence"] == "CC0-1.0"
    assert "5 pictures" in metadata["provenance"]
    assert metadata["model"] == f"{fnv1a(EMBEDDED_MODEL.read_bytes()):016x}"
    assert tensors["embeddings"].shape == (5, 100)


@pytest.mark.parametrize("which", ["exported", "embedded"])
def test_a_banks_gaussian_has_the_mean_and_the_covariance_of_its_styles(bank: pathlib.Path, which: str) -> None:
    tensors, _ = contents(bank if which == "exported" else EMBEDDED_BANK)
    embeddings = tensors["embeddings"].astype(np.float64)
    factor = tensors["factor"].astype(np.float64)
    covariance = np.cov(embeddings.T)
    assert np.allclose(tensors["mean"], embeddings.mean(axis=0), atol=1e-6)
    assert np.abs(factor @ factor.T - covariance).max() <= 1e-6 * np.abs(covariance).max()
    # Columns are the axes of the Gaussian, the longest first: U sqrt(S) of the singular value decomposition.
    lengths = np.linalg.norm(factor, axis=0)
    assert np.allclose(lengths**2, np.linalg.svd(covariance, compute_uv=False), atol=1e-5)


def test_a_bank_is_to_a_stream_what_the_folder_is(
    workplace: Workplace, data: pathlib.Path, size: Size, folder: pathlib.Path, bank: pathlib.Path
) -> None:
    with workplace.daemon(data, size, style__source="folder", style__folder=str(folder)) as daemon:
        of_folder = read(daemon.name, 0, 2)
    with workplace.daemon(data, size, style__source="bank", style__bank=str(bank)) as daemon:
        assert read(daemon.name, 0, 2) == of_folder


def test_a_bank_of_another_model_is_refused(
    workplace: Workplace, data: pathlib.Path, size: Size, bank: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    # The same networks: another word in the file makes another model of it.
    with safe_open(EMBEDDED_MODEL, "numpy") as whole:
        tensors = {name: whole.get_tensor(name) for name in whole.keys()}  # noqa: SIM118
        metadata = whole.metadata() | {"provenance": "somewhere else"}
    model = tmp_path / "model.safetensors"
    save_file(tensors, model, metadata)
    _, file = workplace.configure(data, size, style__source="bank", style__bank=str(bank), style__model=str(model))
    code, errors = workplace.end(file)
    assert code == 65, errors
    (sentence,) = errors.splitlines()[-1:]
    refusal = f"{re.escape(str(bank))}: its embeddings are of the model with the hash "
    assert re.search(refusal + "[0-9a-f]{16}, not [0-9a-f]{16}; ", sentence)
    examined = control("doctor", "--config", str(file))
    assert re.search(f"problem +styles +{refusal}", examined.stdout)
    # Exported with that model, it fits; the stream's configuration says which that is.
    again = tmp_path / "again.safetensors"
    folder = tmp_path / "one"
    folder.mkdir()
    Image.new("RGB", (40, 40), (10, 200, 30)).save(folder / "green.png")
    run = control("styles", "export", str(folder), "--out", str(again), "--config", str(file))
    assert run.returncode == 0, run.stderr
    assert contents(again)[1]["model"] != contents(bank)[1]["model"]


def test_styles_that_are_all_the_same_have_no_gaussian(
    workplace: Workplace, data: pathlib.Path, size: Size, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for names in (["first.png"], ["first.png", "second.png"]):
        alike = tmp_path / "-".join(names)
        alike.mkdir()
        for name in names:
            shutil.copy(folder / "plain.png", alike / name)
        file = alike / "bank.safetensors"
        run = control("styles", "export", str(alike), "--out", str(file))
        assert run.returncode == 0, run.stderr
        assert "it has no Gaussian" in run.stdout
        _, configuration = workplace.configure(data, size, style__source="sampled", style__bank=str(file))
        code, errors = workplace.end(configuration)
        assert code == 65, errors
        assert f"{file}: it has no Gaussian to draw styles from; " in errors
        examined = control("doctor", "--config", str(configuration))
        assert re.search(f"problem +styles +{re.escape(str(file))}: it has no Gaussian", examined.stdout)
        # As a bank it is as good as any other.
        with workplace.daemon(data, size, style__source="bank", style__bank=str(file)) as daemon:
            assert first_batch(daemon.name)["applied"].any()


@pytest.mark.parametrize("number", range(3))
def test_a_sampled_style_is_the_one_that_numpy_draws(
    workplace: Workplace, data: pathlib.Path, size: Size, tmp_path: pathlib.Path, number: int
) -> None:
    tensors, _ = contents(EMBEDDED_BANK)
    with workplace.daemon(data, size, style__source="sampled", **FULL_STYLE) as daemon:
        sampled = first_batch(daemon.name)
        assert daemon.status()["style_source"] == "sampled"
    assert sampled["applied"].all()
    assert (sampled["style_ids"] == -1).all()

    sample = int(sampled["sample_ids"][number])
    drawn = list(itertools.islice(normals(7, 0, sample, 0, STYLE_SAMPLE), 100))
    embedding = tensors["mean"] + tensors["factor"].astype(np.float64) @ np.array(drawn)
    file = tmp_path / "one.safetensors"
    metadata = {"names": '["drawn"]', "provenance": "a test", "licence": "none"}
    save_file({"embeddings": embedding.astype(np.float32)[None]}, file, metadata)
    with workplace.daemon(data, size, style__source="bank", style__bank=str(file), **FULL_STYLE) as daemon:
        same = first_batch(daemon.name)
    distances = np.abs(same["view0"].astype(int) - sampled["view0"]).reshape(size.batch, -1)
    assert distances[number].max() <= 1
    # In all other samples it is another style.
    assert (np.delete(distances.mean(axis=1), number) > 1).all()


def test_sampled_styles_are_the_same_on_any_worker_and_rank(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(data, size, style__source="sampled", workers__count=1) as daemon:
        whole = read(daemon.name, 0, 4)
    with workplace.daemon(data, size, style__source="sampled", workers__count=3, ring__slots=2) as daemon:
        assert read(daemon.name, 2, 2) == whole[2:]
    assert len(set(whole)) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{folder}", "--out", "/nowhere/bank"], 73, "/nowhere/bank: cannot be written: No such file or directory"),
        (["{folder}"], 64, "--out"),
        (["/nowhere", "--out", "{out}"], 66, "There is no /nowhere"),
        (["{empty}", "--out", "{out}"], 66, "none of the pictures in the style folder"),
        (["{folder}", "--out", "{out}", "--model", "/nowhere/model"], 66, "/nowhere/model"),
    ],
)
def test_an_export_that_cannot_be_made(
    folder: pathlib.Path, tmp_path: pathlib.Path, arguments: list[str], code: int, words: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "bank.safetensors"
    run = control("styles", "export", *(word.format(folder=folder, empty=empty, out=out) for word in arguments))
    assert run.returncode == code, run.stderr
    assert words in run.stderr
    assert not out.exists()


def test_styles_are_drawn_in_proportion_to_their_weights(
    workplace: Workplace, data: pathlib.Path, size: Size, folder: pathlib.Path, bank: pathlib.Path
) -> None:
    weights = [["*", 0], ["paper/*", 2], ["wood/pale.png", 0.5], ["paper/red.png", 1]]
    sums = np.cumsum([{"paper/blue.png": 2, "paper/red.png": 1, "wood/pale.png": 0.5}.get(name, 0) for name in NAMES])
    changes: dict[str, Any] = {"style__probability": 1.0, "style__weights": weights}
    taken = []
    with (
        workplace.daemon(data, size, style__source="bank", style__bank=str(bank), **changes) as daemon,
        sassl.attach(daemon.name, start=0) as ring,
    ):
        for batch in itertools.islice(ring, 4):
            for sample, style in zip(batch.sample_ids.tolist(), batch.style_ids.tolist(), strict=True):
                share = next(uniforms(7, batch.epoch, sample, 0, STYLE_CHOICE)) * sums[-1]
                assert style == np.searchsorted(sums, share, side="right")
                taken.append(NAMES[style])
    assert set(taken) == {"paper/blue.png", "paper/red.png", "wood/pale.png"}
    with workplace.daemon(data, size, style__source="folder", style__folder=str(folder), **changes) as daemon:
        assert [NAMES[style] for style in first_batch(daemon.name)["style_ids"]] == taken[: size.batch]


def test_a_renamed_style_that_weighs_something_else_makes_another_stream(
    workplace: Workplace, data: pathlib.Path, size: Size, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    styles = tmp_path / "styles"
    shutil.copytree(folder, styles)

    def fingerprint(**changes: Any) -> str:
        with workplace.daemon(data, size, style__source="folder", style__folder=str(styles), **changes) as daemon:
            return str(daemon.status()["fingerprint"])

    weights = {"style__weights": [["paper/*", 3]]}
    before = fingerprint(**weights), fingerprint()
    # The same pictures in the same order.
    (styles / "paper2").mkdir()
    (styles / "paper" / "red.png").rename(styles / "paper2" / "red.png")
    after = fingerprint(**weights), fingerprint()
    assert (after[0] == before[0], after[1] == before[1]) == (False, True)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        # To the doctor, who embeds nothing, a folder's broken picture is a style.
        ([["*", 0]], "style.weights: each of the [56] styles has the weight 0"),
        ([["stone/*", 2]], r'style.weights: "stone/\*" matches the name of none of the [56] styles'),
        ([["paper/*", -1]], "style.weights: must be a list of patterns with weights from 0 to 1e9"),
        ([["paper/*"]], "style.weights: must be a list of patterns with weights from 0 to 1e9"),
    ],
)
@pytest.mark.parametrize("source", ["bank", "folder"])
def test_weights_by_which_no_style_can_be_drawn(
    workplace: Workplace,
    data: pathlib.Path,
    size: Size,
    folder: pathlib.Path,
    bank: pathlib.Path,
    source: str,
    weights: list[Any],
    words: str,
) -> None:
    places = {"style__bank": str(bank), "style__folder": str(folder)}
    _, file = workplace.configure(data, size, style__source=source, style__weights=weights, **places)
    code, errors = workplace.end(file)
    assert code == 78, errors
    assert re.search(words, errors.splitlines()[-1])
    examined = control("doctor", "--config", str(file))
    assert re.search(words, examined.stdout + examined.stderr)
    assert examined.returncode in (1, 78)


@pytest.mark.parametrize("source", ["sampled", "bank", "in-batch"])
def test_views_share_a_style_where_they_are_told_to(
    workplace: Workplace, data: pathlib.Path, size: Size, source: str
) -> None:
    # Both views are the same picture: what differs is the style.
    table = (
        "[[views.view]]\ncount = 2\ncrop_scale = [1.0, 1.0]\ncrop_aspect = [1.1, 1.1]\nflip_probability = 0.0\n"
        "jitter_probability = 0.0\ngrayscale_probability = 0.0\nblur_probability = 0.0\n"
    )
    differ = {}
    for shared in (False, True):
        name, file = workplace.configure(
            data, size, style__source=source, style__views=[0, 1], style__shared_by_views=shared, **FULL_STYLE
        )
        file.write_text(file.read_text() + table)
        with workplace.running(name, file):
            arrays = first_batch(name)
        differ[shared] = (arrays["view0"] != arrays["view1"]).any(axis=(1, 2, 3))
        if shared:
            assert np.array_equal(arrays["style_ids"], arrays["style_ids_view1"])
    assert not differ[True].any()
    if source != "in-batch":
        assert differ[False].all()
