#!/usr/bin/env python3
"""Makes the golden pixels that Tests/ImagingTests compares with.

usage: make_imaging_goldens.py [FOLDER]

Writes into FOLDER (default: Tests/ImagingTests/Golden of this checkout):

operations.json, operations.bin   what torchvision's v2 functions make of generated pictures, with the parameters
files.json, files.bin, *.jpg, ...     small files of every supported kind and the pixels that Pillow reads from them

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
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from format_writers import bmp_file, netpbm_file, rle_bmp_file, tiff_file, webp_animation

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


def to_eight_bits(samples: Samples, depth: float) -> Pixels:
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
    make_other_formats(add)
    # Small files of large pictures, for decoders without memory.
    Image.new("RGB", (4000, 3000), (128, 128, 128)).save(folder / "flat.webp", lossless=True)
    Image.new("RGB", (1_000_000, 2), (128, 128, 128)).save(folder / "wide.tiff", compression="tiff_adobe_deflate")
    goldens.write()


def make_other_formats(add: Callable[[str, bytes, Pixels], None]) -> None:
    """Files of the formats besides JPEG and PNG, by Pillow where it writes them."""

    def compared(name: str, content: bytes, expected: Pixels | None = None, *, read_by_pillow: bool = True) -> None:
        """Adds a file with Pillow's pixels, or with those that are expected, which Pillow's may miss by rounding."""
        if read_by_pillow:
            with Image.open(io.BytesIO(content)) as read:
                pixels = np.asarray(ImageOps.exif_transpose(read).convert("RGB"))
            assert expected is None or np.abs(pixels.astype(int) - expected).max() <= 1, name
            expected = pixels if expected is None else expected
        assert expected is not None
        add(name, content, expected)

    def pillow(name: str, image: Image.Image, kind: str, expected: Pixels | None = None, **options: Any) -> None:
        memory = io.BytesIO()
        image.save(memory, kind, **options)
        compared(name, memory.getvalue(), expected)

    pixels = picture(29, 23, 8)
    rng = np.random.default_rng(9)
    source = Image.fromarray(pixels)
    alpha = Image.fromarray(rng.integers(0, 256, pixels.shape[:2], dtype=np.uint8))
    see_through = source.copy()
    see_through.putalpha(alpha)
    other = Image.fromarray(picture(29, 23, 10))
    gray, bits, few = source.convert("L"), source.convert("1"), source.quantize(13)
    tags = Image.Exif()

    pillow("lossy.webp", source, "WEBP", quality=80)
    pillow("lossless.webp", source, "WEBP", lossless=True)
    pillow("lossy-alpha.webp", see_through, "WEBP", quality=80)
    pillow("lossless-alpha.webp", see_through, "WEBP", lossless=True, exact=True)
    pillow("animated.webp", source, "WEBP", quality=80, save_all=True, append_images=[other])
    still = io.BytesIO()
    source.save(still, "WEBP", lossless=True)
    compared("part-of-the-canvas.webp", webp_animation(still.getvalue(), pixels.shape, (40, 31), (6, 4)))
    for orientation in (3, 6):
        tags[0x0112] = orientation
        pillow(f"orientation-{orientation}.webp", source, "WEBP", quality=80, exif=tags.tobytes())

    for compression in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd"):
        pillow(f"rgb-{compression}.tiff", source, "TIFF", compression=compression)
    pillow("rgb-predictor.tiff", source, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    pillow("ycc-jpeg.tiff", source, "TIFF", compression="jpeg", quality=90)
    for compression in ("group3", "group4", "tiff_ccitt"):
        pillow(f"bits-{compression}.tiff", bits, "TIFF", compression=compression)
    pillow("cmyk-jpeg.tiff", source.convert("CMYK"), "TIFF", compression="jpeg", quality=95)
    pillow("pages.tiff", source, "TIFF", save_all=True, append_images=[other])
    tags[0x0112] = 6
    pillow("orientation-6.tiff", source, "TIFF", exif=tags)
    layouts: dict[str, dict[str, Any]] = {"strips": {}, "planes": {"planes": True}, "tiles": {"tile": 16}}
    for order in "<>":
        end = {"<": "little", ">": "big"}[order]
        for depth in (1, 2, 4, 8, 16):
            samples = (pixels[..., 1:2].astype(np.uint32) * 257 >> (16 - depth)).astype(np.uint16)
            expected = to_eight_bits(samples, depth)
            # Pillow cuts 16 bits of gray off at 255 where it converts them, and takes planes of 16 bits for ones of 8.
            is_read = depth < 16
            content = tiff_file(samples, depth, 1, order=order)
            compared(f"gray-{depth}-{end}.tiff", content, expected, read_by_pillow=is_read)
            if order == "<":
                content = tiff_file(2**depth - 1 - samples, depth, 0)
                compared(f"white-is-0-{depth}.tiff", content, expected, read_by_pillow=is_read)
        for depth in (8, 16):
            noise = rng.integers(0, 2 ** (depth - 8), pixels.shape)
            colour = ((pixels.astype(np.uint32) << (depth - 8)) + noise).astype(np.uint16)
            expected = to_eight_bits(colour, depth)
            for layout, options in layouts.items():
                content = tiff_file(colour, depth, 2, order=order, **options)
                is_read = depth == 8 or layout != "planes"
                compared(f"rgb-{depth}-{layout}-{end}.tiff", content, expected, read_by_pillow=is_read)
    colour = pixels.astype(np.uint16)
    extra = np.asarray(alpha)[..., None].astype(np.uint16)
    with_alpha = np.concatenate([colour, extra], axis=2)
    multiplied = np.concatenate([colour * extra // 255, extra], axis=2)
    inks = np.asarray(source.convert("CMYK")).astype(np.uint16)
    inks[..., 3] = np.linspace(0, 120, inks.shape[1]).astype(np.uint16)
    inks_expected = np.asarray(Image.fromarray(inks.astype(np.uint8), "CMYK").convert("RGB"))
    # By the formula of Pillow, which does not read all of these in planes.
    divided = np.minimum(multiplied[..., :3].astype(int) * 255 // np.maximum(extra, 1), 255).astype(np.uint8)
    layouts = {"strips": {}, "planes": {"planes": True}, "tiled-planes": {"tile": 16, "planes": True}}
    for layout, options in layouts.items():
        is_read = layout == "strips"
        compared(f"rgba-{layout}.tiff", tiff_file(with_alpha, 8, 2, extra=2, **options), pixels, read_by_pillow=is_read)
        content = tiff_file(multiplied, 8, 2, extra=1, **options)
        compared(f"multiplied-{layout}.tiff", content, divided, read_by_pillow=is_read)
        compared(f"cmyk-8-{layout}.tiff", tiff_file(inks, 8, 5, **options), inks_expected, read_by_pillow=is_read)
    compared("cmyk-16.tiff", tiff_file(inks * 257, 16, 5), inks_expected)
    compared("gray-alpha.tiff", tiff_file(with_alpha[..., 2:], 8, 1, extra=2))
    # Compressed, so that Pillow asks libtiff to convert, which rounds in another way than Pillow itself.
    pillow("ycc.tiff", source.convert("YCbCr"), "TIFF", compression="tiff_lzw")
    compared("big.tiff", tiff_file(colour, 8, 2, big=True), pixels)
    for depth in (1, 2, 4, 8):
        palette = rng.integers(0, 256, (2**depth, 3), dtype=np.uint8)
        indices = rng.integers(0, 2**depth, (23, 29, 1)).astype(np.uint16)
        compared(f"palette-{depth}.tiff", tiff_file(indices, depth, 3, palette=palette), palette[indices[..., 0]])

    pillow("bits.bmp", bits, "BMP")
    pillow("gray.bmp", gray, "BMP")
    pillow("palette.bmp", few, "BMP")
    pillow("rgb.bmp", source, "BMP")
    pillow("rgba.bmp", see_through, "BMP")
    indices = rng.integers(0, 16, pixels.shape[:2]).astype(np.uint32)
    shifted = packed_colours(pixels, (8, 8, 8)) << np.uint32(8)
    colours_of_16 = rng.integers(0, 256, (16, 3), dtype=np.uint8)
    compared("palette-4.bmp", bmp_file(indices, 4, palette=colours_of_16), colours_of_16[indices])
    compared("short-palette-4.bmp", bmp_file(indices % 11, 4, palette=colours_of_16[:11]), colours_of_16[indices % 11])
    compared("os2-4.bmp", bmp_file(indices, 4, palette=colours_of_16, is_old=True), colours_of_16[indices])
    compared("top-down.bmp", bmp_file(packed_colours(pixels, (8, 8, 8)), 24, top_down=True), pixels)
    compared("bgrx.bmp", bmp_file(packed_colours(pixels, (8, 8, 8)), 32), pixels)
    compared(
        "masks-32.bmp",
        bmp_file(shifted, 32, masks=(0xFF000000, 0xFF0000, 0xFF00)),
        pixels,
    )
    compared("555.bmp", bmp_file(packed_colours(pixels, (5, 5, 5)), 16))
    compared("565.bmp", bmp_file(packed_colours(pixels, (5, 6, 5)), 16, masks=(0xF800, 0x7E0, 0x1F)))
    runs = np.repeat(rng.integers(0, 16, (23, 8)), 4, axis=1)[:, :29].astype(np.uint8)
    runs[5:9] = indices[5:9]
    for depth in (4, 8):
        compared(f"runs-{depth}.bmp", rle_bmp_file(runs, depth, colours_of_16), colours_of_16[runs])

    for kind, image in {"pbm": bits, "pgm": gray, "ppm": source}.items():
        pillow(f"binary.{kind}", image, "PPM")
    for kind, number in {"pbm": 1, "pgm": 2, "ppm": 3}.items():
        samples = (pixels if kind == "ppm" else pixels[..., 1:2]).astype(np.uint16)
        largest = 1 if kind == "pbm" else 100
        samples = samples * largest // 255
        expected = to_eight_bits(1 - samples if kind == "pbm" else samples, np.log2(largest + 1))
        compared(f"text.{kind}", netpbm_file(samples, number, largest), expected)
        if kind != "pbm":
            compared(f"100.{kind}", netpbm_file(samples, number + 3, largest), expected)
            many = (pixels if kind == "ppm" else pixels[..., 1:2]).astype(np.uint16) * 257
            compared(
                f"16-bits.{kind}",
                netpbm_file(many, number + 3, 65535),
                to_eight_bits(many, 16),
                read_by_pillow=kind == "ppm",
            )

    pillow("palette.gif", few, "GIF")
    pillow("gray.gif", gray, "GIF")
    pillow("rows-in-turn.gif", few, "GIF", interlace=1)
    pillow("in-order.gif", few, "GIF", interlace=0)
    pillow("transparent.gif", few, "GIF", transparency=3)
    pillow("animated.gif", few, "GIF", save_all=True, append_images=[other.quantize(9)])
    part = io.BytesIO()
    few.save(part, "GIF", interlace=0)
    for name, sides in {"part-of-the-screen": (40, 31), "more-than-the-screen": (20, 31)}.items():
        compared(f"{name}.gif", part.getvalue()[:6] + struct.pack("<HH", *sides) + part.getvalue()[10:])


def packed_colours(pixels: Pixels, depths: tuple[int, int, int]) -> npt.NDArray[np.uint32]:
    """Pixels of three colours as one number each, red in the highest bits."""
    result = np.zeros(pixels.shape[:2], np.uint32)
    for index, depth in enumerate(depths):
        result = (result << np.uint32(depth)) | (pixels[..., index] >> np.uint8(8 - depth))
    return result


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
