"""Batches that the nodes of a Ray cluster make are those of one machine."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

import sassl
from ray_cluster import SETTINGS, left_behind, served
from streams import digest_of, digest_of_arrays, digests
from workplace import TINY_MODEL, eventually


@pytest.fixture(autouse=True)
def connected(cluster: Any) -> None:
    """Every test here needs the cluster."""


def test_batches_from_three_nodes_are_those_of_one_daemon(data: Path) -> None:
    # Eight slices: a maker that the start of three daemons on one machine makes look slow has its share all the same.
    finer = {"style_group": 4}
    with sassl.serve(data, **{**SETTINGS, **finer}, workers_count=2) as reader:
        expected = digests(reader, 20)
    with served(data, makers=3, **finer) as deployment, deployment.attach(start=0, verify=True) as reader:
        assert digests(reader, 20) == expected
        (rank,) = deployment.status()["ranks"]
        assert {maker["state"] for maker in rank["makers"]} == {"running"}
        assert sum(maker["slices"] for maker in rank["makers"]) == rank["slices"] == 8
        assert all(maker["slices"] > 0 for maker in rank["makers"])


def assert_joined_batches(deployment: Any, expected: list[bytes]) -> None:
    """What two trainers read, put together, are the batches with these digests."""
    readers = [deployment.attach(rank, start=0, verify=True) for rank in range(2)]
    for digest in expected:
        parts = [reader.next(timeout=60) for reader in readers]
        assert digest_of_arrays(*(part.arrays for part in parts)) == digest
        for part in parts:
            part.release()
    for reader in readers:
        reader.close()


def test_the_slices_of_two_ranks_make_up_the_batch_of_one_daemon(data: Path, on_one_machine: list[bytes]) -> None:
    halves = {"batch_size": 16, "world_size": 2}
    with served(data, makers=2, **halves) as deployment:
        assert_joined_batches(deployment, on_one_machine[:10])


def test_two_nodes_that_train_have_feeders_and_makers_of_their_own(data: Path, on_one_machine: list[bytes]) -> None:
    import ray

    nodes = sorted(node["NodeID"] for node in ray.nodes() if node["Alive"])[:2]
    halves = {"batch_size": 16, "world_size": 2, "trainers": nodes}
    with served(data, makers=1, **halves) as deployment:
        ranks = deployment.status()["ranks"]
        assert [rank["node"] for rank in ranks] == nodes
        first, second = ({maker["name"] for maker in rank["makers"]} for rank in ranks)
        assert len(first) == len(second) == 1
        assert not first & second
        assert_joined_batches(deployment, on_one_machine[:6])


def test_a_trainer_seeks_and_resumes_as_with_one_daemon(data: Path, on_one_machine: list[bytes]) -> None:
    with served(data, makers=2) as deployment:
        with deployment.attach(start=0) as reader:
            assert digests(reader, 3) == on_one_machine[:3]
            reader.seek(30)
            assert digests(reader, 4) == on_one_machine[30:34]
            reader.seek(1)
            assert digests(reader, 2) == on_one_machine[1:3]
            state = json.loads(json.dumps(reader.state_dict()))
        assert state["batch"] == 3
    # The checkpoint of a cluster goes on with one daemon, and the other way round.
    with sassl.serve(data, **SETTINGS, workers_count=2) as reader:
        reader.load_state_dict(state)
        assert digests(reader, 3) == on_one_machine[3:6]
        state = reader.state_dict()
    with served(data, makers=2) as deployment, deployment.attach(start=0) as reader:
        reader.load_state_dict(state)
        assert digest_of(reader.next(timeout=60)) == on_one_machine[6]


def test_a_ring_whose_file_is_removed_is_made_anew(data: Path, on_one_machine: list[bytes]) -> None:
    with served(data, makers=1) as deployment, deployment.attach(start=0) as reader:
        assert digests(reader, 2) == on_one_machine[:2]
        (Path(deployment.directory) / f"sassl.{deployment.name}.0").unlink()
        assert digests(reader, 10) == on_one_machine[2:12]


def test_instructions_can_be_pinned_on_every_node(data: Path, on_one_machine: list[bytes]) -> None:
    with served(data, makers=2, cpu_path="portable") as deployment, deployment.attach(start=0) as reader:
        (rank,) = deployment.status()["ranks"]
        assert {maker["cpu_path"] for maker in rank["makers"]} == {"portable"}
        made = digests(reader, 3)
    assert made == on_one_machine[:3]


def test_makers_on_different_instructions_are_told_where_it_matters(data: Path, cluster: Any) -> None:
    with served(data, makers=1, style_model=str(TINY_MODEL)) as deployment, deployment.attach(start=0) as reader:
        if reader.information.cpu_path == "portable":
            pytest.skip("this processor has the portable instructions alone")
        deployment.plan.environment["SASSL_CPU"] = "portable"
        added = deployment.add_maker()

        def paths() -> dict[str, str]:
            (rank,) = deployment.status()["ranks"]
            return {maker["name"]: maker["cpu_path"] for maker in rank["makers"] if maker["state"] == "running"}

        eventually(lambda: len(paths()) == 2, "the second maker runs")
        assert paths()[added] == "portable"
        said = f"{added} on "
        logs = Path(cluster.head_node.get_session_dir_path()) / "logs"
        eventually(
            lambda: any(
                "different vector instructions" in text and said in text
                for text in (file.read_text(errors="replace") for file in logs.glob("worker-*.out"))
            ),
            "the feeder's log says who runs on what",
        )
        # The draws are the same: what differs are single values of stylized views.
        digests(reader, 6)


def test_makers_are_started_as_long_as_the_trainer_waits(data: Path, on_one_machine: list[bytes]) -> None:
    with served(data) as deployment, deployment.attach(start=0, verify=True) as reader:

        def makers() -> int:
            if reader.position + 4 > len(on_one_machine):
                reader.seek(0)
            start = reader.position
            assert digests(reader, 4) == on_one_machine[start : start + 4]
            (rank,) = deployment.status()["ranks"]
            return sum(maker["state"] == "running" for maker in rank["makers"])

        assert makers() == 1
        eventually(lambda: makers() > 1, "another maker runs", seconds=120)


def test_a_maker_is_added_only_where_one_node_has_its_cores(
    data: Path, on_one_machine: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from sassl.ray import deployment as module

    class Guest:
        def is_there(self) -> bool:
            return True

    # Half of each node that does not train: together they have the cores of one maker.
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    guests = [
        ray.remote(Guest)
        .options(num_cpus=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        .remote()
        for node in others
    ]
    ray.get([guest.is_there.remote() for guest in guests])
    eventually(lambda: ray.available_resources().get("CPU") == 4, "the guests have their cores")
    monkeypatch.setattr(module, "_SCALING_SECONDS", 0.2)
    with served(data, cpus=2) as deployment, deployment.attach(start=0, verify=True) as reader:

        def makers() -> list[str]:
            """Reads as fast as it can, and says in which states the makers are."""
            if reader.position + 8 > len(on_one_machine):
                reader.seek(0)
            start = reader.position
            assert digests(reader, 8) == on_one_machine[start : start + 8]
            (rank,) = deployment.status()["ranks"]
            starved.append(rank["ring"]["trainer_starved_percent"])
            return [maker["state"] for maker in rank["makers"]]

        starved: list[float] = []
        eventually(lambda: makers() and starved[-1] > 10, "the trainer waits")
        assert [makers() for _ in range(20)] == [["running"]] * 20
        for guest in guests:
            ray.kill(guest)
        eventually(lambda: makers().count("running") > 1, "another maker runs as soon as a node has the cores")


def test_a_number_of_makers_that_was_chosen_outlives_who_was_told(data: Path) -> None:
    from sassl.ray.deployment import Deployment, configuration_of, planned

    plan = planned(
        configuration_of(data, settings={**SETTINGS, "stream_name": "chosen"}),
        makers=None,
        slices=None,
        cpus=1,
        trainers=None,
        cpu_path=None,
    )

    def scales() -> bool:
        """Whether makers are started and ended by need."""
        return "scaling" in {thread.name for thread in threading.enumerate()}

    deployment = Deployment(plan, detached=True)
    try:
        deployment.start()
        deployment.wait()
        assert scales()
        deployment.scale(2)
        assert not scales()
        # As in a coordinator that was killed.
        deployment = Deployment(plan, detached=True)
        deployment.start()
        assert not scales()

        def states() -> list[str]:
            (rank,) = deployment.status()["ranks"]
            return [maker["state"] for maker in rank["makers"]]

        eventually(lambda: states() == ["running"] * 2, "both makers run")
    finally:
        deployment.close()
    later = Deployment(plan, detached=True)
    try:
        later.start()
        assert scales(), "what was chosen counts for the next stream of the same name"
    finally:
        later.close()
    eventually(lambda: not left_behind(), "makers leave nothing behind")


def test_a_trainers_ring_that_does_not_fit_into_memory_is_told(data: Path) -> None:
    # Some 200 GB.
    too_large = {"side": 512, "slots": 4096, "style_enabled": False}
    words = "rank 0 cannot be fed: .* no room for the ring"
    with pytest.raises(sassl.SasslError, match=words), served(data, makers=1, **too_large):
        pass
    eventually(lambda: not left_behind(), "makers leave nothing behind")
