"""The actor that fills a trainer's ring with slices from makers, as `sassld` does with batches of its own."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import ray
from ray.exceptions import RayError

from .. import _library as c
from .. import _remains
from .._producer import Reservation, RingProducer
from ..errors import CorruptRingError, ReaderBusyError, SasslError
from .assignment import Assignment
from .known_makers import LOOK_SECONDS, KnownMaker, KnownMakers, is_intact
from .log import say
from .metrics import FeederMetrics
from .slices import Division, Joining, Slice, SliceLayout, joined_fields, layout_of

# For how long one call waits before the next look at everything else.
_PATIENCE_SECONDS: Final = 0.05
# A slice that the trainer waits for and that is so late is asked of an idle maker too.
_LATE_SECONDS: Final = 2.0
# How long a ring that another process fills may be in the way: a predecessor that ends.
_BUSY_SECONDS: Final = 20.0
# How long the ring of a feeder that was killed is kept for its successor.
_GRACE_SECONDS: Final = 15.0
# A ring that has to be made anew more often than this within a minute has a reader that does not stop scribbling.
_MOST_RENEWALS: Final = 8
# Over which time the shares of waiting are told.
_WINDOW_SECONDS: Final = 60.0


@dataclass(frozen=True)
class FeederOptions:
    """What a feeder is told."""

    name: str
    """Of the stream: what the trainer attaches to."""
    rank: int
    """Of the trainer."""
    ranks: tuple[int, ...]
    """All ranks whose slices the same makers make, so that every feeder divides them in the same way."""
    division: Division
    directory: str
    """Of the ring's file."""
    slots: int
    """Batches that the ring holds, and that are gathered ahead."""
    group: str
    """Whose members may read the ring; empty for nobody but this user."""
    makers: str
    """What the names of the makers begin with."""


def _fingerprint_of_predecessor(options: FeederOptions) -> bytes | None:
    """What the ring of a feeder that was killed holds; nothing where there is none."""
    with contextlib.suppress(SasslError, OSError):
        return layout_of(options.directory, options.name, options.rank).fingerprint
    return None


@dataclass
class _Ask:
    """A slice that a maker was asked for."""

    maker: KnownMaker
    reference: Any
    when: float = field(default_factory=time.monotonic)


@dataclass
class _Job:
    """A batch that is being gathered in a slot of the ring."""

    reservation: Reservation
    missing: set[int]
    """Which of its slices have not come yet, counted within the batch."""
    asks: dict[int, list[_Ask]] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    production_ns: int = 0


