"""Networks and losses against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evidence.methods import MOCO_QUEUE, MOCO_TEMPERATURE, MoCo, contrast, follow, method
from evidence.networks import ResidualNetwork
from evidence.pretraining import RATE, rate_at


@pytest.mark.parametrize(
    ("name", "features", "parameters"),
    # Of the published networks, less their classifier of 1,000 classes.
    [("resnet18", 512, 11_689_512 - 513_000), ("resnet50", 2048, 25_557_032 - 2_049_000)],
)
def test_networks_are_the_published_ones(name: str, features: int, parameters: int) -> None:
    network = ResidualNetwork(name, 64, 224)
    assert network.features == features
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_the_contrastive_loss_is_its_definition() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 5, 7))
    views = np.concatenate([first, second])
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    losses = []
    for here in range(10):
        others = [np.exp(views[here] @ views[there] / 0.3) for there in range(10) if there != here]
        losses.append(-np.log(np.exp(views[here] @ views[(here + 5) % 10] / 0.3) / sum(others)))
    found = contrast(torch.tensor(first), torch.tensor(second), 0.3)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("name", ["simclr", "byol"])
def test_a_method_learns_to_match_the_views_of_one_batch(name: str) -> None:
    torch.manual_seed(0)
    model = method(name, ResidualNetwork("resnet10", 8, 32))
    images = torch.randn(32, 3, 32, 32)
    first, second = images + 0.1 * torch.randn_like(images), images + 0.1 * torch.randn_like(images)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.05, momentum=0.9)
    losses = []
    for step in range(20):
        loss = model.loss(first, second)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        model.after_step(step / 20)
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_loss_of_moco_is_its_definition_however_the_keys_were_shuffled() -> None:
    torch.manual_seed(0)
    model = MoCo(ResidualNetwork("resnet10", 8, 32)).eval()
    first, second = torch.randn(2, 40, 3, 32, 32)
    # The slow network is still the fast one, and in evaluation nothing is normalised by its group.
    queries, keys = (torch.nn.functional.normalize(model.head(model.encoder(view)), dim=1) for view in (first, second))
    positive = (queries * keys).sum(dim=1).detach().numpy() / MOCO_TEMPERATURE
    negative = (queries @ model.queue.t()).detach().numpy() / MOCO_TEMPERATURE
    expected = np.mean(np.log(np.exp(positive) + np.exp(negative).sum(axis=1)) - positive)
    assert model.loss(first, second).item() == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(model.queue[:40], keys.detach(), rtol=1e-3, atol=1e-3)
    assert len(model.queue) == MOCO_QUEUE


def test_the_slow_network_follows_by_its_momentum() -> None:
    slow, fast = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    before, target = slow.weight.item(), fast.weight.item()
    follow(slow, fast, 0.9)
    assert slow.weight.item() == pytest.approx(0.9 * before + 0.1 * target)


def test_the_rate_rises_and_falls() -> None:
    assert rate_at(0.0, 256) == 0
    assert rate_at(0.1, 256) == pytest.approx(RATE)
    assert rate_at(0.1, 128) == pytest.approx(RATE / 2)
    assert rate_at(1.0, 256) == pytest.approx(0, abs=1e-9)
