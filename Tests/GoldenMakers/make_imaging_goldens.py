#!/usr/bin/env python3
"""Makes the golden pixels that Tests/ImagingTests compares with.

usage: make_imaging_goldens.py [FOLDER]

Writes into FOLDER (default: Tests/ImagingTests/Golden of this checkout):

operations.json, operations.bin   what torchvision's v2 functions make of generated pictures, with the parameters
files.json, files.bin, *.jpg, *.png   small files of every supported kind and the pixels that Pillow reads from them

All pictures are generated here from fixed seeds. Needs torch, torchvision, numpy, Pillow, and the turbojpeg library for
the one file kind that Pillow cannot write (YCCK). Pictures are height x width x 3 bytes, one after another in the .bin
file.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import io
import json
import pathlib
import struct
import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

Pixels = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.uint16]

FILTERS = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def picture(width: int, height: int, seed: int) -> Pixels:
    """Gradients, hard edges, noise, saturated, gray, black and white patches: what operations treat differently."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * x / max(width - 1, 1)
    green = 255 * y / max(height - 1, 1)
    blue = 127.5 + 127.5 * np.sin((x + 2 * y) / 7)
    pixels = np.stack([red, green, blue], axis=-1)
    inside = (x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (min(width, height) * 0.25) ** 2
    pixels[inside] = 255 - pixels[inside]
    pixels[: height // 3, : width // 3] += rng.normal(0, 40, (height // 3, width // 3, 3))
    patch = max(height // 8, 1)
    for index, colour in enumerate(
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (0, 0, 0), (255, 255, 255)]
    ):
        left = index * width // 6
        pixels[height - patch :, left : left + width // 6] = colour
    result: Pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return result


def colours(width: int, height: int, seed: int) -> Pixels:
    """Uniformly random colours."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Goldens:
    """Pictures in one binary file and what they are in a JSON file beside it."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.entries: list[dict[str, Any]] = []
        self.pixels = bytearray()

    def add(self, pixels: Pixels, **description: Any) -> None:
        height, width, _ = pixels.shape
        self.entries.append({**description, "width": width, "height": height, "offset": len(self.pixels)})
        self.pixels += pixels.tobytes()

    def write(self) -> None:
        (self.folder / f"{self.name}.bin").write_bytes(self.pixels)
        lines = ",\n".join(json.dumps(entry) for entry in self.entries)
        (self.folder / f"{self.name}.json").write_text(f"[\n{lines}\n]\n")


def make_operations(folder: pathlib.Path) -> None:
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        raise SystemExit("torchvision resizes 8-bit pictures in another way on this processor; AVX2 is needed")
    goldens = Goldens(folder, "operations")
    sources = {"picture": picture(71, 53, 1), "colours": colours(64, 48, 2), "large": picture(173, 130, 3)}
    for name, pixels in sources.items():
        goldens.add(pixels, operation="source", source=name)

    def add(operation: str, source: str, result: torch.Tensor, **parameters: Any) -> None:
        assert result.dtype == torch.uint8
        goldens.add(
            result.permute(1, 2, 0).contiguous().numpy(), operation=operation, source=source, parameters=parameters
        )

    def tensor(source: str) -> torch.Tensor:
        return torch.from_numpy(sources[source]).permute(2, 0, 1)

    crops = [
        ("large", 0, 0, 173, 130, 56, 56),
        ("large", 11, 7, 150, 60, 40, 40),
        ("large", 100, 90, 73, 40, 48, 48),
        ("large", 3, 5, 160, 120, 20, 32),
        ("picture", 40, 20, 20, 30, 48, 48),
        ("picture", 0, 0, 71, 53, 71, 53),
        ("picture", 60, 0, 1, 53, 16, 16),
        ("picture", 10, 52, 60, 1, 16, 16),
        ("picture", 70, 52, 1, 1, 8, 8),
        ("colours", 1, 1, 61, 45, 33, 31),
        ("colours", 62, 0, 2, 48, 24, 24),
    ]
    for filter_name, mode in FILTERS.items():
        for source, x, y, width, height, out_width, out_height in crops:
            result = functional.resized_crop(
                tensor(source), y, x, height, width, [out_height, out_width], interpolation=mode, antialias=True
            )
            add("resizedCrop", source, result, x=x, y=y, width=width, height=height, filter=filter_name)
        for source, out_width, out_height in [("colours", 73, 55), ("large", 64, 64)]:
            result = functional.resize(tensor(source), [out_height, out_width], interpolation=mode, antialias=True)
            add("resize", source, result, filter=filter_name)
    for source in ("picture", "colours"):
        image = tensor(source)
        add("flip", source, functional.horizontal_flip(image))
        add("grayscale", source, functional.rgb_to_grayscale(image, num_output_channels=3))
        for factor in (0.0, 0.2, 0.73, 1.0, 1.4, 1.8):
            add("brightness", source, functional.adjust_brightness(image, factor), factor=factor)
            add("contrast", source, functional.adjust_contrast(image, factor), factor=factor)
            add("saturation", source, functional.adjust_saturation(image, factor), factor=factor)
        for shift in (-0.5, -0.2, -0.037, 0.0, 0.1, 0.2, 0.5):
            add("hue", source, functional.adjust_hue(image, shift), shift=shift)
        for kernel, sigma in [(23, 0.1), (23, 0.4), (23, 1.0), (23, 2.0), (5, 3.0), (1, 1.0), (95, 30.0)]:
            add(
                "blur",
                source,
                functional.gaussian_blur(image, [kernel, kernel], [sigma, sigma]),
                kernel=kernel,
                sigma=sigma,
            )
        for threshold in (0, 128, 255):
            add("solarize", source, functional.solarize(image, threshold), threshold=threshold)
    goldens.write()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(
    samples: Samples,
    depth: int,
    colour_type: int,
    *,
    interlaced: bool = False,
    extra: list[tuple[bytes, bytes]] | None = None,
) -> bytes:
    """A PNG file of height x width x channels samples: Pillow writes neither interlaced files nor most bit depths."""
    height, width, _ = samples.shape

    def packed(part: Samples) -> bytes:
        rows = bytearray()
        for row in part:
            rows.append(0)
            values = row.reshape(-1)
            if depth == 16:
                rows += values.astype(">u2").tobytes()
            else:
                bits = "".join(format(int(value), f"0{depth}b") for value in values)
                bits += "0" * (-len(bits) % 8)
                rows += int(bits, 2).to_bytes(len(bits) // 8, "big")
        return bytes(rows)

    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        parts = [samples[y::step_y, x::step_x] for x, y, step_x, step_y in passes]
        data = b"".join(packed(part) for part in parts if part.size)
    else:
        data = packed(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    chunks = [(b"IHDR", header), *(extra or []), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in chunks)


def to_eight_bits(samples: Samples, depth: int) -> Pixels:
    """What the samples are worth on a scale of 0 to 255, rounded."""
    scaled = np.rint(samples.astype(np.float64) * 255 / (2**depth - 1)).astype(np.uint8)
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled


def ycck_file(pixels: Pixels) -> bytes:
    """A YCCK JPEG in Adobe's inverted form, by libjpeg-turbo."""
    library = ctypes.CDLL(ctypes.util.find_library("turbojpeg") or "libturbojpeg.so.0")
    library.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.tjInitCompress())
    inks = 255 - np.asarray(Image.fromarray(pixels).convert("CMYK"))
    inks[..., 3] = 255 - np.linspace(0, 120, inks.shape[1]).astype(np.uint8)
    inks = np.ascontiguousarray(inks)
    height, width, _ = inks.shape
    file, size = ctypes.c_void_p(), ctypes.c_ulong()
    cmyk_format, full_chroma = 11, 0
    status = library.tjCompress2(
        handle, inks.ctypes.data_as(ctypes.c_void_p), width, 0, height, cmyk_format, ctypes.byref(file),
        ctypes.byref(size), full_chroma, 92, 0,
    )  # fmt: skip
    assert status == 0 and file.value is not None
    return ctypes.string_at(file.value, size.value)


def exif(orientation: int, order: str) -> bytes:
    """The smallest EXIF block that names an orientation; order is "<" or ">"."""
    mark = b"II" if order == "<" else b"MM"
    return b"Exif\0\0" + mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def make_files(folder: pathlib.Path) -> None:
    goldens = Goldens(folder, "files")

    def add(name: str, content: bytes, expected: Pixels, **description: Any) -> None:
        (folder / name).write_bytes(content)
        goldens.add(expected, file=name, **description)

    def jpeg(name: str, image: Image.Image, **options: Any) -> None:
        memory = io.BytesIO()
        image.save(memory, "JPEG", **options)
        content = memory.getvalue()
        with Image.open(io.BytesIO(content)) as read:
            upright = ImageOps.exif_transpose(read)
            add(name, content, np.asarray(upright.convert("RGB")))

    source = Image.fromarray(picture(53, 37, 4))
    jpeg("baseline-420.jpg", source, quality=90, subsampling="4:2:0")
    jpeg("baseline-422.jpg", source, quality=90, subsampling="4:2:2")
    jpeg("baseline-444.jpg", source, quality=95, subsampling="4:4:4")
    jpeg("progressive-420.jpg", source, quality=90, subsampling="4:2:0", progressive=True)
    jpeg("restart-intervals.jpg", source, quality=85, restart_marker_blocks=2)
    jpeg("rgb-not-ycc.jpg", source, quality=90, keep_rgb=True)
    jpeg("gray.jpg", source.convert("L"), quality=90)
    jpeg("gray-progressive.jpg", source.convert("L"), quality=90, progressive=True)
    jpeg("cmyk-adobe.jpg", source.convert("CMYK"), quality=92)
    jpeg("one-pixel.jpg", Image.fromarray(np.array([[[200, 100, 50]]], dtype=np.uint8)), quality=95)
    ycck = ycck_file(np.asarray(source))
    with Image.open(io.BytesIO(ycck)) as read:
        assert read.mode == "CMYK"
        add("ycck-adobe.jpg", ycck, np.asarray(read.convert("RGB")))
    small = Image.fromarray(picture(24, 17, 5))
    for orientation in range(1, 9):
        order = "<" if orientation % 2 else ">"
        jpeg(f"orientation-{orientation}.jpg", small, quality=90, exif=exif(orientation, order))

    def png(name: str, content: bytes, expected: Pixels) -> None:
        with Image.open(io.BytesIO(content)) as read:
            if read.mode in ("1", "L", "P", "RGB", "RGBA", "LA"):
                with_pillow = np.asarray(read.convert("RGB")).astype(int)
                # Pillow cuts 16-bit samples to their high byte; rounding may be one more.
                assert np.abs(with_pillow - expected).max() <= 1, name
        add(name, content, expected)

    pixels = picture(29, 23, 6)
    rng = np.random.default_rng(7)
    for interlaced in (False, True):
        suffix = "-interlaced" if interlaced else ""
        for depth in (1, 2, 4, 8, 16):
            gray = (pixels[..., 1:2].astype(np.uint32) * 257 >> (16 - depth)).astype(np.uint16)
            png(
                f"gray-{depth}{suffix}.png", png_file(gray, depth, 0, interlaced=interlaced), to_eight_bits(gray, depth)
            )
        for depth in (8, 16):
            scale = 257 if depth == 16 else 1
            noise = rng.integers(0, scale, pixels.shape)
            colour = np.minimum(pixels.astype(np.uint32) * scale + noise, 2**depth - 1).astype(np.uint16)
            alpha = rng.integers(0, 2**depth, (*pixels.shape[:2], 1)).astype(np.uint16)
            expected = to_eight_bits(colour, depth)
            png(f"rgb-{depth}{suffix}.png", png_file(colour, depth, 2, interlaced=interlaced), expected)
            with_alpha = np.concatenate([colour, alpha], axis=2)
            png(f"rgba-{depth}{suffix}.png", png_file(with_alpha, depth, 6, interlaced=interlaced), expected)
            gray_alpha = np.concatenate([colour[..., :1], alpha], axis=2)
            png(
                f"gray-alpha-{depth}{suffix}.png",
                png_file(gray_alpha, depth, 4, interlaced=interlaced),
                to_eight_bits(colour[..., :1], depth),
            )
        for depth in (1, 2, 4, 8):
            palette = rng.integers(0, 256, (2**depth, 3), dtype=np.uint8)
            indices = rng.integers(0, 2**depth, (23, 29, 1)).astype(np.uint16)
            chunks = [(b"PLTE", palette.tobytes())]
            expected = palette[indices[..., 0]]
            png(
                f"palette-{depth}{suffix}.png",
                png_file(indices, depth, 3, interlaced=interlaced, extra=chunks),
                expected,
            )
            transparency = [*chunks, (b"tRNS", bytes([0, 128]))]
            content = png_file(indices, depth, 3, interlaced=interlaced, extra=transparency)
            if depth == 4:
                png(f"palette-{depth}-transparent{suffix}.png", content, expected)
    goldens.write()


def main() -> None:
    default = pathlib.Path(__file__).resolve().parents[1] / "ImagingTests" / "Golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    make_operations(folder)
    make_files(folder)
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(list(folder.iterdir()))} files, {total} bytes in {folder}")


if __name__ == "__main__":
    main()
