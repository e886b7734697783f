"""Disks and networks that fail, limits that are too low: never a file's fault, and never without a word."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import sassl
from failing_files import Failing
from picture_files import write_good
from streams import digests, read, read_until_dry
from surroundings import MOUNTING, may_mount
from workplace import PLAIN, PROGRAMS, ROOT, TINY_MODEL, Workplace, eventually, thread_names

if TYPE_CHECKING:
    from workplace import Size

COUNT = 12


@pytest.fixture
def expected(undisturbed: list[bytes]) -> list[bytes]:
    """The stream undisturbed."""
    return undisturbed[:COUNT]


@pytest.mark.parametrize("error", [errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ETIMEDOUT])
def test_a_network_that_fails_for_a_while_changes_nothing(
    workplace: Workplace,
    tmp_path: pathlib.Path,
    here: pathlib.Path,
    data: pathlib.Path,
    size: Size,
    expected: list[bytes],
    error: int,
) -> None:
    failing = Failing(tmp_path, here / "failing_files.c", ".png", error)
    with workplace.daemon(data, size, failing.through, **PLAIN, ring__slots=2) as daemon:
        with sassl.attach(daemon.name, start=0, wait=60) as ring:
            found = digests(ring, 2)
            with failing.on():
                found += read_until_dry(ring)
                assert len(found) < COUNT
                eventually(lambda: os.strerror(error) in daemon.status()["detail"], "the status says what is wrong")
            found += digests(ring, COUNT - len(found))
        assert found == expected
        assert daemon.status()["quarantined_files"] == 0


def test_one_file_that_can_never_be_read_is_replaced_at_last(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    failing = Failing(tmp_path, here / "failing_files.c", "good 0007.png", errno.EIO)
    with (
        failing.on(),
        workplace.daemon(data, size, failing.through, **PLAIN, limits__wait_for_machine=1) as daemon,
        sassl.attach(daemon.name, start=0, wait=60) as ring,
    ):
        digests(ring, 2 * (70 // size.batch + 1))
        (bad,) = daemon.status()["quarantine"]
        assert bad["path"].endswith("good 0007.png")
        assert os.strerror(errno.EIO) in bad["reason"]


def test_a_disk_that_fails_for_good_ends_the_stream_to_be_started_again(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    failing = Failing(tmp_path, here / "failing_files.c", ".png", errno.EIO)
    _, file = workplace.configure(data, size, **PLAIN, limits__wait_for_machine=1)
    with failing.on():
        code, errors = workplace.end(file, failing.through)
    assert code == 71, errors
    assert os.strerror(errno.EIO) in errors.splitlines()[-1]


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.EMFILE])
@pytest.mark.parametrize("what", ["configuration", "model", "bank", "data"])
def test_a_start_that_meets_a_fault_of_the_machine_is_tried_again(
    workplace: Workplace,
    tmp_path: pathlib.Path,
    here: pathlib.Path,
    data: pathlib.Path,
    size: Size,
    what: str,
    error: int,
) -> None:
    model, bank = tmp_path / "model.safetensors", tmp_path / "bank.safetensors"
    for file in (model, bank):
        shutil.copy(TINY_MODEL, file)
    _, configuration = workplace.configure(
        data, size, style__model=str(model), style__source="bank", style__bank=str(bank)
    )
    place = {"configuration": configuration, "model": model, "bank": bank, "data": data}[what]
    failing = Failing(tmp_path, here / "failing_files.c", str(place), error)
    with failing.on():
        code, errors = workplace.end(configuration, failing.through)
    assert code == 71, errors
    assert str(place) in errors.splitlines()[-1]
    assert os.strerror(error) in errors.splitlines()[-1]
    for unit in ("sassld.service", "sassld-user.service"):
        (final,) = re.findall(r"^RestartPreventExitStatus=(.*)$", (ROOT / "systemd" / unit).read_text(), re.MULTILINE)
        assert str(code) not in final.split()


def test_a_folder_that_is_away_for_a_while_changes_nothing(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    write_good(folder, 70)
    with workplace.daemon(folder, size, **PLAIN, ring__slots=2) as daemon:
        with sassl.attach(daemon.name, start=0, wait=60) as ring:
            found = digests(ring, 2)
            folder.rename(elsewhere)
            found += read_until_dry(ring)
            assert len(found) < COUNT
            eventually(lambda: "folder is not there" in daemon.status()["detail"], "the status says what is wrong")
            elsewhere.rename(folder)
            found += digests(ring, COUNT - len(found))
        assert found == expected
        assert daemon.status()["quarantined_files"] == 0


def test_a_file_that_does_not_come_keeps_nobody_from_stopping(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    failing = Failing(tmp_path, here / "failing_files.c", "good 0007.png", 0)
    with failing.on():
        name, file = workplace.configure(data, size, **PLAIN)
        process = workplace.launch(file, failing.through)
        ring = pathlib.Path(f"/dev/shm/sassl.{name}.0")
        eventually(ring.exists, "the ring is there")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert not ring.exists()


def test_a_second_signal_ends_it_at_once(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    failing = Failing(tmp_path, here / "failing_files.c", ".png", 0)
    with failing.on():
        name, file = workplace.configure(data, size, **PLAIN)
        process = workplace.launch(file, failing.through)
        ring = pathlib.Path(f"/dev/shm/sassl.{name}.0")
        eventually(ring.exists, "the ring is there")
        # Both are there before it can act on either.
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGTERM, -signal.SIGINT), errors
    assert not ring.exists()


def test_a_daemon_that_reads_its_dataset_is_starting(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, size: Size
) -> None:
    folder = tmp_path / "slow data"
    write_good(folder, 40)
    failing = Failing(tmp_path, here / "failing_files.c", "slow data", 0)
    with failing.on(), workplace.daemon(folder, size, failing.through, **PLAIN) as daemon:
        eventually(lambda: "reading the dataset" in daemon.control("status").stdout, "it says what it does")
        shown = daemon.control("status")
        assert shown.returncode == 0
        assert f"starting (process {daemon.process.pid})" in shown.stdout
        code, errors = workplace.end(daemon.configuration)
        assert code == 69, errors
        assert f"process {daemon.process.pid}" in errors
        # It can be stopped, too.
        assert "stopped before the first batch" in daemon.stop()


def test_a_limit_on_file_sizes_is_named(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    _, file = workplace.configure(data, size, **PLAIN)
    code, errors = workplace.end(file, ["prlimit", f"--fsize={100_000}"])
    assert code == 71, errors
    assert errors.count("\n") == 1
    assert "at most 100000 bytes" in errors
    assert "ulimit -f" in errors


@contextlib.contextmanager
def control_group(controller: str, name: str, limit: str, value: int) -> Iterator[tuple[pathlib.Path, list[str]]]:
    """A control group (version 1) with a limit, and what a command is started through to be in it."""
    parent = pathlib.Path("/sys/fs/cgroup") / controller
    if os.geteuid() != 0 or not os.access(parent / "cgroup.procs", os.W_OK):
        pytest.skip(f"no control group of {controller} can be made here")
    group = parent / name
    group.mkdir()
    try:
        (group / limit).write_text(str(value))
        yield group, ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text(), "the group is empty")
        group.rmdir()


def test_a_control_group_with_too_little_memory_is_named(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    name, file = workplace.configure(data, size, **PLAIN, ring__slots=512)
    with control_group("memory", name, "memory.limit_in_bytes", 128 << 20) as (group, through):
        code, errors = workplace.end(file, through)
    assert code == 71, errors
    assert errors.count("\n") == 1
    assert str(group) in errors
    assert "allows 128 MiB" in errors
    assert "ring.slots" in errors


def test_without_threads_for_the_workers_it_says_so(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    name, file = workplace.configure(data, size, **PLAIN, workers__count=1000)
    with control_group("pids", name, "pids.max", 100) as (_, through):
        code, errors = workplace.end(file, through)
    assert code == 71, errors
    assert "no thread for each of 1000 workers" in errors.splitlines()[-1]
    assert "workers.count" in errors.splitlines()[-1]


def test_workers_follow_the_affinity_mask(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    core = min(os.sched_getaffinity(0))
    with workplace.daemon(data, size, ["taskset", "-c", str(core)], **PLAIN, workers__count=0) as daemon:
        read(daemon.name, 0, 1)
        status = daemon.status()
        assert (status["workers"], status["cores"]) == (1, 1)


def test_a_hundred_workers_make_the_same_stream(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    with workplace.daemon(data, size, **PLAIN, workers__count=100) as daemon:
        assert read(daemon.name, 0, COUNT) == expected
        assert sum(name.startswith("sassl.work.") for name in thread_names(daemon.process.pid)) == 100


@pytest.mark.skipif(not may_mount(), reason="this user may not mount a file system")
def test_rings_that_dead_daemons_left_are_named_and_removed(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    small = workplace.folder / "shm"
    small.mkdir()
    dead, dead_file = workplace.configure(data, size, **PLAIN, ring__directory=str(small), ring__slots=4)
    _, file = workplace.configure(data, size, **PLAIN, ring__directory=str(small), ring__slots=8)
    living, living_file = workplace.configure(data, size, **PLAIN, ring__directory=str(small), ring__slots=2)
    # Room for the first two, but not for the third.
    room = 9 * size.batch * 2 * size.side**2 * 3
    script = f"""
        mount -t tmpfs -o size={room} tmpfs {small} || exit 1
        {PROGRAMS}/sassld --config {dead_file} 2>/dev/null & dead=$!
        {PROGRAMS}/sassld --config {living_file} 2>/dev/null & living=$!
        until [ -e {small}/sassl.{dead}.0 ] && [ -e {small}/sassl.{living}.0 ]; do sleep 0.05; done
        kill -9 $dead; wait $dead
        {PROGRAMS}/sassld --config {file}; echo "exit $?"
        {PROGRAMS}/sasslctl doctor --config {file} | grep 'dead rings'
        {PROGRAMS}/sasslctl doctor --remove-dead-rings --config {file} | grep 'dead rings'
        ls {small}
        kill $living; wait $living
    """
    done = subprocess.run([*MOUNTING, "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert "exit 71" in done.stdout, done
    told = [line for line in done.stderr.splitlines() if "has no room" in line]
    assert len(told) == 1, done.stderr
    assert f"{small}/sassl.{dead}.0 (" in told[0]
    assert living not in told[0]
    before, after, *left = [line for line in done.stdout.splitlines() if not line.startswith("exit")]
    assert before.startswith("warning") and dead in before
    assert after.startswith("ok")
    assert left == [f"sassl.{living}.0"]


def test_a_fifo_in_the_place_of_the_index_is_refused(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    name, file = workplace.configure(data, size, **PLAIN)
    index = workplace.folder / name / "state" / f"{name}.sqlite"
    index.parent.mkdir(parents=True)
    os.mkfifo(index)
    code, errors = workplace.end(file)
    assert code == 73, errors
    assert "a FIFO is where the index should be" in errors


def test_a_service_manager_that_does_not_read_holds_up_nothing(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    place = tmp_path / "notify"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler,
    ):
        manager.bind(str(place))
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                filler.sendto(b"STATUS=in the way", str(place))
        through = ["env", f"NOTIFY_SOCKET={place}", "WATCHDOG_USEC=60000000"]
        with workplace.daemon(data, size, through, **PLAIN) as daemon:
            assert read(daemon.name, 0, COUNT) == expected
            eventually(lambda: daemon.status()["state"] == "running", "it runs")
