"""Interrupts the package at any instruction of its own, which is more than any signal can do."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


class Interruption(Exception):
    """What a signal's handler raises."""


def interrupted(step: int, call: Callable[[], Result]) -> tuple[Result | None, str]:
    """Calls, and raises an `Interruption` at the instruction of that number in the package's own frames.

    Returns the result, or nothing and the line that was interrupted.
    """
    count, line = 0, ""

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count, line
        if "/sassl/" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == step:
                line = linecache.getline(frame.f_code.co_filename, frame.f_lineno or 0).strip()
                raise Interruption
        return trace

    sys.settrace(trace)
    try:
        return call(), line
    except Interruption:
        return None, line
    finally:
        sys.settrace(None)
