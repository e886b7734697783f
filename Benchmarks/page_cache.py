"""Files that are read from the disk again, because the system is told to forget what it keeps of them."""

from __future__ import annotations

import os
import pathlib


def evict(folder: pathlib.Path) -> None:
    """Takes all files of a folder out of the page cache, which needs no rights."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
