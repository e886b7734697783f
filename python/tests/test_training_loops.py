"""Loops of other libraries, which keep and fetch ahead as they like: what they train on is the undisturbed stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sassl
from producing import BATCHES_PER_EPOCH, expected, stream

EPOCHS = 3
WHOLE = list(range(EPOCHS * BATCHES_PER_EPOCH))


def show(views: list[tuple[int, Any]]) -> None:
    """Every first view shows the pixels of its batch in the undisturbed stream."""
    for number, view in views:
        np.testing.assert_array_equal(np.asarray(view), expected(number)["view0"], err_msg=f"batch {number}")


def ring_dataset(directory: str) -> Any:
    pytest.importorskip("torch")
    from sassl.torch import RingDataset

    return RingDataset("test", directory=directory, wait=0, daemon_timeout=0)


def test_lightning(directory: str) -> None:
    lightning = pytest.importorskip("pytorch_lightning")
    torch = pytest.importorskip("torch")
    seen: list[tuple[int, Any]] = []

    class Model(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch: Any, _: int) -> Any:
            # Copied when the step reads it: this is what it trains on.
            seen.append((batch.number, batch.views[0].clone()))
            return self.layer(batch.views[0].float().mean().reshape(1, 1)).sum()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.0)

    with stream(directory, slots=4):
        dataset = ring_dataset(directory)
        trainer = lightning.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Model(), dataset)
        dataset.close()
    assert [number for number, _ in seen] == WHOLE
    show(seen)


def test_accelerate(directory: str) -> None:
    accelerate = pytest.importorskip("accelerate")
    from torch.utils.data import DataLoader

    seen = []
    with stream(directory, slots=4):
        dataset = ring_dataset(directory)
        # Each process reads a ring of its own, so there is nothing to dispatch.
        own = accelerate.DataLoaderConfiguration(dispatch_batches=False)
        accelerator = accelerate.Accelerator(cpu=True, dataloader_config=own)
        loader = accelerator.prepare(DataLoader(dataset, batch_size=None))
        for _ in range(EPOCHS):
            for batch in loader:
                seen.append((batch.number, batch.views[0].clone()))
        dataset.close()
    assert [number for number, _ in seen] == WHOLE
    show(seen)


def test_torchdata(directory: str) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def loader() -> tuple[Any, Any]:
        dataset = ring_dataset(directory)
        return dataset, stateful.StatefulDataLoader(dataset, batch_size=None, num_workers=0)

    seen: list[tuple[int, Any]] = []
    state: dict[str, Any] = {}
    with stream(directory, slots=4):
        # Left before the first batch, within an epoch, at the end of one, and at the beginning of one.
        for stop in (0, 4, BATCHES_PER_EPOCH, 2 * BATCHES_PER_EPOCH + 1, len(WHOLE)):
            dataset, batches = loader()
            batches.load_state_dict(state)
            while len(seen) < stop:
                for batch in batches:
                    seen.append((batch.number, batch.views[0].clone()))
                    if len(seen) == stop:
                        break
            state = batches.state_dict()
            dataset.close()
    assert [number for number, _ in seen] == WHOLE
    show(seen)


def test_jax(directory: str) -> None:
    jax = pytest.importorskip("jax")
    device = jax.devices("cpu")[0]
    with (
        stream(directory, slots=BATCHES_PER_EPOCH + 2),
        sassl.attach("test", directory=directory, start=0, wait=0) as reader,
    ):
        aliases, numbers = 0, []
        for _ in range(EPOCHS):
            kept = []
            for batch in reader.epoch():
                view = batch.views[0]
                array = jax.device_put(view, device)
                aliases += array.unsafe_buffer_pointer() == view.__array_interface__["data"][0]
                kept.append((batch.number, array))
                del view
            show(kept)
            numbers += [number for number, _ in kept]
            del array, batch
    assert numbers == WHOLE
    # JAX copies what is not aligned as it likes; all that it did not copy was held.
    assert aliases <= len(WHOLE)
