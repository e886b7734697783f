#!/usr/bin/env python3
"""lightly's losses and heads on stylized views: SimCLR, MoCo v2, BYOL and DINO, as in lightly's own examples.

    python with_lightly.py PICTURES --method dino --epochs 2

sassld takes the place of lightly's transform, of the dataset and of the DataLoader; the rest stays. DINO's crops of two
sizes are two tables of views.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from lightly.loss import DINOLoss, NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from tiny import FEATURES, backbone
from tiny_options import options, settings
from torch import Tensor, nn
from tqdm.auto import tqdm

import sassl
from sassl.torch import DeviceLoader, RingDataset


class Method(nn.Module):
    """A network that learns, and for most methods a slow one that follows it."""

    preset: str
    is_followed = True

    def __init__(self) -> None:
        super().__init__()
        self.network = self.make()
        self.slow = self.make()
        self.slow.load_state_dict(self.network.state_dict())
        deactivate_requires_grad(self.slow)

    def make(self) -> nn.Sequential:
        """A backbone with the method's head."""
        raise NotImplementedError

    def before_step(self, epoch: int) -> None:
        """What is done to the gradients before the optimizer takes them."""


class SimCLR(Method):
    """Chen et al. 2020."""

    preset = "simclr"
    is_followed = False

    def __init__(self) -> None:
        super().__init__()
        self.criterion = NTXentLoss()

    def make(self) -> nn.Sequential:
        return nn.Sequential(backbone(), SimCLRProjectionHead(FEATURES, FEATURES, 128))

    def forward(self, views: list[Tensor], epoch: int) -> Tensor:
        return self.criterion(self.network(views[0]), self.network(views[1]))


class MoCo(Method):
    """Chen, Fan, Girshick, He 2020."""

    preset = "mocov2"

    def __init__(self) -> None:
        super().__init__()
        self.criterion = NTXentLoss(memory_bank_size=(1024, 128))

    def make(self) -> nn.Sequential:
        return nn.Sequential(backbone(), MoCoProjectionHead(FEATURES, FEATURES, 128))

    def forward(self, views: list[Tensor], epoch: int) -> Tensor:
        return self.criterion(self.network(views[0]), self.slow(views[1]))


class BYOL(Method):
    """Grill et al. 2020."""

    preset = "byol"

    def __init__(self) -> None:
        super().__init__()
        self.prediction = BYOLPredictionHead(128, 512, 128)
        self.criterion = NegativeCosineSimilarity()

    def make(self) -> nn.Sequential:
        return nn.Sequential(backbone(), BYOLProjectionHead(FEATURES, 512, 128))

    def forward(self, views: list[Tensor], epoch: int) -> Tensor:
        first, second = (self.prediction(self.network(view)) for view in views)
        slow_first, slow_second = (self.slow(view) for view in views)
        return 0.5 * (self.criterion(first, slow_second) + self.criterion(second, slow_first))


class DINO(Method):
    """Caron et al. 2021: the slow network sees the two large crops, the other one the small ones as well."""

    preset = "byol"

    def __init__(self) -> None:
        super().__init__()
        self.criterion = DINOLoss(output_dim=2048, warmup_teacher_temp_epochs=5)

    def make(self) -> nn.Sequential:
        return nn.Sequential(backbone(), DINOProjectionHead(FEATURES, 512, 64, 2048, freeze_last_layer=1))

    def forward(self, views: list[Tensor], epoch: int) -> Tensor:
        slow = [self.slow(view) for view in views[:2]]
        return self.criterion(slow, [self.network(view) for view in views], epoch=epoch)

    def before_step(self, epoch: int) -> None:
        head = self.network[1]
        assert isinstance(head, DINOProjectionHead)
        head.cancel_last_layer_gradients(current_epoch=epoch)


METHODS: dict[str, type[Method]] = {"simclr": SimCLR, "moco": MoCo, "byol": BYOL, "dino": DINO}


def multi_crop(chosen: argparse.Namespace) -> dict[str, Any]:
    """Two large crops, as the preset has them but for their scale, and six small ones of half their side."""
    large = {"crop_scale": [0.4, 1.0], "count": 2}
    small = {"crop_scale": [0.05, 0.4], "count": 6, "side": chosen.side // 2}
    return {"views": {"view": [large, small]}}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--method", choices=METHODS, default="simclr")
    chosen = parser.parse_args()

    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = METHODS[chosen.method]().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), chosen.rate)
    keys = settings(chosen, model.preset) | (multi_crop(chosen) if chosen.method == "dino" else {})
    with sassl.serve(chosen.pictures, **keys) as ring:
        loader = DeviceLoader(RingDataset(ring), device)
        for epoch in range(chosen.epochs):
            momentum = cosine_schedule(epoch, chosen.epochs, 0.996, 1)
            total = 0.0
            for views, _ in tqdm(loader, f"epoch {epoch}"):
                loss = model(views, epoch)
                optimizer.zero_grad()
                loss.backward()
                model.before_step(epoch)
                optimizer.step()
                if model.is_followed:
                    update_momentum(model.network, model.slow, momentum)
                total += loss.item()
            print(f"epoch {epoch}: loss {total / len(loader):.4f}", flush=True)


if __name__ == "__main__":
    main()
