"""Says how far a `sassld` is that takes long to start, to whoever sits before it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from ._daemon import status_of
from ._terminal import PassingLine

# What starts within this is not worth a word; later words come as often.
_PATIENCE_SECONDS: Final = 1.0


class OpeningDisplay:
    """A line with what `sasslctl status` says of a daemon that is still starting."""

    def __init__(self, configuration: Path, *, is_wanted: bool = True) -> None:
        self._configuration = configuration
        self._next_look = time.monotonic() + _PATIENCE_SECONDS
        self._line: PassingLine | None = None
        self._is_wanted = is_wanted

    def update(self) -> None:
        """Looks how far the daemon is, now and then. To be called often."""
        if not self._is_wanted or time.monotonic() < self._next_look:
            return
        if self._line is None:
            self._line = PassingLine()
        self._line.show(f"sassld: {self._detail()}")
        self._next_look = time.monotonic() + _PATIENCE_SECONDS

    def _detail(self) -> str:
        try:
            report = status_of(self._configuration)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return "starting"
        # Before its control socket is there, it is not known to be starting.
        return str(report["detail"]) if report.get("state") == "starting" and report["detail"] else "starting"

    def __enter__(self) -> OpeningDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._line is not None:
            self._line.close()
