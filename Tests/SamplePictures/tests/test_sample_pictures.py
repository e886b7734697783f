"""Pictures depend on their class, number and seed alone, and are written as others read them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import png
import render_samples
import scenes
import textures


def test_every_scene_depends_on_its_class_and_number_alone() -> None:
    for kind in scenes.SCENES:
        first = scenes.scene(kind, 3, 80, 60)
        assert first.shape == (60, 80, 3) and first.dtype == np.uint8
        assert np.array_equal(first, scenes.scene(kind, 3, 80, 60))
        assert not np.array_equal(first, scenes.scene(kind, 4, 80, 60))
        assert first.std() > 10, f"{kind} is nearly blank"


def test_every_texture_depends_on_its_seed_alone() -> None:
    for pattern in textures.PATTERNS:
        first = textures.texture(5, 48, pattern)
        assert first.shape == (48, 48, 3) and first.dtype == np.uint8
        assert np.array_equal(first, textures.texture(5, 48, pattern))
        assert not np.array_equal(first, textures.texture(6, 48, pattern))


def test_the_png_writer_is_understood_by_another_reader(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    picture = np.random.default_rng(1).integers(0, 256, (7, 13, 3), dtype=np.uint8)
    png.write(tmp_path / "a.png", picture)
    assert np.array_equal(np.asarray(image.open(tmp_path / "a.png").convert("RGB")), picture)


def test_the_png_writer_refuses_what_is_no_rgb_picture() -> None:
    with pytest.raises(ValueError, match="uint8"):
        png.encoded(np.zeros((4, 4), np.uint8)[:, :, None])


def test_rendering_samples_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["render", "--out", str(tmp_path), "--count", "9", "--width", "64", "--height", "48"]
    monkeypatch.setattr(sys, "argv", command)
    render_samples.main()
    pictures = sorted(tmp_path.rglob("*.png"))
    assert len(pictures) == 9 and len({path.parent for path in pictures}) == 8
    pictures[0].write_bytes(b"mine")
    render_samples.main()
    assert pictures[0].read_bytes() == b"mine"
