"""The ring as a PyTorch dataset."""

from __future__ import annotations

import contextlib
import pickle

import numpy as np
import pytest

import sassl
from process_groups import told_by_both
from producing import BATCHES_PER_EPOCH, Producer, expected, stream

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from sassl.torch import DeviceLoader, RingDataset, TensorBatch  # noqa: E402


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


def test_a_reader_that_is_attached_already_is_read_from_where_it_stands(directory: str) -> None:
    with stream(directory), sassl.attach("test", directory=directory, start=3, wait=0) as reader:
        ring = RingDataset(reader)
        assert ring.reader is reader
        assert [batch.number for batch in ring] == [3, 4, 5, 6, 7, 8, 9]
        with pytest.raises(TypeError, match=r"start, wait: cannot be chosen here"):
            RingDataset(reader, start=5, wait=1)
        ring.close()
        with pytest.raises(sassl.ReaderClosedError):
            next(iter(ring))


def test_a_closed_dataset_knows_where_it_was_and_goes_on_there(directory: str) -> None:
    with stream(directory):
        ring = dataset(directory)
        for batch in ring:
            if batch.number == 4:
                break
        # A framework may save its checkpoint after it has closed everything.
        del batch
        state = ring.state_dict()
        ring.close()
        assert ring.state_dict() == state
        assert [batch.number for batch in ring] == [5, 6, 7, 8, 9]
        ring.close()


def test_a_state_that_was_loaded_is_told_without_a_daemon(directory: str) -> None:
    with stream(directory):
        ring = dataset(directory)
        state = ring.state_dict() | {"batch": 7}
        ring.close()
    again = dataset(directory)
    again.load_state_dict(state)
    assert again.state_dict() == state


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_state_of_another_stream_is_refused_until_it_is_forced(directory: str, refusals: int) -> None:
    with stream(directory):
        ring = dataset(directory)
        present = ring.state_dict()
        ring.close()
        again = dataset(directory)
        loader = DeviceLoader(again, "cpu")
        loader.load_state_dict(present | {"batch": 3, "fingerprint": "00" * 32})
        for _ in range(refusals):
            with pytest.raises(sassl.ConfigurationChangedError, match="another stream"):
                next(iter(loader))
        loader.load_state_dict(present | {"batch": 3, "fingerprint": "00" * 32}, force=True)
        assert [batch.number for batch in loader] == list(range(3, BATCHES_PER_EPOCH))
        assert loader.position == BATCHES_PER_EPOCH
        assert loader.state_dict() == present | {"batch": BATCHES_PER_EPOCH}
        reader = again.reader
        again.close()
        with pytest.raises(sassl.ReaderClosedError):
            next(reader)


IN_A_GROUP = """
import sys, warnings
import torch
import sassl
from sassl.torch import RingDataset

directory, rank = sys.argv[1], int(sys.argv[2])
torch.distributed.init_process_group("gloo", init_method=f"file://{directory}/group", rank=rank, world_size=2)
for dataset in (
    RingDataset(sassl.attach(f"whole{rank}", world_size=1, directory=directory, start=0)),
    RingDataset(sassl.attach(f"first{rank}", world_size=2, directory=directory, start=0)),
    RingDataset(sassl.attach("parts", rank, world_size=2, directory=directory, start=0)),
    RingDataset("parts", directory=directory),
    RingDataset(f"whole{rank}", world_size=1, directory=directory),
    RingDataset(f"whole{rank}", 0, world_size=1, directory=directory),
):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", sassl.SharedBatchesWarning)
        for _ in range(2):
            iter(dataset)
    print(*(f"{warning.category.__name__} {warning.filename} {warning.message}" for warning in caught), sep="|")
    dataset.close()
# Who leaves early takes the connection from one that still looks for it.
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def test_processes_that_would_train_on_the_same_batches_are_warned_once(directory: str) -> None:
    with contextlib.ExitStack() as rings:
        for rank in (0, 1):
            rings.enter_context(Producer(directory, f"whole{rank}"))
            rings.enter_context(Producer(directory, f"first{rank}", world_size=2))
            rings.enter_context(Producer(directory, "parts", rank=rank, world_size=2))
        told = told_by_both(IN_A_GROUP, directory)
    for rank, (whole, first, parts, named, number_alone, said) in enumerate(told):
        for warning in (whole, number_alone):
            assert warning.startswith(
                f"SharedBatchesWarning <string> this process is rank {rank} of 2 that train together, and its reader "
                "is rank 0 of 1: every process that reads like this trains on the same batches. "
                f"Say sassl.serve(..., world_size=2, ranks=[{rank}])"
            )
            assert "|" not in warning
        assert ("reader is rank 0 of 2: some processes train on the same batches" in first) == (rank == 1)
        assert (parts, named, said) == ("", "", "")
