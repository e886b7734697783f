#!/usr/bin/env python3
"""Data-parallel training on rings: every rank reads its own slice of each global batch.

    torchrun --nproc-per-node 4 distributed.py NAME --steps 1000 --checkpoint run.pt     # and again, to go on

A daemon on each machine makes the batches of that machine's ranks (`batch.world_size`, `batch.ranks`); slurm.sbatch
beside this file starts both. The loss is SimCLR's (Chen et al. 2020) over the images of one rank.

A run may go on with another number of ranks: with half as many, let `batch.size` be twice as large, and the global
batches are the same.
"""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from pathlib import Path

import torch
from tiny import contrast, encoder, pixels, save
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from sassl.torch import RingDataset


def agree(dataset: RingDataset) -> None:
    """Stops every rank where one would begin with another batch than the first, or with a batch of another stream."""
    position = dataset.state_dict()
    mine = (position["batch"], position["fingerprint"])
    everyone: list[tuple[int, str]] = [mine] * distributed.get_world_size()
    distributed.all_gather_object(everyone, mine)
    for rank, theirs in enumerate(everyone):
        if theirs != everyone[0]:
            raise SystemExit(
                f"rank {rank} would go on with batch {theirs[0]} of stream {theirs[1][:12]}, and rank 0 with batch "
                f"{everyone[0][0]} of stream {everyone[0][1][:12]}: do all ranks see the same checkpoint?"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the ring, as in sassld's configuration")
    parser.add_argument("--directory", help="of the ring's file (default: /dev/shm)")
    parser.add_argument("--steps", type=int, default=200, help="batches to train on, those before a resume included")
    parser.add_argument("--side", type=int, default=64, help="images are made this small, to be quick")
    parser.add_argument("--rate", type=float, default=0.03, help="learning rate")
    parser.add_argument("--checkpoint", type=Path, help="file to resume from, if it exists, and to save to")
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
        if options.checkpoint is not None and options.checkpoint.exists():
            saved = torch.load(options.checkpoint, map_location=device, weights_only=True)
            model.module.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            data.load_state_dict(saved["data"])
        agree(data)
        for batch in data:
            first, second = (pixels(view, device, options.side) for view in batch.views[:2])
            loss = contrast(model(first), model(second))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done = batch.number + 1
            if done % 10 == 0 or done >= options.steps:
                # The gradients are shared, so the weights of all ranks are the same; the loss is each rank's own.
                weights = sum(float(parameter.detach().double().sum()) for parameter in model.parameters())
                print(f"rank {rank} batch {batch.number}: loss {loss.item():.6f}, weights {weights:.9f}", flush=True)
            if done >= options.steps:
                break
        if options.checkpoint is not None and rank == 0:
            save(
                options.checkpoint,
                model=model.module.state_dict(),
                optimizer=optimizer.state_dict(),
                data=data.state_dict(),
            )
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
