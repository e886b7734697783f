#!/usr/bin/env python3
"""How the cost grows: with workers, with the batch size, with the epoch; and what starting and waiting cost.

Cost per image should not depend on the batch size nor on how far the stream is; two workers should make twice as
many images as one. Everything is measured with `sassld` itself or `sasslctl bench`, on the given folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import subprocess
import tempfile
import time
from typing import Any

from pipeline import CONFIGURATION, PROGRAMS

import sassl

FAR = 10**9


class Bench:
    """A stream configured in a folder of its own."""

    def __init__(self, folder: pathlib.Path, data: pathlib.Path, model: str, workers: int) -> None:
        self.name = f"bench-{os.getpid()}"
        values = {
            "name": self.name,
            "data": data,
            "model": model,
            "workers": workers,
            "work": folder,
        }
        self.text = CONFIGURATION.format(enabled="true", **values)
        self.file = folder / "sassld.toml"
        self.file.write_text(self.text)

    def probe(self, seconds: float, *, workers: int, batch: int = 32) -> float:
        """Images per second without a ring."""
        # Styles are lent within groups, whose size is part of the work; it stays the same for every batch size.
        self.file.write_text(self.text.replace("size = 32", f"size = {batch}").replace("[style]", "[style]\ngroup = 8"))
        command: list[str | pathlib.Path] = [PROGRAMS / "sasslctl", "bench", "--json", "--config", self.file]
        run = subprocess.run(
            [*command, "--seconds", str(seconds), "--workers", str(workers)],
            capture_output=True,
            check=True,
        )
        self.file.write_text(self.text)
        return float(json.loads(run.stdout)["images_per_second"])

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([PROGRAMS / "sassld", "--config", self.file], stderr=subprocess.DEVNULL)

    def rate_from(self, number: int, batches: int) -> float:
        """Images per second that a reader gets from batch `number` on, the ring's worth of head start left out."""
        daemon = self.start()
        try:
            with sassl.attach(self.name, start=number, wait=60) as ring:
                for _ in range(9):
                    next(ring)
                start = time.perf_counter()
                images = sum(batch.count for batch in itertools.islice(ring, batches))
                return images / (time.perf_counter() - start)
        finally:
            daemon.terminate()
            daemon.wait()

    def cold_start(self) -> tuple[float, int]:
        """Seconds from starting the program to the first batch of 32 in a reader's hands, and resident bytes then."""
        start = time.perf_counter()
        daemon = self.start()
        try:
            with sassl.attach(self.name, start=0, wait=60) as ring:
                with next(ring):
                    seconds = time.perf_counter() - start
                for _ in range(20):
                    next(ring).release()
            lines = pathlib.Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
            sizes = {key: value for key, _, value in (line.partition(":") for line in lines)}
            # RssShmem is the ring.
            return seconds, sum(int(sizes[key].split()[0]) * 1024 for key in ("RssAnon", "RssFile"))
        finally:
            daemon.terminate()
            daemon.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder of JPEG files")
    parser.add_argument("--model", default="", help="style model file (default: the embedded model)")
    parser.add_argument("--seconds", type=float, default=4, help="for each measurement")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    rows: list[dict[str, Any]] = []

    def add(what: str, value: float, unit: str, ratio: float | None = None) -> None:
        rows.append(
            {
                "measure": what,
                "value": round(value, 3),
                "unit": unit,
                "ratio": ratio and round(ratio, 2),
            }
        )

    with tempfile.TemporaryDirectory() as folder:
        model = options.model and str(pathlib.Path(options.model).resolve())
        bench = Bench(pathlib.Path(folder), options.data.resolve(), model, cores)
        one = bench.probe(options.seconds, workers=1)
        add("1 worker", one, "images/s", 1.0)
        for workers in range(2, cores + 1):
            rate = bench.probe(options.seconds, workers=workers)
            add(f"{workers} workers", rate, "images/s", rate / one)
        base = 0.0
        for batch in (8, 32, 128):
            rate = bench.probe(options.seconds, workers=cores, batch=batch)
            base = base or rate
            add(f"batches of {batch}", rate, "images/s", rate / base)
        near = bench.rate_from(0, 30)
        far = bench.rate_from(FAR, 30)
        add("from batch 0", near, "images/s", 1.0)
        add(f"from batch {FAR:,}", far, "images/s", far / near)
        seconds, resident = bench.cold_start()
        add("start to first batch of 32", seconds, "s")
        add("... above what 32 images cost", seconds - 32 / near, "s")
        add("resident memory without ring", resident / 2**20, "MiB")
    if options.json:
        print(json.dumps({"rows": rows}))
        return
    print(f"{options.data}: {cores} cores, side 224")
    for row in rows:
        ratio = f"  x {row['ratio']:.2f}" if row["ratio"] else ""
        print(f"{row['measure']:34s}{row['value']:10.2f} {row['unit']}{ratio}")


if __name__ == "__main__":
    main()
