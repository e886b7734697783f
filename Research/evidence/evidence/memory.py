"""How this process gets its memory."""

from __future__ import annotations

import ctypes
from typing import Final

# Of glibc's <malloc.h>.
_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_MAX: Final = -4


def keep_freed_memory() -> None:
    """Keeps memory that was freed for the next step of a training, which needs as much again.

    Otherwise glibc returns every large tensor to the system and has its pages cleared anew, a fifth of the time of a
    training on a processor. Values stay the same. Does nothing where the C library has no `mallopt`.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**30), (_TOP_PAD, 2**28)):
            library.mallopt(option, value)
