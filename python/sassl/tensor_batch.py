"""A batch whose arrays are PyTorch tensors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import torch

from ._drivers import open_driver
from .batch import Batch, Layout, layout_of, lease_of, payload_of
from .errors import CollationError

# PyTorch has no read-only tensors and warns of the first that is made from such an array. What it warns of, a write,
# ends here with a sentence that names the batch.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable", module=__name__)


class _RingTensors(Mapping[str, torch.Tensor]):
    """The arrays of a batch by name, as tensors on the same memory."""

    def __init__(self, batch: Batch) -> None:
        self._arrays = batch.arrays

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self._arrays[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def ring_bytes(batch: Batch) -> torch.Tensor:
    """All arrays of a batch as the bytes that they are in the ring, uint8 [bytes]; not copied."""
    return torch.from_numpy(payload_of(batch))


def unpack(payload: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
    """The arrays in a copy of a batch's payload, uint8 [bytes], by name and on the same device.

    The views lie in the copy. The columns are copied out of it, so that keeping labels does not keep all pixels.
    """
    layout = layout_of(batch)
    columns = [name for name in layout.fields if name not in layout.views]
    tensors = {name: _field(payload, 0, layout, name) for name in layout.views}
    if columns:
        first = min(layout.fields[name][2] for name in columns)
        last = max(layout.fields[name][2] + _bytes(layout, name) for name in columns)
        copied = payload[first:last].clone()
        tensors |= {name: _field(copied, first, layout, name) for name in columns}
    if batch.count < layout.batch_size:
        per_sample = (name for name, (_, shape, _) in layout.fields.items() if shape and shape[0] == layout.batch_size)
        tensors |= {name: tensors[name][: batch.count] for name in per_sample}
    return tensors


def _bytes(layout: Layout, name: str) -> int:
    typestr, shape, _ = layout.fields[name]
    return math.prod(shape) * np.dtype(typestr).itemsize


def _field(memory: torch.Tensor, start: int, layout: Layout, name: str) -> torch.Tensor:
    """The array of that name in a piece of a payload that starts `start` bytes behind its beginning."""
    typestr, shape, offset = layout.fields[name]
    dtype = torch.from_numpy(np.empty(0, typestr)).dtype
    return memory[offset - start : offset - start + _bytes(layout, name)].view(dtype).reshape(shape)


class TensorBatch:
    """A `sassl.Batch` whose arrays are tensors: on the memory of the ring, not copied, or copies on a device.

    It unpacks to `views, labels`, and `to` and `pin_memory` are those that frameworks call to move batches.

    A tensor on the ring, and what is made from it without copying, keeps its memory as it is for as long as it is
    referred to. The memory of views is mapped read-only: an in-place operation on them ends the process with a sentence
    that says so. Go through `.to(device)`, `.float()` or `.clone()` first. Tensors of a `DeviceLoader`, and those that
    `to` and `pin_memory` have copied, are the caller's own, and keep no slot of the ring.
    """

    def __init__(self, batch: Batch, tensors: Mapping[str, torch.Tensor] | None = None) -> None:
        self.batch = batch
        self.tensors: Mapping[str, torch.Tensor] = _RingTensors(batch) if tensors is None else tensors
        """Every array by name."""
        self.number, self.epoch, self.step, self.count = batch.number, batch.epoch, batch.step, batch.count

    @property
    def views(self) -> tuple[torch.Tensor, ...]:
        """The augmented views, of one size or, with multi-crop, of several.

        As the ring has them, uint8 [batch, height, width, 3] each; from a `DeviceLoader` normalized, of the type that
        it was told, [batch, 3, height, width] in channels-last memory.
        """
        return tuple([self.tensors[name] for name in self.batch.view_names])

    @property
    def drawn(self) -> dict[str, dict[str, torch.Tensor]]:
        """What was drawn for each view, as tensors on the same memory; see `Batch.drawn`."""
        return {
            view: {name: self.tensors[array] for name, array in columns.array_names.items()}
            for view, columns in self.batch.drawn.items()
        }

    @property
    def labels(self) -> torch.Tensor:
        """Class of each sample, int64, -1 where there is none."""
        return self.tensors["labels"]

    @property
    def sample_ids(self) -> torch.Tensor:
        """Index of each sample in the dataset."""
        return self.tensors["sample_ids"]

    @property
    def style_ids(self) -> torch.Tensor:
        """Which style each sample was given."""
        return self.tensors["style_ids"]

    @property
    def applied(self) -> torch.Tensor:
        """Whether each sample was stylized."""
        return self.tensors["applied"]

    @property
    def alpha(self) -> torch.Tensor:
        """How far the style is the other image's, 0 to 1, for each sample."""
        return self.tensors["alpha"]

    @property
    def beta(self) -> torch.Tensor:
        """How much of the stylized image was blended in, 0 to 1, for each sample."""
        return self.tensors["beta"]

    def as_tuple(self) -> tuple[list[torch.Tensor], torch.Tensor]:
        """`(views, labels)`, for frameworks that know collections of tensors alone.

        For example: `DataLoader(dataset, batch_size=None, collate_fn=TensorBatch.as_tuple)`.
        """
        return list(self.views), self.labels

    def as_dict(self) -> dict[str, torch.Tensor]:
        """Every array by its name: `view0`, `view1`, `labels`, ...; for frameworks that want a mapping."""
        return dict(self.tensors)

    def __iter__(self) -> Iterator[Any]:
        """`views, labels = batch`."""
        return iter(self.as_tuple())

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> TensorBatch:
        """The batch with every tensor on a device; this one where they are there already.

        The copies keep no slot of the ring. The batch itself does, until it is let go. With `non_blocking`, work that
        is queued on the device's current stream comes after the copy, and the slot is kept until the copy is done.
        """
        target = torch.device(device)
        if isinstance(self.tensors, _RingTensors) and target.type == "cuda" and non_blocking:
            return self._on_the_way_to(target)
        # From memory that is not pinned, other devices may read on after a copy that does not block has returned.
        non_blocking = non_blocking and not isinstance(self.tensors, _RingTensors)
        present = dict(self.tensors)
        moved = {name: tensor.to(target, non_blocking=non_blocking) for name, tensor in present.items()}
        if all(moved[name] is tensor for name, tensor in present.items()):
            return self
        return TensorBatch(self.batch.without_arrays(), moved)

    def _on_the_way_to(self, device: torch.device) -> TensorBatch:
        driver = open_driver(device)
        source = ring_bytes(self.batch)
        transfers = lease_of(self.batch).handle.transfers
        with transfers.lock:
            copied, event = driver.copy(source)
            transfers.hold(event, source)
        driver.adopt(copied, event)
        return TensorBatch(self.batch.without_arrays(), unpack(copied, self.batch))

    def pin_memory(self) -> TensorBatch:
        """Copies everything to page-locked memory, as a DataLoader with `pin_memory=True` asks for.

        The copies are independent of the ring, so the batch is released.
        """
        pinned = TensorBatch(self.batch, {name: tensor.pin_memory() for name, tensor in self.tensors.items()})
        self.release()
        return pinned

    def release(self) -> None:
        """Gives up this batch's own references to the ring; see `Batch.release`."""
        self.batch.release()


def _refuse_to_collate(batch: Any, *, collate_fn_map: Any = None) -> NoReturn:
    raise CollationError(
        "a RingDataset yields whole batches, which must not be collated again: use DataLoader(dataset, batch_size=None)"
    )


# Where a DataLoader without batch_size=None would stumble over a type that it does not know.
torch.utils.data._utils.collate.default_collate_fn_map[TensorBatch] = _refuse_to_collate

__all__ = ["TensorBatch"]
