"""Odd but whole pictures, shown by a daemon as Pillow shows them."""

from __future__ import annotations

import io
import pathlib
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps, PngImagePlugin

import sassl
from picture_files import png
from workplace import Size, Workplace

SIDE = 64
# Views that are the picture itself.
UNCHANGED = """
[[views.view]]
crop_scale = [1.0, 1.0]
crop_aspect = [1.0, 1.0]
flip_probability = 0.0
jitter_probability = 0.0
grayscale_probability = 0.0
blur_probability = 0.0
"""

Pixels = npt.NDArray[np.uint8]


def picture(side: int = SIDE) -> Image.Image:
    """A smooth picture that looks different from every side."""
    y, x = np.mgrid[0:side, 0:side] * (SIDE / side)
    return Image.fromarray(np.stack([x * 4, y * 4, 128 + 60 * np.sin(x / 5)], -1).astype(np.uint8))


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    memory = io.BytesIO()
    (image or picture()).save(memory, "JPEG", quality=95, subsampling=0, **options)
    return memory.getvalue()


def with_segments(*payloads: bytes) -> bytes:
    """A JPEG file with application segments in front."""
    file = jpeg()
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(payload)) + payload for payload in payloads)
    return file[:2] + segments + file[2:]


def exif(kind: int, value: bytes, order: str = "<", count: int = 1) -> bytes:
    """EXIF data with one orientation of a TIFF type; values of more than four bytes come behind the directory."""
    mark = b"II" if order == "<" else b"MM"
    field, behind = (value.ljust(4, b"\0"), b"") if len(value) <= 4 else (struct.pack(order + "I", 26), value)
    head = struct.pack(order + "HIHHHI", 42, 8, 1, 0x0112, kind, count)
    return b"Exif\0\0" + mark + head + field + bytes(4) + behind


def png_with(*, behind: bool = False, **texts: object) -> bytes:
    """A PNG file with metadata, in front of the pixels or behind them."""
    memory = io.BytesIO()
    picture().save(memory, "PNG", **texts)
    file = memory.getvalue()
    if not behind:
        return file
    chunks = []
    position = 8
    while position < len(file):
        (length,) = struct.unpack(">I", file[position : position + 4])
        chunks.append((file[position + 4 : position + 8], file[position + 8 : position + 8 + length]))
        position += 12 + length
    data = [chunk for chunk in chunks if chunk[0] in (b"IHDR", b"IDAT")]
    others = [chunk for chunk in chunks if chunk[0] not in (b"IHDR", b"IDAT", b"IEND")]
    return png([*data, *others, (b"IEND", b"")])


def orientations() -> dict[str, bytes]:
    """Every place and form in which Pillow finds an orientation, and some in which it does not."""
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    attribute, element = b'<x tiff:Orientation="8"/>', b"<tiff:Orientation>6</tiff:Orientation>"
    short = exif(3, struct.pack("<H", 6))
    files = {
        "long.jpg": with_segments(exif(4, struct.pack("<I", 6))),
        "long big endian.jpg": with_segments(exif(4, struct.pack(">I", 6), ">")),
        "short big endian.jpg": with_segments(exif(3, struct.pack(">H", 8), ">")),
        "signed.jpg": with_segments(exif(8, struct.pack("<h", 6))),
        "float.jpg": with_segments(exif(11, struct.pack("<f", 6))),
        "double.jpg": with_segments(exif(12, struct.pack("<d", 6))),
        "ratio.jpg": with_segments(exif(5, struct.pack("<II", 12, 2))),
        "byte.jpg": with_segments(exif(1, b"\6")),
        "text.jpg": with_segments(exif(2, b"6\0", count=2)),
        "two values.jpg": with_segments(exif(3, struct.pack("<HH", 6, 8), count=2)),
        "three values.jpg": with_segments(exif(3, struct.pack("<HHH", 6, 8, 1), count=3)),
        "zero.jpg": with_segments(exif(3, struct.pack("<H", 0)), xmp + attribute),
        "nine.jpg": with_segments(exif(3, struct.pack("<H", 9))),
        "twice the name.jpg": with_segments(b"Exif\0\0" + short),
        "xmp attribute.jpg": with_segments(xmp + attribute),
        "xmp element.jpg": with_segments(xmp + b"tiff:Orientation " + element),
        "xmp last.jpg": with_segments(xmp + attribute, xmp + element),
        "exif before xmp.jpg": with_segments(xmp + attribute, short),
        "two segments.jpg": with_segments(short[:20], b"Exif\0\0" + short[20:]),
    }
    tags = Image.Exif()
    tags[0x0112] = 6
    raw = tags.tobytes()
    profile = f"\nexif\n{len(raw):8}\n{raw.hex()}\n"
    for name, compressed in (("text", False), ("compressed text", True)):
        info = PngImagePlugin.PngInfo()
        info.add_text("Raw profile type exif", profile, zip=compressed)
        packet = PngImagePlugin.PngInfo()
        packet.add_itxt("XML:com.adobe.xmp", attribute.decode(), zip=compressed)
        for place in (False, True):
            where = "behind" if place else "before"
            files[f"{name} {where}.png"] = png_with(behind=place, pnginfo=info)
            files[f"xmp {name} {where}.png"] = png_with(behind=place, pnginfo=packet)
    files["chunk before.png"] = png_with(exif=tags)
    files["chunk behind.png"] = png_with(behind=True, exif=tags)
    return files


