"""The pictures of `sasslctl preview` and `sasslctl stylize`, against what a trainer reads and against each other."""

from __future__ import annotations

import os
import pathlib
import subprocess
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import sassl
from workplace import PROGRAMS, Size, Workplace, control

MARGIN = 8
LETTERS = 13
#: From one line of a caption to the next.
LINE = LETTERS + LETTERS // 3
ROWS = 3

Pixels = NDArray[np.uint8]

#: Every first view is stylized, after everything else.
STYLE_LAST: dict[str, Any] = {
    "style__probability": 1.0,
    "views__order": ["flip", "jitter", "grayscale", "blur", "solarize", "equalize", "posterize", "style"],
}
#: Columns of a preview with one stylized view and the difference.
ORIGINAL, CROP, STYLE, FULL_STRENGTH, DRAWN, DIFFERENCE, VIEW_0, VIEW_1 = range(8)


class Sheet:
    """A sheet of equally high rows, taken apart."""

    def __init__(self, path: pathlib.Path, columns: int, rows: int) -> None:
        self.pixels: Pixels = np.asarray(Image.open(path).convert("RGB"))
        self._width = (self.pixels.shape[1] - MARGIN) // columns
        self._height = (self.pixels.shape[0] - MARGIN) // rows

    def cell(self, column: int, row: int, side: int) -> Pixels:
        """The picture of `side` x `side` pixels in a cell."""
        left = MARGIN + column * self._width + (self._width - MARGIN - side) // 2
        top = MARGIN + row * self._height
        return self.pixels[top : top + side, left : left + side]

    def caption(self, column: int, row: int, side: int, line: int) -> Pixels:
        """A line below that picture."""
        left, top = MARGIN + column * self._width, MARGIN + row * self._height + side + line * LINE
        return self.pixels[top : top + LINE, left : left + self._width - MARGIN]


def first_batch(workplace: Workplace, pictures: pathlib.Path, size: Size, **changes: Any) -> dict[str, Any]:
    """Copies of what a trainer reads first."""
    with workplace.daemon(pictures, size, **changes) as daemon, sassl.attach(daemon.name, start=0) as ring:
        return {field: array.copy() for field, array in next(ring).arrays.items()}


def preview(
    workplace: Workplace, pictures: pathlib.Path, size: Size, *more: str, **changes: object
) -> tuple[pathlib.Path, pathlib.Path]:
    """Makes a preview; returns its file and the configuration's."""
    _, configuration = workplace.configure(pictures, size, **changes)
    out = workplace.folder / "preview.png"
    run = control("preview", "--config", str(configuration), "--rows", str(ROWS), "--out", str(out), *more)
    assert run.returncode == 0, run.stderr
    return out, configuration


def stylized(folder: pathlib.Path, content: Pixels, style: Pixels, alpha: float, beta: float) -> Pixels:
    """What `sasslctl stylize` makes of two pictures."""
    Image.fromarray(content).save(folder / "content.png")
    Image.fromarray(style).save(folder / "style.png")
    files = ("--content", str(folder / "content.png"), "--style", str(folder / "style.png"))
    out = folder / "stylized.png"
    run = control("stylize", *files, "--alpha", str(alpha), "--beta", str(beta), "--out", str(out))
    assert run.returncode == 0, run.stderr
    return np.asarray(Image.open(out))


