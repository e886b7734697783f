"""Reading a ring: `attach` returns a `Reader`, an endless iterator of `Batch`; `Reader.epoch` iterates one epoch."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Protocol

from . import _library as c
from .batch import Batch, Handle, Layout, Lease, lease_pointer
from .errors import (
    BatchTimeoutError,
    ConfigurationChangedError,
    ContinuingWarning,
    DaemonGoneError,
    ForkedError,
    ReaderBusyError,
    ReaderClosedError,
    ReaderReplacedWarning,
    RingHeldError,
    SasslError,
    SharedBatchesWarning,
    WorldSizeWarning,
)

# What the bits of a ring's batches depend on, by its number there.
_CPU_PATHS: Final = ("any", "portable", "avx2", "avx512")
# How long a call into C waits before Python gets to look for signals such as Ctrl-C.
_SIGNAL_SLICE_SECONDS: Final = 0.2
# How long a sentence on changed settings may get; what does not fit is counted in it.
_DIFFERENCE_BYTES: Final = 2048
_LARGEST_NUMBER: Final = 2**63 - 1


@dataclass(frozen=True)
class RingInformation:
    """What a ring holds; does not change during the life of its `sassld`."""

    name: str
    """Of the stream."""
    rank: int
    """Of this reader."""
    world_size: int
    """Number of readers of the stream."""
    batch_size: int
    """Samples in a full batch of this rank."""
    batches_per_epoch: int
    """Batches in an epoch, 0 where unknown."""
    slot_count: int
    """Batches that fit the ring."""
    fingerprint: str
    """Hexadecimal; equal for equal streams."""
    settings: str
    """What the fingerprint is made of, one `key = value` line each; empty where `sassld` does not say."""
    payload_bytes: int
    """Bytes of one batch."""
    producer_pid: int
    """Process number of `sassld`."""
    cpu_path: str
    """The instructions that the batches' bits depend on: `any` where they are the same on all, as with the embedded
    style model, or without style. Otherwise `avx512`, `avx2` or `portable`: stylized views have the same bits on one of
    them; between two, single values differ by a level of 255 or a few. `unknown` is what this version does not know."""


@dataclass(frozen=True)
class RingStatus:
    """How far both sides are, and who waits for whom, at one moment."""

    ready: int
    """Batches ready to be read."""
    held: int
    """Batches handed out and not released."""
    published: int
    """Batches published by this instance of `sassld`."""
    dropped: int
    """Stale batches dropped after seeks."""
    reader_waited_seconds: float
    """Seconds that readers have waited because the ring was empty."""
    daemon_waited_seconds: float
    """Seconds that `sassld` has waited because the ring was full."""
    daemon_is_alive: bool
    """Whether a live `sassld` fills the ring."""


def settings_difference(former: str, present: str) -> str:
    """How two texts of settings differ, in words; nothing where one of them is empty, or where they are the same."""
    words = ctypes.create_string_buffer(_DIFFERENCE_BYTES)
    texts = [text.encode(errors="replace") for text in (former, present)]
    c.library.sassl_ring_settings_difference(*texts, words, len(words))
    return words.value.decode(errors="replace")


def _checked_number(number: int, what: str) -> int:
    if not 0 <= number <= _LARGEST_NUMBER:
        raise ValueError(f"{what}={number} is not a batch number")
    return number


def _detach(handle: Handle, is_done: bool) -> None:
    """Gives up the ring; what is still referred to is moved out of it. A reader that is closed already stays so."""
    if handle.process == os.getpid():
        try:
            handle.transfers.stop()
        finally:
            # Whatever a device says, the ring is for the next reader, as far as no copy is under way: what a device
            # still copies keeps the lock until it is let go.
            c.library.sassl_ring_consumer_detach(handle.address, is_done, None)


# The readers of this process by ring, so that a forgotten one can make room: a notebook keeps the reader of an
# interrupted cell alive through the last traceback.
_readers: weakref.WeakValueDictionary[tuple[bytes | None, str, int], Reader] = weakref.WeakValueDictionary()


class Numbered(Protocol):
    """Of the stream, at a place in it."""

    @property
    def number(self) -> int:
        """Of the batch."""
        ...


class Reader(Iterator[Batch]):
    """An endless iterator over the batches of a ring. Made by `attach`.

    `epoch` iterates over one epoch, `next` waits with a time limit. Several threads may ask for batches; each gets its
    own.
    """

    def __init__(
        self,
        name: str,
        rank: int,
        *,
        start: int | Literal["continue"] | None,
        world_size: int | None,
        wait: float,
        daemon_timeout: float,
        verify: bool,
        directory: str | os.PathLike[str] | None,
        accept_change: bool,
        owner: str | int | None,
    ) -> None:
        # Until it is attached there is nothing to detach.
        self._finalizer = None
        if "\0" in name:
            raise ValueError(f"{name!r} is not the name of a ring: it holds a NUL")
        if not 0 <= rank < 2**32:
            raise ValueError(f"rank={rank} is not a rank: they are counted from 0")
        if world_size is not None and not 1 <= world_size < 2**32:
            raise ValueError(f"world_size={world_size} is not a number of readers")
        if isinstance(start, str) and start != "continue":
            raise ValueError(f"start={start!r} is neither a batch number nor 'continue'")
        options = c.ConsumerOptions(
            directory=c.encoded(directory),
            name=name.encode(),
            rank=rank,
            verify=verify,
            start=_checked_number(start, "start") if isinstance(start, int) else c.CONTINUE,
            absence_timeout_ns=c.nanoseconds(daemon_timeout),
            accept_change=accept_change,
            world_size=world_size or 0,
            owner_id=c.user_number(owner),
        )
        c.nanoseconds(wait)
        # Batches that were handed out and not released.
        self._held: weakref.WeakSet[Batch] = weakref.WeakSet()
        # What a thread has asked for, by its number: filled by the C library, taken out as its caller gets it.
        self._asked: dict[int, Lease] = {}
        self._latest: weakref.ref[Lease] | None = None
        # What a loader has taken and not handed out yet, in the order of the stream, and which loader that is.
        self._ahead: deque[Numbered] = deque()
        self._ahead_of: weakref.ref[object] | None = None
        # What a loader has handed out last: not read before the next is asked for. Its tensors are copies, so that
        # nothing else may refer to it.
        self._handed: Batch | None = None
        # Of the instance of sassld that made the latest batch.
        self._layout: tuple[bytes, Layout] | None = None
        self._daemon_timeout = daemon_timeout
        self._closed_because = "this reader was closed: attach anew"
        c.library.sassl_ring_explain_writes()
        key = (options.directory, name, rank)
        self._handle = self._attach(options, wait, key)
        self._finalizer = weakref.finalize(self, _detach, self._handle, False)
        # When the process ends, threads may still be waiting in there; the kernel tidies up.
        self._finalizer.atexit = False
        self._slot_count = self.information.slot_count
        _readers[key] = self
        if start is None:
            self._say_where_it_starts()
        if world_size is None:
            self._say_how_many_read()

    @staticmethod
    def _attach(options: c.ConsumerOptions, wait: float, key: tuple[bytes | None, str, int]) -> Handle:
        deadline = time.monotonic() + wait
        made_room = False
        while True:
            remaining = deadline - time.monotonic()
            options.attach_timeout_ns = c.nanoseconds(min(remaining, _SIGNAL_SLICE_SECONDS))
            address, error = ctypes.c_void_p(), c.Error()
            result = c.library.sassl_ring_consumer_attach(
                ctypes.byref(options), ctypes.byref(address), ctypes.byref(error)
            )
            if result == c.OK and address.value is not None:
                return Handle(address.value)
            if result == c.BUSY and error.holder_pid == os.getpid() and not made_room:
                made_room = True
                # Where nobody refers to the former reader any more but a cycle, it ends without a word.
                gc.collect()
                former = _readers.get(key)
                if former is not None:
                    former._give_way()
                del former
                continue
            if result != c.ABSENT or remaining <= _SIGNAL_SLICE_SECONDS:
                c.raise_error(result, error)

    def _give_way(self) -> None:
        """Closes a reader that a later `attach` in this process replaces."""
        if not self._is_open:
            return
        if any(thread != threading.get_ident() for thread in self._asked):
            raise ReaderBusyError(
                "another thread of this process waits for a batch of this ring, which has one reader: share that one",
                os.getpid(),
            )
        warnings.warn(
            "an earlier reader of this ring in this process was closed, since a ring has one reader. Its batches stay "
            "readable; those that were not released come again",
            ReaderReplacedWarning,
            stacklevel=5,
        )
        self._closed_because = "a later sassl.attach in this process took over the ring of this reader"
        self._end(is_done=False)

    def _say_where_it_starts(self) -> None:
        position = self.position
        if position == 0:
            return
        per_epoch = self.information.batches_per_epoch
        where = f" (epoch {position // per_epoch}, step {position % per_epoch})" if per_epoch else ""
        warnings.warn(
            f"reading continues at batch {position}{where}, where the last reader stopped. Say start=0 for a fresh "
            "run, start='continue' for this, or load_state_dict for a checkpoint",
            ContinuingWarning,
            stacklevel=4,
        )

    def _say_how_many_read(self) -> None:
        ring = self.information
        if ring.world_size > 1:
            warnings.warn(
                f"this ring is made for rank {ring.rank} of {ring.world_size}, and nobody said how many there are: "
                f"were there fewer, a part of every epoch would never be seen. Say world_size={ring.world_size}",
                WorldSizeWarning,
                stacklevel=4,
            )

    @property
    def _is_open(self) -> bool:
        return self._finalizer is not None and self._finalizer.alive

    @property
    def _open_handle(self) -> int:
        if not self._is_open:
            raise ReaderClosedError(self._closed_because)
        return self._handle.address

    @property
    def information(self) -> RingInformation:
        """What the ring holds."""
        geometry = c.Geometry()
        settings = ctypes.create_string_buffer(c.MAXIMUM_SETTINGS_BYTES + 1)
        c.library.sassl_ring_consumer_describe(self._open_handle, ctypes.byref(geometry), settings)
        return RingInformation(
            name=geometry.name.decode(),
            rank=geometry.rank,
            world_size=geometry.world_size,
            batch_size=geometry.batch_size,
            batches_per_epoch=geometry.batches_per_epoch,
            slot_count=geometry.slot_count,
            fingerprint=bytes(geometry.fingerprint).hex(),
            settings=settings.value.decode(errors="replace"),
            payload_bytes=geometry.payload_bytes,
            producer_pid=geometry.producer_pid,
            cpu_path=_CPU_PATHS[geometry.cpu_path] if geometry.cpu_path < len(_CPU_PATHS) else "unknown",
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
        following = int(c.library.sassl_ring_consumer_position(self._open_handle))
        # What an exception kept from its caller comes again.
        asked = [int(lease.number) for lease in list(self._asked.values()) if lease.identifier]
        # And what a loader has fetched ahead was not handed out.
        return min([*asked, *(batch.number for batch in list(self._ahead)[:1]), following])

    def __iter__(self) -> Reader:
        return self

    def __next__(self) -> Batch:
        """Waits for the next batch, for as long as `sassld` lives. What is referred to stays as it is."""
        return self.next()

    def epoch(self) -> Epoch:
        """Iterates over the current epoch, or what is left of it; sized.

        For example:

            for epoch in range(100):
                for batch in reader.epoch():
                    train(batch.views)
        """
        return Epoch(self)

    def next(self, timeout: float = float("inf")) -> Batch:
        """Waits for the next batch.

        Raises `BatchTimeoutError` after `timeout` seconds, `RingHeldError` when batches that are still referred to hold
        every slot of the ring, and `DaemonGoneError` when `sassld` went away and did not come back. An exception that
        a signal handler raises meanwhile loses nothing: the next call returns the same batch.
        """
        if self._ahead:
            # The loader that has fetched them does not hand them out now: they come again.
            self.seek(self.position)
        self._handed = None
        return self._take(timeout)

    def _take(self, timeout: float = float("inf")) -> Batch:
        c.nanoseconds(timeout)
        transfers = self._handle.transfers
        transfers.reap()
        while transfers.is_pending and self._holds_every_slot():
            transfers.settle()
        thread = threading.get_ident()
        lease = self._asked.get(thread)
        if lease is None:
            lease = self._asked[thread] = Lease(self._handle)
        try:
            if not lease.identifier:
                self._wait(lease, timeout)
            batch = Batch(lease, self._layout_of(lease))
            self._held.add(batch)
            self._latest = weakref.ref(lease)
        finally:
            if not lease.identifier:
                self._asked.pop(thread, None)
        # Between this and the caller's assignment nothing looks for signals, as it would after a call of `pop`.
        try:
            del self._asked[thread]
            return batch
        except KeyError:
            # Another thread's `seek` has forgotten what was asked for.
            return batch

    def _wait(self, lease: Lease, timeout: float) -> None:
        """Has the C library fill `lease`."""
        deadline = time.monotonic() + timeout
        if self._slot_count == 1 and self._latest is not None and self._latest() is not None:
            # The variable of a plain loop alone would hold the only slot for ever.
            self._make_room()
        held_since: float | None = None
        error = c.Error()
        while True:
            remaining = min(deadline - time.monotonic(), _SIGNAL_SLICE_SECONDS)
            result = c.library.sassl_ring_consumer_next(
                self._open_handle, c.nanoseconds(remaining), lease_pointer(lease), ctypes.byref(error)
            )
            if result == c.OK:
                return
            if result == c.ABSENT:
                raise DaemonGoneError(error.message.decode(errors="replace"))
            if result == c.STATE:
                raise ReaderClosedError(self._closed_because)
            if result != c.TIMEOUT:
                c.raise_error(result, error)
            if not self.status.daemon_is_alive:
                # The memory of a ring that is dead goes back to the system.
                self._handle.transfers.stop()
            if self._holds_every_slot():
                if held_since is None:
                    held_since = time.monotonic()
                    # What only a reference cycle holds is not held for a purpose.
                    gc.collect()
                    self._make_room()
                    continue
                self._make_room()
                # Another thread may let go; where there is none, nobody can.
                patience = self._daemon_timeout if threading.active_count() > 1 else 0.0
                if time.monotonic() >= min(deadline, held_since + patience):
                    raise RingHeldError(self._what_is_waited_for())
            else:
                held_since = None
            if time.monotonic() >= deadline:
                raise BatchTimeoutError(f"no batch within {timeout} s: {self._what_is_waited_for()}")

    def _holds_every_slot(self) -> bool:
        status = self.status
        return status.daemon_is_alive and status.held >= self._slot_count

    def _make_room(self) -> None:
        """Moves what is kept out of the ring where that is all that is in the way of the next batch."""
        self._handle.transfers.drain()
        error = c.Error()
        result = c.library.sassl_ring_consumer_make_room(self._open_handle, ctypes.byref(error))
        if result != c.OK:
            c.raise_error(result, error)

    def _what_is_waited_for(self) -> str:
        status, slots = self.status, self._slot_count
        if not status.daemon_is_alive:
            return "sassld is gone, and has not come back yet"
        if status.held >= slots:
            return (
                f"this reader holds all {slots} slots of the ring, the oldest of which must be released before "
                "the next batch can be made: let go of batches and of arrays made from them, copy what you keep, or "
                "raise ring.slots"
            )
        return "sassld lives, `sasslctl status` says what it does"

    def _layout_of(self, lease: Lease) -> Layout:
        mapping = lease.mapping
        instance = bytes(c.library.sassl_ring_mapping_geometry(mapping).contents.instance)
        if self._layout is None or self._layout[0] != instance:
            self._layout = instance, Layout(mapping)
            self._slot_count = self.information.slot_count
        return self._layout[1]

    def seek(self, number: int) -> None:
        """Continues with batch `number`, forwards or backwards; costs no replay. Batches that are held stay valid."""
        _checked_number(number, "number")
        error = c.Error()
        # What was asked for and never arrived is of the former position, and so is what was fetched ahead.
        self._asked.clear()
        self._ahead.clear()
        self._handed = None
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

        A ring whose bits depend on other instructions (`RingInformation.cpu_path`) is read on with a warning: the same
        samples and draws follow, and single values of stylized views differ by a level of 255 or a few.
        """
        ours = self.information
        if state["fingerprint"] != ours.fingerprint and not force:
            # States of earlier versions have no settings.
            difference = settings_difference(state.get("settings", ""), ours.settings) or (
                f"its fingerprint was {state['fingerprint'][:12]} and is {ours.fingerprint[:12]}"
            )
            raise ConfigurationChangedError(
                f"the saved position belongs to another stream than this ring holds: {difference}. "
                "Start sassld with the configuration of the checkpoint, or load with force=True"
            )
        self.seek(state["batch"])
        paths = state.get("cpu_path", "unknown"), ours.cpu_path
        if not {"any", "unknown"}.intersection(paths) and paths[0] != paths[1]:
            warnings.warn(
                f"the saved position was made with {paths[0]} instructions, this ring is made with {paths[1]}: the "
                "stream goes on with the same samples and draws, but single values of stylized views differ slightly. "
                f"For the same bits, start sassld on a processor that has them, with SASSL_CPU={paths[0]}",
                stacklevel=2,
            )

    def close(self) -> None:
        """Gives back what is held, as done, and detaches. Arrays that are still referred to stay as they are.

        May be called beside a thread that waits in `next`, which then raises `ReaderClosedError`.
        """
        for batch in list(self._held):
            batch.release()
        self._end(is_done=True)

    def _end(self, *, is_done: bool) -> None:
        if self._is_open and self._finalizer is not None:
            if is_done and (self._ahead or any(lease.identifier for lease in self._asked.values())):
                # What an exception kept from its caller was not read, nor was what a loader has fetched ahead.
                self.seek(self.position)
            self._finalizer.detach()
            try:
                _detach(self._handle, is_done)
            finally:
                self._ahead.clear()
                self._handed = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an exception a held batch was not done: the next reader gets it again.
        if kind is None:
            self.close()
        else:
            self._end(is_done=False)


