"""The producer's side of a ring, for a program that gets finished batches from elsewhere and passes them on."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _library as c

Reservation: TypeAlias = c.Reservation
"""A slot that is being filled: `number` is the batch that belongs in it."""


@dataclass(frozen=True)
class RingField:
    """One array of every batch."""

    name: str
    dtype: int
    """As the ring's format numbers element types."""
    shape: tuple[int, ...]
    """Outermost dimension first; in the rings of `sassld` that is the number of samples."""


def fields_at(table: Any, count: int) -> list[tuple[RingField, int, int]]:
    """The entries of a field table of the C library, each with its offset in the payload and its bytes."""
    return [
        (
            RingField(entry.name.decode(), entry.dtype, tuple(entry.shape[: entry.dimensions])),
            int(entry.offset),
            int(entry.bytes),
        )
        for entry in (table[index] for index in range(count))
    ]


class RingProducer:
    """Makes a ring and fills it. Its methods may be called from any thread; `renew` from the one that reserves.

    :param directory: of the ring's file, on a file system in memory.
    :param resume: start where the reader of a dead predecessor of the same stream stood.
    :param start: first batch number, unless resumed.
    :param fingerprint: 32 bytes, equal for equal streams.
    :param settings: what the fingerprint is made of, one `key = value` line each.
    :param cpu_path: the number of the instructions that the batches' bits depend on, 0 for none.
    :param group: number of the group whose members may read, -1 for nobody but this user.
    :param space_timeout: seconds to wait for a dead predecessor's reader to give its memory back.
    :param hook: called at each step of the protocol; where it returns true, the call is given up as by a kill.
    :raises ReaderBusyError: another process fills this ring.
    :raises OSError: shared memory lacks; the message says how much.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        name: str,
        *,
        rank: int,
        world_size: int,
        batch_size: int,
        slots: int,
        fields: Sequence[RingField],
        batches_per_epoch: int,
        fingerprint: bytes,
        settings: str = "",
        cpu_path: int = 0,
        start: int = 0,
        resume: bool = True,
        group: int = -1,
        space_timeout: float = 0.0,
        hook: Callable[[int], bool] | None = None,
    ) -> None:
        table = (c.Field * len(fields))()
        for entry, field in zip(table, fields, strict=True):
            entry.name, entry.dtype, entry.dimensions = field.name.encode(), field.dtype, len(field.shape)
            entry.shape[: len(field.shape)] = field.shape
        options = c.ProducerOptions(
            directory=os.fsencode(directory),
            name=name.encode(),
            rank=rank,
            world_size=world_size,
            batch_size=batch_size,
            slot_count=slots,
            fields=table,
            field_count=len(fields),
            resume=resume,
            start_batch=start,
            batches_per_epoch=batches_per_epoch,
            settings=settings.encode(),
            cpu_path=cpu_path,
            group_id=group,
            space_timeout_ns=c.nanoseconds(space_timeout),
        )
        options.fingerprint[:] = fingerprint
        if hook is not None:
            # ctypes has to find it for as long as the producer lives.
            self._hook = c.Hook(lambda step, _: int(hook(step)))
            options.hook = self._hook
        handle, error = ctypes.c_void_p(), c.Error()
        result = c.library.sassl_ring_producer_create(ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error))
        if result != c.OK:
            c.raise_error(result, error)
        self._handle: int | None = handle.value
        self.payload_bytes: Final[int] = c.library.sassl_ring_producer_geometry(handle).contents.payload_bytes
        placed = fields_at(c.library.sassl_ring_producer_fields(handle), len(fields))
        self.offsets: Final = {field.name: offset for field, offset, _ in placed}
        """Where each array begins in the payload of a slot, by its name."""

    def reserve(self, timeout: float = 0.0) -> Reservation | None:
        """The next free slot and the number of the batch that belongs in it; nothing where none is free in time.

        A seek is obeyed in here: what is still being filled is then void.
        """
        reservation, error = c.Reservation(), c.Error()
        result = c.library.sassl_ring_producer_reserve(
            self._handle, c.nanoseconds(timeout), ctypes.byref(reservation), ctypes.byref(error)
        )
        if result == c.TIMEOUT:
            return None
        if result != c.OK:
            c.raise_error(result, error)
        return reservation

    def payload(self, reservation: Reservation) -> npt.NDArray[np.uint8]:
        """The memory of a slot that is being filled, to write to."""
        memory = (ctypes.c_uint8 * self.payload_bytes).from_address(reservation.payload)
        return np.frombuffer(memoryview(memory), np.uint8)

    def is_void(self, reservation: Reservation) -> bool:
        """Whether a seek has overtaken the reservation; it still has to be given back."""
        return bool(c.library.sassl_ring_producer_is_void(self._handle, ctypes.byref(reservation)))

    def publish(self, reservation: Reservation, *, epoch: int, step: int, count: int, production_ns: int = 0) -> bool:
        """Publishes a slot as soon as all before it are; false where a seek has overtaken it."""
        error = c.Error()
        batch = c.BatchInformation(epoch=epoch, step=step, count=count, production_ns=production_ns)
        result = c.library.sassl_ring_producer_publish(
            self._handle, ctypes.byref(reservation), ctypes.byref(batch), ctypes.byref(error)
        )
        if result not in (c.OK, c.VOID):
            c.raise_error(result, error)
        return bool(result == c.OK)

    def cancel(self, reservation: Reservation) -> None:
        """Gives a slot back unfilled; one that is void is done with."""
        error = c.Error()
        result = c.library.sassl_ring_producer_cancel(self._handle, ctypes.byref(reservation), ctypes.byref(error))
        if result != c.OK:
            c.raise_error(result, error)

    def counters(self) -> c.Counters:
        """How far both sides are."""
        counters = c.Counters()
        c.library.sassl_ring_producer_counters(self._handle, ctypes.byref(counters))
        return counters

    def heartbeat(self) -> None:
        """Tells observers that the producer makes progress."""
        c.library.sassl_ring_producer_heartbeat(self._handle)

    @property
    def is_named(self) -> bool:
        """Whether the ring's name leads to the ring: somebody may have removed the file."""
        return bool(c.library.sassl_ring_producer_is_named(self._handle))

    def renew(self, timeout: float) -> bool:
        """Makes the ring anew, where its reader goes on; false where reservations are still out."""
        error = c.Error()
        result = c.library.sassl_ring_producer_renew(self._handle, c.nanoseconds(timeout), ctypes.byref(error))
        if result not in (c.OK, c.TIMEOUT):
            c.raise_error(result, error)
        return bool(result == c.OK)

    def close(self) -> None:
        """Says that nothing more will come and removes the file. A reader may finish what is published."""
        if self._handle is not None:
            c.library.sassl_ring_producer_close(self._handle)
            self._handle = None

    def abandon(self) -> None:
        """What a kill does. For tests."""
        if self._handle is not None:
            c.library.sassl_ring_producer_abandon(self._handle)
            self._handle = None

    def __enter__(self) -> RingProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
