"""What `sasslctl` says of a stream, against what a reader of the same stream gets."""

from __future__ import annotations

import json
import pathlib
import time

import numpy as np
import pytest
from PIL import Image

import sassl
from conftest import Size, Workplace, control

MARGIN = 8


def first_batch(name: str) -> dict[str, np.ndarray]:
    """Copies of the arrays of batch 0."""
    with sassl.attach(name, start=0) as ring:
        return {field: array.copy() for field, array in next(ring).arrays.items()}


@pytest.fixture
def styles(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with three pictures and a file that is none."""
    folder = tmp_path / "styles"
    folder.mkdir()
    for index, colour in enumerate([(200, 30, 10), (20, 180, 60), (10, 40, 220)]):
        noise = np.random.default_rng(index).integers(0, 50, (40, 50, 3))
        Image.fromarray((noise + np.array(colour)).clip(0, 255).astype(np.uint8)).save(folder / f"style{index}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_the_preview_shows_what_the_trainer_reads(
    workplace: Workplace, pictures: pathlib.Path, size: Size, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "preview.png"
    with workplace.daemon(pictures, size) as daemon:
        arrays = first_batch(daemon.name)
        run = daemon.control("preview", "--out", str(out), "--rows", "3")
        assert run.returncode == 0, run.stderr
    sheet = np.asarray(Image.open(out))
    row_height = (sheet.shape[0] - MARGIN) // 3
    for row in range(3):
        for view in (0, 1):
            top, left = MARGIN + row * row_height, MARGIN + (1 + view) * (size.side + MARGIN)
            cell = sheet[top : top + size.side, left : left + size.side]
            assert np.array_equal(cell, arrays[f"view{view}"][row])


def test_inspect_tells_what_the_batch_holds(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    with workplace.daemon(pictures, size) as daemon:
        arrays = first_batch(daemon.name)
        deadline = time.monotonic() + 30
        # The index is written behind the stream.
        while (run := daemon.control("inspect", "0", "--json")).returncode != 0:
            assert time.monotonic() < deadline, run.stderr
        batch = json.loads(run.stdout)
    assert (batch["batch"], batch["epoch"], batch["step"]) == (0, 0, 0)
    samples = batch["samples"]
    assert [sample["sample_id"] for sample in samples] == arrays["sample_ids"].tolist()
    assert [sample["style_id"] for sample in samples] == arrays["style_ids"].tolist()
    assert [sample["applied"] for sample in samples] == arrays["applied"].tolist()
    for name in ("alpha", "beta"):
        assert np.allclose([sample[name] for sample in samples], arrays[name], atol=1e-6)


def test_a_style_folder_is_embedded_once_and_its_styles_are_used(
    workplace: Workplace, pictures: pathlib.Path, size: Size, styles: pathlib.Path
) -> None:
    _, configuration = workplace.configure(pictures, size, style__source="folder", style__folder=str(styles))
    first = control("styles", "add", str(styles), "--config", str(configuration))
    assert first.returncode == 0, first.stderr
    assert "3 styles, 0 of them known before" in first.stdout
    assert "broken.png" in first.stdout
    again = control("styles", "add", str(styles), "--config", str(configuration))
    assert "3 styles, 3 of them known before" in again.stdout
    listed = control("styles", "list", "--json", "--config", str(configuration))
    assert json.loads(listed.stdout) == [{"folder": str(styles), "styles": 3}]
    with workplace.daemon(pictures, size, style__source="folder", style__folder=str(styles)) as daemon:
        arrays = first_batch(daemon.name)
        assert daemon.status()["style_source"] == "folder"
    applied = arrays["applied"]
    assert set(arrays["style_ids"][applied].tolist()) <= {0, 1, 2}
    assert len(set(arrays["style_ids"][applied].tolist())) > 1
    assert (arrays["style_ids"][~applied] == -1).all()


def test_the_embedded_bank_needs_no_file(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    with workplace.daemon(pictures, size, style__source="bank") as daemon:
        arrays = first_batch(daemon.name)
    with workplace.daemon(pictures, size) as daemon:
        in_batch = first_batch(daemon.name)
    # The same samples, crops and strengths; only the styles come from elsewhere.
    assert np.array_equal(arrays["view1"], in_batch["view1"])
    assert np.array_equal(arrays["alpha"], in_batch["alpha"])
    stylized = arrays["applied"]
    assert (arrays["view0"][stylized] != in_batch["view0"][stylized]).any(axis=(1, 2, 3)).all()
    assert np.array_equal(arrays["view0"][~stylized], in_batch["view0"][~stylized])


def test_config_show_is_a_configuration_with_the_same_meaning(
    workplace: Workplace, pictures: pathlib.Path, size: Size, tmp_path: pathlib.Path
) -> None:
    _, configuration = workplace.configure(pictures, size)
    shown = control("config", "show", "--config", str(configuration))
    assert shown.returncode == 0, shown.stderr
    copy = tmp_path / "copy.toml"
    copy.write_text(shown.stdout)
    assert control("config", "show", "--config", str(copy)).stdout == shown.stdout


def test_bench_measures_without_a_daemon(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    _, configuration = workplace.configure(pictures, size)
    run = control("bench", "--seconds", "1", "--trainer", "1000", "--json", "--config", str(configuration))
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["images"] > 0
    assert result["cores_needed"] == -(-1000 // result["images_per_second_per_worker"])
