"""Batches of a ring as normalized tensors on a device, copied ahead of the trainer."""

from __future__ import annotations

import ctypes
import os
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch

from ._drivers import Driver, check_device, open_driver
from ._imagenet import IMAGENET_MEAN, IMAGENET_STD
from ._transfers import Event
from .batch import Batch, Lease, layout_of, lease_of
from .errors import BatchTimeoutError, FewSlotsWarning, ReaderBusyError, SasslError
from .reader import Epoch, Numbered, Reader, fetched_ahead, hand_out, may_take_ahead, take_ahead
from .tensor_batch import TensorBatch, ring_bytes, unpack

if TYPE_CHECKING:
    from .torch import RingDataset

_DTYPES: Final = (torch.float32, torch.bfloat16, torch.float16)


class _Normalization:
    """Makes of pixels what a network takes: (pixel / 255 - mean) / std, computed in float32 and rounded once."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype) -> None:
        if dtype not in _DTYPES:
            raise ValueError(
                f"dtype={dtype}: normalized pixels are one of {', '.join(map(str, _DTYPES))}. "
                "The pixels as they are, uint8, come from the RingDataset itself"
            )
        means, stds = [float(value) for value in mean], [float(value) for value in std]
        if len(means) != 3 or not all(0 <= value <= 1 for value in means):
            raise ValueError(f"mean={means}: three numbers from 0 to 1, one for each of red, green, blue (not of 255)")
        if len(stds) != 3 or not all(0 < value <= 1 for value in stds):
            raise ValueError(f"std={stds}: three numbers above 0 and up to 1, for red, green, blue (not of 255)")
        self._dtype = dtype
        # As a product and a sum, which are one kernel.
        self._scale = torch.tensor([1 / (255 * value) for value in stds]).reshape(1, 3, 1, 1)
        self._shift = torch.tensor([-a / b for a, b in zip(means, stds, strict=True)]).reshape(1, 3, 1, 1)

    def __call__(self, view: torch.Tensor) -> torch.Tensor:
        """Of pixels, uint8 [batch, height, width, 3]: new memory, [batch, 3, height, width], channels last."""
        if self._scale.device != view.device:
            self._scale, self._shift = self._scale.to(view.device), self._shift.to(view.device)
        pixels = view.permute(0, 3, 1, 2)
        normalized = torch.empty(pixels.shape, dtype=self._dtype, device=view.device, memory_format=torch.channels_last)
        return torch.addcmul(self._shift, pixels, self._scale, out=normalized)


class _Fetched:
    """A batch that was fetched ahead, and its copy on the device."""

    def __init__(self, batch: Batch) -> None:
        self.batch: Final = batch
        self.number: Final = batch.number
        self._lease: Final[Lease] = lease_of(batch)
        self._source: torch.Tensor | None = None
        self._copy: tuple[torch.Tensor, Event] | None = None
        self._is_held = False

    def start(self, driver: Driver) -> None:
        """Begins to copy the batch to the device; where an exception has interrupted that, goes on with it."""
        if self._is_held:
            return
        transfers = self._lease.handle.transfers
        with transfers.lock:
            if self._copy is None:
                self._source = self._memory(driver)
                self._copy = driver.copy(self._source)
            # From here on it is the device that reads the ring.
            self._lease.is_readable = False
            transfers.hold(self._copy[1], self._source, self._lease)
            self._is_held = True
        transfers.reap()

    def _memory(self, driver: Driver) -> torch.Tensor:
        """What the device copies from, uint8 [bytes]."""
        if driver.pinner is None:
            return ring_bytes(self.batch)
        size = layout_of(self.batch).payload_bytes
        address = self._lease.handle.transfers.page_locked(self._lease, driver.pinner)
        if address is not None:
            return torch.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype=torch.uint8)
        return driver.pinner.pinned(size).copy_(ring_bytes(self.batch))

    def tensors(self, driver: Driver) -> dict[str, torch.Tensor]:
        """Every array by name, on the device, for what is asked of it from now on."""
        assert self._copy is not None
        driver.adopt(*self._copy)
        return unpack(self._copy[0], self.batch)


class DeviceLoader:
    """Iterates over a `RingDataset` with the views on a device, normalized, and copied while the trainer computes.

    For example:

        loader = DeviceLoader(RingDataset("photos"), device="cuda", dtype=torch.bfloat16)
        for epoch in range(100):
            for views, labels in loader:
                ...                     # views[0]: [batch, 3, height, width], on the device, channels last

    What it yields are `TensorBatch`es with every tensor on the device. The tensors are the caller's own: no later copy
    overwrites them, and keeping them keeps no slot of the ring. They belong to the stream that is current when they are
    handed out; for work on another, PyTorch's own rule holds (`torch.Tensor.record_stream`).

    On a GPU the ring is page-locked once, and the device copies each batch from it by itself, on a stream of its own;
    the slot goes back when that copy is done. Where the memory cannot be locked, a `PageLockWarning` says so, and each
    batch goes through a pinned buffer. Up to `depth` batches are copied ahead, as far as they are ready, within the
    epoch; this takes `depth` times the bytes of a batch on the device, and `depth` + 1 slots of the ring. With fewer
    slots it fetches fewer batches ahead (`FewSlotsWarning`), and never holds all of them. With `device="cpu"` the same
    tensors come, made when they are asked for.

    Each iteration is one epoch or what is left of it, as the dataset's is. What was fetched ahead and not handed out
    counts as not read: `position` and `state_dict`, of the loader and of the dataset, say what comes next here. When
    the dataset itself or another loader reads on, or the position is changed, it is thrown away, and made again when
    its turn comes. One thread at a time may ask for batches.

    :param dataset: what to read.
    :param device: "cuda", "cuda:1" or a `torch.device`; "cpu".
    :param dtype: of the views: `torch.float32`, `torch.bfloat16` or `torch.float16`.
    :param mean: of red, green and blue, from 0 to 1; by default ImageNet's.
    :param std: their standard deviations, likewise.
    :param depth: how many batches to copy ahead of the one that is handed out; at least 1.
    :raises DeviceUnavailableError: there is no such device.
    """

    def __init__(
        self,
        dataset: RingDataset,
        device: torch.device | str | int = "cuda",
        *,
        dtype: torch.dtype = torch.float32,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        depth: int = 2,
    ) -> None:
        # That module is built on this one.
        from .torch import RingDataset

        if not isinstance(dataset, RingDataset):
            raise TypeError(f"a DeviceLoader reads a sassl.torch.RingDataset, not {type(dataset).__name__}")
        if depth < 1:
            raise ValueError(f"depth={depth}: at least one batch is copied ahead; the RingDataset itself fetches none")
        self.dataset: Final = dataset
        """What is read."""
        self.device: Final = torch.device(device)
        """Where the tensors are."""
        check_device(self.device)
        self.depth: Final = depth
        """How many batches are copied ahead."""
        self._normalize = _Normalization(mean, std, dtype)
        # The number of a batch that could not be fetched ahead, and why: raised when those before it were handed out.
        self._failure: tuple[int, SasslError] | None = None
        # The thread that asks for a batch at this moment, if any does.
        self._asking: dict[str, int] = {}

    def __iter__(self) -> Iterator[TensorBatch]:
        reader = self.dataset.reader
        epoch = None if self.dataset.is_endless else Epoch(reader)
        slots = reader.information.slot_count
        if slots <= self.depth and self.device.type != "cpu":
            warnings.warn(
                f"depth={self.depth} wants {self.depth + 1} slots of the ring, which has {slots}: fewer batches are "
                "copied ahead. Raise ring.slots, or lower depth",
                FewSlotsWarning,
                stacklevel=2,
            )
        return _Batches(self, epoch)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.dataset)

    @property
    def position(self) -> int:
        """Number of the batch that is handed out next."""
        return self.dataset.position

    def state_dict(self) -> dict[str, Any]:
        """Where a resumed training goes on: after the last batch that was handed out; see `Reader.state_dict`."""
        return self.dataset.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], *, force: bool = False) -> None:
        """Goes on where `state_dict` was taken; see `Reader.load_state_dict`."""
        self.dataset.load_state_dict(state, force=force)

    def _take(self, end: int | None) -> TensorBatch:
        """The next batch. Copies further ones ahead, but none from number `end` on."""
        thread = threading.get_ident()
        try:
            if self._asking.setdefault("thread", thread) != thread:
                raise ReaderBusyError(
                    "another thread asks this DeviceLoader for a batch: use it in one thread at a time", os.getpid()
                )
            reader = self.dataset.reader
            ahead = fetched_ahead(reader, self)
            driver = open_driver(self.device)
            if not ahead:
                failure, self._failure = self._failure, None
                # Where the position was changed meanwhile, it is another batch that comes next.
                if failure is not None and failure[0] == reader.position:
                    raise failure[1]
                take_ahead(reader)
            first = self._started(ahead, 0, driver)
            if driver.pinner is not None:
                self._fetch_ahead(reader, ahead, end)
                for index in range(1, len(ahead)):
                    self._started(ahead, index, driver)
            tensors = first.tensors(driver)
            tensors |= {name: self._normalize(tensors[name]) for name in first.batch.view_names}
            batch = TensorBatch(first.batch, tensors)
            hand_out(reader, first.batch)
            # Nothing looks for signals from here on until the caller has the batch.
            del ahead[0]
            return batch
        finally:
            if "thread" in self._asking and self._asking["thread"] == thread:
                del self._asking["thread"]

    @staticmethod
    def _started(ahead: deque[Numbered], index: int, driver: Driver) -> _Fetched:
        fetched = ahead[index]
        if isinstance(fetched, Batch):
            ahead[index] = fetched = _Fetched(fetched)
        assert isinstance(fetched, _Fetched)
        fetched.start(driver)
        return fetched

    def _fetch_ahead(self, reader: Reader, ahead: deque[Numbered], end: int | None) -> None:
        """Takes what is ready already."""
        while self._failure is None and len(ahead) <= self.depth and (end is None or ahead[-1].number + 1 < end):
            if not may_take_ahead(reader):
                return
            try:
                take_ahead(reader, 0)
            except BatchTimeoutError:
                return
            except SasslError as error:
                self._failure = ahead[-1].number + 1, error


class _Batches(Iterator[TensorBatch]):
    """What is left of an epoch, or of the stream."""

    def __init__(self, loader: DeviceLoader, epoch: Epoch | None) -> None:
        self._loader, self._epoch = loader, epoch

    def __next__(self) -> TensorBatch:
        if self._epoch is None:
            return self._loader._take(None)
        if len(self._epoch) == 0:
            raise StopIteration
        return self._loader._take(self._epoch.end)


__all__ = ["DeviceLoader"]
