#!/usr/bin/env python3
"""SimCLR with Accelerate: each process reads its own part of the stream, and checkpoints hold the position.

    accelerate launch --num_processes 2 with_accelerate.py PICTURES --checkpoint run

`prepare` takes the model and the optimizer. It does not take the data: each process has a sassld of its own, which
makes that rank's part of each batch. What is registered for checkpointing goes into `save_state` and `load_state`.
"""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tiny import contrast, encoder
from tiny_options import checkpoint_options, options, settings
from tqdm.auto import tqdm

import sassl
from sassl.torch import DeviceLoader, RingDataset


def main() -> None:
    parser = options(__doc__)
    checkpoint_options(parser)
    parser.add_argument("--cpu", action="store_true", help="train on the CPU, also where there is a GPU")
    chosen = parser.parse_args()

    set_seed(0)
    accelerator = Accelerator(cpu=chosen.cpu)
    model = encoder()
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), chosen.rate))
    # A batch's samples are those of all processes together.
    chosen.batch //= accelerator.num_processes
    ranks = {"world_size": accelerator.num_processes, "ranks": [accelerator.process_index]}
    dataset = RingDataset(sassl.serve(chosen.pictures, **ranks, **settings(chosen)))
    loader = DeviceLoader(dataset, accelerator.device)
    accelerator.register_for_checkpointing(loader)
    if chosen.checkpoint is not None and chosen.checkpoint.exists():
        accelerator.load_state(str(chosen.checkpoint))

    for epoch in range(loader.position // len(loader), chosen.epochs):
        losses = []
        for views, _ in tqdm(loader, f"epoch {epoch}", disable=not accelerator.is_local_main_process):
            loss = contrast(model(views[0]), model(views[1]))
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            losses.append(loss.item())
            if loader.position == chosen.steps:
                break
        accelerator.print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f}", flush=True)
        if loader.position == chosen.steps:
            break
    if chosen.checkpoint is not None:
        accelerator.save_state(str(chosen.checkpoint))
    dataset.close()
    accelerator.end_training()


if __name__ == "__main__":
    main()
