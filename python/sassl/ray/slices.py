"""How a rank's batch is cut into slices that several makers make, and put together again.

A slice is the batch of a finer rank: to divide the batches of `world_size` ranks into `count` slices each is to have
`world_size * count` ranks with batches that are `count` times smaller. The global batch is the same, so the stream is,
and the slices of a rank, one after the other, are its batch byte for byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _library as c
from .._observing import observed
from .._producer import RingField, fields_at

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Division:
    """How the batches of a stream's ranks are divided."""

    batch_size: int
    """Samples of a rank's batch."""
    world_size: int
    """Ranks of the stream, as its trainers know them."""
    count: int
    """Slices of each batch."""

    @property
    def slice_size(self) -> int:
        """Samples of a slice."""
        return self.batch_size // self.count

    @property
    def slice_world_size(self) -> int:
        """Ranks of the stream, as the makers' daemons know them."""
        return self.world_size * self.count

    def slices_of(self, rank: int) -> range:
        """The finer ranks whose batches, joined in this order, are the batch of `rank`."""
        return range(rank * self.count, (rank + 1) * self.count)


def possible_counts(batch_size: int, group: int) -> list[int]:
    """Into how many slices a batch can be cut whose style groups of `group` samples stay whole, in rising order."""
    groups = batch_size // group
    return [count for count in range(1, groups + 1) if groups % count == 0]


def chosen_count(batch_size: int, group: int, ranks: int, makers: int) -> int:
    """Into how many slices to cut each batch of `ranks` ranks that `makers` makers make.

    The fewest that give each maker four, so that makers of different speed get different shares; where the batch cannot
    be cut so fine, as many as it can. Raises `ValueError` where that leaves a maker without any.
    """
    possible = possible_counts(batch_size, group)
    if possible[-1] * ranks < makers:
        raise ValueError(
            f"{ranks} batches of {batch_size} samples in style groups of {group} have work for {possible[-1] * ranks} "
            f"makers, not for {makers}: take fewer makers with more cores each, or larger batches"
        )
    return next((count for count in possible if count * ranks >= 4 * makers), possible[-1])


@dataclass(frozen=True)
class SliceLayout:
    """What the ring of a maker's daemon says of its slices."""

    fingerprint: bytes
    """Equal for equal streams."""
    settings: str
    """What that is made of."""
    cpu_path: int
    """The number of the instructions that the style networks run on."""
    batches_per_epoch: int
    fields: tuple[tuple[RingField, int, int], ...]
    """Each array with its offset in the payload and its bytes."""


def layout_of(directory: str, name: str, rank: int) -> SliceLayout:
    """What a ring says of its batches. Raises `SasslError` where there is none."""
    with observed(directory, name, rank) as observer:
        geometry = c.library.sassl_ring_observer_geometry(observer).contents
        with open(os.path.join(directory, f"sassl.{name}.{rank}"), "rb") as file:
            file.seek(geometry.settings_offset)
            settings = file.read(geometry.settings_bytes)
        return SliceLayout(
            fingerprint=bytes(geometry.fingerprint),
            settings=settings.decode(errors="replace"),
            cpu_path=geometry.cpu_path,
            batches_per_epoch=geometry.batches_per_epoch,
            fields=tuple(fields_at(c.library.sassl_ring_observer_fields(observer), geometry.field_count)),
        )


class Slice(NamedTuple):
    """One slice, as a maker hands it out."""

    fingerprint: bytes
    cpu_path: int
    number: int
    epoch: int
    step: int
    samples: int
    checksum: int
    production_ns: int
    payload: Bytes
    """Everything that it holds, as it lay in the ring of its maker."""


class Joining:
    """Where the arrays of a slice go in the batch."""

    def __init__(self, layout: SliceLayout, division: Division, offsets: dict[str, int]) -> None:
        self._places = [(offset, count, offsets[field.name]) for field, offset, count in layout.fields]
        self._division = division

    def write(self, part: Slice, index: int, payload: Bytes) -> None:
        """Copies the slice `index` of a batch to its places in the batch's payload."""
        for offset, count, target in self._places:
            start = target + index * count
            payload[start : start + count] = part.payload[offset : offset + count]


def joined_fields(layout: SliceLayout, division: Division) -> list[RingField]:
    """The arrays of a whole batch."""
    return [
        RingField(field.name, field.dtype, (division.batch_size, *field.shape[1:])) for field, _, _ in layout.fields
    ]


def slice_configuration(configuration: dict[str, Any], division: Division, ranks: Iterable[int]) -> dict[str, Any]:
    """The configuration of a daemon that makes the slices of `ranks`: the same stream, in finer ranks."""
    slices = [part for rank in ranks for part in division.slices_of(rank)]
    batch = configuration["batch"] | {
        "size": division.slice_size,
        "world_size": division.slice_world_size,
        "ranks": slices,
    }
    return configuration | {"batch": batch}
