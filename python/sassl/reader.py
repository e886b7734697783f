"""Reading a ring: `attach` returns a `Reader`, which is an endless iterator of `Batch`."""

from __future__ import annotations

import ctypes
import os
import time
import warnings
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from . import _library as c
from .errors import BatchTimeoutError, ConfigurationChangedError, DaemonGoneError, NoDaemonError, SasslError

# NumPy has no bfloat16; its bits arrive as uint16.
_DTYPES: Final = (None, "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "u2", "f4", "f8", "b1")
# What `sassld`'s networks run on, by its number in the ring.
_CPU_PATHS: Final = ("unknown", "portable", "avx2", "avx512")
# How long a call into C waits before Python gets to look for signals such as Ctrl-C.
_SIGNAL_SLICE_SECONDS: Final = 0.2
# How long a sentence on changed settings may get; what does not fit is counted in it.
_DIFFERENCE_BYTES: Final = 2048

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RingInformation:
    """What a ring holds; does not change during the life of its `sassld`."""

    name: str
    #: Rank of this reader and number of readers of the stream.
    rank: int
    world_size: int
    #: Samples in a full batch of this rank.
    batch_size: int
    #: Batches in an epoch, 0 where unknown.
    batches_per_epoch: int
    #: Batches that fit the ring.
    slot_count: int
    #: Hexadecimal; equal for equal streams.
    fingerprint: str
    #: What the fingerprint is made of, one `key = value` line each; empty where `sassld` does not say.
    settings: str
    #: Bytes of one batch.
    payload_bytes: int
    #: Process number of `sassld`.
    producer_pid: int
    #: The instructions that its style networks run on: `avx512`, `avx2` or `portable`; `unknown` where it does not say.
    #: Stylized views have the same bits on one of them; between two, single values differ by a level of 255 or a few.
    cpu_path: str


@dataclass(frozen=True)
class RingStatus:
    """How far both sides are, and who waits for whom, at one moment."""

    #: Batches ready to be read.
    ready: int
    #: Batches handed out and not released.
    held: int
    #: Batches published by this instance of `sassld`.
    published: int
    #: Stale batches dropped after seeks.
    dropped: int
    #: Seconds that readers have waited because the ring was empty.
    reader_waited_seconds: float
    #: Seconds that `sassld` has waited because the ring was full.
    daemon_waited_seconds: float
    #: Whether a live `sassld` fills the ring.
    daemon_is_alive: bool


class _Mapping:
    """Keeps shared memory mapped for as long as any array refers to it."""

    def __init__(self, address: int) -> None:
        c.library.sassl_ring_mapping_retain(address)
        self._finalizer = weakref.finalize(self, c.library.sassl_ring_mapping_release, address)
        # At exit arrays may outlive every finalizer; the kernel unmaps.
        self._finalizer.atexit = False
        geometry = c.library.sassl_ring_mapping_geometry(address).contents
        table = c.library.sassl_ring_mapping_fields(address)
        self.batch_size: int = geometry.batch_size
        #: name, type string, shape, offset
        self.fields: list[tuple[str, str, tuple[int, ...], int]] = [
            (field.name.decode(), f"<{_DTYPES[field.dtype]}", tuple(field.shape[: field.dimensions]), field.offset)
            for field in (table[index] for index in range(geometry.field_count))
        ]


class _Memory:
    """One array's worth of mapped memory, for NumPy to wrap; NumPy keeps it, and it keeps the mapping."""

    def __init__(self, mapping: _Mapping, address: int, typestr: str, shape: tuple[int, ...]) -> None:
        self._mapping = mapping
        self.__array_interface__ = {
            "version": 3,
            "data": (address, True),  # read-only
            "typestr": typestr if typestr[1:] not in ("u1", "i1", "b1") else "|" + typestr[1:],
            "shape": shape,
        }


class Batch:
    """One batch, read where it lies.

    Its arrays are read-only views of shared memory. They must not be read after the batch was released: by `release`,
    by asking its reader for the next one, or by leaving `with batch:`.
    """

    def __init__(self, reader: Reader, lease: c.Lease, mapping: _Mapping) -> None:
        self._reader = reader
        self._identifier: int = lease.identifier
        self._is_released = False
        #: Number in the stream; `attach(start=number)` continues here.
        self.number: int = lease.number
        self.epoch: int = lease.epoch
        #: Position within the epoch.
        self.step: int = lease.step
        #: Samples in it.
        self.count: int = lease.count
        #: When it was published, on the clock of `time.monotonic_ns`: the difference is how long it has been ready.
        self.published_ns: int = lease.published_ns
        #: CRC-32C of all arrays.
        self.checksum: int = lease.checksum
        arrays = {}
        for name, typestr, shape, offset in mapping.fields:
            array = np.asarray(_Memory(mapping, lease.payload + offset, typestr, shape))
            if shape and shape[0] == mapping.batch_size and self.count < mapping.batch_size:
                array = array[: self.count]
            arrays[name] = array
        #: Every array by name, also those that this package has no attribute for.
        self.arrays: Mapping[str, Array] = MappingProxyType(arrays)

    @property
    def views(self) -> tuple[Array, ...]:
        """The augmented views, uint8 [batch, height, width, 3] each; of one size or, with multi-crop, of several."""
        views: list[Array] = []
        while (view := self.arrays.get(f"view{len(views)}")) is not None:
            views.append(view)
        return tuple(views)

    @property
    def labels(self) -> Array:
        """Class of each sample, int64, -1 where there is none."""
        return self.arrays["labels"]

    @property
    def sample_ids(self) -> Array:
        """Index of each sample in the dataset."""
        return self.arrays["sample_ids"]

    @property
    def style_ids(self) -> Array:
        """Which style each sample was given."""
        return self.arrays["style_ids"]

    @property
    def applied(self) -> Array:
        """Whether each sample was stylized."""
        return self.arrays["applied"]

    @property
    def alpha(self) -> Array:
        """How far the style is the other image's, 0 to 1, for each sample."""
        return self.arrays["alpha"]

    @property
    def beta(self) -> Array:
        """How much of the stylized image was blended in, 0 to 1, for each sample."""
        return self.arrays["beta"]

    @property
    def is_released(self) -> bool:
        """Whether the batch was given back, so that its arrays must not be read any more."""
        return self._is_released

    def release(self) -> None:
        """Gives the batch back to be filled anew. Doing so twice does nothing."""
        if not self._is_released:
            self._is_released = True
            self._reader._release(self)

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()

    def __repr__(self) -> str:
        return f"<sassl.Batch {self.number}: epoch {self.epoch}, step {self.step}, {self.count} samples>"


def _difference(former: str, present: str) -> str:
    """How two texts of settings differ, in words; nothing where one of them is empty, or where they are the same."""
    words = ctypes.create_string_buffer(_DIFFERENCE_BYTES)
    texts = [text.encode(errors="replace") for text in (former, present)]
    c.library.sassl_ring_settings_difference(*texts, words, len(words))
    return words.value.decode(errors="replace")


def _close(handle: int, library: ctypes.CDLL) -> None:
    library.sassl_ring_consumer_close(handle)


class Reader(Iterator[Batch]):
    """An endless iterator over the batches of a ring. Made by `attach`."""

    def __init__(
        self,
        name: str,
        rank: int,
        *,
        start: int | None,
        wait: float,
        daemon_timeout: float,
        verify: bool,
        directory: str | os.PathLike[str] | None,
        accept_change: bool,
    ) -> None:
        self._held: list[Batch] = []
        self._mappings: weakref.WeakValueDictionary[int, _Mapping] = weakref.WeakValueDictionary()
        self._mapping: _Mapping | None = None
        options = c.ConsumerOptions(
            directory=c.encoded(directory),
            name=name.encode(),
            rank=rank,
            verify=verify,
            start=c.CONTINUE if start is None else start,
            absence_timeout_ns=c.nanoseconds(daemon_timeout),
            accept_change=accept_change,
        )
        if start is not None and not 0 <= start < 2**63:
            raise ValueError(f"start={start} is not a batch number")
        self._daemon_timeout = daemon_timeout
        self._handle = self._attach(options, wait)
        self._finalizer = weakref.finalize(self, _close, self._handle, c.library)

    @staticmethod
    def _attach(options: c.ConsumerOptions, wait: float) -> int:
        deadline = time.monotonic() + wait
        while True:
            remaining = deadline - time.monotonic()
            options.attach_timeout_ns = c.nanoseconds(min(remaining, _SIGNAL_SLICE_SECONDS))
            handle, error = ctypes.c_void_p(), c.Error()
            result = c.library.sassl_ring_consumer_attach(
                ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error)
            )
            if result == c.OK and handle.value is not None:
                return handle.value
            if result != c.ABSENT or remaining <= _SIGNAL_SLICE_SECONDS:
                c.raise_error(result, error)

    @property
    def _open_handle(self) -> int:
        if not self._finalizer.alive:
            raise SasslError("this reader was closed")
        return self._handle

    @property
    def information(self) -> RingInformation:
        """What the ring holds."""
        geometry = c.library.sassl_ring_consumer_geometry(self._open_handle).contents
        return RingInformation(
            name=geometry.name.decode(),
            rank=geometry.rank,
            world_size=geometry.world_size,
            batch_size=geometry.batch_size,
            batches_per_epoch=geometry.batches_per_epoch,
            slot_count=geometry.slot_count,
            fingerprint=bytes(geometry.fingerprint).hex(),
            settings=c.library.sassl_ring_consumer_settings(self._open_handle).decode(errors="replace"),
            payload_bytes=geometry.payload_bytes,
            producer_pid=geometry.producer_pid,
            cpu_path=_CPU_PATHS[geometry.cpu_path] if geometry.cpu_path < len(_CPU_PATHS) else _CPU_PATHS[0],
        )

    @property
    def status(self) -> RingStatus:
        """How far both sides are, and who waits for whom."""
        counters = c.Counters()
        c.library.sassl_ring_consumer_counters(self._open_handle, ctypes.byref(counters))
        return RingStatus(
            ready=counters.published - counters.taken,
            held=counters.taken - counters.released,
            published=counters.published,
            dropped=counters.dropped,
            reader_waited_seconds=counters.consumer_waited_ns / 1e9,
            daemon_waited_seconds=counters.producer_waited_ns / 1e9,
            daemon_is_alive=bool(counters.producer_alive),
        )

    @property
    def position(self) -> int:
        """Number of the batch that comes next."""
        return int(c.library.sassl_ring_consumer_position(self._open_handle))

    def __iter__(self) -> Reader:
        return self

    def __next__(self) -> Batch:
        """Releases what is held and waits for the next batch, for as long as `sassld` lives."""
        for batch in list(self._held):
            batch.release()
        return self.next()

    def next(self, timeout: float = float("inf")) -> Batch:
        """Waits for the next batch and leaves those that are held alone, so that several can be worked on.

        Raises `BatchTimeoutError` after `timeout` seconds, and `DaemonGoneError` when `sassld` went away and did not
        come back.
        """
        deadline = time.monotonic() + timeout
        lease, error = c.Lease(), c.Error()
        while True:
            remaining = min(deadline - time.monotonic(), _SIGNAL_SLICE_SECONDS)
            result = c.library.sassl_ring_consumer_next(
                self._open_handle, c.nanoseconds(remaining), ctypes.byref(lease), ctypes.byref(error)
            )
            if result == c.OK:
                batch = Batch(self, lease, self._mapping_of(lease))
                self._held.append(batch)
                return batch
            if result == c.ABSENT:
                raise DaemonGoneError(error.message.decode(errors="replace"))
            if result != c.TIMEOUT:
                c.raise_error(result, error)
            if time.monotonic() >= deadline:
                raise BatchTimeoutError(f"no batch within {timeout} s: {self._what_is_waited_for()}")

    def _what_is_waited_for(self) -> str:
        status, slots = self.status, self.information.slot_count
        if not status.daemon_is_alive:
            return "sassld is gone, and has not come back yet"
        if status.held >= slots:
            return (
                f"this reader holds all {slots} slots of the ring, the oldest of which must be released before "
                "the next batch can be made (or raise ring.slots)"
            )
        return "sassld lives, `sasslctl status` says what it does"

    def _mapping_of(self, lease: c.Lease) -> _Mapping:
        # While we hold a mapping it stays mapped, so an equal address is the same mapping.
        mapping = self._mappings.get(lease.mapping)
        if mapping is None:
            mapping = _Mapping(lease.mapping)
            self._mappings[lease.mapping] = mapping
        self._mapping = mapping
        return mapping

    def _release(self, batch: Batch) -> None:
        self._held.remove(batch)
        error = c.Error()
        if not self._finalizer.alive:
            return
        result = c.library.sassl_ring_consumer_release(self._handle, batch._identifier, ctypes.byref(error))
        if result != c.OK:
            c.raise_error(result, error)

    def seek(self, number: int) -> None:
        """Continues with batch `number`, forwards or backwards; costs no replay. Batches that are held stay valid."""
        if not 0 <= number < 2**63:
            raise ValueError(f"{number} is not a batch number")
        error = c.Error()
        result = c.library.sassl_ring_consumer_seek(self._open_handle, number, ctypes.byref(error))
        if result != c.OK:
            c.raise_error(result, error)

    def state_dict(self) -> dict[str, Any]:
        """Where a resumed training goes on: after the last batch that was handed out. To go into a checkpoint.

        It holds numbers and text only, so it can be saved as JSON or pickled: the batch's number, the stream's
        fingerprint, the settings behind that, so that `load_state_dict` can tell what has changed, and the instructions
        that it was made with.
        """
        information = self.information
        return {
            "version": 1,
            "batch": self.position,
            "fingerprint": information.fingerprint,
            "settings": information.settings,
            "cpu_path": information.cpu_path,
        }

    def load_state_dict(self, state: Mapping[str, Any], *, force: bool = False) -> None:
        """Goes on where `state_dict` was taken.

        How many workers, slots and ranks there are may have changed, as long as the global batch has not. Raises
        `ConfigurationChangedError`, which names the settings that differ, when the ring's stream is another one, unless
        `force` is set: the batches that follow are then not those that would have followed.

        A ring that was made with other instructions (`RingInformation.cpu_path`) is read on with a warning: the same
        samples and draws follow, and single values of stylized views differ by a level of 255 or a few.
        """
        ours = self.information
        if state["fingerprint"] != ours.fingerprint and not force:
            # States of earlier versions have no settings.
            difference = _difference(state.get("settings", ""), ours.settings) or (
                f"its fingerprint was {state['fingerprint'][:12]} and is {ours.fingerprint[:12]}"
            )
            raise ConfigurationChangedError(
                f"the saved position belongs to another stream than this ring holds: {difference}. "
                "Start sassld with the configuration of the checkpoint, or load with force=True"
            )
        self.seek(state["batch"])
        paths = state.get("cpu_path", "unknown"), ours.cpu_path
        if "unknown" not in paths and paths[0] != paths[1]:
            warnings.warn(
                f"the saved position was made with {paths[0]} instructions, this ring is made with {paths[1]}: the "
                "stream goes on with the same samples and draws, but single values of stylized views differ slightly. "
                f"For the same bits, start sassld on a processor that has them, with SASSL_CPU={paths[0]}",
                stacklevel=2,
            )

    def close(self) -> None:
        """Gives back what is held, as done, and detaches. Arrays that are still referred to stay mapped."""
        for batch in list(self._held):
            batch.release()
        self._finalizer()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an exception a held batch was not done: the next reader gets it again.
        if kind is None:
            self.close()
        else:
            self._finalizer()


