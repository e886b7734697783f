"""Digests of some streams, one for each part of the configuration that decides what a stream holds.

They are kept in stream_digests.json, the same on every processor. A change of the program that should leave every
stream as it is leaves them as they are. After one that should not,

    PYTHONPATH=python/tests python Tests/System/stream_digests.py

writes them anew, and the file's diff says which streams have changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import zlib

import numpy as np

import sassl
from picture_files import GOLDEN, png, png_header
from workplace import Size, Workplace

FILE = pathlib.Path(__file__).with_suffix(".json")
BATCHES = 5
#: The files of the decoder's tests that are whole pictures, and large enough to crop.
JPEG_FILES = (
    "baseline-420.jpg",
    "baseline-422.jpg",
    "cmyk-adobe.jpg",
    "gray.jpg",
    "orientation-6.jpg",
    "progressive-420.jpg",
)


@dataclasses.dataclass(frozen=True)
class Stream:
    """A configuration: what it changes, and tables of single views."""

    changes: dict[str, object] = dataclasses.field(default_factory=dict)
    views: tuple[str, ...] = ()


FULL_STYLE: dict[str, object] = {"style__probability": 1.0, "style__alpha": [1.0, 1.0], "style__beta": [1.0, 1.0]}
STREAMS: dict[str, Stream] = {
    "mocov2": Stream(),
    "simclr": Stream({"views__preset": "simclr"}),
    "byol": Stream({"views__preset": "byol"}),
    "without style": Stream({"style__enabled": False}),
    "another seed": Stream({"stream__seed": 8}),
    "styles of a bank": Stream({"style__source": "bank"}),
    "weighted styles of a bank": Stream(
        {"style__source": "bank", "style__weights": [["*", 0], ["blend-*", 1], ["blend-0*", 3]]}
    ),
    "one style for both views": Stream(FULL_STYLE | {"style__views": [0, 1], "style__shared_by_views": True}),
    "sampled styles": Stream({"style__source": "sampled"} | FULL_STYLE),
    "full style on both views": Stream(FULL_STYLE | {"style__views": [0, 1]}),
    "styles of a whole batch": Stream({"style__group": 16}),
    "last batch wrapped": Stream({"batch__last_batch": "wrap"}),
    "the second of two ranks": Stream({"batch__size": 8, "batch__world_size": 2, "batch__ranks": [1]}),
    "bicubic crops of 48": Stream({"views__side": 48}, ('interpolation = "bicubic"', 'interpolation = "bicubic"')),
    "multi-crop": Stream({}, ("side = 40", "side = 32", "side = 16\ncrop_scale = [0.05, 0.14]")),
    "plain views": Stream(
        {},
        tuple(
            "crop_scale = [1.0, 1.0]\ncrop_aspect = [1.0, 1.0]\nflip_probability = 0.0\njitter_probability = 0.0\n"
            "grayscale_probability = 0.0\nblur_probability = 0.0"
            for _ in range(2)
        ),
    ),
    "everything always": Stream(
        {},
        tuple(
            "flip_probability = 1.0\njitter_probability = 1.0\njitter_hue = 0.3\ngrayscale_probability = 0.4\n"
            "blur_probability = 1.0\nblur_kernel = 7\nsolarize_probability = 0.5\nsolarize_threshold = 100"
            for _ in range(2)
        ),
    ),
    # Large enough that a layer is computed in many pieces.
    "full style at 224": Stream(FULL_STYLE | {"views__side": 224}),
}


def picture(number: int) -> bytes:
    """A picture of waves and edges as a PNG file, by integers alone: the same on every machine."""
    width, height = 60 + number % 11, 70 - number % 7
    y, x = np.mgrid[0:height, 0:width].astype(np.uint32)
    planes = [
        (x * x * (3 + number % 5) + y * (7 + channel) * number + (x // 9 ^ y // 8) * 37) >> 2 for channel in range(3)
    ]
    rows = np.stack(planes, axis=2).astype(np.uint8).reshape(height, width * 3)
    body = zlib.compress(np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes(), 1)
    return png([png_header(width, height), (b"IDAT", body), (b"IEND", b"")])


def write_data(folder: pathlib.Path) -> None:
    """An image-folder of 38 pictures in three classes."""
    for number in range(32):
        directory = folder / f"class{number % 3}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:02}.png").write_bytes(picture(number))
    for name in JPEG_FILES:
        shutil.copy(GOLDEN / name, folder / "class1" / name)


def digests(workplace: Workplace, data: pathlib.Path, stream: Stream) -> dict[str, str]:
    """SHA-256 of every column of the first batches, epochs and steps included."""
    name, file = workplace.configure(
        data, Size(16, 32), **{"dataset__layout": "image-folder", "style__group": 8} | stream.changes
    )
    file.write_text(file.read_text() + "".join(f"[[views.view]]\n{table}\n" for table in stream.views))
    world_size = 2 if "batch__world_size" in stream.changes else 1
    hashes: dict[str, hashlib._Hash] = {}
    with (
        workplace.running(name, file),
        sassl.attach(name, world_size - 1, world_size=world_size, start=0) as reader,
    ):
        for _ in range(BATCHES):
            with reader.next(timeout=60) as batch:
                columns = dict(batch.arrays) | {"position": np.array([batch.epoch, batch.step, batch.number])}
                for column, array in columns.items():
                    hashes.setdefault(column, hashlib.sha256()).update(np.ascontiguousarray(array).data)
    return {column: digest.hexdigest() for column, digest in sorted(hashes.items())}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        write_data(data)
        workplace = Workplace(pathlib.Path(folder))
        found = {}
        for name, stream in STREAMS.items():
            print(name, file=sys.stderr)
            found[name] = digests(workplace, data, stream)
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
