"""Whatever part of a cluster is killed, cut off or wrong: the trainer's batches are those of one machine."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

import ray

import sassl
from ray_cluster import SETTINGS, left_behind, served
from reliability import Provocations
from sassl._producer import Reservation, RingProducer
from sassl.ray import feeder
from sassl.ray.feeder import Feeder, FeederOptions
from sassl.ray.known_makers import NAMESPACE
from sassl.ray.maker import Maker
from sassl.ray.slices import slice_configuration
from streams import digest_of
from workplace import eventually

#: Where `seek_target` is in a ring's header, and after it `seek_requested`.
SEEK_TARGET = 536


@pytest.fixture(autouse=True)
def connected(cluster: Any) -> None:
    """Every test here needs the cluster."""


def read_on(reader: sassl.Reader, expected: list[bytes], count: int) -> None:
    """Reads so many batches, each of which has to be as one machine makes it; at their end, from the first on."""
    if reader.position + count > len(expected):
        reader.seek(0)
    for _ in range(count):
        with reader.next(timeout=120) as batch:
            assert digest_of(batch) == expected[batch.number], batch.number


def makers_of(deployment: Any) -> list[dict[str, Any]]:
    """The makers that run."""
    (rank,) = deployment.status()["ranks"]
    return [maker for maker in rank["makers"] if maker["state"] == "running"]


def daemon_of(process: int) -> int:
    """The `sassld` of the maker with this process number."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    numbers = [int(number) for file in children for number in file.read_text().split()]
    (daemon,) = [number for number in numbers if Path(f"/proc/{number}/comm").read_text().strip() == "sassld"]
    return daemon


