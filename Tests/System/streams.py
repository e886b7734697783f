"""Reading a stream and telling it from another."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

import sassl


def fnv1a(content: bytes) -> int:
    """FNV-1a with 64 bits, by which `sassld` tells models and style pictures apart."""
    state = 0xCBF29CE484222325
    for byte in content:
        state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return state


def digest_of_arrays(*slices: Mapping[str, Any]) -> bytes:
    """SHA-256 over every array of a batch; of one divided among ranks, over its slices joined in their order."""
    digest = hashlib.sha256()
    for name in sorted(slices[0]):
        digest.update(name.encode())
        digest.update(np.concatenate([np.asarray(arrays[name]) for arrays in slices]).data)
    return digest.digest()


def digest_of(batch: sassl.Batch) -> bytes:
    """SHA-256 over everything that a batch holds."""
    return digest_of_arrays(batch.arrays)


def read(name: str, start: int, count: int, rank: int = 0, world_size: int = 1) -> list[bytes]:
    """The digests of batches start ... start + count - 1."""
    digests: list[bytes] = []
    with sassl.attach(name, rank=rank, world_size=world_size, start=start) as ring:
        for batch in ring:
            assert batch.number == start + len(digests)
            digests.append(digest_of(batch))
            if len(digests) == count:
                break
    return digests


def digests(ring: sassl.Reader, count: int) -> list[bytes]:
    """The digests of the next batches."""
    found = []
    for _ in range(count):
        with ring.next(timeout=60) as batch:
            found.append(digest_of(batch))
    return found


def read_until_dry(ring: sassl.Reader) -> list[bytes]:
    """The digests of the batches that are ready; returns when no more come although `sassld` lives."""
    found = []
    with contextlib.suppress(sassl.BatchTimeoutError):
        while True:
            with ring.next(timeout=1) as batch:
                found.append(digest_of(batch))
    return found
