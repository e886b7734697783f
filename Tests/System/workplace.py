"""The built programs, and a place where daemons are configured and started that live as long as a test."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import schemas

Result = TypeVar("Result")

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / ".build" / "release"
#: A style model of the form of Ghiasi et al., with random weights.
TINY_MODEL = ROOT / "Tests" / "StyleTransferTests" / "Golden" / "tiny-model.safetensors"
SHARED = pathlib.Path(os.environ.get("SASSL_SHARED", ROOT.parent / "shared"))


#: Settings of a stream without style, which is made fast.
PLAIN: dict[str, Any] = {"style__enabled": False}


@dataclasses.dataclass(frozen=True)
class Size:
    """How large the batches of a test are."""

    batch: int
    side: int


def eventually(look: Callable[[], Result], what: str, seconds: float = 60) -> Result:
    """What `look` returns as soon as that is true; fails after a time that only a broken program needs."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def rows(index: pathlib.Path, query: str) -> list[tuple[Any, ...]]:
    """What the SQLite index answers."""
    with contextlib.closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def thread_names(process: int) -> list[str]:
    """What the threads of a process are called; those that end meanwhile are left out."""
    names = []
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.append((task / "comm").read_text().strip())
    return names


@dataclasses.dataclass
class Daemon:
    """A running `sassld` with a configuration of its own."""

    name: str
    configuration: pathlib.Path
    process: subprocess.Popen[str]

    def control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `sasslctl` on this daemon's configuration."""
        return control(*arguments, "--config", str(self.configuration))

    def status(self) -> dict[str, Any]:
        """What `sasslctl status --json` says, as soon as the daemon answers: its ring is there a moment before."""

        def look() -> dict[str, Any]:
            report: dict[str, Any] = json.loads(self.control("status", "--json").stdout)
            return report if report["state"] not in ("stopped", "starting") or self.process.poll() is not None else {}

        return eventually(look, "the daemon answers")

    def stop(self) -> str:
        """Ends it by SIGTERM; returns what it wrote to standard error. Fails unless it ends well."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return errors


def control(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `sasslctl`. What it prints with `--json` must fit the schema, whatever the test is about."""
    run = subprocess.run([PROGRAMS / "sasslctl", *arguments], capture_output=True, text=True, timeout=120, check=False)
    schemas.check(arguments, run)
    return run


def toml(value: object) -> str:
    """A value as TOML writes it."""
    return json.dumps(value)


class Workplace:
    """A temporary folder in which daemons are configured and started."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def configure(self, data: pathlib.Path, size: Size, **changes: object) -> tuple[str, pathlib.Path]:
        """Writes a configuration; `changes` has keys such as `ring__slots`. Returns the stream's name and the file."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        keys: dict[str, object] = {
            "stream__name": name,
            "stream__seed": 7,
            "dataset__path": str(data),
            "dataset__layout": "flat",
            "batch__size": size.batch,
            "views__preset": "mocov2",
            "views__side": size.side,
            "style__group": 8,
            "ring__slots": 4,
            "workers__count": 2,
            "state__directory": str(self.folder / name / "state"),
            "state__runtime_directory": str(self.folder / name),
        } | changes
        tables: dict[str, list[str]] = {}
        for key, value in keys.items():
            table, _, leaf = key.partition("__")
            tables.setdefault(table, []).append(f"{leaf} = {toml(value)}")
        text = "\n".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())
        file = self.folder / f"{name}.toml"
        file.write_text(text)
        return str(keys["stream__name"]), file

    def launch(self, configuration: pathlib.Path, through: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Starts `sassld`, `through` another program that executes what follows its own arguments."""
        return subprocess.Popen(
            [*through, PROGRAMS / "sassld", "--config", configuration],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, configuration: pathlib.Path, through: Sequence[str] = ()) -> tuple[int, str]:
        """Starts a `sassld` that ends by itself; returns its exit code and what it wrote to standard error."""
        process = self.launch(configuration, through)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        return process.returncode, errors

    @contextlib.contextmanager
    def daemon(
        self, data: pathlib.Path, size: Size, through: Sequence[str] = (), **changes: object
    ) -> Iterator[Daemon]:
        """A daemon for the length of a `with`; it must end well."""
        name, configuration = self.configure(data, size, **changes)
        with self.running(name, configuration, through) as daemon:
            yield daemon

    @contextlib.contextmanager
    def running(self, name: str, configuration: pathlib.Path, through: Sequence[str] = ()) -> Iterator[Daemon]:
        """The same for a configuration that is written already."""
        process = self.launch(configuration, through)
        daemon = Daemon(name, configuration, process)
        try:
            yield daemon
        finally:
            if process.poll() is None:
                daemon.stop()
