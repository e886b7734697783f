"""Pictures of every format that is read, as Pillow shows them; and the table of formats, which is so."""

from __future__ import annotations

import io
import pathlib
import re
from typing import Any

import numpy as np
from PIL import Image

import sassl
from picture_files import GOLDEN, flat_picture, others
from test_documentation import tables
from test_pictures import SIDE, differences, picture, shown
from test_pictures import folder as folder
from workplace import ROOT, Size, Workplace, control

PAGE = ROOT / "docs" / "datasets.md"


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow makes of a picture."""
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


def by_pillow() -> dict[str, bytes]:
    """A file of every mode that Pillow writes in every format, where it reads it as the picture that it wrote."""
    colour = picture()
    see_through = colour.copy()
    see_through.putalpha(Image.linear_gradient("L").resize(colour.size))
    modes = {
        "1": colour.convert("1"),
        "L": colour.convert("L"),
        "LA": see_through.convert("LA"),
        "P": colour.quantize(40),
        "RGB": colour,
        "RGBA": see_through,
        "CMYK": colour.convert("CMYK"),
    }
    formats: dict[str, tuple[list[str], str, list[dict[str, Any]]]] = {
        "webp": (["L", "LA", "RGB", "RGBA"], "WEBP", [{"quality": 70}, {"lossless": True, "exact": True}]),
        "tiff": (
            list(modes),
            "TIFF",
            [{"compression": name} for name in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd")],
        ),
        "tif": (["L", "RGB", "CMYK"], "TIFF", [{"compression": "jpeg", "quality": 90}]),
        "fax.tif": (["1"], "TIFF", [{"compression": name} for name in ("group3", "group4", "tiff_ccitt")]),
        "bmp": (["1", "L", "P", "RGB", "RGBA"], "BMP", [{}]),
        "pgm": (["1", "L"], "PPM", [{}]),
        "ppm": (["RGB"], "PPM", [{}]),
        # By its content, under whatever name.
        "gif.jpg": (["1", "L", "P"], "GIF", [{"interlace": 0}, {"interlace": 1}]),
        "webp.jpeg": (["RGB"], "WEBP", [{}]),
    }
    return {
        f"{mode} {number}.{ending}": written(modes[mode], kind, **options)
        for ending, (names, kind, all_options) in formats.items()
        for mode in names
        for number, options in enumerate(all_options)
    }


def test_every_format_is_shown_as_pillow_shows_it(workplace: Workplace, folder: pathlib.Path) -> None:
    files = by_pillow()
    assert len(files) > 50
    for name, content in files.items():
        (folder / name).write_bytes(content)
    told = differences(shown(workplace, folder), folder)
    # What is lossy is rounded by one more or less in some releases of a library; the rest is exact.
    exact = {name for name in files if not re.search(r"webp|tif$", name) or "fax" in name}
    assert {name: largest for name, largest in told.items() if largest > (0 if name in exact else 2)} == {}


def test_the_first_frame_and_the_first_page_are_shown(workplace: Workplace, folder: pathlib.Path) -> None:
    first, second = picture(), Image.new("RGB", (SIDE, SIDE), (200, 30, 60))
    for name, kind in {"a.webp": "WEBP", "b.tiff": "TIFF", "c.png": "PNG", "d.png": "GIF"}.items():
        options = {"lossless": True} if kind == "WEBP" else {}
        (folder / name).write_bytes(written(first, kind, save_all=True, append_images=[second], **options))
        with Image.open(folder / name) as image:
            image.seek(1)
    assert max(differences(shown(workplace, folder), folder).values()) == 0


def test_webp_and_tiff_stand_as_pillow_turns_them(workplace: Workplace, folder: pathlib.Path) -> None:
    xmp = b'<x tiff:Orientation="8"/>'
    (folder / "xmp.webp").write_bytes(written(picture(), "WEBP", lossless=True, xmp=xmp))
    (folder / "xmp.tiff").write_bytes(written(picture(), "TIFF", tiffinfo={700: xmp}))
    for orientation in range(1, 9):
        tags = Image.Exif()
        tags[0x0112] = orientation
        (folder / f"{orientation}.webp").write_bytes(written(picture(), "WEBP", lossless=True, exif=tags))
        (folder / f"{orientation}.tiff").write_bytes(written(picture(), "TIFF", exif=tags))
    # Some writers put the name in front, as in JPEG.
    named = b"Exif\0\0" + tags.tobytes().removeprefix(b"Exif\0\0")
    (folder / "named.webp").write_bytes(written(picture(), "WEBP", lossless=True, exif=named))
    assert max(differences(shown(workplace, folder), folder).values()) == 0
    # Pillow turns TIFF whether asked or not; all of these are stored upright.
    stored = np.asarray(picture()).astype(int)
    for name, view in shown(workplace, folder, dataset__apply_orientation=False).items():
        assert np.array_equal(view, stored), name


def test_pictures_of_16_bits_are_rounded(workplace: Workplace, folder: pathlib.Path) -> None:
    """Where Pillow cuts them off at 255, which is white nearly everywhere."""
    gray = np.asarray(picture().convert("L")).astype(np.uint16)
    deep = (gray * 257 - np.minimum(gray, 100)).astype(np.uint16)
    for name, kind in {"a.pgm": "PPM", "b.tiff": "TIFF", "c.png": "PNG"}.items():
        (folder / name).write_bytes(written(Image.fromarray(deep), kind))
    for name, view in shown(workplace, folder).items():
        assert np.array_equal(view[..., 0], gray), name


def table_of_formats() -> list[list[str]]:
    """The rows of the table under "Formats"."""
    return next(table for table in tables(PAGE) if table[0][0] == "format")[2:]


def test_the_table_has_the_formats_and_endings_that_the_program_knows(
    workplace: Workplace, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    told = control("stylize", "--content", str(tmp_path / "text.jpg"), "--style", "-", "--out", str(tmp_path / "y.png"))
    names = re.search(r"the file is not a (.*) picture but", told.stderr)
    assert names is not None, told.stderr
    assert re.split(", | or ", names[1]) == [row[0] for row in table_of_formats()]
    (tmp_path / "none").mkdir()
    _, configuration = workplace.configure(tmp_path / "none", Size(8, SIDE), dataset__layout="flat")
    refused = control("doctor", "--config", str(configuration)).stdout
    endings = re.search(r"names ending in ([^\n]*)\.", refused)
    assert endings is not None, refused
    assert endings[1].split(", ") == [
        ending for row in table_of_formats() for ending in re.findall(r"`(\.\w+)`", row[1])
    ]


def test_every_format_of_the_table_is_read_by_the_command(tmp_path: pathlib.Path) -> None:
    kinds = {"PBM/PGM/PPM": "PPM"}
    style = tmp_path / "style.png"
    style.write_bytes(flat_picture(32, 32))
    for row in table_of_formats():
        content = tmp_path / "content"
        content.write_bytes(written(picture(), kinds.get(row[0], row[0]).upper()))
        out = tmp_path / "y.npy"
        run = control("stylize", "--content", str(content), "--style", str(style), "--beta", "0", "--out", str(out))
        assert run.returncode == 0, run.stderr
        with Image.open(content) as read:
            assert np.abs(np.load(out) * 255 - np.asarray(read.convert("RGB"))).max() <= 2, row[0]


def test_what_the_table_calls_refused_is_refused(tmp_path: pathlib.Path) -> None:
    """Kinds of files that Pillow writes and that are not read, with the reason."""
    numbers = np.asarray(picture().convert("F"))
    refused = {
        "float.tiff": (written(Image.fromarray(numbers), "TIFF"), "samples that are not whole numbers"),
        "lab.tiff": (written(Image.fromarray(np.zeros((8, 8, 3), np.uint8), "LAB"), "TIFF"), "photometric"),
        "lzma.tiff": (written(picture(), "TIFF", compression="lzma"), "compression 34925, LZMA"),
        "avif.jpg": (written(picture(), "AVIF"), "an AVIF picture"),
        "jp2.jpg": (written(picture(), "JPEG2000"), "a JPEG 2000 picture"),
        "pam.ppm": (b"P7\nWIDTH 1\n", "a PAM picture"),
    }
    for name, (content, reason) in refused.items():
        path = tmp_path / name
        path.write_bytes(content)
        told = control("stylize", "--content", str(path), "--style", "-", "--out", str(tmp_path / "y.png"))
        assert told.returncode == 65, name
        assert reason in told.stderr, told.stderr


def test_libraries_say_nothing_by_themselves(tmp_path: pathlib.Path) -> None:
    """What libtiff and the others tell of a damaged file is in the one sentence, and nowhere else."""
    damaged = {name: content for name, content, _ in others() if name.endswith((".tif", ".tiff", ".webp", ".png"))}
    for name in ("bits-group4.tiff", "rgb-tiff_lzw.tiff", "ycc-jpeg.tiff", "in-order.gif"):
        whole = (GOLDEN / name).read_bytes()
        damaged[name] = whole[:60] + bytes(255 - byte for byte in whole[60:90]) + whole[90:]
    for name, content in damaged.items():
        path = tmp_path / name
        path.write_bytes(content)
        told = control("stylize", "--content", str(path), "--style", "-", "--out", str(tmp_path / "y.png"))
        assert told.returncode == 65, name
        assert told.stdout == "" and told.stderr.startswith(f"sasslctl stylize: {path}: "), told
        assert told.stderr.count("\n") == 1, told.stderr


def test_pictures_of_styles_may_be_of_every_format(workplace: Workplace, folder: pathlib.Path) -> None:
    styles = folder.parent / "styles"
    styles.mkdir()
    for name, kind in {"a.webp": "WEBP", "b.tiff": "TIFF", "c.bmp": "BMP", "d.ppm": "PPM"}.items():
        (styles / name).write_bytes(written(picture(), kind))
        (folder / name).write_bytes(written(picture(), kind))
    with (
        workplace.daemon(
            folder, Size(4, SIDE), style__source="folder", style__folder=str(styles), style__group=4
        ) as daemon,
        sassl.attach(daemon.name, start=0) as ring,
    ):
        assert sorted(ring.next().sample_ids.tolist()) == [0, 1, 2, 3]
