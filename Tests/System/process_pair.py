"""A producer and a reader as processes that die and are started again, as systemd and a cluster do."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import producing
import sassl
from reliability import Table, provocations
from streams import digest_of_arrays, read
from workplace import PROGRAMS, ROOT, Workplace, eventually

if TYPE_CHECKING:
    from workplace import Size

HERE = Path(__file__).parent
PRODUCER = Path(producing.__file__)
HEADER = ROOT / "python" / "ring" / "include" / "sassl_ring.h"
#: The steps of the protocol by name, as the header numbers them.
STEPS = {name: int(value) for name, value in re.findall(r"SASSL_RING_STEP_(\w+) = (\d+)", HEADER.read_text())}
PRODUCER_STEPS = [name for name, step in STEPS.items() if step <= STEPS["CLOSED"]]
READER_STEPS = [name for name, step in STEPS.items() if step > STEPS["CLOSED"]]


@dataclasses.dataclass(frozen=True)
class Failpoint:
    """Where a process is to kill itself: when it reaches a step for the n-th time."""

    step: str
    count: int = 1

    @staticmethod
    def arguments(failpoint: Failpoint | None) -> list[str]:
        """What tells the programs of the tests."""
        return ["--failpoint", f"{STEPS[failpoint.step]}:{failpoint.count}"] if failpoint else []


class Source(Protocol):
    """Who fills the ring."""

    name: str
    directory: str
    slots: int

    def start(self, failpoint: Failpoint | None) -> subprocess.Popen[str]:
        """Starts it as a process."""

    def digests(self, count: int) -> list[str]:
        """The digests of the first batches of the undisturbed stream."""


class LibrarySource:
    """A small program on the ring's C library: quick to start, so that it can die often."""

    name = "test"

    def __init__(self, directory: str, slots: int) -> None:
        self.directory, self.slots = directory, slots

    def start(self, failpoint: Failpoint | None) -> subprocess.Popen[str]:
        program = [sys.executable, str(PRODUCER), self.directory, self.name, "--slots", str(self.slots)]
        return subprocess.Popen([*program, *Failpoint.arguments(failpoint)], text=True)

    def digests(self, count: int) -> list[str]:
        return [digest_of_arrays(producing.expected(number)).hex() for number in range(count)]


class DaemonSource:
    """`sassld` itself."""

    directory = "/dev/shm"

    def __init__(self, workplace: Workplace, data: Path, size: Size, slots: int) -> None:
        self._workplace, self._data, self._size, self.slots = workplace, data, size, slots
        self.name, self._configuration = workplace.configure(data, size, ring__slots=slots)

    def start(self, failpoint: Failpoint | None) -> subprocess.Popen[str]:
        environment = dict(os.environ)
        if failpoint:
            first, *others = failpoint.step.lower().split("_")
            environment["SASSL_FAILPOINT"] = f"{first}{''.join(map(str.capitalize, others))}:{failpoint.count}"
        log = self._workplace.folder / f"{self.name}.log"
        with log.open("ab") as errors:
            return subprocess.Popen(
                [PROGRAMS / "sassld", "--config", self._configuration], env=environment, stderr=errors, text=True
            )

    def digests(self, count: int) -> list[str]:
        with self._workplace.daemon(self._data, self._size, ring__slots=self.slots) as undisturbed:
            return [digest.hex() for digest in read(undisturbed.name, 0, count)]


@dataclasses.dataclass
class Line:
    """What the reader logs of a batch that it is done with."""

    number: int
    digest: str
    #: When, on the clock of `time.monotonic_ns`.
    at: int


