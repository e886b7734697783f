"""`sassl-ray` serves a stream that outlives the command, shows it in tables, JSON and Ray's metrics, and ends it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import tomli_w

pytest.importorskip("ray")

import ray

import sassl
import schemas
from ray_cluster import SETTINGS, left_behind
from sassl.serving import configuration_file
from streams import digests
from workplace import eventually


def sassl_ray(cluster: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sassl.ray.command", "--address", cluster.address, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def configuration(data: Path, tmp_path: Path) -> Path:
    """The stream of the tests as a configuration file, with a name."""
    return configuration_file(tmp_path, data, None, {**SETTINGS, "stream_name": "command"})


def metrics() -> str:
    """What Prometheus would read from every node."""
    found = []
    for node in (node for node in ray.nodes() if node["Alive"]):
        address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        # The process that answers starts a moment after its node.
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=10) as answer:
            found.append(answer.read().decode())
    return "\n".join(found)


def test_a_stream_is_started_watched_scaled_and_ended(
    cluster: Any, configuration: Path, on_one_machine: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = sassl_ray(cluster, "up", str(configuration), "--makers", "1", "--cpus", "1")
    assert started.returncode == 0, started.stderr
    with sassl.attach("command", start=0, world_size=1) as reader:
        assert digests(reader, 5) == on_one_machine[:5]
        assert sassl_ray(cluster, "scale", "command", "3").returncode == 0

        def three() -> bool:
            report = json.loads(sassl_ray(cluster, "status", "--json").stdout)
            schemas.accept("ray-status", report)
            (rank,) = report["ranks"]
            return [maker["slices"] > 0 for maker in rank["makers"]] == [True] * 3

        eventually(three, "three makers share the slices")
        assert digests(reader, 10) == on_one_machine[5:15]
        assert sassl_ray(cluster, "scale", "command", "1").returncode == 0
        assert digests(reader, 10) == on_one_machine[15:25]
        table = sassl_ray(cluster, "status", "command").stdout
        assert "command rank 0: running" in table and "images/s" in table
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "command rank 0: \x1b[32mrunning\x1b[0m" in sassl_ray(cluster, "status", "command").stdout
        monkeypatch.setenv("NO_COLOR", "1")
        assert "command rank 0: running" in sassl_ray(cluster, "status", "command").stdout
        unseen = {path for path, _ in schemas.fields(schemas.schema("ray-status"))} - schemas.seen_so_far["ray-status"]
        assert unseen == set()
        names = {"sassl_images", "sassl_maker_images_per_second", "sassl_maker_lag_seconds", "sassl_ring_ready_batches"}
        eventually(lambda: all(f"ray_{name}" in metrics() for name in names), "Ray exports the metrics")
    again = sassl_ray(cluster, "up", str(configuration), "--makers", "1", "--cpus", "1")
    assert again.returncode == 69
    assert "is served already" in again.stderr
    assert sassl_ray(cluster, "down", "command").returncode == 0
    assert not Path("/dev/shm/sassl.command.0").exists()
    eventually(lambda: not left_behind(), "nothing is left behind")
    assert sassl_ray(cluster, "status", "command").returncode == 3
    refused = sassl_ray(cluster, "status", "command", "--json")
    failure = json.loads(refused.stdout)
    schemas.accept(schemas.ERROR, failure)
    assert failure["error"]["exit_code"] == refused.returncode == 3
    assert failure["error"]["message"] in refused.stderr


def test_a_coordinator_that_is_killed_finds_its_stream_again(
    cluster: Any, configuration: Path, on_one_machine: list[bytes]
) -> None:
    assert sassl_ray(cluster, "up", str(configuration), "--makers", "2", "--cpus", "1").returncode == 0
    coordinator = ray.get_actor("command.coordinator", namespace="sassl")
    with sassl.attach("command", start=0, world_size=1) as reader:
        assert digests(reader, 3) == on_one_machine[:3]
        ray.kill(coordinator, no_restart=False)
        assert digests(reader, 6) == on_one_machine[3:9]
        (rank,) = json.loads(sassl_ray(cluster, "status", "command", "--json").stdout)["ranks"]
        assert len(rank["makers"]) == 2
    assert sassl_ray(cluster, "down", "command").returncode == 0
    eventually(lambda: not left_behind(), "nothing is left behind")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--makers", "9"], 78, "work for 4 makers, not for 9"),
        (["--slices", "3"], 78, "can be cut into 1, 2, 4"),
        (["--trainers", "no-such-node"], 78, "names 0 nodes of the cluster"),
        (["--makers", "many"], 64, "invalid int value"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(
    cluster: Any, configuration: Path, arguments: list[str], code: int, words: str
) -> None:
    refused = sassl_ray(cluster, "up", str(configuration), *arguments)
    assert refused.returncode == code
    assert words in refused.stderr


def test_a_data_set_that_no_maker_has_is_told_as_sassld_tells_it(cluster: Any, tmp_path: Path) -> None:
    file = tmp_path / "sassld.toml"
    file.write_text(tomli_w.dumps({"stream": {"name": "absent"}, "dataset": {"path": str(tmp_path / "nowhere")}}))
    refused = sassl_ray(cluster, "up", str(file), "--makers", "1", "--cpus", "1")
    assert refused.returncode == 66
    assert "nowhere" in refused.stderr
    eventually(lambda: not left_behind(), "nothing is left behind")


def test_without_ray_the_package_says_what_to_install() -> None:
    command = [sys.executable, "-c", "import sys; sys.modules['ray'] = None; import sassl; import sassl.ray"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "pip install the wheel with [ray] behind its name" in refused.stderr.splitlines()[-1]
