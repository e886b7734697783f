"""What a reader holds is never overwritten, however its loop is written."""

from __future__ import annotations

import gc
import itertools
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any

import numpy as np
import pytest

import sassl
from interruptions import Interruption, interrupted
from producing import BATCH_SIZE, BATCHES_PER_EPOCH, SLOTS, Producer, expected, stream


def attach(directory: str, **options: Any) -> sassl.Reader:
    return sassl.attach("test", directory=directory, **{"start": 0, "wait": 0, "daemon_timeout": 0, **options})


def assert_shows(views: Any, number: int) -> None:
    for index, view in enumerate(views):
        np.testing.assert_array_equal(np.asarray(view), expected(number)[f"view{index}"])


def assert_begins(batch: sassl.Batch, number: int) -> None:
    wanted = expected(number)["view0"].reshape(-1)
    np.testing.assert_array_equal(np.asarray(batch.views[0]).reshape(-1)[: wanted.size], wanted)


def run(program: str, directory: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python program that is given the directory, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, directory],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=os.path.dirname(__file__),
    )


# How long memory stays what it is


def test_batches_in_a_list_keep_their_pixels(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        batches = list(itertools.islice(reader, SLOTS))
        for number, batch in enumerate(batches):
            assert batch.number == number
            assert_shows(batch.views, number)


def test_arrays_keep_their_pixels_for_an_epoch_and_more(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        first = next(reader).views
        row = next(reader).views[1][2, 1:]
        for number, batch in zip(range(2, 3 * BATCHES_PER_EPOCH), reader, strict=False):
            assert_shows(batch.views, number)
            batch.release()
            # Whatever is kept in front holds back what comes behind it.
            if number == SLOTS - 1:
                break
        assert_shows(first, 0)
        np.testing.assert_array_equal(row, expected(1)["view1"][2, 1:])
        del first, row
        rest = [batch.number for batch in itertools.islice(reader, 3 * BATCHES_PER_EPOCH)]
    assert rest == list(range(SLOTS, SLOTS + 3 * BATCHES_PER_EPOCH))


def test_a_few_arrays_kept_for_epochs_hold_up_nothing(directory: str) -> None:
    """Slots go back in their order, so that one that is kept would hold up the ring for as long."""
    with stream(directory) as producer, attach(directory) as reader:
        kept = []
        for _ in range(3):
            for batch in reader.epoch():
                assert_shows(batch.views, batch.number)
                if batch.step in (0, 1, 5):
                    kept.append((batch.number, batch.views))
        assert [number for number, _ in kept] == [0, 1, 5, 10, 11, 15, 20, 21, 25]
        for number, views in kept:
            assert_shows(views, number)
        assert producer.counters().dropped == 0


def test_keeping_labels_keeps_no_slot(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        labels = [batch.sample_ids for batch in itertools.islice(reader, 5 * SLOTS)]
    for number, kept in enumerate(labels):
        np.testing.assert_array_equal(kept, expected(number)["sample_ids"])


def test_a_loop_that_keeps_nothing_holds_one_slot(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        for _, batch in zip(range(3 * SLOTS), reader, strict=False):
            _first, _second = batch.views
            assert reader.status.held == 1


def test_a_released_batch_says_so(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        batch = next(reader)
        arrays = batch.arrays
        batch.release()
        batch.release()
        for look in (lambda: batch.views, lambda: batch.labels, lambda: arrays["view0"]):
            with pytest.raises(sassl.BatchReleasedError, match="batch 0 was released"):
                look()
        assert (batch.number, batch.epoch, batch.count) == (0, 0, 4)


def test_release_leaves_arrays_to_those_who_keep_them(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        batch = next(reader)
        view = batch.views[0]
        batch.release()
        for number in range(1, SLOTS):
            next(reader).release()
            np.testing.assert_array_equal(view, expected(0)["view0"])
            assert reader.status.held == number + 1
        del view
        assert reader.status.held == 0


def test_the_only_slot_of_a_ring_is_enough_for_a_plain_loop(directory: str) -> None:
    with stream(directory, slots=1), attach(directory) as reader:
        kept = []
        for number, batch in zip(range(20), reader, strict=False):
            assert_shows(batch.views, number)
            kept.append(batch.views[0])
    for number, view in enumerate(kept):
        np.testing.assert_array_equal(view, expected(number)["view0"])


def test_a_reader_that_holds_every_slot_is_told_so(directory: str) -> None:
    with Producer(directory, slots=2) as producer, attach(directory) as reader:
        producer.produce()
        producer.produce()
        held = [next(reader), next(reader).views[0]]
        with pytest.raises(sassl.RingHeldError, match=r"holds all 2 slots of the ring.*or raise ring\.slots"):
            next(reader)
        del held
        producer.produce()
        assert next(reader).number == 2


def test_what_only_a_reference_cycle_holds_is_given_back(directory: str) -> None:
    class Cycle:
        def __init__(self, batch: sassl.Batch) -> None:
            self.batch, self.me = batch, self

    with stream(directory, slots=2), attach(directory) as reader:
        gc.disable()
        try:
            for _ in range(2):
                Cycle(next(reader))
            assert reader.status.held == 2
            assert next(reader).number == 2
        finally:
            gc.enable()


def test_a_cycle_may_hold_a_batch_beyond_its_readers_end(directory: str) -> None:
    # The collector lets the reader's memory go before it lets the batch go.
    program = (
        "import gc, sys, sassl\n"
        "def train():\n"
        "    with sassl.attach('test', directory=sys.argv[1], start=0, wait=0) as reader:\n"
        "        for batch in reader:\n"
        "            raise ZeroDivisionError\n"
        "gc.disable()\n"
        "for _ in range(20):\n"
        "    try:\n"
        "        train()\n"
        "    except ZeroDivisionError as error:\n"
        "        kept = [error]\n"
        "        kept.append(kept)\n"
        "    del kept\n"
        "    gc.collect()\n"
        "with sassl.attach('test', directory=sys.argv[1], start='continue', wait=0) as reader:\n"
        "    print(next(reader).number)\n"
        "with open('/proc/self/maps') as maps:\n"
        "    print(sum('/sassl.test.0' in line for line in maps) <= 2)\n"
    )
    with stream(directory):
        # Memory that was freed is overwritten.
        done = run(program, directory, MALLOC_PERTURB_="165")
    assert (done.returncode, done.stdout) == (0, "0\nTrue\n"), done.stderr


def test_a_ring_that_cannot_be_mapped_again_shows_no_old_pixels(directory: str) -> None:
    fields: list[tuple[str, int, tuple[int, ...]]] = [("view0", 1, (BATCH_SIZE, 256, 1024))]
    with Producer(directory, slots=2, fields=fields) as producer, attach(directory) as reader:
        producer.produce()
        producer.produce()
        first = next(reader)
        del [next(reader)][0]
        size = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        # Enough for anything but the two slots of a megabyte.
        resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20), before[1]))
        try:
            with pytest.raises(OSError, match="Cannot allocate memory"):
                reader.next(timeout=5)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        assert_begins(first, 0)
        del first
        producer.produce()
        assert_begins(next(reader), 2)


def test_a_seek_beside_a_thread_that_waits_loses_no_batch(directory: str) -> None:
    with Producer(directory) as producer, attach(directory) as reader:
        found: list[int] = []
        waiting = threading.Thread(target=lambda: found.append(reader.next(timeout=60).number))
        waiting.start()
        while not reader._asked:
            pass
        reader.seek(7)
        while waiting.is_alive():
            producer.produce(timeout=0.02)
        assert found == [7]
        assert reader.position == 8


# A reader that goes away


def test_a_batch_in_whose_middle_an_exception_comes_was_not_read(directory: str) -> None:
    def step(reader: sassl.Reader, last: int) -> None:
        # Its frame, and with it the batch, goes before the reader, which is its caller's.
        batch = next(reader)
        assert_shows(batch.views, batch.number)
        if batch.number == last:
            raise ZeroDivisionError

    def train(last: int) -> None:
        reader = attach(directory, start="continue")
        while True:
            step(reader, last)

    with stream(directory):
        for last in (3, 3, 5):
            with pytest.raises(ZeroDivisionError):
                train(last)
            gc.collect()
            with attach(directory, start="continue") as reader:
                assert reader.position == last


def test_an_exception_of_a_signal_cannot_come_while_a_batch_is_given_back(directory: str) -> None:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        raise Interruption

    with Producer(directory, slots=1) as producer, attach(directory) as reader:
        producer.produce()
        batch = reader.next(timeout=0)
        lease = batch._lease
        batch.release()
        try:
            # Raises at the first line that is run in a function of Python's.
            sys.settrace(trace)
            del lease
        finally:
            sys.settrace(None)
        assert producer.produce() == 1


def test_breaking_out_of_a_loop_lets_the_next_one_attach(directory: str) -> None:
    with stream(directory):
        kept: list[sassl.Batch] = []
        for round_number in range(5):
            for batch in attach(directory, start="continue"):
                if batch.number == round_number + 2:
                    break
            # The loop's variable still has the batch, which was not done: it comes again.
            kept.append(batch)
        del batch
        assert [batch.number for batch in kept] == [2, 3, 4, 5, 6]
        for batch in kept:
            assert_shows(batch.views, batch.number)


@pytest.mark.parametrize("ending", ["close", "exception", "forgotten"])
def test_what_outlives_its_reader_is_never_overwritten(directory: str, ending: str) -> None:
    with stream(directory):
        reader = attach(directory)
        batches = list(itertools.islice(reader, 3))
        views = [batch.views for batch in batches]
        if ending == "close":
            reader.close()
            with pytest.raises(sassl.BatchReleasedError):
                batches[0].labels  # noqa: B018
        elif ending == "exception":
            with pytest.raises(RuntimeError), reader:
                raise RuntimeError
        del reader
        with attach(directory, start="continue") as successor:
            following = [batch.number for batch in itertools.islice(successor, 5 * SLOTS)]
        first = 3 if ending == "close" else 0
        assert following == list(range(first, first + 5 * SLOTS))
        for number, pair in enumerate(views):
            assert_shows(pair, number)


def test_a_forgotten_reader_makes_room_and_its_owner_is_told(directory: str) -> None:
    with stream(directory):
        forgotten = attach(directory)
        batch = next(forgotten)
        with pytest.warns(
            sassl.ReaderReplacedWarning, match="an earlier reader of this ring in this process was closed"
        ):
            reader = attach(directory, start="continue")
        assert next(reader).number == 0
        with pytest.raises(sassl.ReaderClosedError, match=r"a later sassl\.attach in this process took over"):
            next(forgotten)
        assert_shows(batch.views, 0)
        reader.close()


def test_a_reader_that_another_thread_waits_with_is_not_taken(directory: str) -> None:
    with Producer(directory) as producer:
        reader = attach(directory)
        numbers: list[int] = []
        waiter = threading.Thread(target=lambda: numbers.append(reader.next(timeout=60).number))
        waiter.start()
        while not reader._asked:
            pass
        with pytest.raises(sassl.ReaderBusyError, match="another thread of this process"):
            attach(directory)
        producer.produce()
        waiter.join()
        assert numbers == [0]
        reader.close()


# Threads, signals, ends


def test_closing_beside_a_waiting_thread_ends_its_wait(directory: str) -> None:
    def wait(reader: sassl.Reader, ends: list[BaseException]) -> None:
        try:
            next(reader)
        except BaseException as end:
            ends.append(end)

    with Producer(directory):
        for _ in range(10):
            reader = attach(directory)
            ends: list[BaseException] = []
            waiter = threading.Thread(target=wait, args=(reader, ends))
            waiter.start()
            while not reader._asked:
                pass
            reader.close()
            waiter.join(timeout=60)
            assert [type(end) for end in ends] == [sassl.ReaderClosedError]


def test_the_interpreter_ends_beside_a_waiting_thread(directory: str) -> None:
    program = (
        "import sassl, sys, threading\n"
        "reader = sassl.attach('test', directory=sys.argv[1], wait=0)\n"
        "threading.Thread(target=lambda: next(reader), daemon=True).start()\n"
        "while not reader._asked: pass\n"
        "print('ends')\n"
    )
    with Producer(directory):
        for _ in range(5):
            done = run(program, directory)
            assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


def test_threads_share_a_stream(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        seen: list[int] = []

        def read() -> None:
            for _ in range(100):
                batch = next(reader)
                assert_shows(batch.views, batch.number)
                seen.append(batch.number)
                batch.release()

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == list(range(300))


def test_an_interrupted_wait_loses_no_batch(directory: str) -> None:
    def interrupt(*_: object) -> None:
        raise Interruption

    draws = random.Random(3)
    former = signal.signal(signal.SIGALRM, interrupt)
    numbers: list[int] = []
    interruptions = 0
    try:
        with stream(directory, slots=2), attach(directory) as reader:
            while len(numbers) < 400:
                batch = None
                try:
                    signal.setitimer(signal.ITIMER_REAL, draws.uniform(1e-6, 3e-4))
                    batch = reader.next(timeout=60)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Interruption:
                    interruptions += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
                if batch is not None:
                    assert_shows(batch.views, batch.number)
                    numbers.append(batch.number)
                    del batch
            assert reader.status.held == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert numbers == list(range(400))
    assert interruptions > 20


def test_an_exception_at_any_step_of_next_loses_no_batch(directory: str) -> None:
    # Every instruction of the package's own frames, up to the one after which the caller has the batch.
    with stream(directory), attach(directory) as reader:
        for step in range(1, 2000):
            position = reader.position
            batch, _ = interrupted(step, reader.next)
            if batch is not None:
                # Nothing was interrupted any more: all steps were tried.
                assert batch.number == position
                break
            batch = reader.next(timeout=60)
            # The last two steps are the return itself, which no signal interrupts.
            assert batch.number in (position, position + 1)
            if batch.number == position + 1:
                assert interrupted(step + 3, reader.next)[0] is not None
                break
            del batch
        assert step > 40


def test_a_write_ends_with_a_sentence(directory: str) -> None:
    program = (
        "import ctypes, faulthandler, sassl, sys\n"
        "if {traced}: faulthandler.enable()\n"
        "reader = sassl.attach('test', directory=sys.argv[1], start=0, wait=0)\n"
        "next(reader).release()\n"
        "batch = next(reader)\n"
        "ctypes.memset(batch.views[1].__array_interface__['data'][0] + 5, 0, 1)\n"
    )
    for traced in (False, True):
        with Producer(directory) as producer:
            producer.produce()
            producer.produce()
            done = run(program.format(traced=traced), directory)
        assert done.returncode == -signal.SIGSEGV
        assert done.stderr.startswith("sassl: something writes to view1 of batch 1 of the ring 'test'")
        assert "array.copy(), tensor.clone() or tensor.to(device)" in done.stderr
        # Whoever explained such ends before goes on doing so.
        assert ('File "<string>", line 6 in <module>' in done.stderr) == traced


def test_another_fault_is_not_explained(directory: str) -> None:
    program = (
        "import ctypes, sassl, sys\n"
        "reader = sassl.attach('test', directory=sys.argv[1], start=0, wait=0)\n"
        "ctypes.memset(8, 0, 1)\n"
    )
    with Producer(directory):
        done = run(program, directory)
        assert (done.returncode, done.stderr) == (-signal.SIGSEGV, "")


# Epochs, starts, ranks


def test_epochs_see_every_batch_once(directory: str) -> None:
    with stream(directory), attach(directory) as reader:
        seen = []
        for epoch in range(3):
            batches = reader.epoch()
            assert len(batches) == BATCHES_PER_EPOCH
            for batch in batches:
                assert batch.epoch == epoch
                seen.append(batch.number)
            assert len(batches) == 0
    assert seen == list(range(3 * BATCHES_PER_EPOCH))


def test_an_epoch_begun_is_finished(directory: str) -> None:
    with stream(directory), attach(directory, start=BATCHES_PER_EPOCH + 3) as reader:
        assert len(reader.epoch()) == BATCHES_PER_EPOCH - 3
        assert [batch.step for batch in reader.epoch()] == list(range(3, BATCHES_PER_EPOCH))
        assert next(reader.epoch()).epoch == 2


def test_continuing_says_so_unless_it_was_asked_for(directory: str, recwarn: pytest.WarningsRecorder) -> None:
    with stream(directory):
        with sassl.attach("test", directory=directory) as reader:
            for _ in range(BATCHES_PER_EPOCH + 2):
                next(reader)
        with attach(directory, start="continue") as reader:
            assert reader.position == BATCHES_PER_EPOCH + 2
        assert [str(warning.message) for warning in recwarn] == []
        with (
            pytest.warns(
                sassl.ContinuingWarning, match=r"continues at batch 12 \(epoch 1, step 2\).*start=0 for a fresh"
            ),
            sassl.attach("test", directory=directory) as reader,
        ):
            assert next(reader).number == BATCHES_PER_EPOCH + 2
        with attach(directory, start=0) as reader:
            assert next(reader).number == 0


def test_a_ring_of_other_ranks_is_refused(directory: str, recwarn: pytest.WarningsRecorder) -> None:
    with stream(directory, rank=1, world_size=4):
        for said in (1, 2):
            with pytest.raises(
                sassl.WorldSizeError, match=rf"rank 1 of 4, and this reader is one of {said}.*world_size=4"
            ):
                attach(directory, rank=1, world_size=said)
        with attach(directory, rank=1, world_size=4) as reader:
            assert next(reader).number == 0
        assert [str(warning.message) for warning in recwarn] == []
        with pytest.warns(sassl.WorldSizeWarning, match="rank 1 of 4.*Say world_size=4"):
            attach(directory, rank=1).close()


def test_a_daemon_that_comes_back_for_other_ranks_is_refused(directory: str) -> None:
    producer = Producer(directory)
    producer.produce()
    with attach(directory, daemon_timeout=60) as reader:
        assert next(reader).number == 0
        producer.close()
        with Producer(directory, world_size=2), pytest.raises(sassl.WorldSizeError, match="rank 0 of 2"):
            next(reader)


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "a\0b"},
        {"rank": -1},
        {"rank": 2**32},
        {"world_size": 0},
        {"start": -1},
        {"start": 2**63},
        {"start": "beginning"},
        {"wait": float("nan")},
        {"daemon_timeout": float("nan")},
    ],
)
def test_arguments_that_make_no_sense_are_refused(directory: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not|neither|NaN"):
        sassl.attach(**{"name": "test", "directory": directory, "wait": 0, **arguments})


def test_as_many_threads_as_slots_share_a_loop(directory: str) -> None:
    """Each loop's variable holds a slot until the next batch is there."""
    numbers: list[int] = []
    with stream(directory, slots=3), attach(directory, daemon_timeout=60) as reader:

        def work() -> None:
            for batch in reader:
                assert_shows(batch.views, batch.number)
                numbers.append(batch.number)
                if len(numbers) > 30:
                    return

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(numbers) == list(range(len(numbers)))
    assert len(numbers) > 30
