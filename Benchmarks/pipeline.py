#!/usr/bin/env python3
"""The whole job: images per second from JPEG files to two-view batches in a reader's hands, beside other loaders.

Runs `sassld` on the folder and reads from it as fast as it can; then, where their packages are installed for the given
interpreter (`make bench-peers`), the peers on the same folder; then `sassld` again, because the machine's speed drifts.
One image is one sample: two views.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import sassl

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".build" / "release"

CONFIGURATION = """
[stream]
name = "{name}"
[dataset]
path = "{data}"
layout = "flat"
[batch]
size = 32
[views]
preset = "mocov2"
[style]
enabled = {enabled}
model = "{model}"
[workers]
count = {workers}
[state]
directory = "{work}"
runtime_directory = "{work}"
"""


def ours(data: pathlib.Path, model: str, enabled: bool, workers: int, epochs: int) -> tuple[float, dict[str, Any]]:
    """Images per second: the median of the epochs after the first; and the daemon's last status."""
    name = f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory() as work:
        file = pathlib.Path(work) / "sassld.toml"
        values = {
            "name": name,
            "data": data,
            "model": model,
            "workers": workers,
            "work": work,
        }
        file.write_text(CONFIGURATION.format(enabled=str(enabled).lower(), **values))
        daemon = subprocess.Popen([PROGRAMS / "sassld", "--config", file], stderr=subprocess.DEVNULL)
        try:
            with sassl.attach(name, start=0, wait=60) as ring:
                rates: list[float] = []
                images, start = 0, time.perf_counter()
                epoch = 0
                for batch in ring:
                    if batch.epoch != epoch:
                        rates.append(images / (time.perf_counter() - start))
                        images, start, epoch = 0, time.perf_counter(), batch.epoch
                    if epoch == epochs:
                        break
                    images += batch.count
            status = subprocess.run(
                [PROGRAMS / "sasslctl", "status", "--json", "--config", file],
                capture_output=True,
                check=True,
            )
        finally:
            daemon.terminate()
            daemon.wait()
    return statistics.median(rates[1:]), json.loads(status.stdout)


def peer(python: str, script: str, *arguments: str | pathlib.Path) -> float | None:
    """Images per second of a peer's pipeline, or None where its packages are not installed."""
    command = [python, ROOT / "Benchmarks" / "peers" / script, *arguments, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(
            f"{script}: not measured: {' '.join(run.stderr.strip().splitlines()[-1:])}",
            file=sys.stderr,
        )
        return None
    return float(json.loads(run.stdout.splitlines()[-1])["images_per_second"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder of JPEG files")
    parser.add_argument("--model", default="", help="style model file (default: the embedded model)")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter of the peers")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def add(key: str, what: str, rate: float | None, **more: Any) -> None:
        rows.append({"key": key, "pipeline": what, "images_per_second": rate and round(rate, 1), **more})

    model = options.model and str(pathlib.Path(options.model).resolve())
    data = options.data.resolve()
    common = ("--data", data, "--workers", str(options.workers), "--epochs", str(options.epochs))
    before, _ = ours(data, model, True, options.workers, options.epochs)
    # The embedded networks are what sassld runs. The published pair is what somebody without sassld would take; weights
    # are random, which costs the same.
    embedded = ROOT / "Sources" / "CEmbeddedModel" / "model.safetensors"
    lite = ROOT / "Benchmarks" / "shapes" / "lite.json"
    peers: list[tuple[str, str, str, tuple[str | pathlib.Path, ...]]] = [
        ("dataloader-same", "DataLoader + OpenVINO, same networks", "dataloader.py", ("--style", embedded)),
        ("dataloader-lite", "DataLoader + OpenVINO, public lite pair", "dataloader.py", ("--style", lite)),
        ("dataloader-plain", "DataLoader without style", "dataloader.py", ()),
        ("dali-plain", "DALI on CPU without style", "dali.py", ()),
    ]
    rates = [(key, title, peer(options.peer_python, script, *common, *more)) for key, title, script, more in peers]
    after, status = ours(data, model, True, options.workers, options.epochs)
    styled = (before + after) / 2
    add("styled", "sassld with style", styled, stages=status["stages"])
    add("plain", "sassld without style", ours(data, model, False, options.workers, options.epochs)[0])
    for key, title, rate in rates:
        add(key, title, rate, ratio=rate and round(styled / rate, 2))
    if options.json:
        print(json.dumps({"workers": options.workers, "rows": rows}))
        return
    print(f"{data}: JPEG files to two-view batches, {options.workers} workers, side 224")
    for row in rows:
        rate = row["images_per_second"]
        ratio = f"  sassld with style is {row['ratio']:.2f} times as fast" if row.get("ratio") else ""
        print(f"{row['pipeline']:42s}{f'{rate:8.1f} images/s' if rate else 'not measured':>18s}{ratio}")
    stages = rows[0]["stages"]
    print(
        "core time per image: "
        + ", ".join(f"{k.removesuffix('_microseconds')} {v / 1000:.2f}" for k, v in stages.items())
        + " ms"
    )


if __name__ == "__main__":
    main()
