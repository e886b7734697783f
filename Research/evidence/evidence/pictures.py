"""Pictures for measuring, each once, as `sassld` makes them: the training's own decoder, scaling and style networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import sassl

from .stream import PLAIN, StreamSettings, reading

#: Fixed, so that every network is asked about the same pictures.
_SEED: Final = 20_240_229
_BATCH: Final = 64

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Some pictures of a data set, in the order of its stream."""

    #: [count, side, side, 3]
    pixels: Bytes
    labels: Integers
    #: Of each picture the place in the data set, and that of the picture that lent its style.
    samples: Integers
    styles: Integers


def plain(dataset: Path, side: int) -> Iterator[Pictures]:
    """Every picture as it is: its largest central square."""
    return _once(dataset, side, {"enabled": False})


def stylized(dataset: Path, side: int, styles: Path, beta: float) -> Iterator[Pictures]:
    """Every picture in the style of one from a folder; `beta` is how much of the stylized picture is blended in."""
    style = {"source": "folder", "folder": str(styles.resolve()), "alpha": [1.0, 1.0], "beta": [beta, beta]}
    return _once(dataset, side, {**style, "probability": 1.0})


def conflicts(dataset: Path, side: int) -> Iterator[Pictures]:
    """Every picture in the style of another picture of the data set, at full strength."""
    style = {"source": "in-batch", "alpha": [1.0, 1.0], "beta": [1.0, 1.0], "probability": 1.0}
    return _once(dataset, side, style)


def _once(dataset: Path, side: int, style: Mapping[str, Any]) -> Iterator[Pictures]:
    settings = StreamSettings(
        dataset,
        seed=_SEED,
        side=side,
        batch=_BATCH,
        preset="mocov2",
        style=style,
        last_batch="wrap",
        views=(PLAIN, PLAIN),
    )
    seen = np.empty(0, np.int64)
    with reading(settings) as reader:
        for _ in range(reader.information.batches_per_epoch):
            batch = reader.next()
            # The last batch is filled up from the epoch's start, and a bad file's place is taken by another picture.
            samples, firsts = np.unique(batch.sample_ids, return_index=True)
            new = np.sort(firsts[~np.isin(samples, seen)])
            seen = np.union1d(seen, samples)
            yield _taken(batch, new)


def _taken(batch: sassl.Batch, places: Integers) -> Pictures:
    """What the batch has in these places, copied, and the batch given back."""
    columns = [column[places].astype(np.int64) for column in (batch.labels, batch.sample_ids, batch.style_ids)]
    found = Pictures(batch.views[0][places], *columns)
    batch.release()
    return found
