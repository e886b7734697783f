"""What can be shown on standard output and standard error: colours, and lines that are written over."""

from __future__ import annotations

import enum
import os
import sys
import time
from typing import Any, Final, TextIO

# Where lines cannot be written over: when there is the first, and how often there is another, in seconds.
_FIRST_LINE: Final = 5.0
_NEXT_LINES: Final = 30.0


class Colour(enum.IntEnum):
    """A colour by its meaning, as the number of its control sequence; those of the programs."""

    PROBLEM = 31
    GOOD = 32
    CAUTION = 33


def _is_dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether text may be coloured, by the same rules as those of the programs."""

    def is_forced(value: str | None) -> bool:
        return value not in (None, "", "0")

    if os.environ.get("NO_COLOR"):
        return False
    if is_forced(os.environ.get("FORCE_COLOR")) or is_forced(os.environ.get("CLICOLOR_FORCE")):
        return True
    return stream.isatty() and not _is_dumb() and os.environ.get("CLICOLOR") != "0"


def coloured(text: str, colour: Colour, stream: TextIO) -> str:
    """The text in a colour where there are colours, and else as it is."""
    return f"\x1b[{colour.value}m{text}\x1b[0m" if has_colour(stream) else text


class PassingLine:
    """What is being done for long, on standard error.

    On a terminal or in a notebook, where tqdm is installed, one line that is written over and gone at the end;
    elsewhere a plain line after five seconds and then every thirty.
    """

    def __init__(self) -> None:
        self._next_line = time.monotonic() + _FIRST_LINE
        self._bar: Any = None
        if not _is_dumb():
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            # `disable=None` is tqdm's word for wherever standard error is no terminal, notebooks excepted.
            self._bar = tqdm(bar_format="{desc} [{elapsed}]", disable=None, leave=False)

    def show(self, text: str) -> None:
        """What is being done now. To be called often."""
        if self._bar is not None and not self._bar.disable:
            self._bar.set_description_str(text)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _NEXT_LINES
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """It is done."""
        if self._bar is not None:
            self._bar.close()
