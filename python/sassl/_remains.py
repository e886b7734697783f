"""Removes what a process leaves behind when it is killed: rings in shared memory, a folder. `watch` starts the watcher.

The watcher is a process of its own, and no child of the one that it watches, so that whatever ends that one and its
children spares it. It reads a pipe whose other end the watched process has: the kernel closes that, however the
process dies.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from . import _library as c

_LOOK_SECONDS: Final = 0.25
# For how long a ring may be filled by another process before that one is believed to be a successor that stays.
_PATIENCE_SECONDS: Final = 60.0


def watch(directory: str, name: str, ranks: Iterable[int], *, folder: Path | None = None, grace: float = 0.0) -> None:
    """From now on, when this process ends, the rings of that name go `grace` seconds later, and so does `folder`.

    A ring that another process fills by then is left to that one; one that is still read goes when it is read no more.
    """
    command = [sys.executable, "-m", __name__, directory, name, *map(str, ranks), "--grace", str(grace)]
    if folder is not None:
        command += ["--folder", str(folder)]
    read, write = os.pipe()
    os.set_inheritable(write, False)
    # It makes itself an orphan at once. The end of the pipe that stays open here is meant to, until the process ends.
    subprocess.run(command, stdin=read, stdout=subprocess.DEVNULL, start_new_session=True, check=True)
    os.close(read)


def _is_left(directory: str, name: str, rank: int, deadline: float) -> bool:
    """Whether a ring is still there to be removed; removes it where nobody uses it."""
    error = c.Error()
    result = c.library.sassl_ring_remove_dead(os.fsencode(directory), name.encode(), rank, ctypes.byref(error))
    is_filled = error.holder_pid != 0
    return result == c.BUSY and not (is_filled and time.monotonic() > deadline)


def main() -> None:
    """Waits for the end of standard input, and removes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("name")
    parser.add_argument("ranks", type=int, nargs="*")
    parser.add_argument("--folder")
    parser.add_argument("--grace", type=float, required=True)
    options = parser.parse_args()
    if os.fork():
        os._exit(0)
    while os.read(0, 1):
        pass
    time.sleep(options.grace)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    left = list(options.ranks)
    while left := [rank for rank in left if _is_left(options.directory, options.name, rank, deadline)]:
        time.sleep(_LOOK_SECONDS)
    if options.folder is not None:
        shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
