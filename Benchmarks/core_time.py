"""What processes cost, however busy others keep the machine."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable


def seconds(processes: Iterable[int]) -> float:
    """The core time that living processes have taken so far, all their threads together."""
    ticks = 0
    for process in processes:
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
