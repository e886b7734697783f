"""The programs `sassld` and `sasslctl` of a wheel that brings them, which start without importing NumPy."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

#: Where the programs are.
FOLDER = Path(__file__).resolve().parent / "lib" / "sassl"


def sassld() -> NoReturn:
    """Becomes `sassld`, with this process's arguments, number and standard streams."""
    _become("sassld")


def sasslctl() -> NoReturn:
    """Becomes `sasslctl`."""
    _become("sasslctl")


def _become(program: str) -> NoReturn:
    os.execv(FOLDER / program, [program, *sys.argv[1:]])
