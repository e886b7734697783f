#!/usr/bin/env python3
"""How long each picture format takes to decode, beside Pillow on the same files.

Both read files that are in memory already, on one thread, to 8-bit RGB, in turn; thread CPU time, the best of five
rounds. Prints one row for each format: what a picture takes, and how many times as long Pillow takes.
"""

from __future__ import annotations

import argparse
import io
import json
import pathlib
import subprocess
import tempfile
import time

import drawn_pictures
from PIL import Image

PROGRAM = drawn_pictures.ROOT / ".build" / "release" / "sassl-bench-pictures"
ROUNDS = 5
#: How Pillow writes each kind of file.
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {"quality": 90}),
    "PNG": ("PNG", {}),
    "WebP, lossy": ("WEBP", {"quality": 80}),
    "WebP, lossless": ("WEBP", {"lossless": True}),
    "TIFF, not compressed": ("TIFF", {}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF, Deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, JPEG": ("TIFF", {"compression": "jpeg"}),
    "BMP": ("BMP", {}),
    "PPM": ("PPM", {}),
    "GIF": ("GIF", {}),
}


def write(pictures: list[Image.Image], folder: pathlib.Path, kind: str) -> list[bytes]:
    """Writes each picture into a folder in one format; returns the files."""
    name, options = KINDS[kind]
    files = []
    for number, picture in enumerate(pictures):
        memory = io.BytesIO()
        (picture.quantize() if name == "GIF" else picture).save(memory, name, **options)
        files.append(memory.getvalue())
        (folder / f"{number:04}").write_bytes(files[-1])
    return files


def ours(folder: pathlib.Path) -> float:
    """Microseconds of a picture, by our decoders: the best of that program's own rounds."""
    run = subprocess.run([PROGRAM, "--data", folder, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    return float(next(row["microseconds"] for row in rows if row["operation"] == "decode"))


def pillow(files: list[bytes]) -> float:
    """Microseconds of a picture, by Pillow."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        for file in files:
            with Image.open(io.BytesIO(file)) as picture:
                picture.convert("RGB")
        best = min(best, (time.thread_time() - start) / len(files))
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=24, help="pictures of each format")
    parser.add_argument("--json", action="store_true", help="one JSON object for each format, one a line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        drawn = pathlib.Path(work) / "drawn"
        drawn_pictures.make(drawn, arguments.count)
        pictures = [Image.open(path).convert("RGB") for path in sorted(drawn.iterdir())]
        if not arguments.json:
            print(f"{len(pictures)} pictures of {drawn_pictures.WIDTH} x {drawn_pictures.HEIGHT} pixels\n")
            print(f"{'format':24}{'microseconds':>14}{'Pillow':>10}{'Pillow / ours':>16}")
        for number, kind in enumerate(KINDS):
            folder = pathlib.Path(work) / str(number)
            folder.mkdir()
            files = write(pictures, folder, kind)
            times = [(ours(folder), pillow(files)) for _ in range(2)]
            mine, peer = min(one for one, _ in times), min(other for _, other in times)
            if arguments.json:
                print(json.dumps({"format": kind, "microseconds": round(mine), "pillow_microseconds": round(peer)}))
            else:
                print(f"{kind:24}{mine:14.0f}{peer:10.0f}{peer / mine:16.2f}", flush=True)


if __name__ == "__main__":
    main()
