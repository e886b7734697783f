"""The actor that makes slices: it keeps a `sassld` running on its node and hands out what that makes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import tomli_w

from .. import _remains
from .._daemon import Daemon, new_folder, status_of
from ..errors import DaemonFailedError, SasslError
from .lane import Lane
from .log import say
from .slices import Slice, SliceLayout, layout_of

# How often to look how the daemon is doing.
_LOOK_SECONDS: Final = 1.0
# How long to wait before a daemon that has ended is started again: at first, and at most.
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
# A daemon that has lived so long is started again at once.
_SOUND_SECONDS: Final = 60.0


@dataclass(frozen=True)
class MakerReport:
    """How a maker is doing."""

    host: str
    """The node's name."""
    process: int
    """Process number of the actor."""
    state: str
    """`starting`, `running` or `failed`."""
    detail: str = ""
    """Why it does not run: the last words of its daemon, or what that is doing."""
    exit_code: int = 0
    """Of the daemon that has failed, as in subprocess."""
    layout: SliceLayout | None = None
    """What its slices are like, once it is running."""
    capacity: float = 0.0
    """Images that its workers would make in a second if they never waited; 0 where nothing was made yet."""
    status: dict[str, Any] = field(default_factory=dict)
    """What `sasslctl status --json` says of its daemon."""


class Maker:
    """Makes slices of a stream on the node that it runs on. An asynchronous actor.

    :param configuration: the daemon's, as the tables of a configuration file, without names and places.
    :param environment: of the daemon, besides that of the node: `SASSL_CPU` pins the instructions.
    """

    def __init__(self, configuration: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._name = f"maker-{uuid.uuid4().hex}"
        self._directory: str = configuration["ring"]["directory"]
        self._ranks: list[int] = configuration["batch"]["ranks"]
        self._world_size: int = configuration["batch"]["world_size"]
        self._environment = dict(environment)
        self._folder = new_folder()
        _remains.watch(self._directory, self._name, self._ranks, folder=self._folder)
        self._file = self._folder / "sassld.toml"
        places = {"directory": str(self._folder), "runtime_directory": str(self._folder)}
        self._configuration = tomli_w.dumps(
            {**configuration, "stream": {**configuration["stream"], "name": self._name}, "state": places}
        )
        self._lanes: dict[int, Lane] = {}
        self._report = MakerReport(socket.gethostname(), os.getpid(), "starting")
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()

    async def describe(self) -> MakerReport:
        """How it is doing."""
        return self._report

    async def take(self, rank: int, number: int) -> Slice:
        """Batch `number` of the finer rank `rank`, as soon as it is made."""
        lane = self._lanes.get(rank)
        if lane is None:
            lane = self._lanes[rank] = Lane(self._name, rank, self._world_size, self._directory)
        return await lane.take(number)

    async def stop(self) -> None:
        """Ends the daemon and leaves nothing behind."""
        for lane in self._lanes.values():
            lane.end()
        self._stopping.set()
        self._supervisor.join()

    def _supervise(self) -> None:
        """The life of the supervisor. Nothing but `stop` may end it: nobody would start another one."""
        delay = _FIRST_DELAY
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                failure = self._run()
            except Exception as error:
                # The machine's fault, or that of an installation which is being changed: both pass.
                failure = DaemonFailedError(f"sassld cannot be started. {type(error).__name__}: {error}")
            if failure is None:
                return
            delay = _FIRST_DELAY if time.monotonic() - started > _SOUND_SECONDS else min(2 * delay, _LONGEST_DELAY)
            self._say("failed", detail=str(failure), exit_code=failure.exit_code)
            say(f"{failure}\nIt is started again in {delay:.0f} s.")
            self._stopping.wait(delay)

    def _run(self) -> DaemonFailedError | None:
        """Runs one daemon, and returns why it has ended; nothing where it was to end."""
        self._lay_out()
        daemon = Daemon(self._file, self._folder, self._environment)
        load = _Load()
        while daemon.process.poll() is None and not self._stopping.is_set():
            try:
                self._look(daemon.process.pid, load)
            except Exception as error:
                # The daemon may be sound: it goes on, and the next look may see it.
                self._say("failed", detail=f"its daemon cannot be watched. {type(error).__name__}: {error}")
            self._stopping.wait(_LOOK_SECONDS if self._report.state == "running" else 0.1)
        if self._stopping.is_set():
            daemon.end()
            return None
        return daemon.failure()

    def _lay_out(self) -> None:
        """Writes the configuration into the folder, anew for each daemon: somebody may have tidied up meanwhile."""
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        owner = self._folder.lstat().st_uid
        if owner != os.geteuid():
            raise SasslError(f"{self._folder} was removed, and user {owner} has made it anew: remove it")
        self._file.write_text(self._configuration, encoding="utf-8")

    def _say(self, state: str, **more: Any) -> None:
        self._report = MakerReport(self._report.host, self._report.process, state, **more)

    def _look(self, process: int, load: _Load) -> None:
        """Finds out how the daemon is doing."""
        try:
            status = status_of(self._file)
        except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
            # What was known holds.
            if self._report.state == "starting":
                self._say("starting", detail=f"sasslctl does not tell how its daemon is doing: {error}")
            return
        if status.get("process") != process or status["state"] != "running" or not status["rings"]:
            # One that has failed stays so until the next one runs.
            if self._report.state != "failed":
                self._say("starting", detail=status.get("detail", ""))
            return
        layout = self._report.layout or self._layout()
        if layout is not None:
            self._say("running", layout=layout, capacity=load.capacity(status), status=status)

    def _layout(self) -> SliceLayout | None:
        """What the daemon's slices are like; nothing where its ring is not there yet."""
        with contextlib.suppress(SasslError, OSError):
            return layout_of(self._directory, self._name, self._ranks[0])
        return None


class _Load:
    """How many images a daemon's workers would make in a second if they never waited, from its latest status."""

    # The latest looks count.
    _LOOKS: Final = 10

    def __init__(self) -> None:
        self._looks: list[tuple[float, float]] = []

    def capacity(self, status: Mapping[str, Any]) -> float:
        """In images a second; 0 where nothing was made lately."""
        images = float(status["images"])
        microseconds = images * sum(status["stages"].values())
        self._looks = [*self._looks, (images, microseconds)][-self._LOOKS :]
        made, worked = (last - first for first, last in zip(self._looks[0], self._looks[-1], strict=True))
        if worked <= 0:
            made, worked = images, microseconds
        return float(status["workers"]) * 1e6 * made / worked if worked > 0 else 0.0
