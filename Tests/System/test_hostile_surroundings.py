"""What becomes of a running stream when its surroundings turn against it: in the end it is the same as undisturbed."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import sassl
from picture_files import flat_picture, write_good
from streams import digests, read, read_until_dry
from surroundings import MOUNTING, may_mount
from workplace import PLAIN, Workplace, control, eventually, rows, thread_names

if TYPE_CHECKING:
    from reliability import Provocations
    from workplace import Daemon, Size

pytestmark = pytest.mark.reliability

COUNT = 24
SECONDS_A_YEAR = 31_556_952


@pytest.fixture
def expected(undisturbed: list[bytes]) -> list[bytes]:
    """The stream undisturbed."""
    return undisturbed[:COUNT]


@contextlib.contextmanager
def stopped(process: int) -> Iterator[None]:
    """A process at a standstill for the length of a `with`."""
    os.kill(process, signal.SIGSTOP)
    try:
        eventually(lambda: " T " in pathlib.Path(f"/proc/{process}/stat").read_text(), "the process stops")
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextlib.contextmanager
def limited(process: int, kind: int, limit: int) -> Iterator[None]:
    """A process with less of something for the length of a `with`."""
    before = resource.prlimit(process, kind)
    resource.prlimit(process, kind, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, kind, before)


def address_space(process: int) -> int:
    """How much a process has mapped, in bytes."""
    pages = pathlib.Path(f"/proc/{process}/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()


def assert_it_waited(daemon: Daemon, lacking: str) -> None:
    """Ends a daemon that once waited for what it was lacking: the journal says so, and nothing else has come of it."""
    status = daemon.status()
    assert (status["state"], status["detail"], status["quarantined_files"]) == ("running", "", 0)
    told = [line for line in daemon.stop().splitlines() if " a worker waits, for 60 s at most: " in line]
    assert 1 <= len(told) <= 5
    assert all(lacking in line for line in told), told


def index_of(workplace: Workplace, daemon: Daemon) -> pathlib.Path:
    return workplace.folder / daemon.name / "state" / f"{daemon.name}.sqlite"


def rows_if_readable(index: pathlib.Path, query: str) -> list[tuple[Any, ...]]:
    """What the index answers; nothing where it cannot be read."""
    try:
        return rows(index, query)
    except sqlite3.Error:
        return []


def indexed_batches(index: pathlib.Path) -> set[int]:
    """The numbers of the batches in the index; none where it cannot be read."""
    return {number for (number,) in rows_if_readable(index, "SELECT number FROM batch")}


def rings_of(name: str) -> list[pathlib.Path]:
    return sorted(pathlib.Path("/dev/shm").glob(f"*{name}*"))


# The daemon


@pytest.mark.parametrize("read_before", [0, 1, 7])
def test_a_killed_daemon_is_followed_by_the_next_without_a_gap(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], read_before: int
) -> None:
    name, configuration = workplace.configure(data, size, **PLAIN)
    first = workplace.launch(configuration)
    with sassl.attach(name, start=0, wait=60) as ring:
        found = digests(ring, read_before)
        first.kill()
        first.communicate()
        second = workplace.launch(configuration)
        try:
            found += digests(ring, COUNT - read_before)
        finally:
            second.send_signal(signal.SIGTERM)
            _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert found == expected
    assert rings_of(name) == []


def test_a_daemon_at_a_standstill_is_waited_for(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=0) as ring:
        found = digests(ring, 3)
        with provoked("the daemon stopped until the ring is empty"), stopped(daemon.process.pid):
            found += read_until_dry(ring)
            assert len(found) < COUNT
            status = daemon.control("status", "--json")
            assert status.returncode == 4
            assert json.loads(status.stdout)["state"] == "unknown"
            assert str(daemon.process.pid) in json.loads(status.stdout)["detail"]
        found += digests(ring, COUNT - len(found))
        assert found == expected
        assert daemon.status()["state"] == "running"


def test_out_of_descriptors_the_stream_waits_and_no_file_is_blamed(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        with sassl.attach(daemon.name, start=0) as ring:
            found = digests(ring, 3)
            with (
                provoked("no descriptors until the ring is empty"),
                limited(daemon.process.pid, resource.RLIMIT_NOFILE, 3),
            ):
                found += read_until_dry(ring)
                assert len(found) < COUNT
            found += digests(ring, COUNT - len(found))
        assert found == expected
        assert_it_waited(daemon, "cannot be read: Too many open files; raise the process's limit on open files")


def test_out_of_memory_the_stream_waits_and_no_file_is_blamed(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, provoked: Provocations
) -> None:
    folder = tmp_path / "data"
    write_good(folder, 5 * size.batch)
    with workplace.daemon(folder, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=3) as ring:
        last = ring.next().sample_ids.tolist()[-1]
    # Of this size in the fourth batch, which a ring of two slots has no room for before the second is given back.
    giant = sorted(folder.iterdir(), key=os.fsencode)[last]
    giant.write_bytes(flat_picture(6000, 6000))
    with workplace.daemon(folder, size, **PLAIN) as daemon:
        expected = read(daemon.name, 0, COUNT)
    with workplace.daemon(folder, size, **PLAIN, ring__slots=2) as daemon:
        refused = f"{giant} cannot be decoded: no memory (108000000 bytes for pixels)"
        with sassl.attach(daemon.name, start=0) as ring:
            found = digests(ring, 1)
            scarce = address_space(daemon.process.pid) + (48 << 20)
            with (
                provoked("no memory for a picture until the ring is empty"),
                limited(daemon.process.pid, resource.RLIMIT_AS, scarce),
            ):
                found += read_until_dry(ring)
                assert len(found) == 3
                status = daemon.status()
                assert (status["state"], status["quarantined_files"]) == ("running", 0)
                assert status["detail"].startswith(f"1 worker waits: {refused}; free memory")
                assert f": 1 worker waits: {refused}" in daemon.control("status").stdout
            found += digests(ring, COUNT - len(found))
        assert found == expected
        assert_it_waited(daemon, refused)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_clock_that_jumps_by_years_changes_nothing(
    workplace: Workplace,
    tmp_path: pathlib.Path,
    here: pathlib.Path,
    data: pathlib.Path,
    size: Size,
    expected: list[bytes],
    provoked: Provocations,
) -> None:
    library, jump = tmp_path / "jumping_clock.so", tmp_path / "jump"
    subprocess.run(
        ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", library, here / "jumping_clock.c"],
        check=True,
    )
    jump.write_bytes(bytes(8))
    began = time.monotonic()
    with (
        workplace.daemon(data, size, ["env", f"LD_PRELOAD={library}", f"JUMPING_CLOCK={jump}"], **PLAIN) as daemon,
        sassl.attach(daemon.name, start=0, wait=60) as ring,
        jump.open("r+b", buffering=0) as clock,
    ):
        index = index_of(workplace, daemon)
        found = digests(ring, COUNT // 4)
        for years in (20, -20, 0):
            with provoked("the clock jumps by 20 or 40 years"):
                clock.seek(0)
                clock.write(struct.pack("=q", years * SECONDS_A_YEAR))
            found += digests(ring, COUNT // 4)
            status = daemon.status()
            assert status["state"] == "running"
            assert 0 <= status["uptime_seconds"] <= time.monotonic() - began
            assert 0 <= status["images_per_second"] < 1_000_000
            for key in ("full_percent", "trainer_starved_percent"):
                assert 0 <= status["rings"][0][key] <= 100
        assert found == expected
        history = eventually(
            lambda: rows_if_readable(index, "SELECT duration_us FROM throughput"), "the history goes on"
        )
        assert all(0 < duration <= (time.monotonic() - began) * 1e6 for (duration,) in history)
        # The clock did jump, and what is told by it says so.
        years_made = {
            year for (year,) in rows_if_readable(index, f"SELECT made_at_us / {SECONDS_A_YEAR}000000 + 1970 FROM batch")
        }
        assert max(years_made) - min(years_made) >= 39
        assert daemon.status()["index"] == "ok"


def test_a_dataset_that_vanishes_ends_the_stream_with_a_sentence(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    folder = tmp_path / "vanishing"
    write_good(folder, 64)
    name, configuration = workplace.configure(folder, size, **PLAIN, limits__wait_for_machine=1)
    process = workplace.launch(configuration)
    with sassl.attach(name, start=0, wait=60, daemon_timeout=0) as ring:
        digests(ring, 1)
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(sassl.DaemonGoneError):
            while True:
                digests(ring, 1)
    _, errors = process.communicate(timeout=60)
    # That of a fault that may pass, so that the service manager starts it again.
    assert process.returncode == 71, errors
    assert "the data set's folder is not there" in errors.splitlines()[-1]
    assert rings_of(name) == []


def test_a_stop_does_not_wait_for_unfinished_batches(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "0.png").write_bytes(flat_picture(2000, 2000))
    # One worker would take minutes to fill the ring's two slots.
    name, configuration = workplace.configure(
        folder,
        size,
        **PLAIN,
        batch__size=4096,
        batch__last_batch="wrap",
        views__side=8,
        ring__slots=2,
        workers__count=1,
    )
    process = workplace.launch(configuration)
    eventually(lambda: "sassl.work.0" in thread_names(process.pid), "it works")
    (ring,) = rings_of(name)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert re.search("stopping: [012] unfinished batches are given up, 0 finished", errors), errors
    assert "stopped after 0 images" in errors
    assert not ring.exists()


def test_a_clean_restart_goes_on_where_the_reader_stood(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    _, configuration = workplace.configure(data, size, **PLAIN)
    name = configuration.stem

    def run(batches: int) -> list[bytes]:
        process = workplace.launch(configuration)
        with sassl.attach(name, start="continue", wait=60) as ring:
            found = digests(ring, batches)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return found

    assert run(3) + run(4) + run(2) == expected[:9]
    # The stream does not depend on the index.
    shutil.rmtree(workplace.folder / name / "state")
    assert run(2) == expected[:2]


def scribble(ring: pathlib.Path) -> None:
    """Writes into `released`, which only a reader writes: far ahead of what was ever published."""
    with contextlib.suppress(FileNotFoundError), ring.open("r+b") as memory:
        memory.seek(512)
        memory.write(b"\xff" * 8)


def test_a_ring_with_impossible_counters_is_made_anew_and_its_reader_goes_on(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        with sassl.attach(daemon.name, start=0, wait=60) as ring:
            found = digests(ring, 6)
            (file,) = rings_of(daemon.name)
            first = file.stat().st_ino
            with provoked("the reader scribbles over the ring's counters"):
                scribble(file)
            eventually(lambda: rings_of(daemon.name) == [file] and file.stat().st_ino != first, "the ring is made anew")
            found += digests(ring, COUNT - 6)
            assert found == expected
        errors = daemon.stop()
    assert "scribbled over the header" in errors and "made anew" in errors
    assert rings_of(daemon.name) == []


def test_a_reader_that_does_not_stop_scribbling_ends_the_stream_with_a_sentence(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    name, configuration = workplace.configure(data, size, **PLAIN)
    process = workplace.launch(configuration)
    try:
        sassl.attach(name, start=0, wait=60).close()

        def has_ended() -> bool:
            for file in rings_of(name):
                scribble(file)
            return process.poll() is not None

        eventually(has_ended, "the daemon ends")
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 70, errors
    assert errors.splitlines()[-1].startswith("sassld: ")
    assert "scribbled over the header" in errors.splitlines()[-1]
    assert rings_of(name) == []


def test_what_one_ranks_reader_scribbles_is_nothing_to_the_others(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    ranks: dict[str, Any] = PLAIN | {"batch__world_size": 2, "batch__ranks": [0, 1]}
    with workplace.daemon(data, size, **ranks) as undisturbed:
        whole = read(undisturbed.name, 0, COUNT, rank=1, world_size=2)
    with workplace.daemon(data, size, **ranks) as daemon:
        bad = pathlib.Path(f"/dev/shm/sassl.{daemon.name}.0")
        good = sassl.attach(daemon.name, rank=1, world_size=2, start=0)
        found = digests(good, 4)

        def has_ended() -> bool:
            scribble(bad)
            return "rank 0: its stream has ended, that of the others goes on" in daemon.status()["detail"]

        eventually(has_ended, "the scribbled ring is given up")
        found += digests(good, COUNT - 4)
        assert found == whole
        assert not bad.exists()
        good.close()


def test_a_removed_ring_is_put_back(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        with sassl.attach(daemon.name, start=0, wait=60) as ring:
            found = digests(ring, 6)
            with provoked("the ring's file is removed"):
                rings_of(daemon.name)[0].unlink()
            found += digests(ring, 6)
            eventually(lambda: rings_of(daemon.name), "the ring is back")
            found += digests(ring, 6)
        # Also for a reader that comes later, and with nobody there to notice.
        rings_of(daemon.name)[0].unlink()
        with sassl.attach(daemon.name, start="continue", wait=60) as ring:
            found += digests(ring, COUNT - 18)
        assert found == expected
        assert "served by process" in daemon.control("doctor").stdout
        errors = daemon.stop()
    assert errors.count("somebody had removed the ring's file") == 2
    assert rings_of(daemon.name) == []


@pytest.mark.skipif(os.geteuid() != 0 or not may_mount(), reason="only root may look into another process's mounts")
def test_a_removed_ring_waits_for_the_memory_that_its_reader_holds(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        sassl.attach(daemon.name, start=0, wait=60).close()
        needed = rings_of(daemon.name)[0].stat().st_size
    small = tmp_path / "small"
    small.mkdir()
    mounting = f'mount -t tmpfs -o size={needed * 3 // 2},mode=700 tmpfs {small} && exec "$@"'
    with workplace.daemon(
        data, size, [*MOUNTING, "sh", "-c", mounting, "sh"], **PLAIN, ring__directory=str(small)
    ) as daemon:
        # The daemon's mounts as seen from outside.
        inside = pathlib.Path(f"/proc/{daemon.process.pid}/root{small}")
        eventually(lambda: list(inside.glob("sassl.*")), "the ring is there")
        with sassl.attach(daemon.name, directory=str(inside), start=0, wait=60) as ring:
            found = digests(ring, 3)
            (file,) = inside.glob("sassl.*")
            file.unlink()
            eventually(lambda: "cannot be made anew yet" in daemon.status()["detail"], "status says what is lacking")
            assert "has no room for the ring" in daemon.status()["detail"]
            found += digests(ring, COUNT - 3)
            eventually(lambda: daemon.status()["detail"] == "", "nothing is lacking any more")
        assert found == expected
        assert "it was made anew" in daemon.stop()


def test_what_stands_in_a_removed_rings_place_is_told(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=0, wait=60) as ring:
        found = digests(ring, 6)
        (file,) = rings_of(daemon.name)
        file.unlink()
        file.mkdir()
        eventually(lambda: "has taken the place of the ring" in daemon.status()["detail"], "status tells it")
        found += digests(ring, 6)
        file.rmdir()
        eventually(lambda: file.is_file() and daemon.status()["detail"] == "", "the ring is back")
        assert found + digests(ring, COUNT - 12) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_the_ring_of_another_user_is_refused_by_name(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    name, configuration = workplace.configure(data, size, **PLAIN)
    ring = pathlib.Path(f"/dev/shm/sassl.{name}.0")
    ring.touch(0o600)
    try:
        os.chown(ring, 65534, 65534)
        code, errors = workplace.end(configuration)
        assert code == 69, errors
        for said in (errors, control("doctor", "--config", str(configuration)).stdout):
            assert "belongs to user 'nobody' (65534)" in said
            assert "stream.name" in said
    finally:
        ring.unlink()


def test_nobody_outside_of_the_group_gets_at_ring_and_socket(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        eventually(lambda: daemon.status()["state"] == "running", "the daemon runs")
        socket_file = workplace.folder / daemon.name / f"{daemon.name}.control"
        for file in (*rings_of(daemon.name), socket_file):
            assert file.stat().st_mode & 0o007 == 0, file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_somebody_outside_of_the_group_cannot_open_ring_or_socket(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    # The folders above must be open to all, or they would be what keeps others out.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with workplace.daemon(data, size, **PLAIN, state__runtime_directory=folder) as daemon:
            eventually(lambda: daemon.status()["state"] == "running", "the daemon runs")
            (ring,) = rings_of(daemon.name)
            socket_file = f"{folder}/{daemon.name}.control"
            assert os.path.exists(socket_file)
            program = 'for file; do test -r "$file" || test -w "$file" && echo "$file may be opened"; done; echo asked'
            stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            done = subprocess.run(
                [*stranger, "sh", "-c", program, "sh", ring, socket_file], capture_output=True, text=True, check=False
            )
            assert done.stdout == "asked\n", done.stdout + done.stderr


# The trainer

TRAINER = """
import os, sys, sassl
sys.path.insert(0, {tests!r})
from streams import digest_of
ring = sassl.attach(sys.argv[1], start=int(sys.argv[2]))
for batch in ring:
    print(batch.number, digest_of(batch).hex(), flush=True)
    if batch.number == int(sys.argv[3]):
        {ending}
