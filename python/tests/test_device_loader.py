"""Batches on their way to a device, which here copies as late as it may; see `late_device`."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import sassl
from interruptions import interrupted
from producing import BATCHES_PER_EPOCH, FIELDS, Producer, expected, stream

torch = pytest.importorskip("torch")

from late_device import LateDevice, install  # noqa: E402
from sassl.torch import DeviceLoader, RingDataset, TensorBatch  # noqa: E402

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> LateDevice:
    return install(monkeypatch, LateDevice())


def ring_dataset(directory: str, **options: Any) -> RingDataset:
    return RingDataset("test", directory=directory, wait=0, daemon_timeout=0, **options)


@contextlib.contextmanager
def full_ring(directory: str, slots: int = 4) -> Iterator[Producer]:
    """A stream whose ring is full before anybody reads it."""
    with stream(directory, slots=slots) as producer:
        while producer.counters().published < slots:
            threading.Event().wait(0.001)
        yield producer


def fill(producer: Producer) -> None:
    """Publishes batches as long as there is room."""
    while producer.produce() is not None:
        pass


def normalized(number: int, view: str) -> np.ndarray:
    """What a network is given, in float64."""
    pixels = expected(number)[view].astype(np.float64) / 255
    return np.asarray(((pixels - MEAN) / STD).transpose(0, 3, 1, 2))


def show(batches: list[TensorBatch], numbers: list[int]) -> None:
    """Every batch shows its own pixels and columns."""
    assert [batch.number for batch in batches] == numbers
    for batch in batches:
        for index, view in enumerate(batch.views):
            assert view.is_contiguous(memory_format=torch.channels_last)
            np.testing.assert_allclose(view.double().numpy(), normalized(batch.number, f"view{index}"), atol=1e-6)
        for name in ("labels", "sample_ids", "style_ids", "applied", "alpha", "beta"):
            np.testing.assert_array_equal(batch.tensors[name].numpy(), expected(batch.number)[name])


@pytest.mark.parametrize("refuses", [(), (True,), (True, False)])
def test_no_slot_goes_back_before_its_copy_is_done(
    directory: str, monkeypatch: pytest.MonkeyPatch, refuses: tuple[bool, ...]
) -> None:
    device = install(monkeypatch, LateDevice(refuses=refuses))
    with warnings.catch_warnings(record=True) as warned, full_ring(directory):
        warnings.simplefilter("always", sassl.PageLockWarning)
        dataset = ring_dataset(directory)
        loader = DeviceLoader(dataset)
        kept = [batch for _ in range(3) for batch in loader]
        dataset.close()
    # Also the last, which the ring has long overwritten.
    show(kept, list(range(3 * BATCHES_PER_EPOCH)))
    locking = [line for line in device.log if "register" in line]
    assert (
        locking
        == {
            (): ["register read-only", "unregister"],
            (True,): ["register read-only", "register writable", "unregister"],
            (True, False): ["register read-only", "register writable"],
        }[refuses]
    )
    # It fetched ahead.
    assert device.log.index("copy 2") < device.log.index("done 1")
    told = [str(warning.message) for warning in warned if warning.category is sassl.PageLockWarning]
    assert len(told) == (refuses == (True, False))
    assert all("no page of this kind can be locked" in sentence for sentence in told)
    assert all(warning.filename == __file__ for warning in warned if warning.category is sassl.PageLockWarning)


def test_the_ring_counts_a_slot_as_held_until_the_device_has_it(directory: str, device: LateDevice) -> None:
    with Producer(directory, slots=4) as producer:
        for _ in range(3):
            producer.produce()
        dataset = ring_dataset(directory)
        batches = iter(DeviceLoader(dataset))
        assert next(batches).number == 0
        assert (len(device.copies), device.done) == (3, 1)
        assert next(batches).number == 1
        assert producer.counters().released == 1
        assert dataset.reader.status.held == 2
        # The sooner for a device that is fast.
        device.run(3)
        assert next(batches).number == 2
        assert producer.counters().released == 3
        dataset.close()


@pytest.mark.parametrize("slots", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [1, 2, 7])
def test_the_daemon_always_has_a_slot_to_work_in(
    directory: str, device: LateDevice, slots: int, depth: int, recwarn: pytest.WarningsRecorder
) -> None:
    with stream(directory, slots=slots):
        dataset = ring_dataset(directory)
        loader = DeviceLoader(dataset, depth=depth)
        batches = [batch for _ in range(2) for batch in loader]
        dataset.close()
    show(batches, list(range(2 * BATCHES_PER_EPOCH)))
    few = [str(warning.message) for warning in recwarn if warning.category is sassl.FewSlotsWarning]
    assert [f"wants {depth + 1} slots" in sentence for sentence in few] == [True] * len(few)
    assert bool(few) == (slots < depth + 1)


def test_what_was_fetched_ahead_counts_as_not_read(directory: str, device: LateDevice) -> None:
    with Producer(directory, slots=4) as producer:
        dataset = ring_dataset(directory)
        loader = DeviceLoader(dataset)
        assert len(loader) == BATCHES_PER_EPOCH
        fill(producer)
        for batch in loader:
            fill(producer)
            if batch.number == 3:
                break
        assert len(device.copies) == 6
        assert loader.position == dataset.position == dataset.reader.position == 4
        state = loader.state_dict()
        assert state == dataset.state_dict()
        assert state["batch"] == 4
        # The rest of the epoch, without anything made again.
        rest = []
        for batch in loader:
            fill(producer)
            rest.append(batch)
        show(rest, list(range(4, BATCHES_PER_EPOCH)))
        assert len(device.copies) == BATCHES_PER_EPOCH
        dataset.close()


def test_a_position_that_is_loaded_counts_and_not_what_was_fetched_ahead(directory: str, device: LateDevice) -> None:
    with stream(directory, slots=4):
        dataset = ring_dataset(directory)
        loader = DeviceLoader(dataset)
        first = next(iter(loader))
        state = loader.state_dict()
        show([first, *loader], list(range(BATCHES_PER_EPOCH)))
        loader.load_state_dict(state)
        show([next(iter(loader))], [1])
        # What is closed has read what it handed out, and nothing else.
        dataset.close()
        again = ring_dataset(directory, start="continue")
        assert again.position == 2
        show([next(iter(DeviceLoader(again)))], [2])
        again.close()


def test_others_go_on_where_a_loader_was_left(directory: str, device: LateDevice) -> None:
    with stream(directory, slots=4):
        dataset = ring_dataset(directory)
        show([next(iter(DeviceLoader(dataset)))], [0])
        show([next(iter(DeviceLoader(dataset, device="cpu")))], [1])
        assert next(iter(dataset)).number == 2
        loader = DeviceLoader(dataset)
        batches = iter(loader)
        show([next(batches)], [3])
        dataset.reader.seek(8)
        show([next(batches)], [8])
        assert dataset.reader.next().number == 9
        dataset.close()


def test_a_reader_that_dies_leaves_what_was_not_handed_out(directory: str, device: LateDevice) -> None:
    with full_ring(directory):
        batches = iter(DeviceLoader(ring_dataset(directory)))
        next(batches)
        held = next(batches)
        assert held.number == 1
        assert len(device.copies) == 4
        # The ring itself says what a next reader gets, whatever becomes of this one.
        with pytest.warns(sassl.ReaderReplacedWarning):
            following = sassl.attach("test", directory=directory, start="continue", wait=0)
        assert next(following).number == 1
        following.close()
        show([held], [1])
        with pytest.raises(sassl.ReaderClosedError):
            next(batches)


def number_after_a_kill(program: str, directory: str) -> int:
    """Kills a trainer as soon as it says that it has batch 4; returns what the next one gets."""
    with full_ring(directory):
        with subprocess.Popen(
            [sys.executable, "-c", program, directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=os.path.dirname(__file__),
        ) as trainer:
            assert trainer.stdout is not None
            assert trainer.stdout.readline() == b"has batch 4\n"
            trainer.kill()
        with sassl.attach("test", directory=directory, start="continue", wait=0) as reader:
            return next(reader).number


def test_a_killed_trainer_gets_the_batch_again_that_it_had(directory: str) -> None:
    program = (
        "import sys, torch, pytest\n"
        "from late_device import LateDevice, install\n"
        "from sassl.torch import DeviceLoader, RingDataset\n"
        "install(pytest.MonkeyPatch(), LateDevice())\n"
        "loader = iter(DeviceLoader(RingDataset('test', directory=sys.argv[1], wait=0)))\n"
        "for _ in range(5):\n"
        "    batch = next(loader)\n"
        "print('has batch', batch.number, flush=True)\n"
        "sys.stdin.read()\n"
    )
    assert number_after_a_kill(program, directory) == 4


def test_a_killed_trainer_that_keeps_no_batch_gets_it_again(directory: str) -> None:
    program = (
        "import sys, pytest\n"
        "from late_device import PromptDevice, install\n"
        "from sassl.torch import DeviceLoader, RingDataset\n"
        "install(pytest.MonkeyPatch(), PromptDevice())\n"
        "loader = DeviceLoader(RingDataset('test', directory=sys.argv[1], wait=0))\n"
        "step = -1\n"
        "for views, labels in loader:\n"
        "    step += 1\n"
        "    if step == 4:\n"
        "        print('has batch 4', flush=True)\n"
        "        sys.stdin.read()\n"
    )
    assert number_after_a_kill(program, directory) == 4


def test_what_a_loader_has_handed_out_was_read_when_the_reader_reads_on(directory: str) -> None:
    with stream(directory) as producer:
        dataset = ring_dataset(directory)
        views, _ = next(iter(DeviceLoader(dataset, device="cpu")))
        del views
        for number in range(1, 6):
            assert next(dataset.reader).number == number
        assert producer.counters().reader_next >= 4
        dataset.close()


def test_a_device_out_of_memory_loses_no_batch(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    device = install(monkeypatch, LateDevice(fails_at=frozenset({0, 4, 5})))
    with full_ring(directory):
        dataset = ring_dataset(directory)
        loader = DeviceLoader(dataset)
        batches: list[TensorBatch] = []
        failures = 0
        while len(batches) < BATCHES_PER_EPOCH:
            try:
                batches += [next(iter(loader))]
            except torch.OutOfMemoryError:
                failures += 1
        assert failures == 3
        show(batches, list(range(BATCHES_PER_EPOCH)))
        dataset.close()
    assert not device.locked


def test_an_error_of_the_ring_waits_for_its_turn(directory: str, device: LateDevice) -> None:
    with Producer(directory, slots=4) as producer:
        for _ in range(3):
            producer.produce()
        dataset = ring_dataset(directory, verify=True)
        reader = dataset.reader
        with open(f"{directory}/sassl.test.0", "r+b") as file:
            content = file.read()
            place = content.index(expected(2)["view0"].tobytes())
            file.seek(place)
            file.write(bytes([content[place] ^ 1]))
        batches = iter(DeviceLoader(dataset))
        show([next(batches), next(batches)], [0, 1])
        with pytest.raises(sassl.ChecksumError, match="batch 2"):
            next(batches)
        producer.produce()
        show([next(batches)], [2])
        assert reader.position == 3
        dataset.close()


def test_an_error_of_a_batch_that_is_not_wanted_any_more_is_none(directory: str, device: LateDevice) -> None:
    with Producer(directory, slots=4) as producer:
        for _ in range(3):
            producer.produce()
        dataset = ring_dataset(directory, verify=True)
        loader = DeviceLoader(dataset)
        state = loader.state_dict()
        with open(f"{directory}/sassl.test.0", "r+b") as file:
            content = file.read()
            place = content.index(expected(2)["view0"].tobytes())
            file.seek(place)
            file.write(bytes([content[place] ^ 1]))
        show([next(iter(loader))], [0])
        loader.load_state_dict(state | {"batch": 5})
        fill(producer)
        show([next(iter(loader))], [5])
        dataset.close()


def test_a_ring_that_takes_the_place_of_another_is_locked_in_its_turn(directory: str, device: LateDevice) -> None:
    dataset = RingDataset("test", directory=directory, wait=0, daemon_timeout=60)
    producer = Producer(directory, slots=4)
    for _ in range(3):
        producer.produce()
    batches = iter(DeviceLoader(dataset))
    seen = [next(batches)]
    producer.abandon()
    seen += [next(batches), next(batches)]

    def come_back() -> None:
        # What the dead ring has locked is unlocked while its reader waits for this one.
        assert device.unlocked.wait(60)
        with stream(directory, slots=4):
            finished.wait(60)

    finished = threading.Event()
    successor = threading.Thread(target=come_back)
    successor.start()
    seen += list(batches)
    dataset.close()
    finished.set()
    successor.join()
    show(seen, list(range(BATCHES_PER_EPOCH)))
    assert [line for line in device.log if "register" in line] == ["register read-only", "unregister"] * 2


def test_batches_that_are_held_beside_a_loader_are_moved_and_not_what_it_copies(
    directory: str, device: LateDevice
) -> None:
    with stream(directory, slots=3):
        dataset = ring_dataset(directory)
        held = next(iter(dataset))
        batches = [batch for _ in range(2) for batch in DeviceLoader(dataset, depth=1)]
        show(batches, list(range(1, 2 * BATCHES_PER_EPOCH)))
        for index, view in enumerate(held.views):
            np.testing.assert_array_equal(view.numpy(), expected(0)[f"view{index}"])
        dataset.close()


def test_an_exception_at_any_step_loses_no_batch(directory: str, device: LateDevice) -> None:
    # Of the package's own frames every seventh instruction. A call is interrupted once; these are the latest lines.
    # What is lost while it is fetched ahead is missed one call later.
    lines: deque[str] = deque(["", ""], maxlen=2)
    with stream(directory, slots=4):
        dataset = ring_dataset(directory, endless=True)
        batches: Iterator[TensorBatch] = iter(DeviceLoader(dataset, depth=1))
        position, step, missed = 0, 1, set()
        while True:
            batch, line = interrupted(step, lambda: next(batches))
            lines.append(line)
            if batch is not None:
                break
            following = next(batches)
            show([following], [following.number])
            if following.number != position:
                assert following.number == position + 1
                missed.add(tuple(lines))
            position = following.number + 1
            del following
            step += 7
        show([batch], [position])
        assert step > 1000
        # On the way back from the last call to whoever keeps the batch no signal is looked for.
        returning = {
            "return batch",
            'if "thread" in self._asking and self._asking["thread"] == thread:',
            'del self._asking["thread"]',
            "return self._loader._take(None)",
            "reader._ahead.append(reader._take(timeout))",
        }
        assert [both for both in missed if not returning & set(both)] == []
        dataset.close()


# Every value of a pixel, for each colour.
PIXELS = np.arange(256, dtype=np.uint8).repeat(3).reshape(4, 8, 8, 3)


def normalized_here(directory: str, dtype: Any, mean: list[float], std: list[float]) -> Any:
    """What a loader makes of `PIXELS`, in float64."""
    with Producer(directory, fields=[("view0", 1, PIXELS.shape), *FIELDS[2:]]) as producer:
        reservation = producer.reserve()
        assert reservation is not None
        ctypes.memmove(reservation.payload, PIXELS.ctypes.data, PIXELS.nbytes)
        producer.publish_batch(reservation)
        dataset = ring_dataset(directory)
        ((view,), _) = next(iter(DeviceLoader(dataset, device="cpu", dtype=dtype, mean=mean, std=std)))
        dataset.close()
    assert view.dtype == dtype
    return view.double().numpy()


@pytest.mark.parametrize(
    ("dtype", "rounding"), [(torch.float32, 2**-24), (torch.bfloat16, 2**-8), (torch.float16, 2**-11)]
)
def test_values_are_rounded_once(directory: str, dtype: Any, rounding: float) -> None:
    mean, std = [0.1, 0.5, 0.9], [0.2, 0.5, 1.0]
    exact = ((PIXELS / 255 - mean) / std).transpose(0, 3, 1, 2)
    # To the type; those of float32 come before it.
    np.testing.assert_allclose(normalized_here(directory, dtype, mean, std), exact, rtol=rounding, atol=1e-6)


def test_values_are_those_of_torchvision(directory: str) -> None:
    transforms = pytest.importorskip("torchvision.transforms.v2")
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    recipe = transforms.Compose([transforms.ToDtype(torch.float32, scale=True), transforms.Normalize(mean, std)])
    theirs = recipe(torch.from_numpy(PIXELS).permute(0, 3, 1, 2)).double().numpy()
    np.testing.assert_allclose(normalized_here(directory, torch.float32, mean, std), theirs, atol=2e-6)


def test_a_batch_that_is_not_full_comes_as_it_is(directory: str, device: LateDevice) -> None:
    with Producer(directory) as producer:
        reservation = producer.reserve()
        assert reservation is not None
        producer.fill(reservation)
        producer.publish_batch(reservation, count=3)
        dataset = ring_dataset(directory)
        batch = next(iter(DeviceLoader(dataset)))
        views, labels = batch
        assert [view.shape for view in views] == [(3, 3, 6, 5)] * 2
        np.testing.assert_array_equal(labels.numpy(), expected(0)["labels"][:3])
        # Labels that are kept do not keep the pixels.
        assert labels.untyped_storage().nbytes() < 1024
        with pytest.raises(sassl.BatchReleasedError, match="copied to a device"):
            _ = batch.batch.views
        dataset.close()


def test_the_processor_is_a_device_like_others(directory: str) -> None:
    with Producer(directory, slots=1) as producer:
        dataset = ring_dataset(directory)
        batches, kept = iter(DeviceLoader(dataset, device="cpu")), []
        for _ in range(5):
            producer.produce()
            # Nothing of what is kept is in the way.
            kept.append(next(batches))
            assert dataset.position == len(kept)
        show(kept, list(range(5)))
        dataset.close()


def test_what_cannot_be_meant_is_told(directory: str, device: LateDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = ring_dataset(directory)
    options: dict[str, Any]
    for options, sentence in (
        ({"dtype": torch.uint8}, "uint8, come from the RingDataset"),
        ({"depth": 0}, "depth=0"),
        ({"mean": (123.675, 116.28, 103.53)}, "not of 255"),
        ({"std": (0.0, 0.5, 0.5)}, "above 0"),
        ({"mean": (0.5,)}, "three numbers"),
        ({"device": "mps"}, r"batch.to\(device\)"),
    ):
        with pytest.raises(ValueError, match=sentence):
            DeviceLoader(dataset, **options)
    wrong: Any
    for wrong in (torch.utils.data.DataLoader(dataset, batch_size=None), "photos"):
        with pytest.raises(TypeError, match=f"RingDataset, not {type(wrong).__name__}"):
            DeviceLoader(wrong)
    with pytest.raises(sassl.DeviceUnavailableError, match="there are 1 GPUs"):
        DeviceLoader(dataset, device="cuda:1")
    monkeypatch.undo()
    if not torch.cuda.is_available():
        with pytest.raises(sassl.DeviceUnavailableError, match="Say device='cpu'"):
            DeviceLoader(dataset)


def test_a_loader_is_of_one_thread_at_a_time(directory: str, device: LateDevice) -> None:
    with Producer(directory) as producer:
        dataset = ring_dataset(directory)
        loader = DeviceLoader(dataset)
        seen: list[TensorBatch] = []
        thread = threading.Thread(target=lambda: seen.append(next(iter(loader))))
        thread.start()
        with pytest.raises(sassl.ReaderBusyError, match="another thread"):
            while True:
                # It waits for a batch from some point on, and nothing comes before this ends.
                loader._take(None) if loader._asking else threading.Event().wait(0.001)
        producer.produce()
        thread.join()
        show(seen, [0])
        producer.produce()
        show([next(iter(loader))], [1])
        dataset.close()


def test_a_loader_stays_in_its_process(directory: str, device: LateDevice) -> None:
    with full_ring(directory):
        dataset = ring_dataset(directory)
        loader = DeviceLoader(dataset)
        assert len(pickle.dumps(loader)) > 0
        batches = iter(loader)
        next(batches)
        with pytest.raises(sassl.WorkerProcessError):
            pickle.dumps(loader)
        child = os.fork()
        if child == 0:
            # Copies are under way, and two batches wait to be handed out.
            try:
                next(batches)
            except sassl.ForkedError:
                del batches, loader, dataset
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        show([next(batches)], [1])
        dataset.close()
