#!/usr/bin/env python3
"""The hand-over: how long after a batch is published a reader has its arrays, and how many bytes it copied.

The peer in the same session is `multiprocessing.Queue`, which is how a batch crosses processes in most Python
loaders: it pickles the arrays, sends them through a pipe and copies them out again. The reader waits for each batch, as
a starved trainer does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

import numpy as np

import sassl

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python" / "tests"))
from producing import Producer  # noqa: E402

UINT8, INT64 = 1, 8


def publish(directory: str, name: str, side: int, batch: int, count: int, wanted: Any) -> None:
    """The producing process: one batch whenever the reader asks for it."""
    views = [(f"view{view}", UINT8, (batch, side, side, 3)) for view in (0, 1)]
    fields: list[tuple[str, int, tuple[int, ...]]] = [*views, ("labels", INT64, (batch,))]
    with Producer(directory, name, slots=2, fields=fields) as producer:
        for _ in range(count):
            wanted.acquire()
            reservation = producer.reserve(timeout=60)
            assert reservation is not None
            time.sleep(
                0.002
            )  # The reader has long been waiting by now; the work of making a batch is not what is measured.
            producer.publish_batch(reservation, count=4)
        wanted.acquire()


def ring(side: int, batch: int, count: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    wanted = context.Semaphore(0)
    waits: list[float] = []
    copied = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        process = context.Process(target=publish, args=(directory, "bench", side, batch, count, wanted))
        process.start()
        with sassl.attach("bench", directory=directory, start=0, wait=60) as reader:
            for _ in range(count):
                wanted.release()
                with next(reader) as received:
                    arrays = [*received.views, received.labels]
                    waits.append((time.monotonic_ns() - received.published_ns) / 1000)
                    segment = mapped(directory)
                    copied += sum(array.nbytes for array in arrays if not within(array, segment))
            wanted.release()
        process.join()
    return {"microseconds": waits, "copied_bytes_per_batch": copied // count}


def mapped(directory: str) -> list[tuple[int, int]]:
    """Where the ring's file is mapped in this process."""
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split()[0].split("-") for line in lines if directory in line]
    return [(int(first, 16), int(last, 16)) for first, last in ranges]


def within(array: np.ndarray, segment: list[tuple[int, int]]) -> bool:
    """Whether all of an array lies in the ring's memory."""
    first = array.__array_interface__["data"][0]
    return any(low <= first and first + array.nbytes <= high for low, high in segment)


def send(side: int, batch: int, count: int, queue: Any, wanted: Any) -> None:
    views = [np.zeros((batch, side, side, 3), np.uint8) for _ in (0, 1)]
    for _ in range(count):
        wanted.acquire()
        time.sleep(0.002)
        queue.put((time.monotonic_ns(), views))


def pickled(side: int, batch: int, count: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    queue, wanted = context.Queue(), context.Semaphore(0)
    process = context.Process(target=send, args=(side, batch, count, queue, wanted))
    process.start()
    waits = []
    received: list[np.ndarray] = []
    for _ in range(count):
        wanted.release()
        sent, received = queue.get()
        waits.append((time.monotonic_ns() - sent) / 1000)
    process.join()
    return {
        "microseconds": waits,
        "copied_bytes_per_batch": sum(view.nbytes for view in received),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--count", type=int, default=300, help="batches of each kind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for name, measure in (("ring", ring), ("multiprocessing.Queue", pickled)):
        result = measure(options.side, options.batch, options.count)
        waits = sorted(result["microseconds"])
        rows.append(
            {
                "hand_over": name,
                "batches": options.count,
                "median_microseconds": round(statistics.median(waits), 1),
                "p99_microseconds": round(waits[int(len(waits) * 0.99)], 1),
                "copied_bytes_per_batch": result["copied_bytes_per_batch"],
            }
        )
    ratio = rows[1]["median_microseconds"] / rows[0]["median_microseconds"]
    if options.json:
        print(json.dumps({"rows": rows, "ratio": round(ratio, 1)}))
        return
    print(f"hand-over of a two-view batch, {options.batch} x {options.side} x {options.side} x 3")
    print(f"{'':24s}{'median':>14s}{'99 %':>14s}{'copied bytes':>16s}")
    for row in rows:
        print(
            f"{row['hand_over']:24s}{row['median_microseconds']:11.1f} us{row['p99_microseconds']:11.1f} us"
            f"{row['copied_bytes_per_batch']:16,d}"
        )
    print(f"the ring hands over {ratio:.0f} times faster")


if __name__ == "__main__":
    main()
