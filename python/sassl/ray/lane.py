"""Reads one ring of a maker's daemon, in the order in which its batches are wanted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any, Final

from .. import _library as c
from ..batch import lease_of, payload_of
from ..errors import BatchTimeoutError, ConfigurationChangedError, NoDaemonError
from ..reader import Reader, attach
from .slices import Slice

# How long to wait in one call before looking whether anybody still wants the batch.
_LOOK_SECONDS: Final = 0.2


class Lane:
    """One ring of a maker, with a thread that reads it.

    Those who want a batch wait in an event loop; several may want the same one. The lowest number comes first, because
    that is the order in which the daemon makes them.
    """

    def __init__(self, name: str, rank: int, world_size: int, directory: str) -> None:
        self._name, self._rank, self._world_size, self._directory = name, rank, world_size, directory
        self._reader: Reader | None = None
        self._wanted: dict[int, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[Slice]]]] = {}
        self._change = threading.Condition()
        self._ended = False
        threading.Thread(target=self._run, name=f"slice-{rank}", daemon=True).start()

    async def take(self, number: int) -> Slice:
        """Batch `number` of this ring."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Slice] = loop.create_future()
        entry = (loop, future)
        with self._change:
            self._wanted.setdefault(number, []).append(entry)
            self._change.notify()
        try:
            return await future
        finally:
            # Where the caller does not want it any more, it need not be made.
            with self._change:
                if entry in self._wanted.get(number, []):
                    self._wanted[number].remove(entry)
                    if not self._wanted[number]:
                        del self._wanted[number]

    def end(self) -> None:
        """Ends the thread, which detaches."""
        with self._change:
            self._ended = True
            self._change.notify()

    def _run(self) -> None:
        while (number := self._next_wanted()) is not None:
            try:
                found = self._read(number)
            except Exception as error:
                # Whatever it was: those who wait are told, and the ring is opened anew for whoever asks again.
                self._deliver(number, error)
                self._detach()
                continue
            if found is not None:
                self._deliver(number, found)
            # A slot of the ring is kept as long as anything here refers to it.
            del found
        self._detach()

    def _next_wanted(self) -> int | None:
        """Waits for a wish; nothing at the end."""
        with self._change:
            while not self._wanted and not self._ended:
                self._change.wait()
            return None if self._ended else min(self._wanted)

    def _read(self, number: int) -> Slice | None:
        """Batch `number`, if it is there soon; whoever still wants it asks again."""
        if self._reader is None:
            with contextlib.suppress(NoDaemonError):
                self._reader = attach(
                    self._name,
                    self._rank,
                    start=number,
                    world_size=self._world_size,
                    wait=_LOOK_SECONDS,
                    daemon_timeout=float("inf"),
                    directory=self._directory,
                )
            return None
        if self._reader.position != number:
            self._reader.seek(number)
        try:
            batch = self._reader.next(timeout=_LOOK_SECONDS)
        except BatchTimeoutError:
            return None
        except ConfigurationChangedError:
            # The daemon came back with other data: what that makes says so itself, in its fingerprint.
            self._detach()
            return None
        lease = lease_of(batch)
        geometry = c.library.sassl_ring_mapping_geometry(lease.mapping).contents
        return Slice(
            fingerprint=bytes(geometry.fingerprint),
            cpu_path=geometry.cpu_path,
            number=batch.number,
            epoch=batch.epoch,
            step=batch.step,
            samples=batch.count,
            checksum=batch.checksum,
            production_ns=lease.production_ns,
            payload=payload_of(batch),
        )

    def _deliver(self, number: int, outcome: Slice | Exception) -> None:
        with self._change:
            waiting = self._wanted.pop(number, [])
        for loop, future in waiting:
            with contextlib.suppress(RuntimeError):  # of a loop that has ended
                loop.call_soon_threadsafe(_settle, future, outcome)

    def _detach(self) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.close()


def _settle(future: asyncio.Future[Any], outcome: Slice | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