def fetched_ahead(reader: Reader, loader: object) -> deque[Numbered]:
    """What a loader has taken with `take_ahead` and not handed out: it removes from the front what it hands out.

    Counts as not read, and is gone, to come again, when anything else reads on or seeks.
    """
    if reader._handle.process != os.getpid():
        raise ForkedError(
            "this reader was attached by the parent process; a child cannot use it (attach in the process that reads, "
            "and use no worker processes)"
        )
    if not reader._is_open:
        raise ReaderClosedError(reader._closed_because)
    if reader._ahead and (reader._ahead_of is None or reader._ahead_of() is not loader):
        reader.seek(reader.position)
    reader._ahead_of = weakref.ref(loader)
    reader._handed = None
    reader._handle.transfers.reap()
    return reader._ahead


def hand_out(reader: Reader, batch: Batch) -> None:
    """Takes note of what a loader hands out, which counts as read as soon as it asks for the next."""
    reader._handed = batch


def take_ahead(reader: Reader, timeout: float = float("inf")) -> None:
    """Waits for the next batch, as `Reader.next` does, and appends it to what is fetched ahead."""
    # In one step: nothing looks for signals between these two calls.
    reader._ahead.append(reader._take(timeout))


def may_take_ahead(reader: Reader) -> bool:
    """Whether a batch is ready, and `sassld` has a slot to work in when that is held too."""
    status = reader.status
    return status.ready > 0 and status.held + 1 < reader._slot_count


