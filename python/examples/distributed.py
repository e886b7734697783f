#!/usr/bin/env python3
"""Data-parallel training on rings: every rank reads its own slice of each global batch.

    torchrun --nproc-per-node 4 distributed.py NAME --steps 1000

A daemon on each machine makes the batches of that machine's ranks (`batch.world_size`, `batch.ranks`); slurm.sbatch
beside this file starts both. The loss is SimCLR's (Chen et al. 2020) over the images of one rank.
"""

from __future__ import annotations

import argparse
import os
from contextlib import closing

import torch
from mocov2 import TEMPERATURE, encoder, pixels
from torch import Tensor, distributed
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from sassl.torch import RingDataset


def contrast(first: Tensor, second: Tensor) -> Tensor:
    """How badly the two views of each image are told from all other views."""
    embeddings = functional.normalize(torch.cat([first, second]), dim=1)
    similarity = embeddings @ embeddings.t() / TEMPERATURE
    similarity.fill_diagonal_(float("-inf"))
    count = len(first)
    other = torch.arange(2 * count, device=first.device).roll(count)
    return functional.cross_entropy(similarity, other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the ring, as in sassld's configuration")
    parser.add_argument("--directory", help="of the ring's file (default: /dev/shm)")
    parser.add_argument("--steps", type=int, default=200, help="batches of each rank to train on")
    parser.add_argument("--side", type=int, default=64, help="images are made this small, to be quick")
    parser.add_argument("--rate", type=float, default=0.03, help="learning rate")
    options = parser.parse_args()

    with_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if with_gpu else torch.device("cpu")
    distributed.init_process_group("nccl" if with_gpu else "gloo")
    rank = distributed.get_rank()
    torch.manual_seed(0)
    model = DistributedDataParallel(encoder().to(device))
    optimizer = torch.optim.SGD(model.parameters(), options.rate, momentum=0.9, weight_decay=1e-4)

    # Rank and world size are the process group's. A large dataset takes minutes to catalogue before there is a ring.
    data = RingDataset(options.name, directory=options.directory, endless=True, wait=600)
    with closing(data):
        for _, batch in zip(range(options.steps), data, strict=False):
            first, second = (pixels(view, device, options.side) for view in batch.views[:2])
            loss = contrast(model(first), model(second))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if batch.number % 10 == 9 or batch.number == options.steps - 1:
                # The gradients are shared, so the weights of all ranks are the same; the loss is each rank's own.
                weights = sum(float(parameter.detach().double().sum()) for parameter in model.parameters())
                print(f"rank {rank} batch {batch.number}: loss {loss.item():.6f}, weights {weights:.9f}", flush=True)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
