"""A `sassld` of one's own: where the program is, what it makes of a configuration, how it starts and ends."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .errors import DaemonFailedError

# The control socket is in that folder, and the kernel takes no more than 107 bytes for its path: with the folder
# at a place as long as this, the longest name of a stream still fits.
_FOLDER_BYTES: Final = 20
# How long sassld may take to finish the batches in work.
DRAIN_SECONDS: Final = 30.0
# How many of its last lines go into an exception, and within how much of the end of its log they are looked for.
_LAST_WORDS, _LAST_BYTES = 20, 64 << 10


def program(name: str) -> str:
    """Where a program is: brought by this package's wheel, or on PATH."""
    spec = importlib.util.find_spec("sassl_programs")
    if spec is not None and spec.origin is not None:
        brought = Path(spec.origin).parent / "lib" / "sassl" / name
        if brought.exists():
            return str(brought)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(
            f"{name} is not installed: this package was built from source and has the reader only; install the wheel, "
            "which brings the programs, or put the directory of sassld and sasslctl into PATH"
        )
    return found


def new_folder() -> Path:
    """A temporary folder for configuration, log, index and socket, at a place that is short enough for a socket."""
    short = len(os.fsencode(tempfile.gettempdir())) <= _FOLDER_BYTES
    return Path(tempfile.mkdtemp(prefix="sassl-", dir=None if short else "/tmp"))


def shown(file: Path) -> dict[str, Any]:
    """A configuration file as sasslctl shows it, defaults filled in."""
    run = subprocess.run(
        [program("sasslctl"), "config", "show", "--json", "--config", str(file)], capture_output=True, check=False
    )
    if run.returncode != 0:
        raise DaemonFailedError(run.stderr.decode(errors="replace").strip(), run.returncode)
    configuration: dict[str, Any] = json.loads(run.stdout)
    return configuration


def status_of(file: Path) -> dict[str, Any]:
    """What `sasslctl status` says of the daemon with this configuration file.

    Raises `OSError`, `ValueError` or `subprocess.TimeoutExpired` where there is no answer now: sasslctl is being
    replaced, say, or the machine has no process to spare.
    """
    run = subprocess.run(
        [program("sasslctl"), "status", "--json", "--config", str(file)], capture_output=True, timeout=10, check=False
    )
    status: dict[str, Any] = json.loads(run.stdout)
    return status


def _locked(folder: Path) -> int:
    """A descriptor that locks a folder for as long as it is open.

    systemd-tmpfiles removes what was not touched for days in /tmp, such as the log of a daemon that has nothing to say,
    and leaves out directories that are locked. The kernel ends the lock with the process, so that the folder of one
    that was killed goes as any other.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    # Where a file system has no locks, the daemon runs all the same.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


class Daemon:
    """A running `sassld`, the child of this process. Its log lies in `folder`, which is its own."""

    def __init__(self, file: Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._owner = os.getpid()
        weakref.finalize(self, os.close, _locked(folder))
        # Read through this descriptor, so that the last words are there although somebody has removed the file.
        # Appending, each write goes to the end, wherever others are in the file.
        self._log = os.open(folder / "sassld.log", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        weakref.finalize(self, os.close, self._log)
        self.process = subprocess.Popen(
            # It looks whether its parent lives: a signal from the kernel at the parent's death would follow the
            # thread that starts it, not the process.
            [program("sassld"), "--config", str(file), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env=None if environment is None else {**os.environ, **environment},
            # Ctrl-C is for the trainer, which may catch it and go on.
            start_new_session=True,
        )

    def failure(self) -> DaemonFailedError:
        """Why it has ended: how, and its last words."""
        code = self.process.returncode
        end = os.fstat(self._log).st_size
        text = os.pread(self._log, _LAST_BYTES, max(0, end - _LAST_BYTES)).decode(errors="replace")
        words = text.splitlines()[-_LAST_WORDS:]
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        return DaemonFailedError("\n".join([f"sassld has ended ({how}). Its last words:", *words]), code)

    def end(self) -> None:
        """Ends it; in a child of the process that started it, does nothing."""
        if os.getpid() != self._owner:
            return
        self.process.terminate()
        try:
            self.process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