def test_a_preview_shows_what_the_trainer_reads(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    arrays = first_batch(workplace, pictures, size)
    sheet = Sheet(preview(workplace, pictures, size, "--difference", "4")[0], 8, ROWS)
    for row in range(ROWS):
        assert np.array_equal(sheet.cell(VIEW_0, row, size.side), arrays["view0"][row])
        assert np.array_equal(sheet.cell(VIEW_1, row, size.side), arrays["view1"][row])


def test_a_preview_shows_how_a_style_came_about(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    arrays = first_batch(workplace, pictures, size, **STYLE_LAST)
    crops = first_batch(workplace, pictures, size, **STYLE_LAST, style__enabled=False)["view0"]
    sheet = Sheet(preview(workplace, pictures, size, "--difference", "4", **STYLE_LAST)[0], 8, ROWS)
    samples = arrays["sample_ids"].tolist()
    for row in range(ROWS):
        lent = crops[samples.index(arrays["style_ids"][row])]
        drawn = arrays["view0"][row]
        assert np.array_equal(sheet.cell(CROP, row, size.side), crops[row])
        assert np.array_equal(sheet.cell(STYLE, row, size.side), lent)
        assert np.array_equal(sheet.cell(DRAWN, row, size.side), drawn)
        assert np.array_equal(
            sheet.cell(FULL_STRENGTH, row, size.side), stylized(workplace.folder, crops[row], lent, 1, 1)
        )
        change = 128 + 4 * (drawn.astype(int) - crops[row])
        assert np.array_equal(sheet.cell(DIFFERENCE, row, size.side), change.clip(0, 255))


@pytest.mark.parametrize(
    ("changes", "columns"), [({}, 7), ({"style__views": [0, 1]}, 11), ({"style__enabled": False}, 3)]
)
def test_a_preview_has_columns_for_each_stylized_view(
    workplace: Workplace, pictures: pathlib.Path, size: Size, changes: dict[str, Any], columns: int
) -> None:
    arrays = first_batch(workplace, pictures, size, **changes)
    sheet = Sheet(preview(workplace, pictures, size, **changes)[0], columns, ROWS)
    for view in (0, 1):
        assert np.array_equal(sheet.cell(columns - 2 + view, 0, size.side), arrays[f"view{view}"][0])


def test_styles_of_a_folder_are_shown_and_others_are_named(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    folder = workplace.folder / "styles"
    folder.mkdir()
    colour = (200, 30, 10)
    Image.new("RGB", (64, 64), colour).save(folder / "red.png")
    chosen = {**STYLE_LAST, "style__source": "folder", "style__folder": str(folder)}
    sheet = Sheet(preview(workplace, pictures, size, **chosen)[0], 7, ROWS)
    assert np.array_equal(sheet.cell(STYLE, 0, size.side), np.broadcast_to(colour, (size.side, size.side, 3)))
    for source in ("bank", "sampled"):
        sheet = Sheet(preview(workplace, pictures, size, **STYLE_LAST, style__source=source)[0], 7, ROWS)
        assert (sheet.cell(STYLE, 0, size.side) == 255).all()
        assert (sheet.caption(STYLE, 0, size.side, 1) < 128).any()


def test_captions_are_what_pillow_writes_in_the_same_font(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    arrays = first_batch(workplace, pictures, size)
    sheet = Sheet(preview(workplace, pictures, size)[0], 7, ROWS)
    file = subprocess.run(["fc-match", "--format=%{file}", "sans"], capture_output=True, text=True, check=True).stdout
    font = ImageFont.truetype(file, LETTERS, layout_engine=ImageFont.Layout.BASIC)
    for row in range(ROWS):
        caption = sheet.caption(ORIGINAL, row, size.side, 0)
        expected = Image.new("RGB", (caption.shape[1], caption.shape[0]), "white")
        ImageDraw.Draw(expected).text(
            (0, LETTERS), f"original {arrays['sample_ids'][row]}", (32, 32, 32), font, anchor="ls"
        )
        assert np.asarray(expected).min() < 64
        assert np.abs(np.asarray(expected).astype(int) - caption).mean() < 1


def test_without_a_font_the_picture_is_made_and_says_what_it_lacks(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    whole, configuration = preview(workplace, pictures, size)
    nothing = workplace.folder / "fonts.conf"
    nothing.write_text("<fontconfig></fontconfig>")
    out = workplace.folder / "bare.png"
    run = subprocess.run(
        [PROGRAMS / "sasslctl", "preview", "--config", configuration, "--rows", str(ROWS), "--out", out],
        env={**os.environ, "FONTCONFIG_FILE": str(nothing)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "no captions" in run.stderr
    assert "fonts-dejavu-core" in run.stderr
    bare = Sheet(out, 7, ROWS)
    assert np.array_equal(bare.cell(5, 2, size.side), Sheet(whole, 7, ROWS).cell(5, 2, size.side))


def test_a_grid_shows_every_content_in_every_style_at_every_strength(tmp_path: pathlib.Path) -> None:
    random = np.random.default_rng(1)
    side = 64
    pictures = {
        name: np.asarray(Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((side, side)))
        for name in ("sea", "town", "waves", "cells")
    }
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    contents, styles, alphas, betas = ("sea", "town"), ("waves", "cells"), (0.3, 1.0), (0.5, 1.0)
    chosen = [part for name in contents for part in ("--content", str(tmp_path / f"{name}.png"))]
    chosen += [part for name in styles for part in ("--style", str(tmp_path / f"{name}.png"))]
    out = tmp_path / "grid.png"
    run = control("stylize", *chosen, "--alpha", "0.3,1", "--beta", "0.5,1", "--side", str(side), "--out", str(out))
    assert run.returncode == 0, run.stderr
    sheet = Sheet(out, 5, 5)
    for column, name in enumerate(styles):
        assert np.array_equal(sheet.cell(1 + 2 * column, 0, side), pictures[name])
    for line, content in enumerate(contents):
        assert np.array_equal(sheet.cell(0, 1 + 2 * line, side), pictures[content])
        for row, beta in enumerate(betas):
            for column, style in enumerate(styles):
                for place, alpha in enumerate(alphas):
                    shown = sheet.cell(1 + 2 * column + place, 1 + 2 * line + row, side)
                    assert np.array_equal(shown, stylized(tmp_path, pictures[content], pictures[style], alpha, beta)), (
                        content,
                        style,
                        alpha,
                        beta,
                    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--alpha", "0.1,"), "--alpha is ''"),
        (("--alpha", "0.1,1.5"), "--alpha is '1.5'"),
        (("--side", "64"), "--side is for grids"),
        (("--alpha", "0,1", "--out", "grid.npy"), ".png, .jpg"),
    ],
)
def test_what_makes_no_grid_is_refused(tmp_path: pathlib.Path, arguments: tuple[str, ...], said: str) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    picture = str(tmp_path / "x.png")
    run = control("stylize", "--content", picture, "--style", picture, "--out", "never.png", *arguments)
    assert run.returncode == 64
    assert said in run.stderr


@pytest.mark.parametrize(
    ("name", "kind"),
    [("x.png", "PNG"), ("x.jpg", "JPEG"), ("x.JPEG", "JPEG"), ("x.webp", "WEBP"), ("x.bmp", None), ("x", None)],
)
def test_a_picture_is_of_the_kind_that_its_name_says(
    workplace: Workplace, pictures: pathlib.Path, size: Size, tmp_path: pathlib.Path, name: str, kind: str | None
) -> None:
    _, configuration = workplace.configure(pictures, size)
    picture = str(next(path for path in pictures.rglob("*.*") if path.is_file()))
    preview = ("preview", "--rows", "1", "--config", str(configuration))
    for command in (preview, ("stylize", "--content", picture, "--style", picture)):
        out = tmp_path / command[0] / name
        out.parent.mkdir()
        run = control(*command, "--out", str(out))
        if kind is None:
            assert run.returncode == 64
            assert ".png, .jpg, .jpeg or .webp" in run.stderr
            assert not out.exists()
        else:
            assert run.returncode == 0, run.stderr
            with Image.open(out) as written:
                assert written.format == kind
                written.load()


def test_a_picture_that_is_compressed_is_close_to_the_exact_one(tmp_path: pathlib.Path) -> None:
    y, x = np.mgrid[0:96, 0:128]
    smooth = np.stack([x + y, 2 * x, 255 - 2 * y], axis=-1).clip(0, 255).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "content.png")
    picture = str(tmp_path / "content.png")
    shown = {}
    for name in ("x.png", "x.jpg", "x.webp"):
        run = control("stylize", "--content", picture, "--style", picture, "--out", str(tmp_path / name))
        assert run.returncode == 0, run.stderr
        shown[name] = np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int)
    for name in ("x.jpg", "x.webp"):
        assert np.abs(shown[name] - shown["x.png"]).mean() < 2


def test_a_picture_that_its_format_cannot_hold_is_refused(tmp_path: pathlib.Path) -> None:
    Image.new("RGB", (16_400, 32)).save(tmp_path / "wide.png")
    picture = str(tmp_path / "wide.png")
    run = control("stylize", "--content", picture, "--style", picture, "--out", str(tmp_path / "wide.webp"))
    assert run.returncode == 65
    assert "16383" in run.stderr
    assert not (tmp_path / "wide.webp").exists()
