"""What a network makes of pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .networks import ResidualNetwork
from .pictures import Pictures

#: Of ImageNet, in the order red, green, blue.
_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Features:
    """Of every picture of a data set its features [count, features] and its class."""

    values: Floats
    labels: Integers
    #: The pictures' places in the data set.
    samples: Integers


def as_input(pixels: Bytes, device: str) -> Tensor:
    """Pictures [count, side, side, 3] as a network wants them: a copy, also where the memory is the ring's."""
    side = pixels.shape[2]
    # By rows of pixels: a long innermost axis takes a quarter of the time of one of three colours.
    rows = torch.from_numpy(np.array(pixels)).to(device).float().flatten(start_dim=2)
    mean, deviation = (torch.tensor(values, device=device).repeat(side) for values in (_MEAN, _DEVIATION))
    return rows.div_(255).sub_(mean).div_(deviation).view(pixels.shape).permute(0, 3, 1, 2)


@torch.no_grad()
def encode(encoder: ResidualNetwork, pixels: Bytes, device: str) -> Floats:
    """The features of pictures [count, side, side, 3]."""
    encoder.eval()
    features: Floats = encoder(as_input(pixels, device)).float().cpu().numpy()
    return features


def features_of(
    encoder: ResidualNetwork, pictures: Iterable[Pictures], device: str, changes: Sequence[Callable[[Bytes], Bytes]]
) -> list[Features]:
    """The features of all pictures, for each change with the pictures so changed; the pictures are read once."""
    values: list[list[Floats]] = [[] for _ in changes]
    labels, samples = [], []
    for some in pictures:
        for found, change in zip(values, changes, strict=True):
            found.append(encode(encoder, change(some.pixels), device))
        labels.append(some.labels)
        samples.append(some.samples)
    columns = np.concatenate(labels), np.concatenate(samples)
    return [Features(np.concatenate(found), *columns) for found in values]


def unchanged(pixels: Bytes) -> Bytes:
    """The pictures as they are."""
    return pixels
