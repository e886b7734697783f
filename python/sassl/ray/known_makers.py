"""The makers of a stream as a feeder sees them: which there are, which may be asked, and why the others may not."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

import ray
from ray.exceptions import RayError

from .. import _library as c
from ..reader import settings_difference
from .log import say
from .maker import MakerReport
from .slices import Slice, SliceLayout

#: Where the actors of all streams have their names.
NAMESPACE: Final = "sassl"
# How often to look which makers there are and how they are doing.
LOOK_SECONDS: Final = 1.0
# A maker that has not said how it is doing for so long is not asked for slices.
_SILENCE_SECONDS: Final = 5.0
# How long to wait at first for makers that are still starting, before those that run decide what the stream is.
_GATHERING_SECONDS: Final = 20.0
# Over which time rates and lags are told.
_WINDOW_SECONDS: Final = 10.0


@dataclass
class KnownMaker:
    """One maker."""

    name: str
    handle: Any
    report: MakerReport | None = None
    answered: float = 0.0
    """When it has last said how it is doing."""
    distrusted: float = 0.0
    """When it has last failed: what it said before counts no more."""
    refused: str = ""
    """Why its slices are not taken."""
    taken: deque[tuple[float, int, float]] = field(default_factory=deque)
    """Of the slices of the last seconds: when they came, how many samples they have, how long they took to come."""
    unanswered: int = 0
    """Slices that it was asked for and has not delivered."""

    def usable(self, now: float) -> bool:
        """Whether it can be asked for slices."""
        return (
            not self.refused
            and self.report is not None
            and self.report.state == "running"
            and self.answered > max(self.distrusted, now - _SILENCE_SECONDS)
        )

    def state(self, now: float) -> tuple[str, str]:
        """In a word, and a sentence."""
        if self.refused:
            return "refused", self.refused
        if self.report is None:
            return "starting", "it has not answered yet"
        if self.report.state == "running" and not self.usable(now):
            return "unreachable", f"it has not answered for {now - self.answered:.0f} s"
        return self.report.state, self.report.detail

    def note_taken(self, samples: int, seconds: float) -> None:
        """Notes that a slice has come, so many seconds after it was asked for."""
        self.taken.append((time.monotonic(), samples, seconds))

    def recent(self) -> tuple[float, float]:
        """Images a second that came from it lately, and how many seconds they took to come on average."""
        since = time.monotonic() - _WINDOW_SECONDS
        while self.taken and self.taken[0][0] < since:
            self.taken.popleft()
        if not self.taken:
            return 0.0, 0.0
        samples, seconds = (sum(column) for column in list(zip(*self.taken, strict=True))[1:])
        return samples / _WINDOW_SECONDS, seconds / len(self.taken)


class KnownMakers:
    """Keeps the list up to date, on a thread of its own: nothing that hangs there holds up the stream.

    :param prefix: what the names of the makers begin with.
    :param fingerprint: of the stream, where that is known: of a feeder that has died, whose trainer goes on.
    """

    def __init__(self, prefix: str, fingerprint: bytes | None) -> None:
        self._prefix = prefix
        self._fingerprint = fingerprint
        self._makers: dict[str, KnownMaker] = {}
        self._asked: dict[str, tuple[Any, float]] = {}
        self._stream: SliceLayout | None = None
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._instructions: set[int] = set()

    @property
    def all(self) -> list[KnownMaker]:
        """Every maker that there is."""
        with self._lock:
            return list(self._makers.values())

    def usable(self) -> dict[str, KnownMaker]:
        """Those that can be asked, by name."""
        now = time.monotonic()
        return {maker.name: maker for maker in self.all if maker.usable(now)}

    @property
    def stream(self) -> SliceLayout | None:
        """What the slices of this stream are like, once that is decided."""
        return self._stream

    def refuse(self, maker: KnownMaker, fingerprint: bytes) -> None:
        """Notes that a slice was of another stream."""
        if not maker.refused and self._stream is not None:
            maker.refused = f"it makes another stream: its fingerprint is {fingerprint.hex()[:12]}"
            self._tell(maker)

    def look(self) -> None:
        """Finds out which makers there are, and takes note of what they say."""
        with contextlib.suppress(RayError, ConnectionError, RuntimeError):
            listed = ray.util.list_named_actors(all_namespaces=True)
            names = {entry["name"] for entry in listed if entry["namespace"] == NAMESPACE}
            self._update({name for name in names if name.startswith(self._prefix)})
        self._ask()
        self._hear()
        self._judge()

    def _update(self, names: set[str]) -> None:
        for name in names - set(self._makers):
            with contextlib.suppress(ValueError, RayError):
                handle = ray.get_actor(name, namespace=NAMESPACE)
                with self._lock:
                    self._makers[name] = KnownMaker(name, handle)
        with self._lock:
            for name in set(self._makers) - names:
                del self._makers[name]
                self._asked.pop(name, None)

    def _ask(self) -> None:
        for maker in self.all:
            if maker.name not in self._asked:
                self._asked[maker.name] = (maker.handle.describe.remote(), time.monotonic())

    def _hear(self) -> None:
        if not self._asked:
            return
        asked = {reference: (name, when) for name, (reference, when) in self._asked.items()}
        answers, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0.5)
        for reference in answers:
            name, when = asked[reference]
            del self._asked[name]
            maker = self._makers.get(name)
            if maker is None:
                continue
            try:
                maker.report = ray.get(reference, timeout=1)
            except RayError:
                maker.distrusted = time.monotonic()
                continue
            # It was so when it was asked, or later.
            maker.answered = when

    def _judge(self) -> None:
        """Decides what the stream is, and refuses who makes another."""
        running = {maker.name: maker.report.layout for maker in self.all if maker.report and maker.report.layout}
        if self._stream is None:
            self._stream = self._decided(running)
        if self._stream is None:
            return
        for maker in self.all:
            layout = running.get(maker.name)
            if layout is not None:
                self._compare(maker, layout, self._stream)
        self._compare_instructions({layout.cpu_path for layout in running.values()} - {0})

    def _decided(self, running: dict[str, SliceLayout]) -> SliceLayout | None:
        """The stream that is known, or else the one that most makers make, once all are running or have had time to."""
        for layout in running.values():
            if layout.fingerprint == self._fingerprint:
                return layout
        waiting = [maker for maker in self.all if maker.report is None or maker.report.state == "starting"]
        if not running or (waiting and time.monotonic() - self._since < _GATHERING_SECONDS):
            return None
        votes = Counter(running[name].fingerprint for name in sorted(running))
        chosen = votes.most_common(1)[0][0]
        return next(running[name] for name in sorted(running) if running[name].fingerprint == chosen)

    def _compare(self, maker: KnownMaker, layout: SliceLayout, stream: SliceLayout) -> None:
        if layout.fingerprint == stream.fingerprint:
            maker.refused = ""
        elif not maker.refused or "fingerprint" in maker.refused:
            difference = settings_difference(stream.settings, layout.settings) or "their fingerprints differ"
            maker.refused = f"it makes another stream than the others: {difference}"
            self._tell(maker)

    def _compare_instructions(self, paths: set[int]) -> None:
        if len(paths) > 1 and paths != self._instructions:
            say(
                "the makers run on different vector instructions, so that with this style model single values of "
                "stylized views depend on who made them, by a level of 255 or a few: "
                + ", ".join(
                    f"{maker.name} on {maker.report.host}: {maker.report.status['cpu_path']}"
                    for maker in self.all
                    if maker.report and maker.report.status
                )
                + ". For the same bits everywhere, pin those that all processors have: cpu_path='avx2'"
            )
        self._instructions = paths

    def _tell(self, maker: KnownMaker) -> None:
        host = maker.report.host if maker.report else "?"
        say(f"{maker.name} on {host} is refused: {maker.refused}")

    @property
    def common_instructions(self) -> int:
        """The number of the vector instructions that all makers run on; 0 where they differ."""
        return next(iter(self._instructions)) if len(self._instructions) == 1 else 0


def is_intact(part: Slice) -> bool:
    """Whether a slice has arrived as it left its maker's ring."""
    address = ctypes.c_void_p(part.payload.ctypes.data)
    return bool(c.library.sassl_ring_crc32c(0, address, part.payload.nbytes) == part.checksum)
