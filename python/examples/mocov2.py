#!/usr/bin/env python3
"""MoCo v2 on a ring: a complete training loop, small enough for a CPU, with checkpoint and resume.

    sassld --config sassld.toml &
    python mocov2.py NAME --steps 200 --checkpoint mocov2.pt     # and the same again to go on from the checkpoint

Momentum contrast (He et al. 2020; Chen et al. 2020) learns to recognize the second view of an image among the images of
earlier batches. Everything that this has to do with sassld is in `main`: iterate, move to the device, and save the
dataset's `state_dict` beside the model's. Stopped and resumed, a run ends with the same weights as an undisturbed one.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch
from tiny import EMBEDDING, TEMPERATURE, encoder, pixels, save
from torch import Tensor, nn
from torch.nn import functional

from sassl.torch import RingDataset

QUEUE = 1024
MOMENTUM = 0.99


class MomentumContrast(nn.Module):
    """Two encoders, one of which follows the other slowly, and a queue of the slow one's embeddings."""

    queue: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.query = encoder()
        self.key = copy.deepcopy(self.query)
        for parameter in self.key.parameters():
            parameter.requires_grad = False
        self.register_buffer("queue", functional.normalize(torch.randn(QUEUE, EMBEDDING), dim=1))

    @torch.no_grad()
    def follow(self) -> None:
        """Moves the key encoder a little towards the query encoder."""
        for slow, fast in zip(self.key.parameters(), self.query.parameters(), strict=True):
            slow.lerp_(fast, 1 - MOMENTUM)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The contrastive loss of two views of the same images."""
        queries = functional.normalize(self.query(first), dim=1)
        with torch.no_grad():
            keys = functional.normalize(self.key(second), dim=1)
        positive = (queries * keys).sum(dim=1, keepdim=True)
        negative = queries @ self.queue.t()
        logits = torch.cat([positive, negative], dim=1) / TEMPERATURE
        self.queue = torch.cat([keys, self.queue])[:QUEUE]
        return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the ring, as in sassld's configuration")
    parser.add_argument("--rank", type=int, default=0, help="of this process among the stream's readers")
    parser.add_argument("--directory", help="of the ring's file (default: /dev/shm)")
    parser.add_argument("--steps", type=int, default=200, help="batches to train on, those before a resume included")
    parser.add_argument("--side", type=int, default=64, help="images are made this small, to be quick")
    parser.add_argument("--rate", type=float, default=0.03, help="learning rate")
    parser.add_argument("--checkpoint", type=Path, help="file to resume from, if it exists, and to save to")
    parser.add_argument("--every", type=int, default=50, help="batches between checkpoints")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()

    torch.manual_seed(0)
    device = torch.device(options.device)
    model = MomentumContrast().to(device)
    optimizer = torch.optim.SGD(model.query.parameters(), options.rate, momentum=0.9, weight_decay=1e-4)
    dataset = RingDataset(options.name, options.rank, directory=options.directory, endless=True)
    done = 0
    if options.checkpoint is not None and options.checkpoint.exists():
        saved = torch.load(options.checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        dataset.load_state_dict(saved["data"])
        done = saved["steps"]
        print(f"resumed after {done} batches", flush=True)

    began = time.perf_counter()
    images = 0
    batches = iter(dataset)
    while done < options.steps:
        batch = next(batches)
        first, second = (pixels(view, device, options.side) for view in batch.views[:2])
        loss = model(first, second)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.follow()
        done += 1
        images += batch.count
        if options.checkpoint is not None and (done % options.every == 0 or done == options.steps):
            save(
                options.checkpoint,
                model=model.state_dict(),
                optimizer=optimizer.state_dict(),
                data=dataset.state_dict(),
                steps=done,
            )
        if done % 10 == 0 or done == options.steps:
            waited = dataset.reader.status.reader_waited_seconds
            rate = images / (time.perf_counter() - began)
            print(
                f"batch {batch.number} (epoch {batch.epoch}, step {batch.step}): loss {loss.item():.6f}, "
                f"{rate:.0f} images/s, {waited:.1f} s spent waiting for sassld",
                flush=True,
            )
    dataset.close()


if __name__ == "__main__":
    main()
