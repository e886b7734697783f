"""One daemon a node: the slices of two nodes that see nothing of each other are, joined, the batches of one node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sassl
from linked_networks import Network, needs_networks, two_networks
from ray_cluster import SETTINGS
from streams import digest_of_arrays, digests
from workplace import ROOT

pytest.importorskip("torch", reason="the example is one for torchrun")

EXAMPLES = ROOT / "python" / "examples"
BATCHES = 6
PORT = 29471
#: Keeps what a rank reads.
KEEPING = """
import sys
import numpy
from one_daemon_per_node import ring_of_this_rank
pictures, settings, count, folder = sys.argv[1], eval(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
with ring_of_this_rank(pictures, **settings) as ring:
    for _ in range(count):
        batch = ring.next(timeout=60)
        numpy.savez(f"{folder}/{ring.information.rank}-{batch.number}.npz", **batch.arrays)
    print("done", flush=True)
    sys.stdin.read()
"""


def start(rank: int, network: Network | None, *command: str | Path, world_size: int = 4) -> subprocess.Popen[str]:
    """Starts a rank as torchrun would, two on each node."""
    environment = {
        "RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_RANK": str(rank % 2),
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(PORT),
        "PYTHONPATH": str(EXAMPLES),
    }
    return subprocess.Popen(
        [*(network.inside if network else []), sys.executable, *command],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@needs_networks
def test_the_slices_of_two_nodes_joined_are_the_stream_of_one(
    programs_on_path: None, data: Path, tmp_path: Path
) -> None:
    with sassl.serve(data, **SETTINGS, workers_count=2) as reader:
        on_one_node = digests(reader, BATCHES)
    quarter: dict[str, Any] = {**SETTINGS, "batch_size": SETTINGS["batch_size"] // 4, "workers_count": 1}
    with two_networks() as networks:
        for network in networks:
            network.lose(1000)
        ranks = [
            start(rank, networks[rank // 2], "-c", KEEPING, str(data), repr(quarter), str(BATCHES), str(tmp_path))
            for rank in range(4)
        ]
        # The first rank of a node has the daemon, so nobody ends before all are done.
        said = [process.stdout.readline() for process in ranks if process.stdout]
        for process in ranks:
            process.communicate("", timeout=120)
        assert said == ["done\n"] * 4
        assert [process.returncode for process in ranks] == [0] * 4
    for number, expected in enumerate(on_one_node):
        assert digest_of_arrays(*(np.load(tmp_path / f"{rank}-{number}.npz") for rank in range(4))) == expected


def test_the_example_reads_what_its_ranks_train_on(programs_on_path: None, data: Path) -> None:
    command: list[str | Path] = [EXAMPLES / "one_daemon_per_node.py", str(data), "--batch-size", "32", "--batches", "2"]
    processes = [start(rank, None, *command, world_size=2) for rank in range(2)]
    shown = [process.communicate("", timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], shown
    read = [re.findall(r"rank (\d) batch (\d+)", text) for text in shown]
    assert read == [[(str(rank), str(number)) for number in range(2)] for rank in range(2)]
