#!/usr/bin/env python3
"""How fast pictures are read from a folder and from tar shards, beside WebDataset's own loader on the same shards.

Everything makes one view of 224 pixels, a random resized crop, without style or other steps, so that reading and
decoding are what is measured: from the page cache (warm), and from the disk, where the files are taken out of the cache
before each epoch (cold). The programs take turns, because the machine's speed drifts; each one's median is printed. The
core time of an image, that of all processes together, says what a way of reading costs on a machine that is busy too.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import pathlib
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import core_time
import drawn_pictures
import run
import tables
from page_cache import evict

import sassl

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".build" / "release"
#: What the page's table is made from, and the page.
RESULT = ROOT / "Benchmarks" / "results" / "shards" / "result.json"
PAGE = ROOT / "docs" / "datasets.md"
MARKED = re.compile(r"(<!-- measured: shards -->)\n.*?(<!-- end -->)", re.DOTALL)
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


#: Images per second, and milliseconds of core time for each.
Cost = tuple[float, float]


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


def ours(data: pathlib.Path, layout: str, workers: int, epochs: int, cold: bool) -> Cost:
    """The median of the epochs after the first."""
    name = f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory() as work:
        file = pathlib.Path(work) / "sassld.toml"
        file.write_text(CONFIGURATION.format(name=name, data=data, layout=layout, workers=workers, work=work))
        daemon = subprocess.Popen([PROGRAMS / "sassld", "--config", file], stderr=subprocess.DEVNULL)
        try:
            rates: list[float] = []
            core_seconds: list[float] = []
            with sassl.attach(name, start=0, wait=60) as ring:
                for _ in range(epochs):
                    if cold:
                        evict(data)
                    before = core_time.seconds([daemon.pid, os.getpid()])
                    start = time.perf_counter()
                    images = sum(batch.count for batch in ring.epoch())
                    rates.append(images / (time.perf_counter() - start))
                    core_seconds.append((core_time.seconds([daemon.pid, os.getpid()]) - before) / images)
        finally:
            daemon.terminate()
            daemon.wait()
    return statistics.median(rates[1:] or rates), 1000 * statistics.median(core_seconds[1:] or core_seconds)


def webdataset(python: str, data: pathlib.Path, workers: int, epochs: int, cold: bool) -> Cost | None:
    """That of WebDataset's loader, or None where it is not installed."""
    command: list[str | pathlib.Path] = [
        python,
        ROOT / "Benchmarks" / "peers" / "webdataset_loader.py",
        "--data",
        data,
        "--json",
    ]
    command += ["--workers", str(workers), "--epochs", str(epochs), *(["--cold"] if cold else [])]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "Benchmarks")}
    peer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if peer.returncode != 0:
        print(f"webdataset: not measured: {' '.join(peer.stderr.strip().splitlines()[-1:])}", file=sys.stderr)
        return None
    found = json.loads(peer.stdout.splitlines()[-1])
    return found["images_per_second"], found["core_milliseconds"]


def middle(costs: list[Cost]) -> Cost:
    """The median of each."""
    return statistics.median(rate for rate, _ in costs), statistics.median(core for _, core in costs)


def measured(data: pathlib.Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each way of reading and each state of the cache."""
    rows = []
    with tempfile.TemporaryDirectory(dir=data.parent) as place:
        shards = pathlib.Path(place) / "shards"
        pack(data, shards)
        for cold in (False, True):
            costs: dict[str, list[Cost]] = {"folder": [], "shards": [], "webdataset": []}
            for _ in range(options.rounds):
                costs["folder"].append(ours(data, "flat", options.workers, options.epochs, cold))
                costs["shards"].append(ours(shards, "shards", options.workers, options.epochs, cold))
                peer = webdataset(options.peer_python, shards, options.workers, options.epochs, cold)
                if peer is not None:
                    costs["webdataset"].append(peer)
            rate_of_shards, core_of_shards = middle(costs["shards"])
            for source, found in costs.items():
                row: dict[str, Any] = {"source": source, "cache": "cold" if cold else "warm"}
                if found:
                    rate, core = middle(found)
                    row |= {
                        "images_per_second": round(rate, 1),
                        "ratio": round(rate_of_shards / rate, 2),
                        "core_milliseconds": round(core, 3),
                        "core_ratio": round(core / core_of_shards, 2),
                    }
                rows.append(row)
    return rows


def table(result: Mapping[str, Any]) -> str:
    """The table of docs/datasets.md, with what has to be known about it."""
    titles = {"folder": "sassld, a folder", "shards": "sassld, shards", "webdataset": "webdataset's loader, shards"}
    rows = [
        [
            f"{titles[row['source']]}, {row['cache']} cache",
            *(
                tables.number(row.get(column))
                for column in ("images_per_second", "ratio", "core_milliseconds", "core_ratio")
            ),
        ]
        for row in result["rows"]
    ]
    head = [
        "read from",
        "images/s",
        "sassld from shards is faster by",
        "core time, ms",
        "times that from shards",
    ]
    facts, versions, data = result["machine"], result["versions"], result["data"]
    busy = max(facts["busy_percent_before_and_after"])
    return (
        f"{tables.table(head, rows)}\n\n{facts['processor']}, {facts['cores']} cores, {facts['system']}; "
        f"{data['pictures']} pictures of {data['mean_width']} x {data['mean_height']} pixels;\n"
        f"webdataset {versions.get('webdataset', 'not installed')}, torch {versions.get('torch', 'not installed')}; "
        f"{result['date']}."
        + (
            f" Others kept up to {busy} % of the machine busy: images per second say little here, core time says more."
            if busy > tables.BUSY_PERCENT
            else ""
        )
    )


def described(data: pathlib.Path, options: argparse.Namespace) -> dict[str, Any]:
    """The whole result, with where it comes from."""
    busy = [run.busy_percent()]
    rows = measured(data, options)
    busy.append(run.busy_percent())
    return {
        "format": tables.FORMAT,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "commit": run.commit(),
        "versions": {
            "sassl": (ROOT / "VERSION").read_text().strip(),
            "python": platform.python_version(),
            **run.versions_of_peers(options.peer_python),
        },
        "machine": {
            "processor": run.processor(),
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.release()}",
            "busy_percent_before_and_after": busy,
        },
        "data": drawn_pictures.described(data),
        "workers": options.workers,
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, help="a folder of JPEG files (default: 480 that are drawn)")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3, help="how often the programs take turns")
    parser.add_argument(
        "--peer-python",
        default=os.environ.get("PEER_PYTHON") or sys.executable,
        help="interpreter that has webdataset and torch",
    )
    parser.add_argument("--write", action="store_true", help="keep the result, and write the table of docs/datasets.md")
    options = parser.parse_args()
    data = options.data
    if data is None:
        data = ROOT / ".build" / "benchmarks" / "pictures-480"
        drawn_pictures.make(data, 480)
    result = described(data.resolve(), options)
    print(table(result))
    if options.write:
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        PAGE.write_text(written(PAGE.read_text(), result))


def written(page: str, result: Mapping[str, Any]) -> str:
    """The page with the table of a result between its marks."""
    return MARKED.sub(lambda marks: f"{marks[1]}\n{table(result)}\n{marks[2]}", page)


if __name__ == "__main__":
    main()
