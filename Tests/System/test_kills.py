"""kill -9 of real processes, at every named step of the protocol and at random moments.

`--kills` says how often; without it this is short. Every play is given twice: with a small program on the ring's C
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

from cast import PRODUCER_STEPS, READER_STEPS, Cast, DaemonSource, Death, LibrarySource
from conftest import Size, Workplace
from picture_files import write_good
from reliability import Table

pytestmark = pytest.mark.reliability

SEEKS = ("SEEK_TARGETED", "SEEK_REQUESTED")

#: Makes a cast with so many slots and a reader of such a policy.
Casting = Callable[[int, str], Cast]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_good(folder, 70)
    return folder


@pytest.fixture(params=["library", "sassld"])
def casting(
    request: pytest.FixtureRequest, directory: str, workplace: Workplace, data: Path, tmp_path: Path
) -> Iterator[Casting]:
    casts: list[Cast] = []

    def make(slots: int, policy: str) -> Cast:
        source = (
            LibrarySource(directory, slots)
            if request.param == "library"
            # A daemon's ring has at least two slots.
            else DaemonSource(workplace, data, Size(8, 32), max(slots, 2))
        )
        casts.append(Cast(source, tmp_path, policy))
        return casts[-1]

    yield make
    for cast in casts:
        cast.kill_everything()


def victim_name(cast: Cast) -> str:
    """How the producer is called in the table."""
    return "the daemon" if isinstance(cast.source, DaemonSource) else "a producer on the C library"


@pytest.mark.parametrize("policy", ["checkpoint", "continue"])
@pytest.mark.parametrize("slots", [1, 3])
def test_killed_at_random_moments_the_stream_is_that_of_an_undisturbed_run(
    casting: Casting, slots: int, policy: str, kills: int, table: Table
) -> None:
    cast = casting(slots, policy)
    chance = random.Random(f"{policy} {slots}")
    cast.wait_for_more(1)
    for kill in range(max(1, kills // 4)):
        # Any moment will do, and a different one each time: of the work, or of a start that is not over yet.
        cast.revive()
        time.sleep(chance.uniform(0, 0.4 if kill % 3 == 2 else 0.03))
        what = "both" if kill % 5 == 4 else chance.choice(["producer", "reader"])
        for role, victim in (("producer", cast.producer), ("reader", cast.reader)):
            if what in (role, "both"):
                assert victim is not None
                victim.kill()
                victim.wait()
        name = {"both": f"{victim_name(cast)} and its reader", "producer": victim_name(cast), "reader": "the reader"}
        cast.provoked(f"kill -9 of {name[what]} at a random moment")
        if kill % 3 != 1:
            cast.wait_for_more(1)
    cast.wait_for_more(10)
    cast.finish()
    cast.check(table)


@pytest.mark.parametrize("step", [*PRODUCER_STEPS, "PICTURES_HALF_WRITTEN", "INDEX_HALF_WRITTEN"])
def test_a_producer_killed_at_any_step_is_replaced_without_loss(
    casting: Casting, step: str, kills: int, table: Table
) -> None:
    cast = casting(2, "checkpoint")
    if step not in PRODUCER_STEPS and not isinstance(cast.source, DaemonSource):
        pytest.skip("only the daemon has pictures and an index")
    cast.start_producer()
    reader = cast.start_reader()
    cast.wait_for_more(3)
    # A first one dies anyhow, so that the one that dies at the step finds a predecessor.
    assert cast.producer is not None
    for arrival in range(1, 2 + kills // 100):
        cast.producer.kill()
        cast.producer.wait()
        cast.provoked(f"kill -9 of {victim_name(cast)} at a random moment")
        # What happens once in a life, or once for a signal, cannot be awaited twice.
        once = step.startswith(("SEGMENT", "SEEK")) or step == "CLOSED"
        producer = cast.start_producer(Death(step, 1 if once else arrival))
        if step.startswith("SEEK"):
            reader.send_signal(signal.SIGUSR1)  # seeks away and back
        if step == "CLOSED":
            cast.wait_for_more(1)
            producer.send_signal(signal.SIGTERM)
        assert producer.wait(timeout=60) == -signal.SIGKILL
        cast.provoked(f"kill -9 of {victim_name(cast)} at a named step")
        cast.wait_for_more(10)
    cast.finish()
    assert cast.deaths["reader"] == 0
    cast.check(table)


@pytest.mark.parametrize("step", READER_STEPS)
def test_a_reader_killed_at_any_step_loses_no_slot(casting: Casting, step: str, kills: int, table: Table) -> None:
    cast = casting(2, "checkpoint")
    cast.start_producer()
    cast.start_reader()
    cast.wait_for_more(3)
    assert cast.reader is not None
    for arrival in range(1, 2 + kills // 100):
        cast.reader.kill()
        cast.reader.wait()
        cast.provoked("kill -9 of the reader at a random moment")
        reader = cast.start_reader(Death(step, 1 if step in ("ATTACHED", *SEEKS) else arrival))
        if step in SEEKS:
            cast.wait_for_more(1)
            reader.send_signal(signal.SIGUSR1)
        assert reader.wait(timeout=60) == -signal.SIGKILL
        cast.provoked("kill -9 of the reader at a named step")
        cast.wait_for_more(10)
    cast.finish()
    cast.check(table)


def test_a_stopped_reader_or_producer_only_delays(casting: Casting, kills: int, table: Table) -> None:
    cast = casting(2, "checkpoint")
    cast.start_producer()
    cast.start_reader()
    chance = random.Random(1)
    for _ in range(1 + kills // 20):
        for name, victim in ((victim_name(cast), cast.producer), ("the reader", cast.reader)):
            cast.wait_for_more(3)
            assert victim is not None
            victim.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, victim.pid, os.WSTOPPED | os.WNOWAIT)
            time.sleep(chance.uniform(0, 0.3))
            victim.send_signal(signal.SIGCONT)
            cast.provoked(f"SIGSTOP and SIGCONT of {name}")
    cast.wait_for_more(3)
    assert cast.deaths == {"producer": 0, "reader": 0}
    cast.finish()
    cast.check(table)
