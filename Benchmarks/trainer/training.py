"""A training step as it is in self-supervised learning: SimCLR on a residual network, with SGD."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import time

import torch
from sources import Source
from torch import Tensor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Research" / "evidence"))
from evidence.methods import method
from evidence.networks import ResidualNetwork

#: Of ImageNet, in the order red, green, blue.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Network:
    """What is trained."""

    #: As `evidence.networks` names it.
    kind: str
    #: Channels of the first stage; the published networks have 64.
    width: int
    #: How many pictures of each batch it trains on: fewer make the step shorter by a known amount.
    pictures: int

    @property
    def title(self) -> str:
        name = {"resnet18": "ResNet-18", "resnet50": "ResNet-50"}[self.kind]
        return f"{name}{'' if self.width == 64 else f', width {self.width}'}, {self.pictures} pictures a step"


@dataclasses.dataclass(frozen=True)
class Step:
    """How long one step took, in seconds, and what of that was waiting for the batch."""

    seconds: float
    waited: float


class Trainer:
    """A network in training, one step at a time, on batches from any source."""

    def __init__(self, network: Network, side: int, device: str) -> None:
        torch.manual_seed(0)
        self._device, self._pictures = torch.device(device), network.pictures
        encoder = ResidualNetwork(network.kind, network.width, side)
        self._method = method("simclr", encoder).to(self._device)
        self._optimizer = torch.optim.SGD(self._method.parameters(), 0.03, momentum=0.9, weight_decay=1e-4)
        self._mean = torch.tensor(MEAN, device=self._device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(DEVIATION, device=self._device).view(1, 3, 1, 1)

    def _pixels(self, view: Tensor) -> Tensor:
        """A view as the network wants it: a copy, so that its batch can go back at once."""
        images = view[: self._pictures].to(self._device).permute(0, 3, 1, 2).float() / 255
        return (images - self._mean) / self._deviation

    def step(self, source: Source) -> Step:
        """Waits for a batch and trains on it."""
        began = time.perf_counter()
        first, second, waited = source.take(self._pixels)
        loss = self._method.loss(first, second)
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step()
        # Where an accelerator computes, the step is over when the loss is here.
        if not torch.isfinite(loss).item():
            raise FloatingPointError("the training has diverged")
        return Step(time.perf_counter() - began, waited)
