"""What a trainer can rely on."""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import sassl
from producing import BATCH_SIZE, FIELDS, HEIGHT, WIDTH, Producer, expected, stream
from sassl.batch import payload_of


def assert_is(batch: sassl.Batch, number: int) -> None:
    assert batch.number == number
    for name, array in expected(number).items():
        np.testing.assert_array_equal(batch.arrays[name], array, strict=True)


def attach(directory: str, **options: object) -> sassl.Reader:
    defaults = {"start": "continue", "wait": 0, "daemon_timeout": 0}
    return sassl.attach("test", directory=directory, **{**defaults, **options})  # type: ignore[arg-type]


def test_a_loop_reads_every_batch_once_and_in_order(directory: str) -> None:
    with stream(directory) as producer:
        reader = attach(directory, verify=True)
        for number, batch in zip(range(200), reader, strict=False):
            assert_is(batch, number)
            assert (batch.epoch, batch.step, batch.count) == (number // 10, number % 10, BATCH_SIZE)
        reader.close()
        assert producer.counters().dropped == 0
    assert os.listdir(directory) == []


def test_a_batch_has_its_arrays_by_attribute(directory: str) -> None:
    with Producer(directory) as producer, attach(directory) as reader:
        producer.produce()
        batch = next(reader)
        content = expected(0)
        assert len(batch.views) == 2
        for index, view in enumerate(batch.views):
            np.testing.assert_array_equal(view, content[f"view{index}"], strict=True)
        for name in ("labels", "sample_ids", "style_ids", "applied", "alpha", "beta"):
            np.testing.assert_array_equal(getattr(batch, name), content[name], strict=True)


def test_nothing_is_copied(directory: str) -> None:
    with Producer(directory, slots=1) as producer, attach(directory) as reader:
        addresses = []
        for number in range(2):
            producer.produce()
            view = next(reader).views[0]
            assert not view.flags.owndata
            assert not view.flags.writeable
            np.testing.assert_array_equal(view, expected(number)["view0"])
            addresses.append(view.__array_interface__["data"][0])
            # As long as it is referred to, and no longer.
            assert producer.reserve() is None
            del view
        # Both lay in the ring's only slot.
        assert addresses[0] == addresses[1]


def test_arrays_cannot_be_written(directory: str) -> None:
    with Producer(directory) as producer, attach(directory) as reader:
        producer.produce()
        with pytest.raises(ValueError, match="read-only"):
            next(reader).views[0][0] = 0


def test_the_memory_itself_cannot_be_written(directory: str) -> None:
    program = (
        "import ctypes, sassl, sys\n"
        "batch = sassl.attach('test', directory=sys.argv[1], wait=0).next(timeout=5)\n"
        "print('read', batch.views[0].sum() > 0, flush=True)\n"
        "ctypes.memset(batch.views[0].__array_interface__['data'][0], 0, 1)\n"
        "print('written')\n"
    )
    with Producer(directory) as producer:
        producer.produce()
        done = subprocess.run([sys.executable, "-c", program, directory], capture_output=True, text=True, check=False)
        assert done.stdout == "read True\n"
        assert done.returncode == -signal.SIGSEGV


def test_arrays_outlive_batch_reader_and_daemon(directory: str) -> None:
    producer = Producer(directory)
    producer.produce()
    reader = attach(directory)
    view = next(reader).views[1]
    reader._end(is_done=False)  # as after an exception
    del reader
    producer.close()
    gc.collect()
    np.testing.assert_array_equal(view, expected(0)["view1"])


def test_views_of_several_sizes_and_unknown_columns_arrive(directory: str) -> None:
    fields = [*FIELDS, ("view2", 1, (BATCH_SIZE, 2, 2, 3)), ("brightness", 9, (BATCH_SIZE, 7)), ("scalar", 12, ())]
    with Producer(directory, fields=fields) as producer, attach(directory) as reader:
        producer.produce()
        batch = next(reader)
        assert [view.shape[1:3] for view in batch.views] == [(HEIGHT, WIDTH), (HEIGHT, WIDTH), (2, 2)]
        assert batch.arrays["brightness"].dtype == np.float16
        assert batch.arrays["brightness"].shape == (BATCH_SIZE, 7)
        assert batch.arrays["scalar"].shape == ()


def test_the_payload_of_a_batch_is_its_arrays_where_they_lie(directory: str) -> None:
    with Producer(directory) as producer, attach(directory) as reader:
        producer.produce()
        batch = next(reader)
        payload = payload_of(batch)
        assert np.shares_memory(payload, batch.views[0])
        assert payload.nbytes == reader.information.payload_bytes
        for name, array in expected(0).items():
            offset = producer.offsets[name]
            assert payload[offset : offset + array.nbytes].tobytes() == array.tobytes()
        # It keeps the slot as a view does.
        batch.release()
        assert reader.status.held == 1
        with pytest.raises(sassl.BatchReleasedError):
            payload_of(batch)


def test_a_short_batch_is_cut_to_its_samples(directory: str) -> None:
    with Producer(directory) as producer, attach(directory) as reader:
        reservation = producer.reserve()
        assert reservation is not None
        producer.publish_batch(reservation, count=3)
        batch = next(reader)
        assert batch.count == len(batch.labels) == len(batch.views[0]) == 3


def test_batches_can_be_held_and_released_in_any_order(directory: str) -> None:
    with Producer(directory, slots=3) as producer, attach(directory) as reader:
        while producer.produce() is not None:
            pass
        held = [reader.next(timeout=0) for _ in range(3)]
        held[1].release()
        held[1].release()  # twice does nothing
        assert producer.produce() is None
        held[0].release()
        assert [producer.produce(), producer.produce(), producer.produce()] == [3, 4, None]
        assert_is(held[2], 2)
        assert held[0].is_released
        assert not held[2].is_released


def test_leaving_a_with_block_releases_unless_it_raised(directory: str) -> None:
    with Producer(directory) as producer, attach(directory) as reader:
        producer.produce()
        producer.produce()
        with reader.next() as batch:
            pass
        assert batch.is_released
        with pytest.raises(RuntimeError), reader.next() as batch:
            raise RuntimeError
        assert not batch.is_released


def test_the_next_reader_gets_what_was_not_released(directory: str) -> None:
    with Producer(directory) as producer:
        for _ in range(3):
            producer.produce()
        with pytest.raises(RuntimeError), attach(directory) as reader:
            next(reader).release()
            batch = next(reader)
            raise RuntimeError("in the middle of batch 1")
        assert_is(batch, 1)
        with attach(directory) as reader:
            assert next(reader).number == 1
        with attach(directory) as reader:
            assert next(reader).number == 2


@pytest.mark.parametrize("target", [0, 1, 2, 5, 23, 10**6, 2**62])
def test_resuming_at_any_batch_costs_no_replay(directory: str, target: int) -> None:
    with Producer(directory) as producer:
        for _ in range(3):
            producer.produce()
        with attach(directory, start=target) as reader:
            made = 0
            while True:
                try:
                    batch = reader.next(timeout=0)
                    break
                except sassl.BatchTimeoutError:
                    producer.produce()
                    made += 1
                    assert made <= 4
            assert_is(batch, target)


def test_a_state_goes_on_after_the_last_batch_handed_out(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()
        producer.produce()
        with attach(directory) as reader:
            assert reader.state_dict()["batch"] == 0
            next(reader)
            state = reader.state_dict()
            assert state["batch"] == 1
        with attach(directory, start=0) as reader:
            reader.load_state_dict(state)
            producer.produce()
            producer.produce()
            assert next(reader).number == 1


SETTINGS = "stream.seed = 1\nviews.view[1].side = 224\nstyle.group = 8\n"


def test_a_state_of_another_stream_is_refused_unless_forced(directory: str) -> None:
    with Producer(directory, settings=SETTINGS), attach(directory) as reader:
        state = {**json.loads(json.dumps(reader.state_dict())), "batch": 7}
    changed = SETTINGS.replace("224", "160").replace("seed = 1", "seed = 2")
    with Producer(directory, fingerprint=b"g" * 32, settings=changed) as producer, attach(directory) as reader:
        words = r": stream\.seed was 1 and is 2; views\.view\[1\]\.side was 224 and is 160\. Start sassld with"
        with pytest.raises(sassl.ConfigurationChangedError, match=words):
            reader.load_state_dict(state)
        assert reader.position == 0
        reader.load_state_dict(state, force=True)
        producer.produce()
        assert next(reader).number == 7


def test_a_state_of_the_same_stream_is_taken_whatever_its_settings_are_called(directory: str) -> None:
    with Producer(directory, settings=SETTINGS) as producer, attach(directory) as reader:
        reader.load_state_dict({**reader.state_dict(), "settings": "seed = 1\n", "batch": 7})
        producer.produce()
        assert next(reader).number == 7


@pytest.mark.parametrize("settings", ["", SETTINGS])
def test_a_state_without_settings_is_refused_by_its_fingerprint(directory: str, settings: str) -> None:
    with Producer(directory, settings=settings) as producer, attach(directory) as reader:
        state = {"version": 1, "batch": 7, "fingerprint": "00" * 32}
        with pytest.raises(sassl.ConfigurationChangedError, match="fingerprint was 000000000000 and is 666666666666"):
            reader.load_state_dict(state)
        reader.load_state_dict({**state, "fingerprint": (b"f" * 32).hex()})
        producer.produce()
        assert next(reader).number == 7


def test_many_changed_settings_are_counted(directory: str) -> None:
    def settings(value: int) -> str:
        return "".join(f"views.view[{index}].crop_scale = [0.{value}, 1.0]\n" for index in range(1, 201))

    with Producer(directory, settings=settings(1)), attach(directory) as reader:
        state = reader.state_dict()
    with (
        Producer(directory, fingerprint=b"g" * 32, settings=settings(2)),
        attach(directory) as reader,
        pytest.raises(sassl.ConfigurationChangedError) as refusal,
    ):
        reader.load_state_dict(state)
    told = str(refusal.value)
    named = told.count(" was [0.1, 1.0] and is [0.2, 1.0]")
    assert 10 < named < 200
    assert f"; and {200 - named} more. Start sassld" in told


@pytest.mark.parametrize("text", [b"\xff" * 40, b"\0" * 40, b"ab = \x1b[2J\n" * 4, b"\xc3" * 40, b"\n" * 40])
def test_settings_that_are_no_text_harm_nobody(directory: str, text: bytes) -> None:
    with Producer(directory, settings="s" * 40) as producer:
        with open(Path(directory, "sassl.test.0"), "r+b") as file:
            header = file.read(256)
            offset, count = struct.unpack_from("<QQ", header, 232)
            assert count == 40
            file.seek(offset)
            file.write(text)
        with attach(directory) as reader:
            state = reader.state_dict()
            assert state["settings"] == text.split(b"\0")[0].decode(errors="replace")
            reader.load_state_dict(json.loads(json.dumps(state)))
            for settings in (SETTINGS, "\ud800 = 1\n", "a\0b = 1\n", state["settings"]):
                with pytest.raises(sassl.ConfigurationChangedError, match=r"stream than this ring holds: [ -~]"):
                    reader.load_state_dict({**state, "settings": settings, "fingerprint": "00" * 32})
            producer.produce()
            assert_is(next(reader), 0)


def test_no_daemon_is_told(directory: str) -> None:
    with pytest.raises(sassl.NoDaemonError, match="start sassld"):
        attach(directory)
    producer = Producer(directory)
    producer.abandon()
    with pytest.raises(sassl.NoDaemonError, match="dead"):
        attach(directory)


def test_a_daemon_that_starts_late_is_waited_for(directory: str) -> None:
    started: list[Producer] = []
    timer = threading.Timer(0.05, lambda: started.append(Producer(directory)))
    timer.start()
    with attach(directory, wait=30) as reader:
        timer.join()
        started[0].produce()
        assert next(reader).number == 0
    started[0].close()


def test_a_daemon_that_goes_away_is_told_after_its_last_batch(directory: str) -> None:
    producer = Producer(directory)
    producer.produce()
    producer.produce()
    reader = attach(directory)
    producer.close()
    assert [next(reader).number, next(reader).number] == [0, 1]
    with pytest.raises(sassl.DaemonGoneError, match="Batch 2 is next"):
        next(reader)
    # And it may come back even then.
    with Producer(directory) as successor:
        while True:
            successor.produce()
            try:
                assert reader.next(timeout=0).number == 2
                break
            except sassl.BatchTimeoutError:
                continue


def test_a_second_reader_is_refused_by_name(directory: str) -> None:
    program = "import sassl, sys; sassl.attach('test', directory=sys.argv[1], wait=0)"
    with Producer(directory), attach(directory):
        done = subprocess.run([sys.executable, "-c", program, directory], capture_output=True, text=True, check=False)
    assert "ReaderBusyError" in done.stderr
    assert f"is being read by process {os.getpid()}: a ring has one reader" in done.stderr


def test_another_configuration_is_not_mixed_in(directory: str) -> None:
    producer = Producer(directory, settings=SETTINGS)
    with attach(directory) as careful:
        producer.abandon()
        changed = SETTINGS.replace("seed = 1", "seed = 2")
        with (
            Producer(directory, fingerprint=b"g" * 32, settings=changed),
            pytest.raises(sassl.ConfigurationChangedError, match=r": stream\.seed was 1 and is 2\. Restart it with"),
        ):
            next(careful)


def test_another_configuration_is_read_by_who_accepts_it(directory: str) -> None:
    producer = Producer(directory, settings=SETTINGS)
    with attach(directory, accept_change=True) as reader:
        producer.abandon()
        changed = SETTINGS.replace("seed = 1", "seed = 2")
        with Producer(directory, fingerprint=b"g" * 32, settings=changed) as successor:
            successor.produce()
            assert_is(next(reader), 0)
            assert reader.information.settings == changed


def test_another_format_version_is_told(directory: str) -> None:
    with Producer(directory):
        with open(Path(directory, "sassl.test.0"), "r+b") as file:
            file.seek(8)
            file.write(b"\x63")
        with pytest.raises(sassl.VersionMismatchError, match="format 99"):
            attach(directory)


def test_damage_is_told_and_made_good(directory: str) -> None:
    with Producer(directory) as producer, attach(directory, verify=True) as reader:
        producer.produce()
        with open(Path(directory, "sassl.test.0"), "r+b") as file:
            file.seek(8192 + 17)
            byte = file.read(1)
            file.seek(8192 + 17)
            file.write(bytes([byte[0] ^ 1]))
        with pytest.raises(sassl.ChecksumError, match="batch 0"):
            reader.next(timeout=0)
        producer.produce()
        producer.produce()
        assert_is(reader.next(timeout=0), 0)


@pytest.mark.parametrize("name", ["", "../escape", "a/b", "a.b", "x" * 64])
def test_names_cannot_leave_the_directory(directory: str, name: str) -> None:
    with pytest.raises(ValueError, match="a ring's name is"):
        sassl.attach(name, directory=directory, wait=0)


@pytest.mark.parametrize("start", [-1, 2**63])
def test_impossible_batch_numbers_are_refused(directory: str, start: int) -> None:
    with Producer(directory):
        with pytest.raises(ValueError, match="batch number"):
            attach(directory, start=start)
        with attach(directory) as reader, pytest.raises(ValueError, match="batch number"):
            reader.seek(start)


def test_a_closed_reader_says_so(directory: str) -> None:
    with Producer(directory):
        reader = attach(directory)
        reader.close()
        reader.close()
        with pytest.raises(sassl.SasslError, match="closed"):
            next(reader)


def test_waiting_gives_up_in_time_and_counts_as_the_reader_waiting(directory: str) -> None:
    with Producer(directory), attach(directory) as reader:
        with pytest.raises(TimeoutError):
            reader.next(timeout=0.01)
        assert reader.status.reader_waited_seconds >= 0.009
        assert reader.status.daemon_is_alive


def test_a_reader_that_holds_every_slot_is_told_what_it_waits_for(directory: str) -> None:
    with Producer(directory, slots=2) as producer, attach(directory) as reader:
        producer.produce()
        producer.produce()
        first, second = reader.next(timeout=5), reader.next(timeout=5)
        with pytest.raises(sassl.BatchTimeoutError, match="this reader holds all 2 slots"):
            reader.next(timeout=0.01)
        # Slots go back in the order of the stream, so the first batch is moved out of the way of the second's slot.
        second.release()
        with pytest.raises(sassl.BatchTimeoutError, match="sassld lives"):
            reader.next(timeout=0.01)
        assert producer.produce() == 2
        assert_is(reader.next(timeout=5), 2)
        assert_is(first, 0)


def test_a_reader_that_waits_for_a_daemon_to_come_back_is_told(directory: str) -> None:
    producer = Producer(directory)
    with sassl.attach("test", directory=directory, daemon_timeout=60) as reader:
        producer.abandon()
        with pytest.raises(sassl.BatchTimeoutError, match="sassld is gone"):
            reader.next(timeout=0.01)


def test_information_tells_what_the_ring_holds(directory: str) -> None:
    with Producer(directory, slots=5, settings=SETTINGS), attach(directory) as reader:
        information = reader.information
        assert information.name == "test"
        assert (information.rank, information.world_size) == (0, 1)
        assert (information.batch_size, information.slot_count, information.batches_per_epoch) == (BATCH_SIZE, 5, 10)
        assert information.fingerprint == (b"f" * 32).hex()
        assert information.settings == SETTINGS
        assert information.producer_pid == os.getpid()
        assert information.cpu_path == "any"


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "any"), (1, "portable"), (2, "avx2"), (3, "avx512"), (4, "unknown"), (2**32 - 1, "unknown")],
)
def test_a_reader_knows_which_instructions_a_batch_was_made_with(directory: str, number: int, name: str) -> None:
    with Producer(directory, cpu_path=number), attach(directory) as reader:
        assert reader.information.cpu_path == name
        assert reader.state_dict()["cpu_path"] == name


