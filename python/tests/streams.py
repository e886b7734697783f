"""Reading a stream and telling it from another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import sassl


def digest_of_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """SHA-256 over arrays, in their order."""
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def digest_of(batch: sassl.Batch) -> bytes:
    """SHA-256 over everything that a batch holds."""
    return digest_of_arrays(batch.arrays)


def read(name: str, start: int, count: int, rank: int = 0) -> list[bytes]:
    """The digests of batches start ... start + count - 1."""
    digests: list[bytes] = []
    with sassl.attach(name, rank=rank, start=start) as ring:
        for batch in ring:
            assert batch.number == start + len(digests)
            digests.append(digest_of(batch))
            if len(digests) == count:
                break
    return digests