class Faults:
    """What can happen to a running stream."""

    def __init__(self, cluster: Any, deployment: Any, draws: random.Random) -> None:
        self._cluster, self._deployment, self._draws = cluster, deployment, draws

    def _maker(self) -> int:
        def running() -> list[int]:
            # What is told of one may be older than its end.
            processes = [maker["process"] for maker in makers_of(self._deployment)]
            return [process for process in processes if Path(f"/proc/{process}").exists()]

        return self._draws.choice(eventually(running, "a maker runs"))

    def kill_maker(self) -> None:
        """kill -9 of a maker"""
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.kill(self._maker(), signal.SIGKILL)

    def kill_daemon(self) -> None:
        """kill -9 of a maker's daemon"""
        with contextlib.suppress(ValueError, OSError):  # it has none at the moment
            os.kill(daemon_of(self._maker()), signal.SIGKILL)

    def kill_both(self) -> None:
        """kill -9 of a maker and its daemon at once"""
        maker = self._maker()
        with contextlib.suppress(ValueError, OSError):
            os.kill(daemon_of(maker), signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(maker, signal.SIGKILL)

    def kill_feeder(self) -> None:
        """kill -9 of the feeder"""
        ranks = eventually(
            lambda: [rank for rank in self._deployment.status()["ranks"] if rank.get("process")], "the feeder answers"
        )
        os.kill(ranks[0]["process"], signal.SIGKILL)

    def remove_node(self) -> None:
        """a node that does not train is lost"""
        # Not gracefully: its processes find out for themselves, or not at all.
        self._cluster.remove_node(self._draws.choice(list(self._cluster.worker_nodes)), allow_graceful=False)

    def mend(self) -> None:
        """Has another node join for one that was lost."""
        if len(self._cluster.worker_nodes) < 2:
            self._cluster.add_node(num_cpus=2, object_store_memory=150 << 20)

    @property
    def all(self) -> list[Callable[[], None]]:
        return [self.kill_maker, self.kill_daemon, self.kill_both, self.kill_feeder, self.remove_node]


@pytest.mark.reliability
def test_parts_of_a_cluster_that_are_killed_at_random_moments_lose_nothing(
    cluster: Any, data: Path, on_one_machine: list[bytes], provoked: Provocations, kills: int
) -> None:
    draws = random.Random(11)
    with served(data, makers=3) as deployment, deployment.attach(start=0, verify=True) as reader:
        faults = Faults(cluster, deployment, draws)
        for round_ in range(kills):
            read_on(reader, on_one_machine, draws.randint(4, 8))
            faults.mend()
            fault = faults.all[round_ % len(faults.all)]
            with provoked(f"Ray: {fault.__doc__}"):
                fault()
        read_on(reader, on_one_machine, 8)
        faults.mend()
        eventually(lambda: len(makers_of(deployment)) == 3, "all makers are back")


def test_a_frozen_maker_holds_nobody_up(data: Path, on_one_machine: list[bytes], provoked: Provocations) -> None:
    with served(data, makers=2) as deployment, deployment.attach(start=0, verify=True) as reader:
        read_on(reader, on_one_machine, 2)
        frozen = makers_of(deployment)[0]["process"]
        with provoked.meanwhile("Ray: a maker is stopped (SIGSTOP)"):
            os.kill(frozen, signal.SIGSTOP)
            try:
                # More than were made ahead: the other one has to make its slices too.
                read_on(reader, on_one_machine, 20)
            finally:
                os.kill(frozen, signal.SIGCONT)
        eventually(lambda: len(makers_of(deployment)) == 2, "it is used again")
        read_on(reader, on_one_machine, 4)


def test_a_slow_maker_gets_fewer_slices(data: Path, on_one_machine: list[bytes]) -> None:
    with served(data, makers=2) as deployment, deployment.attach(start=0, verify=True) as reader:
        read_on(reader, on_one_machine, 2)
        slow = makers_of(deployment)[0]
        daemon = daemon_of(slow["process"])
        # A tenth of a core: a control group would do it too, where one may be made.
        throttle = subprocess.Popen(
            [
                "bash",
                "-c",
                f"while kill -STOP {daemon} && sleep 0.18 && kill -CONT {daemon} && sleep 0.02; do :; done",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:

            def has_fewer() -> bool:
                read_on(reader, on_one_machine, 2)
                shares = {maker["name"]: maker["slices"] for maker in makers_of(deployment)}
                return bool(shares) and shares.get(slow["name"], 0) < max(shares.values())

            eventually(has_fewer, "the fast maker makes more slices than the slow one", seconds=120)
        finally:
            throttle.kill()
            throttle.wait()
            os.kill(daemon, signal.SIGCONT)


def test_makers_join_and_leave_without_a_new_stream(
    data: Path, on_one_machine: list[bytes], provoked: Provocations
) -> None:
    with served(data, makers=1) as deployment, deployment.attach(start=0, verify=True) as reader:
        fingerprint = reader.information.fingerprint
        read_on(reader, on_one_machine, 3)
        with provoked("Ray: a maker joins"):
            joined = deployment.add_maker()
        eventually(lambda: len(makers_of(deployment)) == 2, "the second maker runs")
        read_on(reader, on_one_machine, 10)
        with provoked("Ray: a maker leaves"):
            deployment.remove_maker(joined)
        read_on(reader, on_one_machine, 10)
        assert reader.information.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stream": {"seed": 8}}, "stream.seed was 7 and is 8"),
        ({"dataset": {"exclude": ["good 00*"]}}, "dataset was 70 samples"),
        ({"style": {"model": "other"}}, "style.model was"),
    ],
)
def test_a_maker_of_another_stream_is_refused_by_name(
    data: Path, tmp_path: Path, on_one_machine: list[bytes], change: dict[str, dict[str, Any]], words: str
) -> None:
    if "style" in change:
        change = {"style": {"model": str(other_model(tmp_path))}}
    with served(data, makers=1) as deployment, deployment.attach(start=0, verify=True) as reader:
        read_on(reader, on_one_machine, 2)
        plan = deployment.plan
        (node,) = plan.ranks_of
        configuration = slice_configuration(plan.configuration, plan.division, [0])
        for section, values in change.items():
            configuration[section] = {**configuration[section], **values}
        name = f"{plan.makers_prefix(node)}9"
        stranger = ray.remote(Maker).options(name=name, namespace=NAMESPACE, num_cpus=1).remote(configuration, {})

        def told() -> dict[str, Any]:
            (rank,) = deployment.status()["ranks"]
            refused: list[dict[str, Any]] = [maker for maker in rank["makers"] if maker["state"] == "refused"]
            return refused[0] if refused else {}

        refused = eventually(told, "the maker is refused")
        assert refused["name"] == name
        assert words in refused["detail"]
        read_on(reader, on_one_machine, 8)
        ray.get(stranger.stop.remote())


def test_a_maker_that_cannot_run_keeps_no_other_from_being_started_and_goes_first(
    data: Path, on_one_machine: list[bytes]
) -> None:
    with served(data) as deployment, deployment.attach(start=0, verify=True) as reader:
        (node,) = deployment.plan.ranks_of
        stranger = f"{deployment.plan.makers_prefix(node)}9"
        of_another_seed = dict(deployment.plan.configuration)
        of_another_seed["stream"] = {**of_another_seed["stream"], "seed": 8}
        configuration = slice_configuration(of_another_seed, deployment.plan.division, [0])
        actor = ray.remote(Maker).options(name=stranger, namespace=NAMESPACE, num_cpus=1).remote(configuration, {})

        def states() -> dict[str, str]:
            """Reads as fast as it can, and says in which state each maker is."""
            read_on(reader, on_one_machine, 8)
            (rank,) = deployment.status()["ranks"]
            return {maker["name"]: maker["state"] for maker in rank["makers"]}

        eventually(lambda: states().get(stranger) == "refused", "the maker is refused")
        eventually(lambda: list(states().values()).count("running") > 1, "another maker runs", seconds=120)
        assert stranger in states()
        # It is not the latest one.
        deployment.scale(2)
        eventually(lambda: list(states().values()) == ["running"] * 2, "those that run are kept")
        assert stranger not in states()
        del actor


def feeder_of_ones_own(deployment: Any, name: str) -> Feeder:
    """A feeder in this process, with the makers of a deployment."""
    plan = deployment.plan
    (node,) = plan.ranks_of
    return Feeder(
        FeederOptions(name, 0, (0,), plan.division, deployment.directory, 4, "", makers=plan.makers_prefix(node))
    )


def test_a_ring_that_is_damaged_while_a_batch_is_published_is_made_anew(
    data: Path, on_one_machine: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged: list[int] = []

    class DamagedProducer(RingProducer):
        def publish(self, reservation: Reservation, **batch: Any) -> bool:
            if reservation.number == 6 and not damaged:
                # The next seek of its reader, to a batch that cannot be.
                with ring.open("r+b") as memory:
                    memory.seek(SEEK_TARGET)
                    _, requested = struct.unpack("<QQ", memory.read(16))
                    memory.seek(SEEK_TARGET)
                    memory.write(struct.pack("<QQ", 2**64 - 1, requested + 1))
                damaged.append(ring.stat().st_ino)
            return super().publish(reservation, **batch)

    monkeypatch.setattr(feeder, "RingProducer", DamagedProducer)
    with served(data, makers=1) as deployment:
        ring = Path(deployment.directory) / "sassl.damaged.0"
        own = feeder_of_ones_own(deployment, "damaged")
        try:
            with sassl.attach("damaged", start=0, world_size=1, wait=60, verify=True) as reader:
                read_on(reader, on_one_machine, 12)
            assert damaged and ring.stat().st_ino != damaged[0]
            assert (own.report()["state"], own.report()["detail"]) == ("running", "")
        finally:
            own.stop()


def test_a_feeder_ends_while_its_ring_cannot_be_made_anew(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renewing = threading.Event()

    class HeldProducer(RingProducer):
        held: Reservation | None = None

        def reserve(self, timeout: float = 0.0) -> Reservation | None:
            self.held = self.held or super().reserve(timeout)
            return super().reserve(timeout)

        def renew(self, timeout: float) -> bool:
            renewing.set()
            return super().renew(timeout)

    monkeypatch.setattr(feeder, "RingProducer", HeldProducer)
    with served(data, makers=1) as deployment:
        ring = Path(deployment.directory) / "sassl.held.0"
        own = feeder_of_ones_own(deployment, "held")
        eventually(ring.exists, "the ring is there")
        ring.unlink()
        assert renewing.wait(60)
        stopping = threading.Thread(target=own.stop, daemon=True)
        stopping.start()
        stopping.join(60)
        assert not stopping.is_alive()


def test_a_feeder_whose_ring_cannot_be_made_anew_waits_until_it_can(data: Path) -> None:
    with served(data, makers=1) as deployment:
        ring = Path(deployment.directory) / "sassl.removed.0"
        own = feeder_of_ones_own(deployment, "removed")
        eventually(ring.exists, "the ring is there")

        def is_told(words: str) -> bool:
            return words in own.report()["detail"]

        def put_of_another_user(file: Path) -> None:
            file.touch()
            os.chown(file, 65534, 65534)

        obstacles: list[tuple[str, Callable[[Path], None], Callable[[Path], None]]] = [
            ("has taken the place of the ring", Path.mkdir, Path.rmdir),
            ("belongs to user", put_of_another_user, Path.unlink),
        ]
        # As where shared memory is full: no file may have so many bytes.
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            ring.unlink()
            eventually(functools.partial(is_told, "cannot be made anew yet"), "what is lacking is told")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        eventually(ring.exists, "the ring is back")
        with sassl.attach("removed", directory=deployment.directory, start=0) as reader:
            for words, put, take_away in obstacles:
                ring.unlink()
                put(ring)
                eventually(functools.partial(is_told, words), "what is in the way is told")
                # More than the ring holds.
                for _ in range(6):
                    reader.next(timeout=60)
                take_away(ring)
                eventually(ring.exists, "the ring is back")
                eventually(lambda: own.report()["detail"] == "", "nothing is in the way")
                reader.next(timeout=60)
        own.stop()


def other_model(folder: Path) -> Path:
    """The embedded model with one weight changed."""
    original = Path(__file__).parents[2] / "Sources" / "CEmbeddedModel" / "model.safetensors"
    content = bytearray(original.read_bytes())
    content[-1] ^= 1
    file = folder / "other.safetensors"
    file.write_bytes(content)
    return file


DRIVER = """
import sys, time
import ray, sassl.ray
address, data, settings = sys.argv[1], sys.argv[2], eval(sys.argv[3])
ray.init(address=address, log_to_driver=False)
serving = sassl.ray.serve(data, makers=2, cpus=1, **settings)
print("ready", flush=True)
time.sleep(600)
"""


def test_a_driver_that_is_killed_takes_everything_along_and_its_successor_goes_on(
    cluster: Any, data: Path, on_one_machine: list[bytes], provoked: Provocations
) -> None:
    command = [sys.executable, "-c", DRIVER, cluster.address, str(data), repr({**SETTINGS, "stream_name": "driven"})]

    def driver() -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    first = driver()
    try:
        with sassl.attach("driven", start=0, world_size=1, daemon_timeout=120, verify=True) as reader:
            read_on(reader, on_one_machine, 5)
            with provoked("Ray: kill -9 of the driver, and another one starts"):
                first.kill()
                first.wait()
            eventually(lambda: not left_behind(), "its makers leave nothing behind")
            first = driver()
            read_on(reader, on_one_machine, 10)
    finally:
        first.kill()
        first.wait()
    eventually(lambda: not Path("/dev/shm/sassl.driven.0").exists(), "the ring goes when nobody reads it any more")
    eventually(lambda: not left_behind(), "its makers leave nothing behind")
