"""A batch as it lies in the ring, and how long it stays there: as long as anything refers to it."""

from __future__ import annotations

import copy
import ctypes
import os
import weakref
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import _library as c
from ._transfers import Transfers
from .errors import BatchReleasedError, DrawnColumnsMissingError, ForkedError

# NumPy has no bfloat16; its bits arrive as uint16.
_DTYPES: Final = (None, "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "u2", "f4", "f8", "b1")

Array = npt.NDArray[Any]


class Handle:
    """The C library's reader. It is freed when no reader, batch or array refers to it any more.

    Where a garbage collector finds both, it runs this finalizer before a lease's `__del__`, whoever refers to whom.
    """

    def __init__(self, address: int) -> None:
        self.address = address
        self.process = os.getpid()
        self.transfers = Transfers()
        """Of devices that copy from this ring by themselves."""
        self._finalizer = weakref.finalize(self, c.library.sassl_ring_consumer_forget, address)
        # When the process ends, threads may still be waiting in there; the kernel tidies up.
        self._finalizer.atexit = False


class Lease(c.Lease):
    """A batch that the ring has handed out. It is given back when nothing refers to this any more.

    Made empty, for the C library to fill: whatever interrupts the program afterwards, the batch has an owner.
    """

    def __init__(self, handle: Handle) -> None:
        super().__init__()
        self.handle = handle
        """Has to be there as long as this is."""
        self.is_readable = True
        """Not once a device has copied the batch, whose slot then goes back while the batch still counts as held."""

    def pin(self) -> int | None:
        """Keeps the batch in its slot until it is vacated.

        Returns how far behind the first slot it begins, in bytes; None where it does not lie in its slot any more.
        """
        offset = ctypes.c_uint64()
        is_there = c.library.sassl_ring_lease_pin(lease_pointer(self), ctypes.byref(offset))
        return int(offset.value) if is_there else None

    def vacate(self) -> None:
        """Gives the slot back, whose memory nothing may read any more. The batch still counts as held."""
        self.is_readable = False
        c.library.sassl_ring_lease_vacate(lease_pointer(self))


class _Memory:
    """One array's worth of the ring's memory, for NumPy to wrap: NumPy keeps this, and this keeps the lease."""

    __slots__ = ("__array_interface__", "_lease")

    def __init__(self, lease: Lease, offset: int, typestr: str, shape: tuple[int, ...]) -> None:
        self._lease = lease
        self.__array_interface__ = {
            "version": 3,
            "data": (lease.payload + offset, True),  # read-only
            "typestr": typestr,
            "shape": shape,
        }


class Layout:
    """What arrays a batch has and where they lie in its payload. The same for all batches of one `sassld`."""

    def __init__(self, mapping: int) -> None:
        geometry = c.library.sassl_ring_mapping_geometry(mapping).contents
        table = c.library.sassl_ring_mapping_fields(mapping)
        self.batch_size: int = geometry.batch_size
        self.payload_bytes: int = geometry.payload_bytes
        self.fields: dict[str, tuple[str, tuple[int, ...], int]] = {}
        """name: type string, shape, offset"""
        for index in range(geometry.field_count):
            field = table[index]
            kind = _DTYPES[field.dtype]
            typestr = f"|{kind}" if kind in ("u1", "i1", "b1") else f"<{kind}"
            self.fields[field.name.decode()] = (typestr, tuple(field.shape[: field.dimensions]), field.offset)
        self.views = [name for name in self.fields if _is_view(name)]
        self.drawn = {
            view: {name.removeprefix(f"{view}_"): name for name in self.fields if name.startswith(f"{view}_")}
            for view in self.views
        }
        """view: what was drawn for it, and the array that has it"""


def _is_view(name: str) -> bool:
    return name.startswith("view") and name[4:].isdecimal()


class _Arrays(Mapping[str, Array]):
    """The arrays of a batch by name; asking a released batch for one raises `BatchReleasedError`."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __getitem__(self, name: str) -> Array:
        return self._batch._array(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch._layout.fields)

    def __len__(self) -> int:
        return len(self._batch._layout.fields)


class Drawn(Mapping[str, Array]):
    """What was drawn for one view of a batch, by name."""

    def __init__(self, arrays: Mapping[str, Array], names: Mapping[str, str]) -> None:
        self._arrays = arrays
        self.array_names = names
        """What each is called in `Batch.arrays`."""

    def __getitem__(self, name: str) -> Array:
        return self._arrays[self.array_names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.array_names)

    def __len__(self) -> int:
        return len(self.array_names)


class Batch:
    """One batch, read where it lies.

    The views, and what was drawn for them, are read-only arrays of shared memory, not copied. The memory stays what it
    is as long as this batch, one of its views, or anything made from one without copying (a slice, a tensor, a JAX
    array) is referred to; then its slot of the ring is filled anew. Labels and the other small columns are copies:
    keeping them keeps no slot.
    """

    def __init__(self, lease: Lease, layout: Layout) -> None:
        self._lease: Lease | None = lease
        self._layout = layout
        self._columns: dict[str, Array] = {}
        self.number: int = lease.number
        """Number in the stream; `attach(start=number)` continues here."""
        self.epoch: int = lease.epoch
        """Epoch that it belongs to, from 0."""
        self.step: int = lease.step
        """Position within the epoch."""
        self.count: int = lease.count
        """Samples in it."""
        self.published_ns: int = lease.published_ns
        """When it was published, on the clock of `time.monotonic_ns`: the difference is how long it has been ready."""
        self.checksum: int = lease.checksum
        """CRC-32C of all arrays."""

    def _array(self, name: str) -> Array:
        lease = lease_of(self)
        array = self._columns.get(name)
        if array is None:
            typestr, shape, offset = self._layout.fields[name]
            array = np.asarray(_Memory(lease, offset, typestr, shape))
            if shape and shape[0] == self._layout.batch_size and self.count < self._layout.batch_size:
                array = array[: self.count]
            if not name.startswith("view"):
                array = array.copy()
            self._columns[name] = array
        return array

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Every array by name, also those that this package has no attribute for."""
        return _Arrays(self)

    @property
    def view_names(self) -> list[str]:
        """The names of the views in `arrays`, in their order."""
        return self._layout.views

    @property
    def views(self) -> tuple[Array, ...]:
        """The augmented views, uint8 [batch, height, width, 3] each; of one size or, with multi-crop, of several."""
        return tuple([self._array(name) for name in self._layout.views])

    @property
    def drawn(self) -> Mapping[str, Drawn]:
        """What was drawn for each view, by the view's name and its own: `batch.drawn["view0"]["crop"]`.

        Whether each step was applied, as bool [batch], and its numbers, such as "crop" (left, top, width and height in
        pixels of the upright picture), "picture_size", "flip", "jitter_order", "blur_sigma" and "style_alpha";
        docs/ring-format.md lists them all. The arrays lie in the ring as views do.

        :raises DrawnColumnsMissingError: sassld does not write them: `ring.drawn = true` makes it.
        """
        names = self._layout.drawn
        if not all(names.values()):
            raise DrawnColumnsMissingError(
                "this ring does not hold what was drawn for the views: set ring.drawn = true in sassld's "
                "configuration, or pass ring_drawn=True to sassl.serve"
            )
        return {view: Drawn(self.arrays, names[view]) for view in names}

    @property
    def labels(self) -> Array:
        """Class of each sample, int64, -1 where there is none."""
        return self._array("labels")

    @property
    def sample_ids(self) -> Array:
        """Index of each sample in the dataset."""
        return self._array("sample_ids")

    @property
    def style_ids(self) -> Array:
        """Which style each sample was given."""
        return self._array("style_ids")

    @property
    def applied(self) -> Array:
        """Whether each sample was stylized."""
        return self._array("applied")

    @property
    def alpha(self) -> Array:
        """How far the style is the other image's, 0 to 1, for each sample."""
        return self._array("alpha")

    @property
    def beta(self) -> Array:
        """How much of the stylized image was blended in, 0 to 1, for each sample."""
        return self._array("beta")

    @property
    def is_released(self) -> bool:
        """Whether the batch was given back, so that it has no arrays any more."""
        return self._lease is None

    def release(self) -> None:
        """Gives up this batch's own references to its arrays, which raise `BatchReleasedError` from now on.

        Its slot of the ring is filled anew as soon as nobody else refers to one of them. Doing so twice does nothing.
        """
        lease = self._lease
        if lease is not None and lease.handle.process != os.getpid():
            raise ForkedError("this batch belongs to the parent process; a child cannot give it back")
        if lease is not None:
            lease.done = True
        self._columns.clear()
        self._lease = None

    def without_arrays(self) -> Batch:
        """The same batch as if it were released, for whoever has copied its arrays. This one stays what it is."""
        described = copy.copy(self)
        described._lease, described._columns = None, {}
        return described

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()

    def __repr__(self) -> str:
        return f"<sassl.Batch {self.number}: epoch {self.epoch}, step {self.step}, {self.count} samples>"


def lease_of(batch: Batch) -> Lease:
    """What keeps a batch where it is, as long as it may be read there."""
    lease = batch._lease
    if lease is None:
        raise BatchReleasedError(
            f"batch {batch.number} was released, and its arrays with it. Take what you need before, or keep the "
            "arrays: their memory stays as long as you refer to them"
        )
    if not lease.is_readable:
        raise BatchReleasedError(
            f"batch {batch.number} was copied to a device, and its place in the ring given back: use its tensors"
        )
    return lease


def layout_of(batch: Batch) -> Layout:
    """What arrays a batch has, and where they lie in its payload."""
    return batch._layout


def payload_of(batch: Batch) -> Array:
    """All arrays of a batch as the bytes that they are in the ring, uint8; not copied, and kept as its views are."""
    return np.asarray(_Memory(lease_of(batch), 0, "|u1", (batch._layout.payload_bytes,)))


def lease_pointer(lease: Lease) -> Any:
    """Where the C library writes the batch that it hands out."""
    return ctypes.byref(lease)
