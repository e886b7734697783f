#!/usr/bin/env python3
"""How fast pictures are read from a folder and from tar shards, beside WebDataset's own loader on the same shards.

Everything makes one view of 224 pixels, a random resized crop, without style or other steps, so that reading and
decoding are what is measured: from the page cache (warm), and from the disk, where the files are taken out of the cache
before each epoch (cold). The programs take turns, because the machine's speed drifts; each one's median is printed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from typing import Any

from page_cache import evict

import sassl

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".build" / "release"
#: About as large as shards of a hundred pictures are; those of real data sets are larger, and read in the same way.
PICTURES_PER_SHARD = 120
CONFIGURATION = """
[stream]
name = "{name}"
[dataset]
path = "{data}"
layout = "{layout}"
[batch]
size = 32
[views]
preset = "mocov2"
count = 1
[[views.view]]
flip_probability = 0.0
jitter_probability = 0.0
grayscale_probability = 0.0
blur_probability = 0.0
[style]
enabled = false
[workers]
count = {workers}
[ring]
slots = 2
[state]
directory = "{work}"
runtime_directory = "{work}"
"""


def pack(folder: pathlib.Path, shards: pathlib.Path) -> None:
    """Packs the pictures of a folder into shards, in an order that has nothing to do with their names."""
    shutil.rmtree(shards, ignore_errors=True)
    shards.mkdir(parents=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(0).shuffle(files)
    for start in range(0, len(files), PICTURES_PER_SHARD):
        with tarfile.open(shards / f"train-{start // PICTURES_PER_SHARD:06}.tar", "w") as archive:
            for number, file in enumerate(files[start : start + PICTURES_PER_SHARD], start):
                for name, content in ((f"{number:06}.jpg", file.read_bytes()), (f"{number:06}.cls", b"0")):
                    header = tarfile.TarInfo(name)
                    header.size = len(content)
                    archive.addfile(header, io.BytesIO(content))


def ours(data: pathlib.Path, layout: str, workers: int, epochs: int, cold: bool) -> float:
    """Images per second: the median of the epochs after the first."""
    name = f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory() as work:
        file = pathlib.Path(work) / "sassld.toml"
        file.write_text(CONFIGURATION.format(name=name, data=data, layout=layout, workers=workers, work=work))
        daemon = subprocess.Popen([PROGRAMS / "sassld", "--config", file], stderr=subprocess.DEVNULL)
        try:
            rates: list[float] = []
            with sassl.attach(name, start=0, wait=60) as ring:
                for _ in range(epochs):
                    if cold:
                        evict(data)
                    start = time.perf_counter()
                    images = sum(batch.count for batch in ring.epoch())
                    rates.append(images / (time.perf_counter() - start))
        finally:
            daemon.terminate()
            daemon.wait()
    return statistics.median(rates[1:] or rates)


def webdataset(python: str, data: pathlib.Path, workers: int, epochs: int, cold: bool) -> float | None:
    """Images per second of WebDataset's loader, or None where it is not installed."""
    command: list[str | pathlib.Path] = [
        python,
        ROOT / "Benchmarks" / "peers" / "webdataset_loader.py",
        "--data",
        data,
        "--json",
    ]
    command += ["--workers", str(workers), "--epochs", str(epochs), *(["--cold"] if cold else [])]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "Benchmarks")}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if run.returncode != 0:
        print(f"webdataset: not measured: {' '.join(run.stderr.strip().splitlines()[-1:])}", file=sys.stderr)
        return None
    return float(json.loads(run.stdout.splitlines()[-1])["images_per_second"])


def measured(data: pathlib.Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way of reading and each state of the cache."""
    rows = []
    with tempfile.TemporaryDirectory(dir=data.parent) as place:
        shards = pathlib.Path(place) / "shards"
        pack(data, shards)
        for cold in (False, True):
            rates: dict[str, list[float]] = {"folder": [], "shards": [], "webdataset": []}
            for _ in range(options.rounds):
                rates["folder"].append(ours(data, "flat", options.workers, options.epochs, cold))
                rates["shards"].append(ours(shards, "shards", options.workers, options.epochs, cold))
                peer = webdataset(options.peer_python, shards, options.workers, options.epochs, cold)
                if peer is not None:
                    rates["webdataset"].append(peer)
            of_shards = statistics.median(rates["shards"])
            for source, found in rates.items():
                rate = statistics.median(found) if found else None
                rows.append(
                    {
                        "source": source,
                        "cache": "cold" if cold else "warm",
                        "images_per_second": rate and round(rate, 1),
                        "ratio": rate and round(of_shards / rate, 2),
                    }
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder of JPEG files")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="how often the programs take turns")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has webdataset and torch")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measured(options.data.resolve(), options)
    if options.json:
        print(json.dumps({"workers": options.workers, "rows": rows}))
        return
    for row in rows:
        rate = row["images_per_second"]
        ratio = (
            f"  sassld from shards is {row['ratio']:.2f} times as fast" if rate and row["source"] != "shards" else ""
        )
        print(f"{row['cache']:6s}{row['source']:14s}{f'{rate:8.1f} images/s' if rate else 'not measured':>18s}{ratio}")


if __name__ == "__main__":
    main()
