#!/usr/bin/env python3
"""SimCLR with torchdata's StatefulDataLoader, whose `state_dict` holds the position of the stream.

    python with_torchdata.py PICTURES --steps 4 --checkpoint run.pt     # stops early
    python with_torchdata.py PICTURES --checkpoint run.pt               # goes on with the next batch

Batches arrive whole and are made in sassld: `batch_size=None` and `num_workers=0`.
"""

from __future__ import annotations

import torch
from tiny import contrast, encoder, pixels, save
from tiny_options import checkpoint_options, options, settings
from torchdata.stateful_dataloader import StatefulDataLoader
from tqdm.auto import tqdm

import sassl
from sassl.torch import RingDataset


def main() -> None:
    parser = options(__doc__)
    checkpoint_options(parser)
    chosen = parser.parse_args()

    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = encoder().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), chosen.rate)
    dataset = RingDataset(sassl.serve(chosen.pictures, **settings(chosen)))
    loader = StatefulDataLoader(dataset, batch_size=None, num_workers=0)
    epoch = 0
    if chosen.checkpoint is not None and chosen.checkpoint.exists():
        saved = torch.load(chosen.checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["loader"])
        epoch = saved["epoch"]

    while epoch < chosen.epochs:
        losses, done = [], False
        for batch in tqdm(loader, f"epoch {epoch}"):
            first, second = (pixels(view, device) for view in batch.views)
            loss = contrast(model(first), model(second))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            done = batch.number + 1 == chosen.steps
            if done:
                break
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f}", flush=True)
        if done:
            break
        epoch += 1
    if chosen.checkpoint is not None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "loader": loader.state_dict()}
        save(chosen.checkpoint, epoch=epoch, **state)
    dataset.close()


if __name__ == "__main__":
    main()
