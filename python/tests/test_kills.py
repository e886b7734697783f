"""kill -9 of real processes, at every named step of the protocol and at random moments.

The default numbers keep this short; `SASSL_KILLS=300 pytest tests/test_kills.py` is the long version.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = int(os.environ.get("SASSL_KILLS", "16"))
HEADER = Path(__file__).parent.parent / "ring" / "include" / "sassl_ring.h"
STEPS = {name: int(value) for name, value in re.findall(r"SASSL_RING_STEP_(\w+) = (\d+)", HEADER.read_text())}
PRODUCER_STEPS = [step for name, step in STEPS.items() if step <= STEPS["CLOSED"]]
CONSUMER_STEPS = [step for name, step in STEPS.items() if step > STEPS["CLOSED"]]


class Cast:
    """A producer and a reader as processes, started again whenever they are dead, as systemd and a cluster do."""

    def __init__(self, directory: str, here: Path, policy: str, slots: int) -> None:
        self.directory, self.here, self.policy, self.slots = directory, here, policy, slots
        self.log = Path(directory, "log")
        self.log.touch()
        self.producer: subprocess.Popen[str] | None = None
        self.reader: subprocess.Popen[str] | None = None
        self.deaths = {"producer": 0, "reader": 0}

    def _start(self, script: str, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.here / script), *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )

    def start_producer(self, step: int = 0, occurrence: int = 1) -> None:
        self.producer = self._start(
            "producing.py", self.directory, "test", "--slots", self.slots, "--die-at", step, "--occurrence", occurrence
        )

    def start_reader(self, step: int = 0, occurrence: int = 1) -> None:
        self.reader = self._start(
            "reading.py", self.directory, "test", self.log, "--policy", self.policy, "--die-at", step,
            "--occurrence", occurrence,
        )  # fmt: skip

    def revive(self) -> None:
        for role, process, start in (
            ("producer", self.producer, self.start_producer),
            ("reader", self.reader, self.start_reader),
        ):
            if process is None or process.poll() is not None:
                if process is not None:
                    assert process.returncode == -signal.SIGKILL, f"{role} ended by itself with {process.returncode}"
                    self.deaths[role] += 1
                    assert process.stdout is not None
                    process.stdout.close()
                start()

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def wait_for_lines(self, count: int, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while len(self.lines()) < count:
            assert time.monotonic() < deadline, f"stuck at {len(self.lines())} of {count} batches"
            self.revive()
            time.sleep(0.002)

    def stop(self) -> None:
        for process in (self.reader, self.producer):
            if process is not None:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=60) in (0, -signal.SIGKILL)
                assert process.stdout is not None
                process.stdout.close()
        # A producer that was killed last leaves its file for the next one, which then ends properly.
        self.start_producer()
        assert self.producer is not None
        assert self.producer.stdout is not None
        assert self.producer.stdout.readline() == "ready\n"
        self.producer.send_signal(signal.SIGTERM)
        assert self.producer.wait(timeout=60) == 0
        self.producer.stdout.close()

    def check(self) -> None:
        """What the reader logged is the undisturbed stream."""
        numbers = [int(line.split()[0]) for line in self.lines()]
        assert all(line.endswith(" intact") for line in self.lines())
        if self.policy == "continue":
            # Without a checkpoint, what was logged but not yet released when the reader died comes again, right away.
            once = [number for number, _ in itertools.groupby(numbers)]
            assert len(numbers) - len(once) <= self.deaths["reader"]
            numbers = once
        assert numbers == list(range(len(numbers)))
        assert [name for name in os.listdir(self.directory) if name.startswith("sassl")] == []


@pytest.mark.parametrize("policy", ["checkpoint", "continue"])
@pytest.mark.parametrize("slots", [1, 3])
def test_killed_at_random_moments_the_stream_is_that_of_an_undisturbed_run(
    directory: str, here: Path, policy: str, slots: int
) -> None:
    cast = Cast(directory, here, policy, slots)
    chance = random.Random(f"{policy} {slots}")
    try:
        for kill in range(max(1, KILLS // 4)):
            cast.revive()
            cast.wait_for_lines(len(cast.lines()) + 1)
            time.sleep(chance.uniform(0, 0.03))
            victims = [cast.producer, cast.reader] if kill % 5 == 4 else [chance.choice([cast.producer, cast.reader])]
            for victim in victims:
                assert victim is not None
                victim.kill()
                victim.wait()
        cast.wait_for_lines(len(cast.lines()) + 10)
    finally:
        cast.stop()
    cast.check()
    print(f"{sum(cast.deaths.values())} kills, {len(cast.lines())} batches")


@pytest.mark.parametrize("step", PRODUCER_STEPS)
def test_a_producer_killed_at_any_step_is_replaced_without_loss(directory: str, here: Path, step: int) -> None:
    cast = Cast(directory, here, "checkpoint", 2)
    try:
        cast.start_producer()
        cast.start_reader()
        cast.wait_for_lines(3)
        assert cast.producer is not None
        assert cast.reader is not None
        # A first one dies anyhow, so that the one that dies at the step finds a predecessor.
        cast.producer.kill()
        cast.producer.wait()
        cast.start_producer(step)
        if step in (STEPS["SEEK_NOTED"], STEPS["SEEK_ACKNOWLEDGED"]):
            cast.reader.send_signal(signal.SIGUSR1)  # seeks away and back
        if step == STEPS["CLOSED"]:
            assert cast.producer.stdout is not None
            assert cast.producer.stdout.readline() == "ready\n"
            cast.producer.send_signal(signal.SIGTERM)
        assert cast.producer.wait(timeout=60) == -signal.SIGKILL
        cast.wait_for_lines(len(cast.lines()) + 10)
    finally:
        cast.stop()
    cast.check()
    assert cast.deaths["reader"] == 0


@pytest.mark.parametrize("step", CONSUMER_STEPS)
def test_a_reader_killed_at_any_step_loses_no_slot(directory: str, here: Path, step: int) -> None:
    cast = Cast(directory, here, "checkpoint", 2)
    try:
        cast.start_producer()
        cast.start_reader()
        cast.wait_for_lines(3)
        assert cast.reader is not None
        cast.reader.kill()
        cast.reader.wait()
        cast.start_reader(step)
        if step in (STEPS["SEEK_TARGETED"], STEPS["SEEK_REQUESTED"]):
            cast.wait_for_lines(len(cast.lines()) + 1)
            cast.reader.send_signal(signal.SIGUSR1)
        assert cast.reader.wait(timeout=60) == -signal.SIGKILL
        cast.wait_for_lines(len(cast.lines()) + 10)
    finally:
        cast.stop()
    cast.check()


def test_a_stopped_reader_or_producer_only_delays(directory: str, here: Path) -> None:
    cast = Cast(directory, here, "checkpoint", 2)
    try:
        cast.start_producer()
        cast.start_reader()
        for victim in (cast.producer, cast.reader):
            cast.wait_for_lines(len(cast.lines()) + 3)
            assert victim is not None
            victim.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, victim.pid, os.WSTOPPED | os.WNOWAIT)
            victim.send_signal(signal.SIGCONT)
        cast.wait_for_lines(len(cast.lines()) + 3)
        assert cast.deaths == {"producer": 0, "reader": 0}
    finally:
        cast.stop()
    cast.check()
