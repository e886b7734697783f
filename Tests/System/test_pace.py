"""`sasslctl status` on daemons that are too fast or too slow in known ways: who is how fast, and what to change."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import sassl
from picture_files import write_good
from workplace import PLAIN, Daemon, Size, Workplace, eventually

SIZE = Size(16, 64)
#: One worker needs some hundred times as long for a batch of these as a trainer that only looks at it.
COSTLY: dict[str, Any] = {"views__side": 160, "style__probability": 1.0, "style__beta": [1.0, 1.0]}


@contextlib.contextmanager
def trainer(name: str, work: Callable[[sassl.Batch], None]) -> Iterator[None]:
    """Reads a ring for the length of a `with`, and does `work` with each batch."""
    ended = threading.Event()

    def train() -> None:
        with sassl.attach(name, start=0, wait=60) as ring:
            while not ended.is_set():
                with contextlib.suppress(sassl.BatchTimeoutError), ring.next(timeout=0.2) as batch:
                    work(batch)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def advised(daemon: Daemon, limit: str, holds: Callable[[dict[str, Any]], bool] = lambda pace: True) -> dict[str, Any]:
    """The pace as soon as status says that `limit` is what limits; what it says to people goes with it."""
    seen: list[Any] = []

    def look() -> dict[str, Any]:
        pace: dict[str, Any] = daemon.status().get("pace", {})
        seen[:] = [pace]
        return pace if pace.get("limited_by") == limit and holds(pace) else {}

    try:
        return eventually(look, f"{limit} is what limits")
    except AssertionError as error:
        raise AssertionError(f"{error}: {seen}") from None


def released(daemon: Daemon) -> int:
    """How many batches the trainer has given back."""
    return sum(ring["released_batches"] for ring in daemon.status()["rings"])


def seconds_of_a_batch(daemon: Daemon) -> float:
    """What the workers need for a batch, as they say themselves."""
    rate: float = advised(daemon, "no-trainer", lambda pace: "possible_images_per_second" in pace)[
        "possible_images_per_second"
    ]
    return SIZE.batch / rate


def advises(daemon: Daemon, words: str) -> None:
    """Waits until what it says to people has these words, a regular expression."""
    eventually(
        lambda: re.search(rf"^advice .*{words}", daemon.control("status").stdout, re.MULTILINE), f"it says: {words}"
    )


def slow_disk(folder: pathlib.Path, here: pathlib.Path, where: str) -> Sequence[str]:
    """What a daemon is started through to have a disk where a picture takes 20 ms: `everywhere`, or only on `disk`."""
    library = folder / "slow_files.so"
    subprocess.run(
        ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", library, here / "slow_files.c"],
        check=True,
    )
    settings = {"LD_PRELOAD": library, "SLOW_FILES": ".png", "SLOW_MILLISECONDS": 20, "SLOW_WHERE": where}
    return ["env", *(f"{name}={value}" for name, value in settings.items())]


def forget(file: pathlib.Path) -> None:
    """Has the page cache drop a file."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_forgotten(file: pathlib.Path) -> bool:
    """Whether that can be done to a file here, and seen."""
    forget(file)
    with file.open("rb") as opened:
        try:
            os.preadv(opened.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def test_a_trainer_that_is_slower_leaves_workers_without_work(workplace: Workplace, data: pathlib.Path) -> None:
    with workplace.daemon(data, SIZE, **PLAIN) as daemon, trainer(daemon.name, lambda _: time.sleep(0.5)):
        pace = advised(daemon, "trainer", lambda pace: pace.get("trainer_images_per_second", 0) > 0)
        # At most two batches of 16 a second, whatever else the machine does.
        assert pace["trainer_images_per_second"] <= 34
        assert pace["possible_images_per_second"] > 3 * pace["trainer_images_per_second"]
        assert pace["needed_workers"] == 1
        advises(daemon, "1 of the 2 workers would do")


def test_workers_that_are_slower_are_said_to_be_too_few(workplace: Workplace, data: pathlib.Path) -> None:
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        pytest.skip("there is one core, so that there are never fewer workers than cores")
    with workplace.daemon(data, SIZE, workers__count=1, **COSTLY) as daemon:
        # The trainer could be ten times as fast.
        step = seconds_of_a_batch(daemon) / 10
        with trainer(daemon.name, lambda _: time.sleep(step)):
            # Its first figures are those of a moment.
            pace = advised(
                daemon,
                "workers",
                lambda pace: (
                    "needed_cores" in pace
                    and pace["trainer_images_per_second"] > 2 * pace["possible_images_per_second"]
                ),
            )
            assert pace["needed_cores"] > 1
            advises(daemon, r"raise workers\.count from 1 to \d+")


def test_one_core_for_a_trainer_that_is_faster_is_said_to_be_too_few(workplace: Workplace, data: pathlib.Path) -> None:
    core = str(min(os.sched_getaffinity(0)))
    through = ["taskset", "--cpu-list", core]
    with (
        workplace.daemon(data, SIZE, through, workers__count=1, **COSTLY) as daemon,
        trainer(daemon.name, lambda _: None),
    ):
        advised(daemon, "cores")
        advises(daemon, "Style takes most of the time: add cores")


def test_bursts_are_bridged_by_as_many_slots_as_status_names(workplace: Workplace, data: pathlib.Path) -> None:
    burst, settings = 12, {**PLAIN, "views__side": 160, "workers__count": 1}

    pauses = [0.2]

    @contextlib.contextmanager
    def bursty(slots: int, pause: Callable[[float], float]) -> Iterator[Daemon]:
        """A trainer that takes a burst of batches at once, and then makes a pause, told how long the burst took."""
        began = time.monotonic()

        def work(batch: sassl.Batch) -> None:
            nonlocal began
            if batch.number % burst == burst - 1:
                pauses.append(pause(time.monotonic() - began))
                time.sleep(pauses[-1])
                began = time.monotonic()

        with workplace.daemon(data, SIZE, **settings, ring__slots=slots) as daemon, trainer(daemon.name, work):
            eventually(lambda: released(daemon) > 4 * burst, "some pauses are over")
            yield daemon

    with bursty(2, lambda taken: 2 * taken) as daemon:
        slots = advised(daemon, "slots")["needed_slots"]
        assert slots > 2
        advises(daemon, r"raise ring\.slots from 2 to \d+")
    longest = max(pauses)
    with bursty(max(slots, burst), lambda _: longest) as daemon:
        advised(daemon, "trainer")


def test_a_slow_disk_is_what_is_blamed_once_every_picture_was_read(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, data: pathlib.Path
) -> None:
    through = slow_disk(tmp_path, here, "everywhere")
    with workplace.daemon(data, SIZE, through, **PLAIN) as daemon, trainer(daemon.name, lambda _: None):
        pace = advised(daemon, "disk")
        assert pace["read_wait_microseconds"] > 20_000
        assert pace["read_wait_microseconds"] > 0.5 * pace["worker_microseconds"]
        assert pace["dataset_read_percent"] == 100
        advises(daemon, "put the dataset on a faster disk")


def test_a_cold_page_cache_is_told_from_a_slow_disk(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path
) -> None:
    data = tmp_path / "cold"
    write_good(data, 400)
    for file in data.iterdir():
        forget(file)
    probe = tmp_path / "probe"
    probe.write_bytes(bytes(4096))
    if not is_forgotten(probe):
        pytest.skip("this file system keeps files in memory, or does not say whether it does")
    through = slow_disk(tmp_path, here, "disk")
    with workplace.daemon(data, SIZE, through, **PLAIN) as daemon, trainer(daemon.name, lambda _: None):
        pace = advised(daemon, "cold-cache")
        assert pace["dataset_read_percent"] < 100
        total = sum(file.stat().st_size for file in data.iterdir())
        assert 0.5 * total < pace["dataset_bytes"] < 2 * total
        advises(daemon, "read for the first time")
        # From then on memory has them.
        eventually(lambda: daemon.status()["pace"]["dataset_read_percent"] == 100, "every picture was read")
        eventually(
            lambda: daemon.status()["pace"]["limited_by"] not in ("cold-cache", "disk"), "the disk is not blamed"
        )
