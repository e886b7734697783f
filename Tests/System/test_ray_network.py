"""A link between two nodes that loses packets, or is cut for a while, changes no batch."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from linked_networks import Network, needs_networks, two_networks
from ray_cluster import SETTINGS, left_behind
from workplace import ROOT, eventually

PORT = 6401
PYTHONPATH = os.pathsep.join(str(ROOT / folder) for folder in ("Tests/System", "python/tests"))


@pytest.fixture
def linked() -> Iterator[tuple[Network, Network]]:
    """Two networks with a Ray node of one core in each, the head in the first."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus", "1"]
    command += ["--object-store-memory", str(150 << 20), "--disable-usage-stats"]
    head = ["--head", "--port", str(PORT), "--include-dashboard", "false", "--temp-dir", folder]
    with two_networks() as networks:
        first, second = networks
        nodes = [
            subprocess.Popen(
                [*network.inside, *command, "--node-ip-address", network.address, *role],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for network, role in ((first, head), (second, ["--address", f"{first.address}:{PORT}"]))
        ]
        yield networks
        for node in nodes:
            node.terminate()
            node.wait(60)
    shutil.rmtree(folder, ignore_errors=True)


@needs_networks
def test_a_link_that_loses_packets_and_is_cut_changes_no_batch(
    programs_on_path: None, data: Path, on_one_machine: list[bytes], linked: tuple[Network, Network], tmp_path: Path
) -> None:
    first, _ = linked
    address = f"{first.address}:{PORT}"
    log = tmp_path / "digests"
    log.touch()

    def read() -> int:
        return len(log.read_text().splitlines())

    def sharing() -> bool:
        command = [sys.executable, "-m", "sassl.ray.command", "--address", address, "status", "linked", "--json"]
        shown = subprocess.run([*first.inside, *command], capture_output=True, text=True, check=False)
        makers: list[dict[str, Any]] = json.loads(shown.stdout)["ranks"][0]["makers"]
        return len(makers) == 2 and all(maker["state"] == "running" and maker["slices"] for maker in makers)

    settings = json.dumps({**SETTINGS, "stream_name": "linked"})
    trainer = subprocess.Popen(
        [*first.inside, sys.executable, Path(__file__).with_name("ray_trainer.py"), address, data, settings, log],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    )
    try:
        eventually(lambda: read() > 10, "batches come")
        eventually(sharing, "both nodes make slices")
        for network in linked:
            network.lose(30)
        before = read()
        eventually(lambda: read() > before + 40, "batches come over a link that loses packets")
        for network in linked:
            network.lose(1000)
        before = read()
        # More than were made ahead: the node beside the trainer makes all.
        eventually(lambda: read() > before + 20, "batches come although the link is cut")
        for network in linked:
            network.lose(0)
        eventually(sharing, "both nodes make slices again")
        before = read()
        eventually(lambda: read() > before + 20, "batches come")
        trainer.send_signal(signal.SIGTERM)
        assert trainer.wait(60) == 0
    finally:
        trainer.kill()
    lines = [line.split() for line in log.read_text().splitlines()]
    assert {(int(number), digest) for number, digest in lines} <= {
        (number, digest.hex()) for number, digest in enumerate(on_one_machine)
    }
    # Each batch once, in order, round and round.
    numbers = [int(number) for number, _ in lines]
    assert numbers == [position % len(on_one_machine) for position in range(len(numbers))]
    eventually(lambda: not left_behind(), "nothing is left behind")
    assert not Path("/dev/shm/sassl.linked.0").exists()
