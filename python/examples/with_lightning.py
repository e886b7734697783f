#!/usr/bin/env python3
"""SimCLR with Lightning: a data module that serves stylized views, and checkpoints that go on within an epoch.

    python with_lightning.py PICTURES --epochs 2
    python with_lightning.py PICTURES --steps 4 --checkpoint run     # stops early
    python with_lightning.py PICTURES --checkpoint run               # goes on with the next batch

Lightning puts the position of the stream into its checkpoints by itself, because the loader has a `state_dict`. On
several devices each process has a sassld of its own, which makes that rank's part of each batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny import contrast, encoder
from tiny_options import checkpoint_options, options, settings
from torch import Tensor
from torch.optim import AdamW, Optimizer

import sassl
from sassl.torch import DeviceLoader, RingDataset, TensorBatch


class StylizedPictures(lightning.LightningDataModule):
    """The views of a folder of pictures. `batch_size` counts the samples of all ranks together."""

    def __init__(self, pictures: Path, batch_size: int, **settings: Any) -> None:
        super().__init__()
        self.pictures, self.batch_size, self.settings = pictures, batch_size, settings

    def setup(self, stage: str) -> None:
        """Starts this rank's sassld."""
        assert self.trainer is not None
        ring = sassl.serve(
            self.pictures,
            world_size=self.trainer.world_size,
            ranks=[self.trainer.global_rank],
            batch_size=self.batch_size // self.trainer.world_size,
            **self.settings,
        )
        self.dataset = RingDataset(ring)

    def train_dataloader(self) -> DeviceLoader:
        """Views on the device, normalized. `return self.dataset` does as well: Lightning then moves the pixels."""
        assert self.trainer is not None
        return DeviceLoader(self.dataset, self.trainer.strategy.root_device)

    def teardown(self, stage: str) -> None:
        """Ends it."""
        self.dataset.close()


class SimCLR(lightning.LightningModule):
    """An encoder that learns to recognize the second view of each image."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.encoder, self.rate = encoder(), rate

    def training_step(self, batch: TensorBatch, _: int) -> Tensor:
        """The loss of one batch."""
        views, _ = batch
        loss = contrast(self.encoder(views[0]), self.encoder(views[1]))
        self.log("loss", loss, on_epoch=True, prog_bar=True, batch_size=batch.count)
        return loss

    def on_train_epoch_end(self) -> None:
        """Says how it goes, where there is no progress bar to look at."""
        self.print(f"epoch {self.current_epoch}: loss {self.trainer.callback_metrics['loss_epoch']:.4f}")

    def configure_optimizers(self) -> Optimizer:
        """The optimizer."""
        return AdamW(self.parameters(), self.rate)


def main() -> None:
    parser = options(__doc__)
    checkpoint_options(parser)
    chosen = parser.parse_args()

    lightning.seed_everything(0)
    keys = settings(chosen)
    pictures = StylizedPictures(chosen.pictures, keys.pop("batch_size"), **keys)
    callbacks: list[lightning.Callback] = []
    last = None
    if chosen.checkpoint is not None:
        # After every second batch, to show that an epoch may be left anywhere.
        callbacks.append(ModelCheckpoint(chosen.checkpoint, save_last=True, every_n_train_steps=2))
        last = chosen.checkpoint / "last.ckpt"
    trainer = lightning.Trainer(
        max_epochs=chosen.epochs,
        max_steps=-1 if chosen.steps is None else chosen.steps,
        callbacks=callbacks,
        enable_checkpointing=bool(callbacks),
        logger=False,
    )
    trainer.fit(
        SimCLR(chosen.rate), datamodule=pictures, ckpt_path=last if last is not None and last.exists() else None
    )


if __name__ == "__main__":
    main()
