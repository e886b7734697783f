"""Picture files for the tests: good ones that the project draws, and every kind of broken one."""

from __future__ import annotations

import os
import pathlib
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

GOLDEN = pathlib.Path(__file__).resolve().parent.parent.parent / "Tests" / "ImagingTests" / "Golden"
#: What `limits.max_file_bytes` has to be for the file that is too large to be refused.
MAXIMUM_FILE_BYTES = 1_000_000

Part = tuple[bytes, bytes]


def png(parts: list[Part]) -> bytes:
    """A PNG file of the given chunks."""
    file = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts:
        file += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return file


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> Part:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def good_picture(number: int, width: int = 88, height: int = 80) -> bytes:
    """A smooth picture of its own, as a PNG file."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width] / height
    waves = [
        np.sin(random.uniform(1, 9) * x + random.uniform(1, 9) * y + random.uniform(0, 6)) * 120 + 128 for _ in range(3)
    ]
    rows = np.stack(waves, axis=2).astype(np.uint8).reshape(height, width * 3)
    body = zlib.compress(np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes(), 1)
    return png([png_header(width, height), (b"IDAT", body), (b"IEND", b"")])


def flat_picture(width: int, height: int) -> bytes:
    """A gray picture as a PNG file: small, whatever it takes to decode."""
    body = zlib.compress((b"\0" + b"\x80" * (3 * width)) * height, 1)
    return png([png_header(width, height), (b"IDAT", body), (b"IEND", b"")])


def write_good(folder: pathlib.Path, count: int, width: int = 88, height: int = 80) -> None:
    """Fills a folder with `count` good pictures; two of them have names that are hard to print."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name = {0: b"good\n0.png", 1: b"good \xff\xfe 1.png"}.get(number, b"good %04d.png" % number)
        pathlib.Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(good_picture(number, width, height))


@dataclass(frozen=True)
class Broken:
    """A file that gives no picture, and a regular expression for the reason that must be told."""

    name: bytes
    reason: str
    make: Callable[[bytes], None]


def _bytes(content: bytes) -> Callable[[bytes], None]:
    def make(path: bytes) -> None:
        pathlib.Path(os.fsdecode(path)).write_bytes(content)

    return make


def _socket(path: bytes) -> None:
    # Bound under a short name: the address of a socket is limited to 107 bytes.
    here = os.open(os.path.dirname(path), os.O_PATH)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b"/proc/self/fd/%d/%s" % (here, os.path.basename(path)))
    os.close(here)


def _unreadable(path: bytes) -> None:
    _bytes(good_picture(1))(path)
    os.chmod(path, 0)


def _changed(file: bytes, *changes: tuple[int, bytes]) -> bytes:
    changed = bytearray(file)
    for offset, value in changes:
        changed[offset : offset + len(value)] = value
    return bytes(changed)


