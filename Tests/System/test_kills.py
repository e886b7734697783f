"""kill -9 of real processes, at every named step of the protocol and at random moments.

`--kills` says how often; without it this is short. Every test runs twice: with a small program on the ring's C
library, which is quick to start again, and with `sassld` itself.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picture_files import write_good
from process_pair import PRODUCER_STEPS, READER_STEPS, DaemonSource, Failpoint, LibrarySource, ProcessPair
from reliability import Table
from workplace import Size, Workplace

pytestmark = pytest.mark.reliability

SEEKS = ("SEEK_TARGETED", "SEEK_REQUESTED")

#: Makes a pair with so many slots and a reader of such a policy.
MakePair = Callable[[int, str], ProcessPair]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_good(folder, 70)
    return folder


@pytest.fixture(params=["library", "sassld"])
def make_pair(
    request: pytest.FixtureRequest, directory: str, workplace: Workplace, data: Path, tmp_path: Path
) -> Iterator[MakePair]:
    pairs: list[ProcessPair] = []

    def make(slots: int, policy: str) -> ProcessPair:
        source = (
            LibrarySource(directory, slots)
            if request.param == "library"
            # A daemon's ring has at least two slots.
            else DaemonSource(workplace, data, Size(8, 32), max(slots, 2))
        )
        pairs.append(ProcessPair(source, tmp_path, policy))
        return pairs[-1]

    yield make
    for pair in pairs:
        pair.kill_everything()


def victim_name(pair: ProcessPair) -> str:
    """How the producer is called in the table."""
    return "the daemon" if isinstance(pair.source, DaemonSource) else "a producer on the C library"


@pytest.mark.parametrize("policy", ["checkpoint", "continue"])
@pytest.mark.parametrize("slots", [1, 3])
def test_killed_at_random_moments_the_stream_is_that_of_an_undisturbed_run(
    make_pair: MakePair, slots: int, policy: str, kills: int, table: Table
) -> None:
    pair = make_pair(slots, policy)
    chance = random.Random(f"{policy} {slots}")
    pair.wait_for_more(1)
    for kill in range(max(1, kills // 4)):
        # Any moment will do, and a different one each time: of the work, or of a start that is not over yet.
        pair.restart_dead()
        time.sleep(chance.uniform(0, 0.4 if kill % 3 == 2 else 0.03))
        what = "both" if kill % 5 == 4 else chance.choice(["producer", "reader"])
        for role, victim in (("producer", pair.producer), ("reader", pair.reader)):
            if what in (role, "both"):
                assert victim is not None
                victim.kill()
                victim.wait()
        name = {"both": f"{victim_name(pair)} and its reader", "producer": victim_name(pair), "reader": "the reader"}
        pair.provoked(f"kill -9 of {name[what]} at a random moment")
        if kill % 3 != 1:
            pair.wait_for_more(1)
    pair.wait_for_more(10)
    pair.finish()
    pair.check(table)


@pytest.mark.parametrize("step", [*PRODUCER_STEPS, "PICTURES_HALF_WRITTEN", "INDEX_HALF_WRITTEN"])
def test_a_producer_killed_at_any_step_is_replaced_without_loss(
    make_pair: MakePair, step: str, kills: int, table: Table
) -> None:
    pair = make_pair(2, "checkpoint")
    if step not in PRODUCER_STEPS and not isinstance(pair.source, DaemonSource):
        pytest.skip("only the daemon has pictures and an index")
    pair.start_producer()
    reader = pair.start_reader()
    pair.wait_for_more(3)
    # A first one dies anyhow, so that the one that dies at the step finds a predecessor.
    assert pair.producer is not None
    for count in range(1, 2 + kills // 100):
        pair.producer.kill()
        pair.producer.wait()
        pair.provoked(f"kill -9 of {victim_name(pair)} at a random moment")
        # What happens once in a life, or once for a signal, cannot be awaited twice.
        once = step.startswith(("SEGMENT", "SEEK")) or step == "CLOSED"
        producer = pair.start_producer(Failpoint(step, 1 if once else count))
        if step.startswith("SEEK"):
            reader.send_signal(signal.SIGUSR1)  # seeks away and back
        if step == "CLOSED":
            pair.wait_for_more(1)
            producer.send_signal(signal.SIGTERM)
        assert producer.wait(timeout=60) == -signal.SIGKILL
        pair.provoked(f"kill -9 of {victim_name(pair)} at a named step")
        pair.wait_for_more(10)
    pair.finish()
    assert pair.deaths["reader"] == 0
    pair.check(table)


@pytest.mark.parametrize("step", READER_STEPS)
def test_a_reader_killed_at_any_step_loses_no_slot(make_pair: MakePair, step: str, kills: int, table: Table) -> None:
    pair = make_pair(2, "checkpoint")
    pair.start_producer()
    pair.start_reader()
    pair.wait_for_more(3)
    assert pair.reader is not None
    for count in range(1, 2 + kills // 100):
        pair.reader.kill()
        pair.reader.wait()
        pair.provoked("kill -9 of the reader at a random moment")
        reader = pair.start_reader(Failpoint(step, 1 if step in ("ATTACHED", *SEEKS) else count))
        if step in SEEKS:
            pair.wait_for_more(1)
            reader.send_signal(signal.SIGUSR1)
        assert reader.wait(timeout=60) == -signal.SIGKILL
        pair.provoked("kill -9 of the reader at a named step")
        pair.wait_for_more(10)
    pair.finish()
    pair.check(table)


def test_a_stopped_reader_or_producer_only_delays(make_pair: MakePair, kills: int, table: Table) -> None:
    pair = make_pair(2, "checkpoint")
    pair.start_producer()
    pair.start_reader()
    chance = random.Random(1)
    for _ in range(1 + kills // 20):
        for name, victim in ((victim_name(pair), pair.producer), ("the reader", pair.reader)):
            pair.wait_for_more(3)
            assert victim is not None
            victim.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, victim.pid, os.WSTOPPED | os.WNOWAIT)
            time.sleep(chance.uniform(0, 0.3))
            victim.send_signal(signal.SIGCONT)
            pair.provoked(f"SIGSTOP and SIGCONT of {name}")
    pair.wait_for_more(3)
    assert pair.deaths == {"producer": 0, "reader": 0}
    pair.finish()
    pair.check(table)
