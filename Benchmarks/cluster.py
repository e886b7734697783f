#!/usr/bin/env python3
"""What it costs to have batches made on other nodes: a Ray cluster on this machine beside one daemon, in turns.

    PATH=$PWD/.build/release:$PATH .venv-ray/bin/python Benchmarks/cluster.py --data FOLDER

Two Ray nodes on this machine talk over its loopback device: each byte crosses a socket, but no wire. First, the
processor time of everything for each image, on both sides with the same number of threads: the ratio is what the way
costs in cores. (Images a second would say little where the machine is shared: two daemons get two shares of it.) Then
the way alone, without a daemon: memory to memory, and how many images that is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import sassl
import sassl.ray
from sassl._producer import RingField, RingProducer
from sassl.ray.known_makers import is_intact
from sassl.ray.slices import Division, Joining, Slice, SliceLayout

BATCH, SIDE = 64, 224
#: Of two views and the columns, for each sample.
SAMPLE_BYTES = 2 * SIDE * SIDE * 3 + 8 + 8 + 8 + 1 + 4 + 4
#: Slices that are asked for at once.
AHEAD = 8


def processor_seconds() -> float:
    """What this process and all that descend from it, Ray's included, have spent on processors so far."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rpartition(") ")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
            spent[int(stat.parent.name)] = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    family = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(spent.get(process, 0.0) for process in family)


def cost(reader: sassl.Reader, seconds: float, slots: int) -> float:
    """Processor milliseconds of everything for each image that a trainer gets which does nothing but take them.

    What was made ahead is left out.
    """
    for _ in range(slots + 1):
        reader.next().release()
    start, spent, images = time.monotonic(), processor_seconds(), 0
    while time.monotonic() - start < seconds:
        with reader.next() as batch:
            images += batch.count
    return 1e3 * (processor_seconds() - spent) / images


def one_daemon(data: str, settings: dict[str, Any], seconds: float) -> float:
    with sassl.serve(data, workers_count=2, **settings) as reader:
        return cost(reader, seconds, settings["slots"])


def two_nodes(data: str, settings: dict[str, Any], seconds: float) -> float:
    with sassl.ray.serve(data, makers=2, cpus=1, **settings) as serving, serving.attach(start=0) as reader:
        return cost(reader, seconds, settings["slots"])


class Source:
    """Hands out the same bytes again and again, as a maker does with a slot of its daemon's ring."""

    def __init__(self, samples: int) -> None:
        self._bytes = np.random.default_rng(0).integers(0, 256, samples * SAMPLE_BYTES, dtype=np.uint8)

    def take(self) -> Any:
        return self._bytes


def way(node: str, samples: int, seconds: float) -> float:
    """Bytes a second from a process on a node into this one, which reads them where they arrive."""
    actor: Any = ray.remote(Source).options(
        num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
    )
    source = actor.remote(samples)
    ray.get(source.take.remote())
    start, moved = time.monotonic(), 0
    asked = [source.take.remote() for _ in range(AHEAD)]
    while time.monotonic() - start < seconds:
        moved += ray.get(asked.pop(0)).nbytes
        asked.append(source.take.remote())
    elapsed = time.monotonic() - start
    ray.kill(source)
    return moved / elapsed


def joining(samples: int, seconds: float) -> float:
    """Bytes a second that a feeder checks, copies into a ring and publishes, on one core."""
    field = RingField("view0", 1, (samples, SAMPLE_BYTES))
    size = samples * SAMPLE_BYTES
    layout = SliceLayout(bytes(32), "", 0, 1, ((field, 0, size),))
    payload = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    part = Slice(bytes(32), 0, 0, 0, 0, samples, 0, 0, payload)
    with RingProducer(
        "/dev/shm",
        f"bench-{os.getpid()}",
        rank=0,
        world_size=1,
        batch_size=samples,
        slots=2,
        fields=[field],
        batches_per_epoch=1,
        fingerprint=bytes(32),
    ) as ring:
        into = Joining(layout, Division(samples, 1, 1), ring.offsets)
        start, moved = time.monotonic(), 0
        with sassl.attach(f"bench-{os.getpid()}", start=0) as reader:
            while time.monotonic() - start < seconds:
                reservation = ring.reserve(timeout=10)
                assert reservation is not None
                is_intact(part)
                into.write(part, 0, ring.payload(reservation))
                ring.publish(reservation, epoch=0, step=0, count=samples)
                moved += size
                reader.next().release()
        return moved / (time.monotonic() - start)


def in_turns(rounds: int, *measured: Callable[[], float]) -> list[list[float]]:
    """Each of several measurements, in turns, so that what else the machine does meets them alike."""
    found: list[list[float]] = [[] for _ in measured]
    for _ in range(rounds):
        for several, measure in zip(found, measured, strict=True):
            several.append(measure())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of pictures")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    node = {"num_cpus": 1, "object_store_memory": 1 << 30}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    found: dict[str, Any] = {"sample_bytes": SAMPLE_BYTES, "seconds": options.seconds, "rounds": options.rounds}
    try:
        far = cluster.add_node(**node).node_id
        ray.init(address=cluster.address, log_to_driver=False)
        near = ray.get_runtime_context().get_node_id()
        for name, style in (("without style", False), ("with style", True)):
            settings = {"layout": "flat", "batch_size": BATCH, "side": SIDE, "slots": 4, "style_enabled": style}
            daemon, nodes = in_turns(
                options.rounds,
                lambda settings=settings: one_daemon(options.data, settings, options.seconds),  # type: ignore[misc]
                lambda settings=settings: two_nodes(options.data, settings, options.seconds),  # type: ignore[misc]
            )
            ratios = [b / a for a, b in zip(daemon, nodes, strict=True)]
            found[name] = {"one_daemon": daemon, "two_nodes": nodes, "ratios": ratios}
            pairs = ", ".join(f"{b:.2f} / {a:.2f}" for a, b in zip(daemon, nodes, strict=True))
            print(
                f"{name}: an image from two nodes takes {statistics.median(ratios):.2f} times the processor time "
                f"of one from one daemon ({pairs} ms)",
                flush=True,
            )
        for samples in (32, 128):
            measured = in_turns(
                options.rounds,
                lambda samples=samples: way(far, samples, 3),  # type: ignore[misc]
                lambda samples=samples: way(near, samples, 3),  # type: ignore[misc]
                lambda samples=samples: joining(samples, 3),  # type: ignore[misc]
            )
            medians = dict(zip(("from_another_node", "from_this_node", "into_the_ring"), measured, strict=True))
            found[f"slices of {samples}"] = medians
            for what, rates in medians.items():
                middle = statistics.median(rates)
                print(
                    f"slices of {samples}, {what.replace('_', ' ')}: {middle / 1e9:.2f} GB/s, "
                    f"{middle / SAMPLE_BYTES:.0f} images/s",
                    flush=True,
                )
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
