"""Picture files of the kinds that Pillow reads but does not write."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.uint16]
Numbers = npt.NDArray[np.unsignedinteger]
Palette = npt.NDArray[np.uint8]


def packed_rows(samples: npt.NDArray[np.unsignedinteger], depth: int, order: str = ">", align: int = 8) -> bytes:
    """Rows of numbers of `depth` bits, in the order of bytes `order`; each row is filled up to `align` bits."""
    if depth > 8:
        kind = {16: "u2", 32: "u4"}.get(depth)
        rows = [row.astype(order + kind).tobytes() if kind else three_bytes(row) for row in samples]
    else:
        bits = (samples[..., None] >> np.arange(depth - 1, -1, -1, dtype=samples.dtype) & 1).astype(np.uint8)
        rows = [np.packbits(row).tobytes() for row in bits.reshape(len(samples), -1)]
    return b"".join(row + bytes(-len(row) % (align // 8)) for row in rows)


def three_bytes(numbers: npt.NDArray[np.unsignedinteger]) -> bytes:
    """Numbers of 24 bits, little end first."""
    return numbers.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def tiff_file(
    samples: Samples,
    depth: int,
    photometric: int,
    *,
    order: str = "<",
    planes: bool = False,
    tile: int = 0,
    extra: int | None = None,
    palette: Palette | None = None,
    big: bool = False,
) -> bytes:
    """A TIFF file of height x width x channels samples, not compressed.

    It is in strips of five rows or in square tiles, channel by channel where there are `planes`, and a BigTIFF where
    it is `big`. `extra` says what the last channel is.
    """
    height, width, channels = samples.shape
    parts = [samples[..., index : index + 1] for index in range(channels)] if planes else [samples]
    chunks = []
    for part in parts:
        if tile:
            padded = np.pad(part, ((0, -height % tile), (0, -width % tile), (0, 0)))
            blocks = [padded[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]
        else:
            blocks = [part[y : y + 5] for y in range(0, height, 5)]
        chunks += [packed_rows(block.reshape(len(block), -1), depth, order) for block in blocks]
    short, long = 3, 16 if big else 4
    places = np.cumsum([16 if big else 8, *(len(chunk) + len(chunk) % 2 for chunk in chunks)]).tolist()
    tags: dict[int, tuple[int, list[int]]] = {
        256: (short, [width]),
        257: (short, [height]),
        258: (short, [depth] * channels),
        259: (short, [1]),
        262: (short, [photometric]),
        277: (short, [channels]),
        284: (short, [2 if planes else 1]),
        324 if tile else 273: (long, places[:-1]),
        325 if tile else 279: (long, [len(chunk) for chunk in chunks]),
    }
    if tile:
        tags |= {322: (short, [tile]), 323: (short, [tile])}
    else:
        tags[278] = (short, [5])
    if extra is not None:
        tags[338] = (short, [extra])
    if palette is not None:
        tags[320] = (short, (palette.T.astype(int) * 257).reshape(-1).tolist())
    body = b"".join(chunk + bytes(len(chunk) % 2) for chunk in chunks)
    return tiff_head(order, places[-1], big) + body + tiff_directory(tags, order, places[-1], big)


def tiff_head(order: str, directory: int, big: bool) -> bytes:
    """How the file begins: with the place of its only directory."""
    mark = {"<": b"II", ">": b"MM"}[order]
    return mark + (
        struct.pack(order + "HHHQ", 43, 8, 0, directory) if big else struct.pack(order + "HI", 42, directory)
    )


def tiff_directory(tags: dict[int, tuple[int, list[int]]], order: str, place: int, big: bool) -> bytes:
    """A directory at `place`, with what does not fit into it behind it."""
    count_code, offset_code, field = ("Q", "Q", 8) if big else ("H", "I", 4)
    codes = {3: "H", 4: "I", 16: "Q"}
    size = struct.calcsize(f"{order}{count_code}") + len(tags) * (4 + 2 * field) + field
    entries, behind = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}{codes[kind]}", *values)
        entries += struct.pack(order + "HH" + offset_code, tag, kind, len(values))
        if len(content) <= field:
            entries += content.ljust(field, b"\0")
        else:
            entries += struct.pack(order + offset_code, place + size + len(behind))
            behind += content + bytes(len(content) % 2)
    return struct.pack(order + count_code, len(tags)) + entries + bytes(field) + behind


def bmp_file(
    numbers: Numbers,
    depth: int,
    *,
    palette: Palette | None = None,
    masks: tuple[int, int, int] | None = None,
    top_down: bool = False,
    is_old: bool = False,
) -> bytes:
    """A bitmap of height x width pixels, each one number of `depth` bits; `is_old` has the header of OS/2 1.x."""
    order = numbers if top_down else numbers[::-1]
    return bmp_of(
        packed_rows(order, depth, "<", 32), numbers.shape, depth, palette, masks, top_down, is_old, 3 if masks else 0
    )


def bmp_of(
    body: bytes,
    shape: tuple[int, ...],
    depth: int,
    palette: Palette | None,
    masks: tuple[int, int, int] | None = None,
    top_down: bool = False,
    is_old: bool = False,
    compression: int = 0,
) -> bytes:
    """A bitmap whose pixels are encoded already."""
    height, width = shape[0], shape[1]
    colours = b""
    if palette is not None:
        colours = b"".join(bytes(colour[::-1]) + (b"" if is_old else b"\0") for colour in palette.tolist())
    count = 0 if palette is None else len(palette)
    if is_old:
        header = struct.pack("<IHHHH", 12, width, height, 1, depth)
    else:
        header = struct.pack(
            "<IiiHHIIiiII", 40, width, -height if top_down else height, 1, depth, compression, len(body), 0, 0, count, 0
        )
    header += struct.pack("<III", *masks) if masks else b""
    start = 14 + len(header) + len(colours)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + header + colours + body


def rle_bmp_file(indices: npt.NDArray[np.uint8], depth: int, palette: Palette) -> bytes:
    """A run-length encoded bitmap with 4 or 8 bits: even rows in runs, odd ones as they are."""
    body = b""
    for number, row in enumerate(indices[::-1].tolist()):
        if number % 2 == 0:
            place = 0
            while place < len(row):
                length = next((n for n in range(1, len(row) - place) if row[place + n] != row[place]), len(row) - place)
                body += bytes([length, row[place] * (17 if depth == 4 else 1)])
                place += length
        else:
            values = row + [0] * (len(row) % 2)
            packed = (
                bytes(a << 4 | b for a, b in zip(values[::2], values[1::2], strict=True)) if depth == 4 else bytes(row)
            )
            body += bytes([0, len(row)]) + packed + bytes(len(packed) % 2)
        body += b"\0\0"
    return bmp_of(body[:-2] + b"\0\1", indices.shape, depth, palette, compression=2 if depth == 4 else 1)


def webp_animation(still: bytes, shape: tuple[int, ...], canvas: tuple[int, int], place: tuple[int, int]) -> bytes:
    """An animation of one frame, the picture of a plain WebP file, at an even place on a larger canvas."""

    def side(length: int) -> bytes:
        return (length - 1).to_bytes(3, "little")

    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    frame = b"".join((position // 2).to_bytes(3, "little") for position in place) + side(shape[1]) + side(shape[0])
    chunks = (
        chunk(b"VP8X", bytes([2, 0, 0, 0]) + side(canvas[0]) + side(canvas[1]))
        + chunk(b"ANIM", bytes(6))
        + chunk(b"ANMF", frame + bytes([100, 0, 0, 0]) + still[12:])
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def netpbm_file(samples: Samples, number: int, largest: int) -> bytes:
    """A file of Netpbm of the kind P1 to P6, with a comment in its header."""
    height, width, _ = samples.shape
    head = f"P{number}\n# a comment\n{width} {height}\n" + ("" if number in (1, 4) else f"{largest}\n")
    if number > 3:
        return head.encode() + samples.astype(">u2" if largest > 255 else ">u1").tobytes()
    rows = samples.reshape(height, -1).tolist()
    return (head + "".join(("" if number == 1 else " ").join(map(str, row)) + "\n" for row in rows)).encode()