"""


def trainer(name: str, first: int, last: int, ending: str) -> subprocess.Popen[str]:
    """A process that reads a stream up to a batch, which it still holds when it does what `ending` says."""
    program = TRAINER.format(tests=str(pathlib.Path(__file__).parent), ending=ending)
    return subprocess.Popen(
        [sys.executable, "-c", program, name, str(first), str(last)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)", "raise SystemExit", "raise MemoryError"])
def test_a_trainer_that_ends_without_closing_leaves_what_it_held(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], ending: str, provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        first = trainer(daemon.name, 0, 5, ending)
        with provoked("the trainer exits, crashes or is killed while it holds a batch"):
            output, _ = first.communicate(timeout=60)
        found = [bytes.fromhex(line.split()[1]) for line in output.splitlines()]
        assert found == expected[:6]
        # Batch 5 was held and never given back, so it comes again.
        with sassl.attach(daemon.name, start="continue") as ring:
            assert ring.position == 5
            assert digests(ring, COUNT - 5) == expected[5:]


def test_a_trainer_at_a_standstill_keeps_its_place(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    with workplace.daemon(data, size, **PLAIN, ring__slots=4) as daemon:
        reader = trainer(daemon.name, 0, COUNT - 1, "break")
        assert reader.stdout is not None
        lines = [reader.stdout.readline()]
        with stopped(reader.pid):
            eventually(lambda: daemon.status()["rings"][0]["full_percent"] > 0, "the ring is full")
            assert daemon.status()["rings"][0]["reader_process"] == reader.pid
            with pytest.raises(sassl.ReaderBusyError, match=rf"process {reader.pid}\b"):
                sassl.attach(daemon.name)
        # Not `communicate`, which does not know what `readline` has read ahead.
        lines += reader.stdout.readlines()
        reader.wait(timeout=60)
        assert [bytes.fromhex(line.split()[1]) for line in lines] == expected


# The index


def test_an_index_deleted_while_running_is_made_anew(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=0) as ring:
        index = index_of(workplace, daemon)
        found = digests(ring, 3)
        eventually(lambda: 2 in indexed_batches(index), "batch 2 is in the index")
        with provoked("the index deleted"):
            for file in index.parent.iterdir():
                file.unlink()
        found += digests(ring, COUNT - 3)
        assert found == expected
        eventually(lambda: COUNT - 1 in indexed_batches(index), "the last batch is in the new index")
        assert 0 not in indexed_batches(index)
        assert daemon.status()["index"] == "ok"


def test_an_index_overwritten_while_running_is_made_anew(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=0) as ring:
        index = index_of(workplace, daemon)
        found = digests(ring, 3)
        eventually(lambda: 2 in indexed_batches(index), "batch 2 is in the index")
        # As a careless copy does it: another file of the same name.
        rubbish = index.with_suffix(".rubbish")
        rubbish.write_bytes(b"This is no database. " * 1000)
        with provoked("the index overwritten"):
            rubbish.rename(index)
        found += digests(ring, COUNT - 3)
        assert found == expected
        eventually(lambda: COUNT - 1 in indexed_batches(index), "the last batch is in the new index")
        assert daemon.status()["index"] == "ok"


def test_a_locked_index_is_told_and_heals(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], provoked: Provocations
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=0) as ring:
        index = index_of(workplace, daemon)
        found = digests(ring, 3)
        eventually(lambda: 2 in indexed_batches(index), "batch 2 is in the index")
        with (
            provoked.meanwhile("the index locked"),
            contextlib.closing(sqlite3.connect(index, isolation_level=None)) as database,
        ):
            database.execute("BEGIN IMMEDIATE")
            found += digests(ring, COUNT - 3)
            eventually(lambda: daemon.status()["index"].startswith("degraded: "), "the status says degraded")
            assert "the stream goes on" in daemon.status()["index"]
            database.execute("ROLLBACK")
        assert found == expected
        eventually(lambda: daemon.status()["index"] == "ok", "the index heals")
        assert indexed_batches(index) >= set(range(COUNT))


@pytest.mark.skipif(os.geteuid() != 0 or not may_mount(), reason="only root may look into another process's mounts")
def test_a_full_disk_is_told_and_the_index_heals(
    workplace: Workplace,
    tmp_path: pathlib.Path,
    data: pathlib.Path,
    size: Size,
    expected: list[bytes],
    provoked: Provocations,
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounting = f'mount -t tmpfs -o size=600k,mode=700 tmpfs {small} && exec "$@"'
    with (
        workplace.daemon(
            data, size, [*MOUNTING, "sh", "-c", mounting, "sh"], **PLAIN, state__directory=str(small)
        ) as daemon,
        sassl.attach(daemon.name, start=0, wait=60) as ring,
    ):
        # The daemon's mounts as seen from outside.
        inside = pathlib.Path(f"/proc/{daemon.process.pid}/root{small}")
        found = digests(ring, 3)
        filling = inside / "filling"
        with provoked.meanwhile("the disk full"):
            with contextlib.suppress(OSError), filling.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            found += digests(ring, 9)
            eventually(lambda: daemon.status()["index"].startswith("degraded: "), "the status says degraded")
            filling.unlink()
        found += digests(ring, COUNT - len(found))
        assert found == expected
        eventually(lambda: daemon.status()["index"].startswith("ok"), "the index heals")


@pytest.mark.parametrize("rubbish", [b"", b"This is no database. " * 1000, b"SQLite format 3\0" + bytes(4080)])
def test_an_index_that_is_rubbish_at_the_start_is_made_anew(
    workplace: Workplace, data: pathlib.Path, size: Size, expected: list[bytes], rubbish: bytes
) -> None:
    name, configuration = workplace.configure(data, size, **PLAIN)
    index = workplace.folder / name / "state" / f"{name}.sqlite"
    index.parent.mkdir(parents=True)
    index.write_bytes(rubbish)
    process = workplace.launch(configuration)
    try:
        with sassl.attach(name, start=0, wait=60) as ring:
            assert digests(ring, 3) == expected[:3]
        eventually(lambda: 2 in indexed_batches(index), "batch 2 is in the index")
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


# The control socket


def test_clients_that_say_nothing_or_nonsense_do_not_keep_others_from_the_status(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        path = str(workplace.folder / daemon.name / f"{daemon.name}.control")
        eventually(lambda: daemon.status()["state"] == "running", "the daemon runs")
        with contextlib.ExitStack() as clients:
            for greeting in (
                b"",
                b'{"request":',
                b"\n",
                b"\0" * 5000,
                b'{"request":"self-destruct"}\n',
                b"[" * 4000 + b"\n",
            ):
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(path)
                client.sendall(greeting)
            done = daemon.control("status", "--json")
        assert done.returncode == 0, done.stdout
        assert json.loads(done.stdout)["state"] == "running"


def test_it_answers_for_its_state_until_it_has_ended(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        path = str(workplace.folder / daemon.name / f"{daemon.name}.control")
        index = index_of(workplace, daemon)
        sassl.attach(daemon.name, start=0, wait=60).close()
        eventually(lambda: 0 in indexed_batches(index), "batch 0 is in the index")

        def state() -> str:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b'{"request":"status"}\n')
                return str(json.loads(b"".join(iter(lambda: client.recv(1 << 16), b"")))["state"])

        # The end waits for the index, with the rings already removed.
        states = []
        with contextlib.closing(sqlite3.connect(index, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            daemon.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(ConnectionError, FileNotFoundError, json.JSONDecodeError):
                while True:
                    states.append((state(), bool(rings_of(daemon.name))))
        assert daemon.process.wait(timeout=60) == 0
        assert ("draining", False) in states


def test_a_client_that_drips_is_cut_off(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    with workplace.daemon(data, size, **PLAIN) as daemon:
        path = str(workplace.folder / daemon.name / f"{daemon.name}.control")
        eventually(lambda: daemon.status()["state"] == "running", "the daemon runs")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

            def drip() -> bool:
                # A byte every now and then, well before any single wait is over.
                try:
                    client.send(b" ", socket.MSG_NOSIGNAL)
                except (BrokenPipeError, ConnectionResetError):
                    return True
                time.sleep(0.1)
                return False

            eventually(drip, "the connection is closed")
