"""A device that copies as late as it may, in place of a GPU: whatever is overwritten or unmapped too early shows."""

from __future__ import annotations

import ctypes
import threading
import weakref
from dataclasses import dataclass, field

import pytest
import torch

from sassl import _drivers
from sassl._transfers import PageLockRefusedError


class LateEvent:
    """The end of a copy, which comes when somebody insists."""

    def __init__(self, device: LateDevice, number: int) -> None:
        self._device, self._number = device, number

    def query(self) -> bool:
        return self._device.done > self._number

    def synchronize(self) -> None:
        self._device.run(self._number + 1)


@dataclass
class LateCopy:
    """What is read when the copy is made. The source is remembered by its address alone, as a device does."""

    address: int
    target: torch.Tensor
    buffer: weakref.ref[torch.Tensor] | None


@dataclass
class LateDevice:
    """Copies in order, each when what depends on it is asked for; notes what it is told."""

    refuses: tuple[bool, ...] = ()
    """To lock pages: for reading alone (True), for writing too (False)."""
    fails_at: frozenset[int] = frozenset()
    """Which calls of `copy` find no memory, by their number."""
    log: list[str] = field(default_factory=list)
    done: int = 0
    """How many copies were made."""
    calls: int = 0

    def __post_init__(self) -> None:
        self.unlocked = threading.Event()
        self.copies: list[LateCopy] = []
        self.locked: dict[int, int] = {}
        self.buffers: list[weakref.ref[torch.Tensor]] = []

    @property
    def pinner(self) -> LateDevice:
        return self

    def register(self, address: int, size: int, *, read_only: bool) -> None:
        self.log.append(f"register {'read-only' if read_only else 'writable'}")
        if read_only in self.refuses:
            raise PageLockRefusedError("no page of this kind can be locked")
        assert is_mapped(address, size)
        self.locked[address] = size

    def unregister(self, address: int) -> None:
        self.log.append("unregister")
        self.unlocked.set()
        size = self.locked.pop(address)
        assert is_mapped(address, size)
        waiting = self.copies[self.done :]
        assert not [copy for copy in waiting if address <= copy.address < address + size], "a copy is under way"

    def pinned(self, size: int) -> torch.Tensor:
        buffer = torch.empty(size, dtype=torch.uint8)
        self.buffers.append(weakref.ref(buffer))
        return buffer

    def copy(self, source: torch.Tensor) -> tuple[torch.Tensor, LateEvent]:
        self.calls += 1
        if self.calls - 1 in self.fails_at:
            raise torch.OutOfMemoryError("no memory on the device")
        buffer = next((known for known in self.buffers if known() is source), None)
        self.copies.append(LateCopy(source.data_ptr(), torch.empty_like(source), buffer))
        self.log.append(f"copy {len(self.copies) - 1}")
        return self.copies[-1].target, LateEvent(self, len(self.copies) - 1)

    def adopt(self, copied: torch.Tensor, event: LateEvent) -> None:
        event.synchronize()

    def run(self, count: int) -> None:
        """Makes the first `count` copies, those that were not made yet."""
        for number in range(self.done, count):
            copy = self.copies[number]
            size = copy.target.numel()
            if copy.buffer is not None:
                assert copy.buffer() is not None, "the buffer was let go while it is copied"
            elif self.locked:
                inside = [
                    at
                    for at, length in self.locked.items()
                    if at <= copy.address and copy.address + size <= at + length
                ]
                assert inside, "copied from memory that is not locked"
            ctypes.memmove(copy.target.data_ptr(), copy.address, size)
            self.log.append(f"done {number}")
            self.done = number + 1


class PromptDevice(LateDevice):
    """One whose copies are made before it answers."""

    def copy(self, source: torch.Tensor) -> tuple[torch.Tensor, LateEvent]:
        copied = super().copy(source)
        self.run(len(self.copies))
        return copied


def is_mapped(address: int, size: int) -> bool:
    """Whether all of a range is mapped in this process."""
    with open("/proc/self/maps", encoding="ascii") as lines:
        ranges = [tuple(int(part, 16) for part in line.split()[0].split("-")) for line in lines]
    at = address
    for first, last in ranges:
        if first <= at < last:
            at = last
    return at >= address + size


def install(monkeypatch: pytest.MonkeyPatch, device: LateDevice) -> LateDevice:
    """Makes `device` the only GPU that there is."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(_drivers, "_cuda_driver", lambda index: device)
    return device
