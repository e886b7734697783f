"""What copies batches to a device: CUDA, or the processor where that is the device."""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Final, Protocol

import torch

from ._transfers import Event, PageLocker, PageLockRefusedError
from .errors import DeviceUnavailableError

# Some of it has no types.
cuda: Any = torch.cuda

# Flags of cudaHostRegister, which PyTorch's binding takes as numbers.
_PORTABLE: Final = 0x01
_READ_ONLY: Final = 0x08


class Pinner(PageLocker, Protocol):
    """Makes memory that a device copies from by itself."""

    def pinned(self, size: int) -> torch.Tensor:
        """New page-locked memory, uint8 [size]."""
        ...


class Driver(Protocol):
    """Copies bytes to one device, in the order in which it is asked to."""

    @property
    def pinner(self) -> Pinner | None:
        """Of memory that it copies from while others work; None where `copy` itself does all the work."""
        ...

    def copy(self, source: torch.Tensor) -> tuple[torch.Tensor, Event]:
        """Begins to copy bytes, uint8 [bytes], to new memory on the device.

        Returns the copy and the event of its end, before which `source` must stay what it is.
        """
        ...

    def adopt(self, copied: torch.Tensor, event: Event) -> None:
        """Puts what this thread asks of the device from now on behind the end of a copy, without waiting for it here.

        The memory of the copy is not used for another before that work is done, also where it is let go earlier.
        """
        ...


class _Past:
    """The event of what is done already."""

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass


class HostDriver:
    """Copies from memory to memory."""

    pinner = None

    def copy(self, source: torch.Tensor) -> tuple[torch.Tensor, Event]:
        return source.clone(), _Past()

    def adopt(self, copied: torch.Tensor, event: Event) -> None:
        pass


class CudaDriver:
    """Copies on a stream of its own, beside what the trainer computes. PyTorch calls AMD's GPUs by the same names."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = cuda.Stream(device)

    @property
    def pinner(self) -> Pinner:
        return self

    def register(self, address: int, size: int, *, read_only: bool) -> None:
        runtime = cuda.cudart()
        with cuda.device(self._device):
            result = runtime.cudaHostRegister(address, size, _PORTABLE | (_READ_ONLY if read_only else 0))
            if result == runtime.cudaError.success:
                return
            # The runtime remembers a refusal, and PyTorch would raise it from the kernel that is started next.
            with contextlib.suppress(RuntimeError):
                torch.ones(1, device=self._device)
        raise PageLockRefusedError(str(runtime.cudaGetErrorString(result)))

    def unregister(self, address: int) -> None:
        runtime = cuda.cudart()
        result = runtime.cudaHostUnregister(address)
        if result != runtime.cudaError.success:
            raise RuntimeError(f"the ring's memory cannot be unlocked: {runtime.cudaGetErrorString(result)}")

    def pinned(self, size: int) -> torch.Tensor:
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def copy(self, source: torch.Tensor) -> tuple[torch.Tensor, Event]:
        with cuda.stream(self._stream):
            # Memory of that stream: what it is used for next on it comes after whatever came before.
            copied = torch.empty_like(source, device=self._device)
            copied.copy_(source, non_blocking=True)
            # Who waits for it leaves the core to sassld.
            event = cuda.Event(blocking=True)
            event.record(self._stream)
        return copied, event

    def adopt(self, copied: torch.Tensor, event: Event) -> None:
        assert isinstance(event, cuda.Event)
        stream = cuda.current_stream(self._device)
        stream.wait_event(event)
        copied.record_stream(stream)


def check_device(device: torch.device) -> None:
    """Raises `DeviceUnavailableError` for a device that is not here, ValueError for one that nothing here copies to."""
    if device.type == "cpu":
        return
    if device.type != "cuda":
        raise ValueError(
            f"device={str(device)!r}: batches go to 'cuda' or 'cpu'. For other devices iterate over the RingDataset "
            "itself, and call batch.to(device)"
        )
    if not cuda.is_available():
        what = (
            "sees none here: is its driver installed?"
            if torch.version.cuda is not None or torch.version.hip is not None
            else "was built without CUDA."
        )
        raise DeviceUnavailableError(
            f"device={str(device)!r} asks for a GPU, and this PyTorch ({torch.__version__}) {what} "
            "Say device='cpu' to go on without"
        )
    if device.index is not None and device.index >= cuda.device_count():
        raise DeviceUnavailableError(
            f"device={str(device)!r}: there are {cuda.device_count()} GPUs here, counted from 0 "
            "(CUDA_VISIBLE_DEVICES chooses among them)"
        )


def open_driver(device: torch.device) -> Driver:
    """The driver of a device that `check_device` accepts; of the current one where CUDA's number is not said."""
    if device.type == "cpu":
        return HostDriver()
    return _cuda_driver(cuda.current_device() if device.index is None else device.index)


@functools.cache
def _cuda_driver(index: int) -> CudaDriver:
    return CudaDriver(torch.device("cuda", index))
