"""What was drawn for each view, as columns of the ring: against draws and pixels that are computed here once more."""

from __future__ import annotations

import itertools
import json
import math
import pathlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sassl
from keyed_draws import bits, uniforms
from streams import digest_of_arrays
from workplace import Daemon, Size, Workplace, eventually

SEED = 7
SIZE = Size(16, 32)
#: Everything may happen to the first view; the second is cropped and mirrored, and nothing else.
VIEWS = (
    "jitter_hue = 0.3\ngrayscale_probability = 0.4\nblur_sigma = [0.5, 1.5]\nsolarize_probability = 0.5\n"
    "equalize_probability = 0.3\nposterize_probability = 0.3\ncrop_scale = [0.1, 0.9]",
    "jitter_probability = 0.0\ngrayscale_probability = 0.0\nblur_probability = 0.0\ncrop_scale = [0.1, 0.9]",
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A list of 32 pictures of many shapes; sample n is picture n."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(3)
    names = []
    for number in range(32):
        width, height = int(generator.integers(40, 120)), int(generator.integers(40, 120))
        coarse = Image.fromarray(generator.integers(0, 256, (7, 9, 3)).astype(np.uint8))
        names.append(f"{number}.png")
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(folder / names[-1])
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    return folder / "list.txt"


def start(workplace: Workplace, pictures: pathlib.Path, **changes: object) -> tuple[str, pathlib.Path]:
    """Name and configuration of a stream of those pictures."""
    name, file = workplace.configure(
        pictures, SIZE, **{"dataset__layout": "list", "style__views": [0], "ring__drawn": True} | changes
    )
    file.write_text(file.read_text() + "".join(f"[[views.view]]\n{table}\n" for table in VIEWS))
    return name, file


@pytest.fixture(scope="module")
def batch(pictures: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Batch 0: its arrays, what its drawn columns hold, and what `sasslctl inspect` says of it."""
    workplace = Workplace(tmp_path_factory.mktemp("workplace"))
    name, file = start(workplace, pictures)
    with workplace.running(name, file) as daemon, sassl.attach(name, start=0) as ring:
        first = next(iter(ring))
        drawn = {view: {key: array.copy() for key, array in columns.items()} for view, columns in first.drawn.items()}
        arrays = {key: array.copy() for key, array in first.arrays.items()}
        return {"arrays": arrays, "drawn": drawn} | inspected(daemon)


def inspected(daemon: Daemon) -> dict[str, Any]:
    """What `sasslctl inspect` says of batch 0; the index is written behind the stream."""
    eventually(lambda: daemon.control("inspect", "0").returncode == 0, "batch 0 is in the index")
    return {
        "inspected": json.loads(daemon.control("inspect", "0", "--json").stdout),
        "shown": daemon.control("inspect", "0").stdout,
    }


def indices(sample: int, view: int, purpose: int, bounds: list[int]) -> list[int]:
    """Whole numbers below each bound, by Lemire's method."""
    source = bits(SEED, 0, sample, view, purpose)
    found = []
    for bound in bounds:
        value = next(source)
        while value * bound % 2**64 < 2**64 % bound:
            value = next(source)
        found.append(value * bound >> 64)
    return found


def crop(sample: int, view: int, width: int, height: int) -> list[int]:
    """torchvision's RandomResizedCrop with a scale of 0.1 to 0.9, by the stream's draws: left, top, width, height."""
    areas, aspects = uniforms(SEED, 0, sample, view, 16), uniforms(SEED, 0, sample, view, 17)
    low, high = math.log(3 / 4), math.log(4 / 3)
    for area, aspect in itertools.islice(zip(areas, aspects, strict=True), 10):
        pixels, ratio = width * height * (0.1 + area * 0.8), math.exp(low + aspect * (high - low))
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 1 <= w <= width and 1 <= h <= height:
            top, left = indices(sample, view, 18, [height - h + 1, width - w + 1])
            return [left, top, w, h]
    raise AssertionError("no picture here is so narrow that ten tries fail")


def one(sample: int, view: int, purpose: int, low: float = 0, high: float = 1) -> float:
    """A number between two others."""
    return low + next(uniforms(SEED, 0, sample, view, purpose)) * (high - low)


def order(sample: int, view: int) -> list[int]:
    """The order of colour jitter's parts: Fisher and Yates."""
    result = list(range(4))
    for last, index in zip((3, 2, 1), indices(sample, view, 33, [4, 3, 2]), strict=True):
        result[last], result[index] = result[index], result[last]
    return result


def expected(sample: int, view: int, size: tuple[int, int]) -> dict[str, Any]:
    """Everything that is drawn for a view of a sample but the lender of its style."""
    everything = view == 0
    jitter = everything and one(sample, view, 32) < 0.8
    blur = everything and one(sample, view, 39) < 0.5
    style = everything and one(sample, view, 64) < 0.8
    return {
        "crop": crop(sample, view, *size),
        "picture_size": list(size),
        "style": style,
        "style_alpha": one(sample, view, 65, 0.1, 0.3) if style else 0,
        "style_beta": one(sample, view, 66, 0.1, 0.3) if style else 0,
        "flip": one(sample, view, 19) < 0.5,
        "jitter": jitter,
        "jitter_order": order(sample, view) if jitter else [-1] * 4,
        "jitter_brightness": one(sample, view, 34, 0.6, 1.4) if jitter else 1,
        "jitter_contrast": one(sample, view, 35, 0.6, 1.4) if jitter else 1,
        "jitter_saturation": one(sample, view, 36, 0.6, 1.4) if jitter else 1,
        "jitter_hue": one(sample, view, 37, -0.3, 0.3) if jitter else 0,
        "grayscale": everything and one(sample, view, 38) < 0.4,
        "blur": blur,
        "blur_sigma": one(sample, view, 40, 0.5, 1.5) if blur else 0,
        "solarize": everything and one(sample, view, 41) < 0.5,
        "equalize": everything and one(sample, view, 42) < 0.3,
        "posterize": everything and one(sample, view, 43) < 0.3,
    }


def test_the_columns_hold_what_the_streams_keys_give(batch: dict[str, Any], pictures: pathlib.Path) -> None:
    for view in range(2):
        drawn = batch["drawn"][f"view{view}"]
        for position, sample in enumerate(batch["arrays"]["sample_ids"].tolist()):
            wanted = expected(sample, view, Image.open(pictures.parent / f"{sample}.png").size)
            assert set(drawn) == set(wanted) | {"style_id"}
            for name, value in wanted.items():
                assert np.allclose(drawn[name][position], value, rtol=1e-6, atol=1e-7), (view, sample, name)
    first, second = batch["drawn"]["view0"], batch["drawn"]["view1"]
    for name, column in {"style_id": "style_ids", "style": "applied", "style_alpha": "alpha"}.items():
        assert np.array_equal(first[name], batch["arrays"][column])
    assert (second["style_id"] == -1).all()
    # Each step happens to some and not to others, so nothing above was compared in vain.
    for name, column in first.items():
        if column.dtype == bool:
            assert 0 < column.sum() < len(column), name


def test_columns_have_their_types_and_shapes(batch: dict[str, Any]) -> None:
    for drawn in batch["drawn"].values():
        shapes = {name: (column.dtype.name, column.shape) for name, column in drawn.items()}
        assert shapes["crop"] == ("int32", (16, 4))
        assert shapes["picture_size"] == ("int32", (16, 2))
        assert shapes["flip"] == ("bool", (16,))
        assert shapes["jitter_order"] == ("int32", (16, 4))
        assert shapes["blur_sigma"] == ("float32", (16,))
        assert shapes["style_id"] == ("int64", (16,))


def test_a_view_is_the_part_of_its_picture_that_its_columns_say(batch: dict[str, Any], pictures: pathlib.Path) -> None:
    """Pillow's crop and resize are what torchvision's resized_crop calls for Pillow's pictures."""
    drawn = batch["drawn"]["view1"]
    for position, sample in enumerate(batch["arrays"]["sample_ids"].tolist()):
        left, top, width, height = drawn["crop"][position].tolist()
        picture = Image.open(pictures.parent / f"{sample}.png").convert("RGB")
        part = picture.crop((left, top, left + width, top + height))
        shown = part.resize((SIZE.side, SIZE.side), Image.Resampling.BILINEAR)
        if drawn["flip"][position]:
            shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        difference = np.abs(np.asarray(shown).astype(int) - batch["arrays"]["view1"][position])
        assert difference.max() <= 1


def test_inspect_tells_what_was_drawn(batch: dict[str, Any]) -> None:
    for position, sample in enumerate(batch["inspected"]["samples"]):
        for view, told in enumerate(sample["drawn"]):
            drawn = batch["drawn"][f"view{view}"]
            assert told["view"] == view
            assert set(told) == set(drawn) | {"view"}
            for name, column in drawn.items():
                assert np.allclose(told[name], column[position], rtol=1e-6), name
    drawn = batch["drawn"]["view0"]
    position = int(np.flatnonzero(drawn["blur"] & ~drawn["flip"])[0])
    (line,) = [line for line in batch["shown"].splitlines() if line.split()[:2] == [str(position), "0"]]
    assert f"blur_sigma {drawn['blur_sigma'][position]:.3f}" in line
    assert "crop " + " ".join(map(str, drawn["crop"][position])) in line
    assert "flip" not in line


def test_the_columns_change_nothing_else(batch: dict[str, Any], workplace: Workplace, pictures: pathlib.Path) -> None:
    plain = {name: array for name, array in batch["arrays"].items() if not name.startswith(("view0_", "view1_"))}
    assert len(plain) < len(batch["arrays"])
    found = []
    for drawn in (False, True):
        name, file = start(workplace, pictures, ring__drawn=drawn)
        with workplace.running(name, file), sassl.attach(name, start=0) as ring:
            first = next(iter(ring))
            found.append((ring.information.fingerprint, list(first.arrays)))
            if drawn:
                # Arrays of the ring's memory, as views are.
                first_view = first.views[0]
                for columns in first.drawn.values():
                    for column in columns.values():
                        assert not column.flags.writeable
                        assert column.base is not None
                        assert abs(column.__array_interface__["data"][0] - first_view.ctypes.data) < 2**20
            else:
                assert digest_of_arrays(first.arrays) == digest_of_arrays(plain)
                with pytest.raises(sassl.DrawnColumnsMissingError, match=r"ring.drawn = true"):
                    _ = first.drawn
    assert found[0][0] == found[1][0]
    assert found[0][1] == list(plain)
    assert found[1][1] == list(batch["arrays"])


def test_tensors_of_what_was_drawn(workplace: Workplace, pictures: pathlib.Path, batch: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    from sassl.torch import RingDataset

    name, file = start(workplace, pictures)
    with workplace.running(name, file):
        dataset = RingDataset(name)
        tensors = next(iter(dataset)).drawn
        for view, columns in batch["drawn"].items():
            assert set(tensors[view]) == set(columns)
            for key, column in columns.items():
                assert np.array_equal(tensors[view][key].numpy(), column)
        dataset.close()
