"""SimCLR, MoCo v2 and BYOL: what each computes of the two views of a batch."""

from __future__ import annotations

import copy
import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from .networks import ResidualNetwork

SIMCLR_TEMPERATURE: Final = 0.2
MOCO_TEMPERATURE: Final = 0.2
#: How much of the slow network stays in each step; fit for data sets of some ten thousand pictures.
MOCO_MOMENTUM: Final = 0.99
MOCO_QUEUE: Final = 4096
#: Images that MoCo normalises together: within a batch they must not tell by their statistics where they belong.
MOCO_GROUP: Final = 32
#: At the first step; rises to 1 until the last.
BYOL_MOMENTUM: Final = 0.99


def head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers, with batch normalisation between them."""
    layers = [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
    return nn.Sequential(*layers)


def slow_copy(network: nn.Module) -> nn.Module:
    """A copy that no gradient reaches."""
    copied = copy.deepcopy(network)
    for parameter in copied.parameters():
        parameter.requires_grad = False
    return copied


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Moves the slow network's weights a little towards the fast one's."""
    for there, here in zip(slow.parameters(), fast.parameters(), strict=True):
        there.lerp_(here, 1 - momentum)


def contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """SimCLR's loss of embeddings [count, dimensions]: each view is to find the other among all other views."""
    count = len(first)
    embeddings = functional.normalize(torch.cat([first, second]).float(), dim=1)
    similarities = embeddings @ embeddings.t() / temperature
    similarities.fill_diagonal_(-math.inf)
    partners = torch.arange(2 * count, device=first.device).roll(count)
    return functional.cross_entropy(similarities, partners)


class Method(nn.Module):
    """A network in training. `encoder` is the part that is kept."""

    encoder: ResidualNetwork

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Of two views [count, 3, side, side] of the same images."""
        raise NotImplementedError

    def after_step(self, progress: float) -> None:
        """Called after each step of the optimizer; `progress` is the part of the training that is done."""


class SimCLR(Method):
    """Chen et al. 2020."""

    def __init__(self, encoder: ResidualNetwork) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head(encoder.features, encoder.features, 128)

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        # Together through the network: all negatives then share one normalisation.
        embeddings = self.head(self.encoder(torch.cat([first, second])))
        return contrast(embeddings[: len(first)], embeddings[len(first) :], SIMCLR_TEMPERATURE)


class MoCo(Method):
    """The second version of momentum contrast (Chen, Fan, Girshick, He 2020)."""

    queue: Tensor

    def __init__(self, encoder: ResidualNetwork) -> None:
        super().__init__()
        self.encoder = encoder
        layers = [nn.Linear(encoder.features, encoder.features), nn.ReLU(), nn.Linear(encoder.features, 128)]
        self.head = nn.Sequential(*layers)
        self.slow = slow_copy(nn.Sequential(encoder, self.head))
        self.register_buffer("queue", functional.normalize(torch.randn(MOCO_QUEUE, 128), dim=1))

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        queries = self.head(torch.cat([self.encoder(group) for group in torch.split(first, MOCO_GROUP)]))
        queries = functional.normalize(queries.float(), dim=1)
        with torch.no_grad():
            # In another order than the queries, so that the groups differ.
            order = torch.randperm(len(second)).to(second.device)
            shuffled = torch.cat([self.slow(group) for group in torch.split(second[order], MOCO_GROUP)])
            keys = functional.normalize(shuffled[order.argsort()].float(), dim=1)
        positive = (queries * keys).sum(dim=1, keepdim=True)
        logits = torch.cat([positive, queries @ self.queue.t()], dim=1) / MOCO_TEMPERATURE
        self.queue = torch.cat([keys, self.queue])[: len(self.queue)]
        return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))

    def after_step(self, progress: float) -> None:
        follow(self.slow, nn.Sequential(self.encoder, self.head), MOCO_MOMENTUM)


class BYOL(Method):
    """Grill et al. 2020."""

    def __init__(self, encoder: ResidualNetwork) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head(encoder.features, 1024, 256)
        self.predictor = head(256, 1024, 256)
        self.slow = slow_copy(nn.Sequential(encoder, self.head))

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        losses = []
        for here, there in ((first, second), (second, first)):
            predicted = self.predictor(self.head(self.encoder(here)))
            with torch.no_grad():
                target = self.slow(there)
            losses.append(2 - 2 * functional.cosine_similarity(predicted.float(), target.float()).mean())
        return losses[0] + losses[1]

    def after_step(self, progress: float) -> None:
        momentum = 1 - (1 - BYOL_MOMENTUM) * (math.cos(math.pi * progress) + 1) / 2
        follow(self.slow, nn.Sequential(self.encoder, self.head), momentum)


def method(name: str, encoder: ResidualNetwork) -> Method:
    """The method of this name, with an encoder to train."""
    kinds: dict[str, type[SimCLR] | type[MoCo] | type[BYOL]] = {"simclr": SimCLR, "mocov2": MoCo, "byol": BYOL}
    return kinds[name](encoder)