class Feeder:
    """Fills the ring of one rank on the node that it runs on. An actor with a few threads."""

    def __init__(self, options: FeederOptions) -> None:
        self._options = options
        self._parts = options.division.slices_of(options.rank)
        self._assignment = Assignment([part for rank in options.ranks for part in options.division.slices_of(rank)])
        self._assigned = 0.0
        self._makers = KnownMakers(options.makers, _fingerprint_of_predecessor(options))
        self._metrics = FeederMetrics(options.name, options.rank)
        self._ring: RingProducer | None = None
        # Held while counters are read, and while the ring goes.
        self._ring_in_use = threading.Lock()
        self._jobs: list[_Job] = []
        self._failure = ""
        self._trouble = ""
        self._ring_trouble = ""
        self._renewals: deque[float] = deque()
        self._waits: deque[tuple[float, int, int]] = deque()
        self._named = 0.0
        self._stopping = threading.Event()
        _remains.watch(options.directory, options.name, [options.rank], grace=_GRACE_SECONDS)
        self._threads = [
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True)
            for work in (self._look_around, self._feed)
        ]
        for thread in self._threads:
            thread.start()

    def report(self) -> dict[str, Any]:
        """How it is doing, as `sassl-ray status --json` shows it."""
        options, now = self._options, time.monotonic()
        report: dict[str, Any] = {
            "rank": options.rank,
            "world_size": options.division.world_size,
            "batch_size": options.division.batch_size,
            "host": socket.gethostname(),
            "node": ray.get_runtime_context().get_node_id(),
            "process": os.getpid(),
            "state": "failed" if self._failure else "running" if self._ring is not None else "starting",
            "detail": self._failure or self._trouble or self._ring_trouble,
            "slices": options.division.count,
            "makers": [self._report_of(maker, now) for maker in self._makers.all],
        }
        counters = self._counters()
        if counters is not None:
            full, starved = self._shares()
            stream = self._makers.stream
            per_epoch = stream.batches_per_epoch if stream else 0
            report["ring"] = {
                "slots": options.slots,
                "ready_batches": counters.published - counters.taken,
                "leased_batches": counters.taken - counters.released,
                "published_batches": counters.published,
                "released_batches": counters.released,
                "next_batch": counters.next_batch,
                "batches_per_epoch": per_epoch,
                "full_percent": 100 * full,
                "trainer_starved_percent": 100 * starved,
                "trainer_is_attached": bool(counters.consumer_alive),
            }
        return report

    def stop(self) -> None:
        """Ends the stream: the ring is removed, and an attached reader finishes what is in it."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._close()

    def _close(self) -> None:
        with self._ring_in_use:
            ring, self._ring = self._ring, None
            if ring is not None:
                ring.close()

    def _counters(self) -> Any:
        """Of the ring; nothing where there is none."""
        with self._ring_in_use:
            return None if self._ring is None else self._ring.counters()

    def _report_of(self, maker: KnownMaker, now: float) -> dict[str, Any]:
        state, detail = maker.state(now)
        rate, lag = maker.recent()
        report = maker.report
        mine = [part for part in self._assignment.slices_of(maker.name) if part in self._parts]
        return {
            "name": maker.name,
            "host": report.host if report else "",
            "process": report.process if report else 0,
            "state": state,
            "detail": detail,
            "exit_code": report.exit_code if report else 0,
            "cpu_path": report.status.get("cpu_path", "unknown") if report else "unknown",
            "workers": report.status.get("workers", 0) if report else 0,
            "slices": len(mine),
            "images_per_second": rate,
            "capacity_images_per_second": report.capacity if report else 0.0,
            "lag_seconds": lag,
            "unanswered_slices": maker.unanswered,
        }

    def _shares(self) -> tuple[float, float]:
        """Parts of the last minute in which the ring was full, and in which the trainer waited."""
        if len(self._waits) < 2:
            return 0.0, 0.0
        (then, full, starved), (now, full_now, starved_now) = self._waits[0], self._waits[-1]
        length = max(now - then, 1e-9) * 1e9
        return min((full_now - full) / length, 1.0), min((starved_now - starved) / length, 1.0)

    def _look_around(self) -> None:
        """The life of the thread that watches makers and counters."""
        while not self._stopping.is_set():
            try:
                self._makers.look()
                self._measure()
                self._trouble = ""
            except Exception as error:
                # Without this thread no maker would seem to answer any more, and nobody would know why.
                said, self._trouble = self._trouble, f"it cannot look around. {type(error).__name__}: {error}"
                if self._trouble != said:
                    self._say(self._trouble)
            self._stopping.wait(LOOK_SECONDS)

    def _measure(self) -> None:
        """Notes who waits for whom, and tells Ray's metrics."""
        counters = self._counters()
        if counters is None:
            return
        now = time.monotonic()
        self._waits.append((now, counters.producer_waited_ns, counters.consumer_waited_ns))
        while now - self._waits[0][0] > _WINDOW_SECONDS:
            self._waits.popleft()
        report = self.report()
        if "ring" in report:
            self._metrics.show(report)

    def _say(self, what: str) -> None:
        say(f"rank {self._options.rank}: {what}")

    def _feed(self) -> None:
        """The life of the thread that fills the ring."""
        try:
            ring, joining = self._made()
            if ring is None or joining is None:
                return
            self._ring = ring
            while not self._stopping.is_set():
                try:
                    self._keep_name(ring)
                    self._open(ring)
                    self._drop_void(ring)
                    self._ask()
                    self._receive(ring, joining)
                except CorruptRingError as error:
                    self._renew(ring, str(error))
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"
            self._say(f"its stream has ended: {self._failure}")
            # A reader is not to wait for batches that will not come.
            self._close()
        finally:
            for job in self._jobs:
                self._forget(job)

    def _made(self) -> tuple[RingProducer | None, Joining | None]:
        """The ring, as soon as the makers have told what the stream is; nothing where this ends before."""
        while (stream := self._makers.stream) is None:
            if self._stopping.wait(_PATIENCE_SECONDS):
                return None, None
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                ring = self._new_ring(stream)
                return ring, Joining(stream, self._options.division, ring.offsets)
            except ReaderBusyError:
                if time.monotonic() > deadline:
                    raise
                if self._stopping.wait(_PATIENCE_SECONDS):
                    return None, None

    def _new_ring(self, stream: SliceLayout) -> RingProducer:
        options = self._options
        return RingProducer(
            options.directory,
            options.name,
            rank=options.rank,
            world_size=options.division.world_size,
            batch_size=options.division.batch_size,
            slots=options.slots,
            fields=joined_fields(stream, options.division),
            batches_per_epoch=stream.batches_per_epoch,
            fingerprint=stream.fingerprint,
            settings=stream.settings,
            cpu_path=self._makers.common_instructions,
            group=grp.getgrnam(options.group).gr_gid if options.group else -1,
            space_timeout=_BUSY_SECONDS,
        )

    def _keep_name(self, ring: RingProducer) -> None:
        """Makes the ring anew where somebody has removed its file."""
        if time.monotonic() - self._named > LOOK_SECONDS:
            self._named = time.monotonic()
            if not ring.is_named:
                self._renew(ring, "somebody had removed the ring's file")

    def _renew(self, ring: RingProducer, why: str) -> None:
        """Puts a new ring in the place of this one; an attached reader goes on there."""
        now = time.monotonic()
        while self._renewals and now - self._renewals[0] > 60:
            self._renewals.popleft()
        if len(self._renewals) >= _MOST_RENEWALS:
            raise CorruptRingError(why)
        while True:
            try:
                if ring.renew(_PATIENCE_SECONDS):
                    break
            except (ReaderBusyError, OSError) as error:
                # Most often memory is lacking, which the reader of the old ring still holds.
                self._note_ring(f"{why}, and the ring cannot be made anew yet: {error}")
                self._stopping.wait(_PATIENCE_SECONDS)
                if ring.counters().producer_state == c.SERVING:
                    # It is not given up, and an attached reader goes on in the ring without a name.
                    return
            self._give_back(ring)
            if self._stopping.is_set():
                return
        self._renewals.append(now)
        self._ring_trouble = ""
        self._say(f"{why}; the ring was made anew")

    def _give_back(self, ring: RingProducer) -> None:
        """Gives every slot that is being filled back to a ring that is given up, which waits for that."""
        for job in self._jobs:
            self._forget(job)
            ring.cancel(job.reservation)
        self._jobs.clear()

    def _note_ring(self, trouble: str) -> None:
        if self._ring_trouble != trouble:
            self._say(trouble)
        self._ring_trouble = trouble

    def _open(self, ring: RingProducer) -> None:
        """Opens a batch in every free slot."""
        while (reservation := ring.reserve(0.0 if self._jobs else _PATIENCE_SECONDS)) is not None:
            self._jobs.append(_Job(reservation, set(range(len(self._parts)))))
        ring.heartbeat()

    def _drop_void(self, ring: RingProducer) -> None:
        """Gives up what a seek has made useless."""
        for job in [job for job in self._jobs if ring.is_void(job.reservation)]:
            self._forget(job)
            ring.cancel(job.reservation)
            self._jobs.remove(job)

    def _forget(self, job: _Job) -> None:
        for part in list(job.asks):
            self._withdraw(job, part)

    def _withdraw(self, job: _Job, part: int) -> None:
        """Takes back what makers were asked for and need not deliver any more."""
        for ask in job.asks.pop(part, []):
            ask.maker.unanswered -= 1
            with contextlib.suppress(RayError, ValueError, TypeError):
                ray.cancel(ask.reference)

    def _ask(self) -> None:
        """Asks makers for every slice that is missing and that nobody who can be reached was asked for."""
        usable, now = self._makers.usable(), time.monotonic()
        if now - self._assigned > LOOK_SECONDS or any(
            self._assignment.owner(part) not in usable for part in self._parts
        ):
            self._assigned = now
            self._assignment.update(
                {name: maker.report.capacity if maker.report else 0.0 for name, maker in usable.items()}
            )
        for position, job in enumerate(self._jobs):
            for part in job.missing:
                asks = job.asks.setdefault(part, [])
                reached = [ask for ask in asks if ask.maker.name in usable and ask.when > ask.maker.distrusted]
                if not reached:
                    self._ask_of(usable.get(self._assignment.owner(self._parts[part]) or ""), job, part)
                elif position == 0 and len(reached) == 1 and now - reached[0].when > _LATE_SECONDS:
                    # An idle one loses nothing, and the bytes are the same.
                    idle = [maker for maker in usable.values() if maker.unanswered == 0]
                    self._ask_of(idle[0] if idle else None, job, part)

    def _ask_of(self, maker: KnownMaker | None, job: _Job, part: int) -> None:
        if maker is not None:
            maker.unanswered += 1
            reference = maker.handle.take.remote(self._parts[part], job.reservation.number)
            job.asks[part].append(_Ask(maker, reference))

    def _receive(self, ring: RingProducer, joining: Joining) -> None:
        """Waits a moment for slices, and writes those that have come into their batches."""
        asks = {
            ask.reference: (job, part, ask)
            for job in self._jobs
            for part, several in job.asks.items()
            for ask in several
        }
        if not asks:
            if self._jobs:
                self._stopping.wait(_PATIENCE_SECONDS)
            return
        ready, _ = ray.wait(list(asks), num_returns=1, timeout=_PATIENCE_SECONDS)
        if ready:
            ready, _ = ray.wait(list(asks), num_returns=len(asks), timeout=0)
        for reference in ready:
            job, part, ask = asks.pop(reference)
            if part in job.missing:
                self._take(ring, joining, job, part, ask)

    def _take(self, ring: RingProducer, joining: Joining, job: _Job, part: int, ask: _Ask) -> None:
        job.asks[part].remove(ask)
        ask.maker.unanswered -= 1
        try:
            arrived: Slice = ray.get(ask.reference, timeout=_LATE_SECONDS)
        except RayError as error:
            self._distrust(ask.maker, str(error).strip().splitlines()[-1])
            return
        if not self._accept(arrived, job, ask.maker):
            return
        joining.write(arrived, part, ring.payload(job.reservation))
        ask.maker.note_taken(arrived.samples, time.monotonic() - ask.when)
        job.missing.remove(part)
        self._withdraw(job, part)
        job.epoch, job.step = arrived.epoch, arrived.step
        job.production_ns = max(job.production_ns, arrived.production_ns)
        if not job.missing:
            ring.publish(
                job.reservation,
                epoch=job.epoch,
                step=job.step,
                count=self._options.division.batch_size,
                production_ns=job.production_ns,
            )
            # Not before: where publishing finds the ring damaged, the slot is still reserved, and has to be given back.
            self._jobs.remove(job)
            self._metrics.published(self._options.division.batch_size)

    def _accept(self, arrived: Slice, job: _Job, maker: KnownMaker) -> bool:
        """Whether a slice is what was asked for."""
        stream = self._makers.stream
        if stream is None or arrived.fingerprint != stream.fingerprint:
            self._makers.refuse(maker, arrived.fingerprint)
        elif arrived.number != job.reservation.number or arrived.samples != self._options.division.slice_size:
            self._distrust(maker, f"it delivered batch {arrived.number} in place of {job.reservation.number}")
        elif not is_intact(arrived):
            self._distrust(maker, f"a slice of batch {arrived.number} does not match its checksum")
        else:
            return True
        return False

    def _distrust(self, maker: KnownMaker, why: str) -> None:
        """Asks a maker no more until it says anew that it is well."""
        maker.distrusted = time.monotonic()
        self._say(f"{maker.name} has failed: {why}")