def _jpegs() -> list[tuple[str, bytes, str]]:
    file = (GOLDEN / "baseline-420.jpg").read_bytes()
    progressive = (GOLDEN / "progressive-420.jpg").read_bytes()
    quantization, frame = file.index(b"\xff\xdb"), file.index(b"\xff\xc0")
    tables, scan = file.index(b"\xff\xc4"), file.index(b"\xff\xda")
    data = scan + 2 + struct.unpack(">H", file[scan + 2 : scan + 4])[0]
    last_scan = progressive.rindex(b"\xff\xda")
    damaged = _changed(file, (data + 8, b"\xff\x00" * 20))
    ends_early = "ends before its picture does"
    return [
        ("three bytes.jpg", file[:3], ends_early),
        ("cut in a table.jpg", file[: quantization + 20], ends_early),
        ("only a header.jpg", file[: frame + 19], ends_early),
        ("no data.jpg", file[:data], ends_early),
        ("half the data.jpg", file[: (data + len(file)) // 2], ends_early),
        ("last bytes missing.jpg", file[:-12], ends_early),
        ("cut between scans.jpg", progressive[:last_scan], ends_early),
        ("cut in a scan.jpg", progressive[:-40], ends_early),
        ("bomb.jpg", _changed(file, (frame + 5, b"\xff\xdc\xff\xdc")), "65500 x 65500 pixels, more than the limit"),
        ("no columns.jpg", _changed(file, (frame + 7, b"\0\0")), "cannot be decoded"),
        ("nothing by nothing.jpg", _changed(file, (frame + 5, b"\0\0\0\0")), "cannot be decoded"),
        ("12 bits.jpg", _changed(file, (frame + 4, b"\x0c")), "cannot be decoded"),
        ("lossless.jpg", _changed(file, (frame + 1, b"\xc3")), "cannot be decoded"),
        ("hierarchical.jpg", _changed(file, (frame + 1, b"\xc5")), "cannot be decoded|damaged"),
        ("impossible codes.jpg", _changed(file, (tables + 5, b"\xff" * 16)), "damaged"),
        ("no quantization table.jpg", _changed(file, (quantization + 4, b"\x03")), "damaged"),
        ("damaged data.jpg", damaged, "damaged"),
        ("damaged data, odd JFIF.jpg", _changed(damaged, (11, b"\x03")), "damaged"),
        ("damaged data, stray bytes.jpg", damaged[:scan] + b"stray" + damaged[scan:], "damaged"),
        ("other data.jpg", _changed(file, (data + 40, bytes(17 * number for number in range(12)))), "damaged"),
        ("never written.jpg", file[: (data + len(file)) // 2] + bytes(4096), ends_early),
        (
            "six hundred scans.jpg",
            progressive[:-2] + progressive[last_scan:-2] * 600 + b"\xff\xd9",
            "damaged",
        ),
        ("too large.jpg", file + bytes(MAXIMUM_FILE_BYTES), f"more than the limit of {MAXIMUM_FILE_BYTES}"),
        ("line\nfeed.jpg", file[:data], ends_early),
    ]


def _pngs() -> list[tuple[str, bytes, str]]:
    file = good_picture(0)
    header, end = png_header(88, 80), (b"IEND", b"")
    body = zlib.compress(bytes(80 * (1 + 88 * 3)))
    ends_early = "ends before its picture does"
    return [
        ("signature.png", file[:8], ends_early),
        ("cut in the header.png", file[:20], ends_early),
        ("half.png", file[: len(file) // 2], ends_early),
        ("too few rows.png", png([header, (b"IDAT", zlib.compress(bytes(9 * 265))), end]), ends_early),
        ("header checksum.png", _changed(file, (29, bytes([file[29] ^ 1]))), "damaged"),
        ("row checksum.png", png([header, (b"IDAT", _changed(body, (len(body) - 1, b"\xff"))), end]), "damaged"),
        ("not zlib.png", png([header, (b"IDAT", b"\x99" * 200), end]), "damaged"),
        ("damaged zlib.png", png([header, (b"IDAT", _changed(body, (12, b"\xff" * 8))), end]), "damaged"),
        ("no data.png", png([header, end]), "damaged"),
        (
            "bomb.png",
            png([png_header(60_000, 60_000), (b"IDAT", body), end]),
            "60000 x 60000 pixels, more than the limit",
        ),
        ("no columns.png", png([png_header(0, 80), (b"IDAT", body), end]), "damaged"),
        ("three bits.png", png([png_header(88, 80, depth=3), (b"IDAT", body), end]), "damaged"),
        ("palette missing.png", png([png_header(88, 80, colour=3), (b"IDAT", body), end]), "damaged"),
    ]


def others() -> list[tuple[str, bytes, str]]:
    """Broken files of the formats besides JPEG and PNG, by name, with the reason."""
    webp, tiff, bitmap, pixmap, gif = (
        (GOLDEN / name).read_bytes()
        for name in ("lossless.webp", "rgb-8-strips-little.tiff", "rgb.bmp", "binary.ppm", "in-order.gif")
    )
    ends_early, bomb = "ends before its picture does", "pixels, more than the limit"
    return [
        ("half.webp", webp[: len(webp) // 2], ends_early),
        ("bomb.webp", _changed(webp, (21, b"\xff\xff\xff\x0f")), "16384 x 16384 " + bomb),
        ("damaged.webp", _changed(webp, (40, b"\xff" * 30)), "damaged"),
        ("half.tiff", tiff[: len(tiff) // 2], ends_early),
        ("damaged.tif", _changed(tiff, (4, b"\x09")), "damaged|" + ends_early),
        ("half.bmp", bitmap[: len(bitmap) // 2], ends_early),
        ("bomb.bmp", _changed(bitmap, (18, b"\xff\xff\0\0\xff\xff")), "65535 x 65535 " + bomb),
        ("jpeg within.bmp", _changed(bitmap, (30, b"\4")), "cannot be decoded"),
        ("half.ppm", pixmap[: len(pixmap) // 2], ends_early),
        ("bomb.pgm", b"P5 65535 65535 255\n", "65535 x 65535 " + bomb),
        ("words.pgm", b"P2 2 2 9\nfour", "damaged"),
        ("half, and a gif.png", gif[: len(gif) // 2], ends_early),
    ]


def _foreign() -> list[tuple[str, bytes, str]]:
    neither = "not a JPEG, PNG, .* or GIF picture but "
    return [
        ("empty.jpg", b"", "empty"),
        ("one byte.png", b"\xff", neither + "something unknown that begins with the bytes ff"),
        ("text.jpg", b"This is no picture.\n", neither + "a text that begins 'This is no"),
        ("heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", neither + "a HEIC"),
        ("avif.png", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", neither + "an AVIF"),
        ("page.jpg", b"<!DOCTYPE html><title>404 Not Found</title>", neither + "a page of HTML"),
        ("zeros.jpeg", bytes(4096), neither + "nothing but zeros"),
    ]


def broken_files() -> list[Broken]:
    """Every kind of broken file."""
    contents = [*_foreign(), *_jpegs(), *_pngs(), *others()]
    return [
        *(Broken(name.encode(), reason, _bytes(content)) for name, content, reason in contents),
        Broken(b"not utf-8 \xff\xc3.jpg", "not a JPEG, PNG", _bytes(b"nothing")),
        Broken(b"pipe.jpg", "not a regular file", os.mkfifo),
        Broken(b"socket.jpg", "not a regular file", _socket),
        Broken(b"device.jpg", "not a regular file", lambda path: os.symlink(b"/dev/zero", path)),
        Broken(b"dangling.jpg", "no such file", lambda path: os.symlink(b"nowhere.jpg", path)),
        Broken(b"link to itself.jpg", "cannot be read", lambda path: os.symlink(os.path.basename(path), path)),
        Broken(b"unreadable.png", "cannot be read: Permission denied", _unreadable),
    ]


def write_broken(folder: pathlib.Path) -> dict[bytes, str]:
    """Fills a folder with broken files, and says by path what the reason must match."""
    folder.mkdir(parents=True, exist_ok=True)
    reasons = {}
    for broken in broken_files():
        path = os.fsencode(folder) + b"/" + broken.name
        broken.make(path)
        reasons[path] = broken.reason
    return reasons
