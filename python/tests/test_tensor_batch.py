"""Batches as frameworks take and move them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sassl
from producing import Producer, expected, stream

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from late_device import LateDevice, install  # noqa: E402
from sassl.torch import RingDataset, TensorBatch  # noqa: E402


def ring_dataset(directory: str) -> RingDataset:
    return RingDataset("test", directory=directory, wait=0, daemon_timeout=0)


def test_it_unpacks_to_views_and_labels(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()
        dataset = ring_dataset(directory)
        batch = next(iter(dataset))
        views, labels = batch
        assert [type(views), len(views)] == [list, 2]
        for index, view in enumerate(views):
            np.testing.assert_array_equal(view.numpy(), expected(0)[f"view{index}"])
        np.testing.assert_array_equal(labels.numpy(), expected(0)["labels"])
        named = batch.as_dict()
        assert type(named) is dict
        assert set(named) == set(expected(0))
        del batch, views, view, named
        dataset.close()


def test_a_loader_makes_tuples_of_batches_for_who_wants_them(directory: str) -> None:
    with stream(directory):
        dataset = ring_dataset(directory)
        # PyTorch's types know of no loader that leaves batches alone.
        as_tuple: Any = TensorBatch.as_tuple
        loader = DataLoader(dataset, batch_size=None, collate_fn=as_tuple)
        for number, (views, labels) in zip(range(5), loader, strict=False):
            np.testing.assert_array_equal(views[1].numpy(), expected(number)["view1"])
            assert len(labels) == len(views[0])
        del views
        dataset.close()


def test_where_it_is_it_stays(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()
        dataset = ring_dataset(directory)
        batch = next(iter(dataset))
        assert batch.to("cpu") is batch
        assert batch.to(torch.device("cpu"), non_blocking=True) is batch
        dataset.close()


def moved_by_accelerate(batch: TensorBatch) -> Any:
    return pytest.importorskip("accelerate.utils").send_to_device(batch, torch.device("meta"), non_blocking=True)


def moved_by_lightning(batch: TensorBatch) -> Any:
    fabric = pytest.importorskip("lightning_fabric.utilities.apply_func")
    return fabric.move_data_to_device(batch, torch.device("meta"))


@pytest.mark.parametrize("move", [moved_by_accelerate, moved_by_lightning])
def test_frameworks_move_it(directory: str, move: Any) -> None:
    with Producer(directory, slots=2) as producer:
        producer.produce()
        dataset = ring_dataset(directory)
        batch = next(iter(dataset))
        moved = move(batch)
        assert isinstance(moved, TensorBatch)
        assert {tensor.device.type for tensor in moved.tensors.values()} == {"meta"}
        assert [moved.number, moved.count, len(moved.views)] == [0, 4, 2]
        # What was moved keeps no slot.
        del batch
        assert dataset.reader.status.held == 0
        with pytest.raises(sassl.BatchReleasedError):
            _ = moved.batch.views
        dataset.close()


def test_a_copy_that_does_not_block_keeps_the_slot_until_it_is_done(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = install(monkeypatch, LateDevice())
    # As if the trainer's stream had not come to it yet.
    monkeypatch.setattr(device, "adopt", lambda copied, event: None)
    with Producer(directory, slots=3) as producer:
        producer.produce()
        producer.produce()
        dataset = ring_dataset(directory)
        batches = iter(dataset)
        moved = next(batches).to("cuda", non_blocking=True)
        assert dataset.reader.status.held == 1
        # Asking for more frees nothing that the device has not read.
        following = next(batches)
        assert dataset.reader.status.held == 2
        while producer.produce() is not None:
            pass
        device.run(1)
        for index, view in enumerate(moved.views):
            np.testing.assert_array_equal(view.numpy(), expected(0)[f"view{index}"])
        assert following.number == 1
        del following
        assert next(batches).number == 2
        assert dataset.reader.status.held == 0
        dataset.close()


def test_a_copy_under_way_is_waited_for_where_its_slot_is_needed(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = install(monkeypatch, LateDevice())
    monkeypatch.setattr(device, "adopt", lambda copied, event: None)
    with stream(directory, slots=1):
        dataset = ring_dataset(directory)
        moved = [batch.to("cuda", non_blocking=True) for batch in dataset]
        dataset.close()
    for batch in moved:
        np.testing.assert_array_equal(batch.views[0].numpy(), expected(batch.number)["view0"])
    assert device.done == len(moved)


def test_a_pinned_batch_keeps_no_slot(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a GPU there is no memory of that kind.
    monkeypatch.setattr(torch.Tensor, "pin_memory", torch.Tensor.clone)
    with stream(directory, slots=2):
        dataset = ring_dataset(directory)
        pinned = [torch.utils.data._utils.pin_memory.pin_memory(batch) for batch in dataset]
        assert dataset.reader.status.held == 0
        dataset.close()
    for batch in pinned:
        assert isinstance(batch, TensorBatch)
        np.testing.assert_array_equal(batch.views[1].numpy(), expected(batch.number)["view1"])
