"""A long run: nothing grows, and every batch is what it should be. `--soak-minutes` says how long.

The pictures are tiny, so that a batch takes a millisecond and hours of training pass in minutes. Meanwhile the reader
leaves and comes back, seeks to batches that it has seen and compares them, the configuration is read again, and
somebody asks for the status.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
import random
import signal
import statistics
import time
from typing import TYPE_CHECKING

import pytest

import sassl
from picture_files import write_good
from reliability import Table
from streams import digest_of
from workplace import Size

if TYPE_CHECKING:
    from workplace import Daemon, Workplace

pytestmark = pytest.mark.reliability

#: How much resident memory may differ between two parts of a run. Over the millions of batches of a long one that is a
#: byte or so each, so nothing that is kept of a batch goes unnoticed.
ALLOWED_GROWTH_BYTES = 8 << 20
#: Between digests that are remembered, seeks to them, and attaching anew.
REMEMBER_EVERY, SEEK_EVERY, ATTACH_EVERY = 997, 5_000, 20_000


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process holds."""

    resident_bytes: int
    descriptors: int
    threads: int

    @staticmethod
    def of(process: int) -> Usage:
        folder = pathlib.Path(f"/proc/{process}")
        pages = int((folder / "statm").read_text().split()[1])
        descriptors, threads = (len(list((folder / part).iterdir())) for part in ("fd", "task"))
        return Usage(pages * os.sysconf("SC_PAGESIZE"), descriptors, threads)


def assert_no_growth(who: str, samples: list[Usage]) -> str:
    """Compares the last quarter with the second one, the first being for warming up; returns what to tell."""
    quarter = len(samples) // 4
    # Medians, because a descriptor that is open for the moment of reading a file is no growth.
    early, late = (
        Usage(*(int(statistics.median(values)) for values in zip(*map(dataclasses.astuple, part), strict=True)))
        for part in (samples[quarter : 2 * quarter], samples[-quarter:])
    )
    told = (
        f"{who}: memory {early.resident_bytes / 2**20:.1f} -> {late.resident_bytes / 2**20:.1f} MiB, "
        f"descriptors {early.descriptors} -> {late.descriptors}, threads {early.threads} -> {late.threads}"
    )
    assert late.resident_bytes <= early.resident_bytes + ALLOWED_GROWTH_BYTES, told
    assert late.descriptors <= early.descriptors, told
    # The number of workers goes up and down by one all the time.
    assert late.threads <= early.threads + 1, told
    return told


class Disturbance:
    """What else goes on: the configuration is read again with other workers, and somebody asks for the status."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._workers = itertools.cycle([3, 2])

    def happen(self) -> None:
        text = self._daemon.configuration.read_text()
        head, _, tail = text.partition("[workers]\ncount = ")
        self._daemon.configuration.write_text(f"{head}[workers]\ncount = {next(self._workers)}{tail[1:]}")
        self._daemon.process.send_signal(signal.SIGHUP)
        status = self._daemon.status()
        assert (status["state"], status["index"], status["quarantined_files"]) == ("running", "ok", 0)


def test_nothing_grows_and_every_batch_is_whole(
    workplace: Workplace, tmp_path: pathlib.Path, soak_minutes: float, table: Table
) -> None:
    data = tmp_path / "data"
    write_good(data, 40, width=24, height=20)
    chance = random.Random(1)
    remembered: dict[int, bytes] = {}
    daemon_usage: list[Usage] = []
    own_usage: list[Usage] = []
    batches = repeated = 0
    longest = 0.0
    with workplace.daemon(
        data, Size(2, 16), style__probability=0.02, style__group=2, ring__slots=16, index__window_batches=100
    ) as daemon:
        disturbance = Disturbance(daemon)
        ring = sassl.attach(daemon.name, start=0, verify=True)
        began = last = sampled = disturbed = told = time.monotonic()
        while last - began < soak_minutes * 60:
            with ring.next(timeout=60) as batch:
                assert batch.number == batches
                if batches % REMEMBER_EVERY == 0:
                    remembered[batches] = digest_of(batch)
            batches += 1
            now = time.monotonic()
            # What happens between two batches, seeks and reattaching included, is what a trainer would wait for.
            longest = max(longest, now - last)
            last = now
            if now - sampled >= soak_minutes / 4:
                sampled = now
                daemon_usage.append(Usage.of(daemon.process.pid))
                own_usage.append(Usage.of(os.getpid()))
            if now - disturbed >= 1:
                disturbed = now
                disturbance.happen()
            if batches % SEEK_EVERY == 0:
                number = chance.choice(list(remembered))
                ring.seek(number)
                with ring.next(timeout=60) as batch:
                    assert (batch.number, digest_of(batch)) == (number, remembered[number])
                ring.seek(batches)
                repeated += 1
            if batches % ATTACH_EVERY == 0:
                ring.close()
                ring = sassl.attach(daemon.name, start="continue", verify=True)
                assert ring.position == batches
            if now - told >= 10:
                told = now
                print(
                    f"soak: {(now - began) / 60:.1f} of {soak_minutes} min, {batches:,} batches, "
                    f"{batches / (now - began):.0f}/s, {daemon_usage[-1]}",
                    flush=True,
                )
        ring.close()
    growth = [assert_no_growth("daemon", daemon_usage), assert_no_growth("reader", own_usage)]
    table.note(
        f"Soak: {batches:,} batches in {(last - began) / 60:.1f} min, every checksum right and none missing, "
        f"{repeated} of them read a second time and equal; longest time without a batch {longest:.2f} s; "
        + "; ".join(growth)
    )
