"""Two processes that train together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys


def told_by_both(program: str, *arguments: str, **environment: str) -> list[list[str]]:
    """The lines that a Python program writes as rank 0 and as rank 1, its last argument. Both must end well."""
    command = [sys.executable, "-c", program, *arguments]
    with contextlib.ExitStack() as running:
        processes = [
            running.enter_context(
                subprocess.Popen(
                    [*command, str(rank)], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
                )
            )
            for rank in (0, 1)
        ]
        try:
            told = [process.communicate(timeout=300)[0].splitlines() for process in processes]
        finally:
            for process in processes:
                process.kill()
    assert [process.returncode for process in processes] == [0, 0]
    return told