class ProcessPair:
    """A producer and its reader, and the log that the reader leaves."""

    def __init__(self, source: Source, folder: Path, policy: str) -> None:
        """
        :param folder: for the log.
        :param policy: `checkpoint` for a reader that knows where it was, `continue` for one that trusts the ring.
        """
        self.source, self.policy = source, policy
        self.log = folder / "log"
        self.log.touch()
        self.producer: subprocess.Popen[str] | None = None
        self.reader: subprocess.Popen[str] | None = None
        self.deaths = {"producer": 0, "reader": 0}
        self._provoked: list[tuple[str, int]] = []

    def start_producer(self, failpoint: Failpoint | None = None) -> subprocess.Popen[str]:
        self.producer = self.source.start(failpoint)
        return self.producer

    def start_reader(self, failpoint: Failpoint | None = None) -> subprocess.Popen[str]:
        program = [sys.executable, str(HERE / "reading.py"), self.source.directory, self.source.name, str(self.log)]
        self.reader = subprocess.Popen(
            [*program, "--policy", self.policy, *Failpoint.arguments(failpoint)],
            env=os.environ | {"PYTHONPATH": str(PRODUCER.parent)},
            text=True,
        )
        return self.reader

    def provoked(self, what: str) -> None:
        """Notes that something has just happened to either side."""
        self._provoked.append((what, time.monotonic_ns()))

    def restart_dead(self) -> None:
        """Starts whoever is dead again."""
        for role, process, start in (
            ("producer", self.producer, self.start_producer),
            ("reader", self.reader, self.start_reader),
        ):
            if process is None or process.poll() is not None:
                if process is not None:
                    assert process.returncode == -signal.SIGKILL, f"{role} ended by itself with {process.returncode}"
                    self.deaths[role] += 1
                start()

    def lines(self) -> list[Line]:
        """What the reader was done with so far."""
        found = []
        # A reader that is killed leaves no half line: each is one write.
        for line in self.log.read_text().splitlines():
            number, digest, at = line.split()
            found.append(Line(int(number), digest, int(at)))
        return found

    def wait_for_more(self, count: int) -> None:
        """Until the reader is done with `count` more batches; restarts whoever is dead meanwhile."""

        def done() -> int:
            # Counted, not read: in a long log that would take longer than the pause that is measured.
            return self.log.read_bytes().count(b"\n")

        wanted = done() + count

        def enough() -> bool:
            self.restart_dead()
            return done() >= wanted

        eventually(enough, f"{wanted} batches are read")

    def finish(self) -> None:
        """Ends both, and looks whether they left everything in order: no slot lost, no file left."""
        assert self.reader is not None
        self.reader.send_signal(signal.SIGTERM)
        assert self.reader.wait(timeout=60) == 0
        assert self.producer is not None
        assert self.producer.poll() is None, "the one that went through it all must be asked, not a new one"
        with sassl.attach(self.source.name, start="continue", directory=self.source.directory, wait=60) as ring:
            eventually(lambda: ring.status.ready == self.source.slots, "every slot can be filled")
            assert ring.status.held == 0
        self.producer.send_signal(signal.SIGTERM)
        assert self.producer.wait(timeout=60) == 0
        assert [file for file in os.listdir(self.source.directory) if self.source.name in file] == []

    def kill_everything(self) -> None:
        """Leaves no process behind, whatever became of the test."""
        for process in (self.reader, self.producer):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def check(self, table: Table) -> None:
        """What the reader logged is the undisturbed stream; the table gets what was provoked and what was wrong."""
        lines = self.lines()
        numbers = [line.number for line in lines]
        repeats = 0
        if self.policy == "continue":
            # Without a checkpoint, what was logged but not yet released when the reader died comes again, right away.
            once = [number for number, _ in itertools.groupby(numbers)]
            repeats = max(0, len(numbers) - len(once) - self.deaths["reader"])
            numbers = once
        undisturbed = self.source.digests(max(numbers) + 1)
        torn = sum(line.digest != undisturbed[line.number] for line in lines)
        lost = len(set(range(len(undisturbed))) - set(numbers))
        repeats += len(numbers) - len(set(numbers))
        table.add(provocations(self._provoked, [line.at for line in lines]), lost + repeats + torn)
        assert (lost, repeats, torn) == (0, 0, 0)
        assert numbers == sorted(numbers)