def attach(
    name: str,
    rank: int = 0,
    *,
    start: int | None = None,
    wait: float = 30.0,
    daemon_timeout: float = 60.0,
    verify: bool = False,
    directory: str | os.PathLike[str] | None = None,
    accept_change: bool = False,
) -> Reader:
    """Attaches to the ring that `sassld` fills under this name.

    For example::

        for batch in sassl.attach("photos"):
            train(batch.views)

    :param name: of the ring, as in sassld's configuration.
    :param rank: of this process among the readers of the stream.
    :param start: number of the first batch; by default the first that no reader has released.
    :param wait: seconds to wait for sassld at first.
    :param daemon_timeout: seconds to wait for sassld to come back once it has gone.
    :param verify: check each batch's checksum.
    :param directory: of the ring's file, /dev/shm by default.
    :param accept_change: go on when sassld comes back with another configuration.
    :raises NoDaemonError: nobody fills such a ring.
    :raises ReaderBusyError: another process reads it.
    :raises VersionMismatchError: sassld writes another format.
    """
    return Reader(
        name,
        rank,
        start=start,
        wait=wait,
        daemon_timeout=daemon_timeout,
        verify=verify,
        directory=directory,
        accept_change=accept_change,
    )


__all__ = ["Batch", "DaemonGoneError", "NoDaemonError", "Reader", "RingInformation", "RingStatus", "attach"]
