"""Looking at a ring without taking part: this takes no lock, and changes nothing for its reader or its `sassld`."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

from . import _library as c


@contextlib.contextmanager
def observed(directory: str | os.PathLike[str] | None, name: str, rank: int) -> Iterator[ctypes.c_void_p]:
    """The C library's observer of a ring, for the length of a `with`. The ring may be that of a dead `sassld`.

    :raises NoDaemonError: there is no such ring.
    :raises SasslError: it is in another format, damaged, or of a user who is not trusted.
    """
    observer, error = ctypes.c_void_p(), c.Error()
    result = c.library.sassl_ring_observer_open(
        c.encoded(directory), name.encode(), rank, ctypes.byref(observer), ctypes.byref(error)
    )
    if result != c.OK:
        c.raise_error(result, error)
    try:
        yield observer
    finally:
        c.library.sassl_ring_observer_close(observer)


def producer_of(directory: str | os.PathLike[str] | None, name: str, rank: int) -> int:
    """Process number of whoever made the ring, also of one that is dead. Raises as `observed` does."""
    with observed(directory, name, rank) as observer:
        return int(c.library.sassl_ring_observer_geometry(observer).contents.producer_pid)
