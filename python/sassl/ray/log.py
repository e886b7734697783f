"""What the parts of a cluster say in Ray's logs."""

from __future__ import annotations

import contextlib
from typing import TextIO


def say(line: str, file: TextIO | None = None) -> None:
    """Writes a line, by default to standard output, which Ray keeps as the log of an actor.

    That may be on a disk that is full, and no stream ends for want of a word.
    """
    with contextlib.suppress(OSError):
        print(line, file=file, flush=True)
