"""Reading a stream and telling it from another."""

from __future__ import annotations

import hashlib

import numpy as np

import sassl


def digest_of(batch: sassl.Batch) -> bytes:
    """SHA-256 over everything that a batch holds."""
    digest = hashlib.sha256()
    for array in (
        *batch.views,
        batch.labels,
        batch.sample_ids,
        batch.style_ids,
        batch.applied,
        batch.alpha,
        batch.beta,
    ):
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


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
