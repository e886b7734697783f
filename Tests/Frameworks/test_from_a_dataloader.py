"""The keys that docs/frameworks.md puts beside torchvision's transforms do what those do, to the pixel or nearly so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sassl
from picture_files import good_picture
from running import surroundings as surroundings
from surroundings import directory as directory
from workplace import ROOT

# isort: split
# After `running`, which makes it importable here.
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode, v2

PAGE = (ROOT / "docs" / "frameworks.md").read_text()
SIDE, PICTURE, COUNT = 48, 96, 8
#: All of a picture, and nothing done to it.
NOTHING: dict[str, Any] = {
    "crop_scale": [1.0, 1.0],
    "crop_aspect": [1.0, 1.0],
    "flip_probability": 0.0,
    "jitter_probability": 0.0,
    "grayscale_probability": 0.0,
    "blur_probability": 0.0,
}
CROP = v2.RandomResizedCrop(SIDE, scale=(1.0, 1.0), ratio=(1.0, 1.0))
BICUBIC = v2.RandomResizedCrop(SIDE, scale=(1.0, 1.0), ratio=(1.0, 1.0), interpolation=InterpolationMode.BICUBIC)
#: A row of the page with everything that is drawn fixed: keys, transform, and by how much a value may differ.
ROWS: list[tuple[dict[str, Any], Any, int]] = [
    ({}, CROP, 0),
    ({"interpolation": "bicubic"}, BICUBIC, 0),
    ({"flip_probability": 1.0}, v2.Compose([CROP, v2.RandomHorizontalFlip(1.0)]), 0),
    ({"grayscale_probability": 1.0}, v2.Compose([CROP, v2.RandomGrayscale(1.0)]), 0),
    (
        {"blur_probability": 1.0, "blur_sigma": [1.5, 1.5], "blur_kernel": 7},
        v2.Compose([CROP, v2.GaussianBlur(7, (1.5, 1.5))]),
        1,
    ),
    (
        {"solarize_probability": 1.0, "solarize_threshold": 100},
        v2.Compose([CROP, v2.RandomSolarize(100, 1.0)]),
        0,
    ),
    ({"equalize_probability": 1.0}, v2.Compose([CROP, v2.RandomEqualize(1.0)]), 0),
    (
        {"posterize_probability": 1.0, "posterize_bits": 3},
        v2.Compose([CROP, v2.RandomPosterize(3, 1.0)]),
        0,
    ),
]


@pytest.fixture(scope="module")
def square_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Square pictures in two class folders."""
    root = tmp_path_factory.mktemp("classes")
    for number in range(COUNT):
        file = root / ("zebra" if number < 3 else "ant") / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(good_picture(number, PICTURE, PICTURE))
    return root


def first_batch(root: Path, directory: str, keys: dict[str, Any]) -> tuple[Any, Any, Any]:
    """One view without style, labels and sample numbers of the pictures, made with these keys of the view."""
    settings: dict[str, Any] = {"layout": "image-folder", "batch_size": COUNT, "side": SIDE, "style_group": COUNT}
    settings |= {"style_enabled": False, "ring_directory": directory}
    with sassl.serve(root, **settings, views={"count": 1, "view": [NOTHING | keys]}) as ring:
        batch = next(ring)
        return batch.views[0].copy(), batch.labels, batch.sample_ids


@pytest.mark.parametrize(
    ("keys", "transform", "tolerance"), ROWS, ids=lambda cell: "-".join(cell) if isinstance(cell, dict) else ""
)
def test_keys_of_a_view_do_what_the_transform_does(
    keys: dict[str, Any], transform: Any, tolerance: int, square_pictures: Path, directory: str
) -> None:
    views, labels, samples = first_batch(square_pictures, directory, keys)
    folder = ImageFolder(str(square_pictures))
    assert sorted(samples) == list(range(COUNT))
    for view, label, sample in zip(views, labels, samples, strict=True):
        picture, of_folder = folder[sample]
        assert label == of_folder
        wanted = transform(torch.from_numpy(np.array(picture)).permute(2, 0, 1)).permute(1, 2, 0).numpy()
        assert np.abs(view.astype(int) - wanted.astype(int)).max() <= tolerance


def test_a_flip_last_is_a_flip_first(square_pictures: Path, directory: str) -> None:
    """What the page says of scripts that flip last."""
    keys = {
        "flip_probability": 0.5,
        "jitter_probability": 1.0,
        "jitter_brightness": 0.4,
        "jitter_saturation": 0.4,
        "jitter_hue": 0.1,
        "grayscale_probability": 0.2,
        "blur_probability": 0.5,
        "blur_kernel": 7,
    }
    first, _, _ = first_batch(square_pictures, directory, keys)
    settings: dict[str, Any] = {"layout": "image-folder", "batch_size": COUNT, "side": SIDE, "style_group": COUNT}
    order = ["jitter", "grayscale", "blur", "flip"]
    with sassl.serve(
        square_pictures,
        **settings,
        style_enabled=False,
        ring_directory=directory,
        views={"count": 1, "order": order, "view": [NOTHING | keys]},
    ) as ring:
        last = next(ring).views[0].copy()
    np.testing.assert_array_equal(first, last)


def test_the_page_names_keys_that_there_are_and_leaves_none_out() -> None:
    section = PAGE.partition("## From a DataLoader")[2].partition("\n## ")[0]
    table = section.partition("| of the script")[0]
    named = set(
        re.findall(r"`(\w+)`", "".join(line.split("|")[2] for line in table.splitlines() if line.startswith("|")))
    )
    config = (ROOT / "Config" / "sassld.toml").read_text()
    of_a_view = config.partition("\n# [[views.view]]\n")[2].partition("\n[style]\n")[0]
    documented = set(re.findall(r"^# (\w+) = ", of_a_view, re.MULTILINE))
    assert named == documented - {"count"}
    sections = set(re.findall(r"`((?:dataset|batch|views|workers|ring|stream)\.\w+)", section))
    for name in sections:
        table_name, _, key = name.partition(".")
        body = config.partition(f"\n[{table_name}]\n")[2].partition("\n[")[0]
        assert re.search(rf"^{key} = ", body, re.MULTILINE), name
