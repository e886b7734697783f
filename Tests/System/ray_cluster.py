"""A Ray cluster of three nodes on this machine, a stream for it, and what that stream is on one machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sassl
from streams import digests
from workplace import PROGRAMS, eventually

#: Four style groups, so that a batch can be cut into one, two or four slices.
SETTINGS: dict[str, Any] = {
    "layout": "flat",
    "batch_size": 32,
    "side": 32,
    "style_group": 8,
    "seed": 7,
    "slots": 4,
    "last_batch": "wrap",
}
BATCHES = 40


@pytest.fixture(scope="session")
def programs_on_path() -> None:
    """Each process of a cluster finds the programs where this one does when the node is started."""
    os.environ["PATH"] = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="session")
def cluster(programs_on_path: None) -> Iterator[Any]:
    """Three nodes: the first is the head, where the tests run and train."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    import ray

    node = {"num_cpus": 2, "object_store_memory": 150 << 20}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="session")
def on_one_machine(programs_on_path: None, data: Path) -> list[bytes]:
    """The digests of the first batches, made by one daemon."""
    with sassl.serve(data, **SETTINGS, workers_count=2) as reader:
        return digests(reader, BATCHES)


def left_behind() -> set[str]:
    """Rings and folders of streams that Ray makes, on any node of this machine."""
    own = set()
    for file in Path(tempfile.gettempdir()).glob("sassl-*/sassld.toml"):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            own |= {str(file)} if 'name = "maker-' in file.read_text() else set()
    return own | {str(file) for file in Path("/dev/shm").glob("sassl.maker-*")}


@contextlib.contextmanager
def served(data: Path, **options: Any) -> Iterator[Any]:
    """The stream, served by makers of one core each; afterwards nothing may be left."""
    import sassl.ray

    with sassl.ray.serve(data, **{"cpus": 1, **SETTINGS, **options}) as deployment:
        yield deployment
    rings = list(Path("/dev/shm").glob(f"sassl.{deployment.name}.*"))
    assert rings == []
    eventually(lambda: not left_behind(), "makers leave nothing behind")