def odd_ends() -> dict[str, tuple[bytes, bytes]]:
    """Files with every pixel, whose end is not in order, and the same with a good one."""
    baseline, progressive, restarts = jpeg(), jpeg(progressive=True), jpeg(restart_marker_blocks=4)
    trailer = b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data" + bytes(range(1, 200)) * 30 + b"SEFT"
    flat = zlib.compress(b"".join(b"\0" + row.tobytes() for row in np.asarray(picture())))
    header = (b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    file = png([header, (b"IDAT", flat), (b"IEND", b"")])
    wrong = bytearray(file)
    wrong[-13] ^= 1
    return {
        "no end marker.jpg": (baseline[:-2], baseline),
        "trailer for end marker.jpg": (baseline[:-2] + trailer, baseline),
        "trailer.jpg": (baseline + trailer, baseline),
        "another picture behind.jpg": (baseline + progressive, baseline),
        "restarts, no end marker.jpg": (restarts[:-2], restarts),
        "progressive, no end marker.jpg": (progressive[:-2], progressive),
        "no end.png": (file[:-12], file),
        "cut in the last checksum.png": (file[:-14], file),
        "cut in the checksum of the rows.png": (file[:-18], file),
        "wrong checksum of data.png": (bytes(wrong), file),
        "junk within the data.png": (png([header, (b"IDAT", flat + b"junk"), (b"IEND", b"")]), file),
        "damaged text behind.png": (file[:-12] + b"\0\0\0\3tEXta\0b1234" + file[-12:], file),
        "trailer.png": (file + trailer, file),
    }


def shown(workplace: Workplace, folder: pathlib.Path, **changes: object) -> dict[str, Pixels]:
    """The first view of every file of a folder, by its name; all must be usable."""
    names = sorted((path.name for path in folder.iterdir()), key=lambda name: name.encode())
    name, configuration = workplace.configure(folder, Size(len(names), SIDE), style__enabled=False, **changes)
    configuration.write_text(configuration.read_text() + UNCHANGED * 2)
    with workplace.running(name, configuration) as daemon, sassl.attach(name, start=0) as ring:
        batch = ring.next()
        assert daemon.status()["quarantine"] == []
        assert sorted(batch.sample_ids.tolist()) == list(range(len(names)))
        return {names[sample]: batch.views[0][place].copy() for place, sample in enumerate(batch.sample_ids.tolist())}


def differences(pixels: dict[str, Pixels], folder: pathlib.Path, *, upright: bool = True) -> dict[str, int]:
    """The largest difference to Pillow, by file."""
    largest = {}
    for name, view in pixels.items():
        with Image.open(folder / name) as image:
            wanted = ImageOps.exif_transpose(image) if upright else image
            largest[name] = int(np.abs(view.astype(int) - np.asarray(wanted.convert("RGB"))).max())
    return largest


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def test_pictures_stand_as_pillow_turns_them(workplace: Workplace, folder: pathlib.Path) -> None:
    for name, content in orientations().items():
        (folder / name).write_bytes(content)
    # Rounding differs by one between releases of libjpeg-turbo; a picture that is not turned is another altogether.
    told = differences(shown(workplace, folder), folder)
    assert {name: largest for name, largest in told.items() if largest > 2} == {}
    # And they are not all upright as they are stored.
    stored = differences(shown(workplace, folder, dataset__apply_orientation=False), folder, upright=False)
    assert {name: largest for name, largest in stored.items() if largest > 2} == {}
    assert sum(np.asarray(Image.open(folder / name).getexif().get(0x0112) in range(2, 9)) for name in told) >= 20


def test_whole_pictures_are_shown_whatever_becomes_of_their_end(workplace: Workplace, folder: pathlib.Path) -> None:
    for name, (content, _) in odd_ends().items():
        (folder / name).write_bytes(content)
    pixels = shown(workplace, folder)
    # Pillow opens most of them, and all of them with a good end.
    for name, (_, whole) in odd_ends().items():
        (folder / name).write_bytes(whole)
    told = differences(pixels, folder)
    assert {name: largest for name, largest in told.items() if largest > 2} == {}


@pytest.mark.parametrize("side", [515, 1017, 1024])
def test_large_pictures_are_not_shifted_however_they_are_stored(
    workplace: Workplace, folder: pathlib.Path, side: int
) -> None:
    rough = np.random.default_rng(3).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    base = Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC)
    for orientation in range(1, 9):
        tags = Image.Exif()
        tags[0x0112] = orientation
        (folder / f"{orientation}.jpg").write_bytes(jpeg(base, exif=tags))
    for name, view in shown(workplace, folder).items():
        with Image.open(folder / name) as image:
            small = ImageOps.exif_transpose(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        wanted = np.asarray(small).astype(float)
        # How far the view would have to be moved to be the wanted one, in its own pixels.
        down, right = np.gradient(wanted.mean(-1))
        off = (view - wanted).mean(-1).ravel()
        moved, *_ = np.linalg.lstsq(np.stack([right.ravel(), down.ravel()], 1), off, rcond=None)
        assert np.abs(moved).max() < 0.03, name


def test_turning_is_part_of_the_fingerprint_only_where_it_is_switched_off(
    workplace: Workplace, folder: pathlib.Path
) -> None:
    for number in range(4):
        (folder / f"{number}.png").write_bytes(png_with())
    settings = []
    for changes in ({}, {"dataset__apply_orientation": True}, {"dataset__apply_orientation": False}):
        name, configuration = workplace.configure(folder, Size(4, SIDE), style__enabled=False, **changes)
        with workplace.running(name, configuration), sassl.attach(name, start=0) as ring:
            settings.append(ring.information.fingerprint)
    assert settings[0] == settings[1] != settings[2]