def test_a_resume_on_other_instructions_is_told_and_goes_on(directory: str) -> None:
    with Producer(directory, cpu_path=3) as producer:
        producer.produce()
        with attach(directory) as reader:
            next(reader)
            state = reader.state_dict()
    with Producer(directory, cpu_path=2) as producer, attach(directory) as reader:
        with pytest.warns(UserWarning, match="made with avx512 instructions, this ring is made with avx2"):
            reader.load_state_dict(state)
        # Batch 0, which the reader passes over, and the one that it asked for.
        producer.produce()
        producer.produce()
        assert reader.next(timeout=10).number == 1


@pytest.mark.parametrize("saved", ["avx512", "any", "unknown", None])
def test_a_resume_on_the_same_or_on_unknown_instructions_says_nothing(
    directory: str, saved: str | None, recwarn: pytest.WarningsRecorder
) -> None:
    with Producer(directory, cpu_path=3), attach(directory) as reader:
        state = {key: value for key, value in (reader.state_dict() | {"cpu_path": saved}).items() if value is not None}
        reader.load_state_dict(state)
    assert not recwarn.list


def test_a_forked_child_is_refused_and_does_not_hold_the_ring(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()
        reader = attach(directory)
        view = reader.next().views[0]
        told, tell = os.pipe()
        leave, left = os.pipe()
        child = os.fork()
        if child == 0:
            outcome = b"no exception"
            try:
                reader.next(timeout=0)
            except sassl.ForkedError:
                outcome = b"refused"
            if not np.array_equal(view, expected(0)["view0"]):
                outcome = b"memory lost"
            os.write(tell, outcome)
            os.read(leave, 1)
            os._exit(0)
        assert os.read(told, 100) == b"refused"
        # The child lives on, and the parent's end is noticed all the same.
        reader._end(is_done=False)
        with attach(directory) as second:
            assert second.next().number == 0
        os.write(left, b"x")
        os.waitpid(child, 0)
        for descriptor in (told, tell, leave, left):
            os.close(descriptor)


def test_ending_the_interpreter_in_the_middle_is_quiet_and_lets_go(directory: str, here: Path) -> None:
    program = (
        "import sassl, sys\n"
        "reader = sassl.attach('test', directory=sys.argv[1], wait=0)\n"
        "batch = next(reader)\n"
        "view = batch.views[0]\n"
        "print(batch.number, view.sum())\n"
    )
    with Producer(directory) as producer:
        producer.produce()
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", program, directory], capture_output=True, text=True, timeout=60, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == f"0 {expected(0)['view0'].sum()}\n"


def test_interrupting_a_wait_works(directory: str) -> None:
    # A program that was started in the background of a script has the signal switched off.
    program = (
        "import sassl, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "reader = sassl.attach('test', directory=sys.argv[1], wait=0)\n"
        "try:\n"
        "    print('waiting', flush=True)\n"
        "    next(reader)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    command = [sys.executable, "-c", program, directory]
    with Producer(directory), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(2)
        assert process.stdout.readline() == "interrupted\n"


def test_attaching_over_and_over_leaks_nothing(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()

        def resources() -> tuple[int, int]:
            with open("/proc/self/maps") as maps:
                return len(os.listdir("/proc/self/fd")), sum("sassl.test.0" in line for line in maps)

        gc.collect()
        before = resources()
        for _ in itertools.repeat(None, 50):
            reader = attach(directory)
            batch = reader.next(timeout=0)
            reader._end(is_done=False)
            del reader, batch
        gc.collect()
        assert resources() == before
