"""What devices do with a reader's memory by themselves: copies under way, and memory that is page-locked for them."""

from __future__ import annotations

import ctypes
import os
import threading
import warnings
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from . import _library as c
from .errors import PageLockWarning

if TYPE_CHECKING:
    from .batch import Lease


class Event(Protocol):
    """A moment in the work of a device: a copy is done."""

    def query(self) -> bool:
        """Whether it has come."""
        ...

    def synchronize(self) -> None:
        """Waits for it."""
        ...


class PageLocker(Protocol):
    """Locks pages, so that a device copies from them by itself."""

    def register(self, address: int, size: int, *, read_only: bool) -> None:
        """Locks `size` bytes of mapped memory, for reading alone where `read_only`.

        Raises `PageLockRefusedError` where that is not possible.
        """
        ...

    def unregister(self, address: int) -> None:
        """Undoes `register`. No copy from that memory is under way."""
        ...


class PageLockRefusedError(Exception):
    """Memory cannot be page-locked, for the reason that the message tells."""


@dataclass(frozen=True)
class _LockedSlots:
    """All slots of one ring, mapped once more and page-locked."""

    instance: bytes
    address: int
    size: int
    locker: PageLocker

    def unlock(self) -> None:
        # In this order: a device must not have pages that are not mapped any more.
        self.locker.unregister(self.address)
        c.library.sassl_ring_slots_unmap(self.address, self.size)


@dataclass(frozen=True)
class _Copy:
    """A copy that is under way, and what it reads."""

    event: Event
    kept: object
    lease: Lease | None


class Transfers:
    """The copies from one reader's memory that are under way, and the memory that is page-locked for them.

    What a copy reads is kept until its event has come; only then does the slot go back to `sassld`.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held from asking where to copy a batch from until the copy is known here."""
        # In a forked child nothing is under way: the device is the parent's.
        self._process = os.getpid()
        self._copies: deque[_Copy] = deque()
        self._slots: _LockedSlots | None = None
        self._refused = False

    @property
    def is_pending(self) -> bool:
        """Whether copies are under way, as far as anybody has looked."""
        return bool(self._copies) and self._process == os.getpid()

    def hold(self, event: Event, kept: object, lease: Lease | None = None) -> None:
        """Keeps what a copy reads until `event`; then vacates the slot of `lease`, whose batch that is."""
        with self.lock:
            self._copies.append(_Copy(event, kept, lease))

    def reap(self) -> None:
        """Gives back what the copies that are done have read."""
        if self.is_pending:
            with self.lock:
                while self._copies and self._copies[0].event.query():
                    self._end(self._copies[0])

    def settle(self) -> None:
        """Waits for the oldest copy, and gives back what it has read."""
        with self.lock:
            if self.is_pending:
                copy = self._copies[0]
                copy.event.synchronize()
                self._end(copy)

    def drain(self) -> None:
        """Waits for every copy."""
        while self.is_pending:
            self.settle()

    def stop(self) -> None:
        """Waits for every copy, and unlocks what is page-locked. The next copy locks anew."""
        with self.lock:
            self.drain()
            slots, self._slots = self._slots, None
            if slots is not None:
                slots.unlock()

    def _end(self, copy: _Copy) -> None:
        if copy.lease is not None:
            copy.lease.vacate()
        # A finalizer may have been faster, which closes a forgotten reader at any point.
        if self._copies and self._copies[0] is copy:
            self._copies.popleft()

    def page_locked(self, lease: Lease, locker: PageLocker) -> int | None:
        """Address of page-locked memory that holds a batch, which stays there until its lease is vacated.

        Locks the ring where that was not done yet; a ring that has taken the place of another too. None where pages
        cannot be locked, which is said once by a `PageLockWarning`, and where the batch does not lie in a slot of its
        ring any more. Called with `lock` held.
        """
        if self._refused:
            return None
        instance = bytes(c.library.sassl_ring_mapping_geometry(lease.mapping).contents.instance)
        if self._slots is None or self._slots.instance != instance:
            self.stop()
            self._slots = self._locked(lease, locker, instance)
        if self._slots is None:
            return None
        offset = lease.pin()
        return None if offset is None else self._slots.address + offset

    def _locked(self, lease: Lease, locker: PageLocker, instance: bytes) -> _LockedSlots | None:
        reasons = []
        # Nobody writes to the ring. But most drivers lock no memory that is mapped read-only, whatever they are told.
        for read_only in (True, False):
            address, size, error = ctypes.c_void_p(), ctypes.c_uint64(), c.Error()
            result = c.library.sassl_ring_lease_map_slots(
                ctypes.byref(lease), not read_only, ctypes.byref(address), ctypes.byref(size), ctypes.byref(error)
            )
            if result == c.STATE:
                # The ring has a successor: not worth the while for its last batches.
                return None
            if result != c.OK or address.value is None:
                reasons.append(error.message.decode(errors="replace"))
                continue
            try:
                locker.register(address.value, size.value, read_only=read_only)
            except PageLockRefusedError as refusal:
                reasons.append(str(refusal))
                c.library.sassl_ring_slots_unmap(address, size)
            except BaseException:
                c.library.sassl_ring_slots_unmap(address, size)
                raise
            else:
                return _LockedSlots(instance, address.value, size.value, locker)
        self._refused = True
        warnings.warn(
            f"the ring's memory cannot be page-locked ({'; '.join(dict.fromkeys(reasons))}): every batch is copied "
            "through a pinned buffer first, on this thread",
            PageLockWarning,
            # The loop that asks for batches.
            stacklevel=8,
        )
        return None