def warn_of_another_part(reader: Reader, rank: int, count: int, *, stacklevel: int) -> None:
    """Warns unless what `reader` reads is the part of a process that is `rank` of `count` that train together."""
    ring = reader.information
    if count == 1 or (ring.rank, ring.world_size) == (rank, count):
        return
    what = (
        "every process that reads like this trains on the same batches"
        if ring.world_size == 1
        else "some processes train on the same batches, or a part of each batch is seen by none"
    )
    warnings.warn(
        f"this process is rank {rank} of {count} that train together, and its reader is rank {ring.rank} of "
        f"{ring.world_size}: {what}. Say sassl.serve(..., world_size={count}, ranks=[{rank}]) with the samples of one "
        f"rank as batch_size, or sassl.attach(name, {rank}, world_size={count}). Where processes share their batches "
        "on purpose, as in tensor parallelism, ignore this SharedBatchesWarning",
        SharedBatchesWarning,
        stacklevel=stacklevel,
    )


class Epoch(Iterator[Batch]):
    """What is left of the epoch in which its reader stands, for one thread at a time. Made by `Reader.epoch`."""

    def __init__(self, reader: Reader) -> None:
        per_epoch = reader.information.batches_per_epoch
        if per_epoch == 0:
            raise SasslError("this ring does not say how many batches an epoch has: iterate over the reader itself")
        self._reader = reader
        self.end: Final = (reader.position // per_epoch + 1) * per_epoch
        """Number of the batch that the next epoch begins with."""

    def __len__(self) -> int:
        """How many batches are left."""
        return max(self.end - self._reader.position, 0)

    def __iter__(self) -> Epoch:
        return self

    def __next__(self) -> Batch:
        if self._reader.position >= self.end:
            raise StopIteration
        return self._reader.next()


def attach(
    name: str,
    rank: int = 0,
    *,
    start: int | Literal["continue"] | None = None,
    world_size: int | None = None,
    wait: float = 30.0,
    daemon_timeout: float = 60.0,
    verify: bool = False,
    directory: str | os.PathLike[str] | None = None,
    accept_change: bool = False,
    owner: str | int | None = None,
) -> Reader:
    """Attaches to the ring that `sassld` fills under this name.

    For example:

        reader = sassl.attach("photos", start=0)
        for epoch in range(100):
            for batch in reader.epoch():
                train(batch.views)

    :param name: of the ring, as in sassld's configuration.
    :param rank: of this process among the readers of the stream.
    :param start: number of the first batch, 0 for a fresh run; "continue" for the first that no reader has released.
        None means "continue" too, and says so by a `ContinuingWarning` when that is not batch 0.
    :param world_size: how many readers share the stream: a ring of another number is refused. Where it is not said and
        the ring is one of several, a `WorldSizeWarning` tells how many there must be.
    :param wait: seconds to wait for sassld at first.
    :param daemon_timeout: seconds to wait for sassld to come back once it has gone.
    :param verify: check each batch's checksum.
    :param directory: of the ring's file; by default /dev/shm/sassl, where the service's rings lie, and then /dev/shm.
    :param accept_change: go on when sassld comes back with another configuration.
    :param owner: name or number of a user whose sassld may be read besides root's, one's own and the service's.
    :raises NoDaemonError: nobody fills such a ring.
    :raises ReaderBusyError: another process reads it.
    :raises WorldSizeError: the ring is one of another number of ranks.
    :raises VersionMismatchError: sassld writes another format.
    :raises RingOwnerError: the ring belongs to somebody else, or everybody may write to it.
    """
    return Reader(
        name,
        rank,
        start=start,
        world_size=world_size,
        wait=wait,
        daemon_timeout=daemon_timeout,
        verify=verify,
        directory=directory,
        accept_change=accept_change,
        owner=owner,
    )


__all__ = ["Epoch", "Reader", "RingInformation", "RingStatus", "attach"]
