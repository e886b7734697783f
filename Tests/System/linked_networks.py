"""Two networks on this machine and a wire between them, which may lose packets or be cut. For root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

needs_networks = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None,
    reason="only root can make networks, with iproute2 and nftables",
)


@dataclass(frozen=True)
class Network:
    """One of the two: a network namespace with an address."""

    name: str
    address: str

    @property
    def inside(self) -> list[str]:
        """What stands before a command that is to run in it."""
        return ["ip", "netns", "exec", self.name]

    def lose(self, per_mille: int) -> None:
        """From now on loses so many of a thousand packets that arrive by the wire, at random: 1000 is a cut."""
        which = "" if per_mille == 1000 else f"numgen random mod 1000 < {per_mille}"
        rules = [
            "add table inet faults",
            "add chain inet faults arriving { type filter hook input priority 0; policy accept; }",
            "flush chain inet faults arriving",
            *([f'add rule inet faults arriving iifname "wire" {which} drop'] if per_mille else []),
        ]
        # `tc netem` would do it too, but not every kernel has that.
        _run(*self.inside, "nft", "\n".join(rules))


@contextlib.contextmanager
def two_networks() -> Iterator[tuple[Network, Network]]:
    """Makes them, and removes them with every process that is left in there."""
    tag = uuid.uuid4().hex[:6]
    first, second = (Network(f"sassl-{tag}-{index}", f"10.77.0.{index}") for index in (1, 2))
    try:
        for network in (first, second):
            _run("ip", "netns", "add", network.name)
            _run(*network.inside, "ip", "link", "set", "lo", "up")
        wire = ["type", "veth", "peer", "name", "wire", "netns", second.name]
        _run("ip", "-n", first.name, "link", "add", "name", "wire", *wire)
        for network in (first, second):
            _run("ip", "-n", network.name, "addr", "add", f"{network.address}/24", "dev", "wire")
            _run("ip", "-n", network.name, "link", "set", "wire", "up")
        yield first, second
    finally:
        for network in (first, second):
            listed = subprocess.run(["ip", "netns", "pids", network.name], capture_output=True, text=True, check=False)
            for process in listed.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), 9)
            subprocess.run(["ip", "netns", "delete", network.name], check=False)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
