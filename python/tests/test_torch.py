"""The ring as a PyTorch dataset."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import sassl
from producing import Producer, expected

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from sassl.torch import RingDataset, TensorBatch  # noqa: E402


def dataset(directory: str) -> RingDataset:
    return RingDataset("test", directory=directory, wait=0, daemon_timeout=0)


def test_tensors_lie_in_the_ring(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()
        ring = dataset(directory)
        batch = next(iter(ring))
        content = expected(0)
        assert [view.dtype for view in batch.views] == [torch.uint8, torch.uint8]
        for index, view in enumerate(batch.views):
            np.testing.assert_array_equal(view.numpy(), content[f"view{index}"])
            assert view.data_ptr() == batch.batch.views[index].__array_interface__["data"][0]
        np.testing.assert_array_equal(batch.labels.numpy(), content["labels"])
        np.testing.assert_array_equal(batch.alpha.numpy(), content["alpha"])
        np.testing.assert_array_equal(batch.applied.numpy(), content["applied"])
        ring.close()


def test_a_data_loader_passes_batches_through(directory: str) -> None:
    with Producer(directory) as producer:
        for _ in range(3):
            producer.produce()
        ring = dataset(directory)
        for number, batch in zip(range(3), DataLoader(ring, batch_size=None), strict=False):
            assert isinstance(batch, TensorBatch)
            assert batch.number == number
        ring.close()


def test_worker_processes_are_refused_with_the_remedy(directory: str) -> None:
    with (
        Producer(directory),
        pytest.raises(sassl.WorkerProcessError, match="num_workers=0"),
    ):
        next(iter(DataLoader(dataset(directory), batch_size=None, num_workers=1)))


def test_an_attached_dataset_is_not_pickled(directory: str) -> None:
    with Producer(directory):
        ring = dataset(directory)
        pickle.dumps(ring)
        assert ring.reader.position == 0
        with pytest.raises(sassl.WorkerProcessError):
            pickle.dumps(ring)
        ring.close()


def test_another_configuration_is_read_by_who_accepts_it(directory: str) -> None:
    ring = RingDataset("test", directory=directory, wait=0, accept_change=True)
    producer = Producer(directory)
    assert ring.reader.position == 0
    producer.abandon()
    with Producer(directory, fingerprint=b"g" * 32) as successor:
        successor.produce()
        assert next(iter(ring)).number == 0
        ring.close()


def test_training_goes_on_where_its_checkpoint_was_taken(directory: str) -> None:
    with Producer(directory, slots=2) as producer:
        ring = dataset(directory)
        seen = []
        producer.produce()
        producer.produce()
        for batch in ring:
            seen.append(batch.number)
            producer.produce()
            if batch.number == 4:
                break
        state = ring.state_dict()
        ring.close()
        again = dataset(directory)
        again.load_state_dict(state)  # before it is attached
        for batch in again:
            seen.append(batch.number)
            producer.produce()
            if batch.number == 9:
                break
        again.close()
        assert seen == list(range(10))


def test_a_data_loader_that_would_collate_whole_batches_is_told_the_remedy(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()
        with pytest.raises(sassl.CollationError, match=r"DataLoader\(dataset, batch_size=None\)"):
            next(iter(DataLoader(dataset(directory))))
