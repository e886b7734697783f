"""What a device copies stays where it is, whatever becomes of the ring meanwhile."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np
import pytest

import sassl
from producing import Producer, expected
from sassl import _library as c
from sassl.batch import Array, Lease, lease_of


class Device:
    """Reads a batch from a mapping of its own, at any time."""

    def __init__(self, batch: sassl.Batch) -> None:
        self.lease: Lease = lease_of(batch)
        address, size, error = ctypes.c_void_p(), ctypes.c_uint64(), c.Error()
        result = c.library.sassl_ring_lease_map_slots(
            ctypes.byref(self.lease), False, ctypes.byref(address), ctypes.byref(size), ctypes.byref(error)
        )
        assert result == c.OK, error.message
        assert address.value is not None
        self.address, self.size = address.value, size.value
        offset = self.lease.pin()
        assert offset is not None
        self.offset = offset

    def read(self) -> Array:
        """The first view of the batch, as it lies in the ring now."""
        view = expected(0)["view0"]
        memory = ctypes.string_at(self.address + self.offset, view.nbytes)
        return np.frombuffer(memory, np.uint8).reshape(view.shape)

    def close(self) -> None:
        c.library.sassl_ring_slots_unmap(self.address, self.size)


@pytest.fixture
def producer(directory: str) -> Iterator[Producer]:
    with Producer(directory, slots=1) as producer:
        producer.produce()
        yield producer


def test_it_is_not_moved_out_of_the_way(directory: str, producer: Producer) -> None:
    with sassl.attach("test", directory=directory, start=0, wait=0) as reader:
        batch = next(reader)
        device = Device(batch)
        with pytest.raises(sassl.RingHeldError):
            reader.next(timeout=0.1)
        assert producer.produce() is None
        np.testing.assert_array_equal(device.read(), expected(0)["view0"])
        device.lease.vacate()
        device.lease.vacate()
        assert producer.produce() == 1
        assert next(reader).number == 1
        # What was given back is not read any more, by nobody's mistake.
        with pytest.raises(sassl.BatchReleasedError):
            _ = batch.views
        assert device.lease.pin() is None
        device.close()


def test_the_next_reader_does_not_get_its_slot(directory: str, producer: Producer) -> None:
    reader = sassl.attach("test", directory=directory, start=0, wait=0)
    device = Device(next(reader))
    reader.close()
    # Nobody else may read, and so release, before the device has done.
    with pytest.raises(sassl.ReaderBusyError):
        sassl.attach("test", directory=directory, start=1, wait=0)
    np.testing.assert_array_equal(device.read(), expected(0)["view0"])
    device.lease.vacate()
    device.close()
    with sassl.attach("test", directory=directory, start=1, wait=0) as following:
        with pytest.raises(sassl.BatchTimeoutError):
            following.next(timeout=0)
        assert producer.produce() == 1
        assert next(following).number == 1


def test_a_dead_ring_keeps_its_memory_until_then(directory: str, producer: Producer) -> None:
    reader = sassl.attach("test", directory=directory, start=0, wait=0, daemon_timeout=0)
    batch = next(reader)
    device = Device(batch)
    producer.abandon()
    with pytest.raises(sassl.DaemonGoneError):
        next(reader)
    np.testing.assert_array_equal(device.read(), expected(0)["view0"])
    device.lease.vacate()
    with pytest.raises(sassl.DaemonGoneError):
        next(reader)
    # Given back to the system.
    assert not device.read().any()
    device.close()
    reader.close()
