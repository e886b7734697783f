"""Pretraining of one run, which goes on where it was stopped, and ends with the weights of an undisturbed one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

import sassl

from .features import as_input, features_of, unchanged
from .methods import Method, method
from .networks import ResidualNetwork
from .pictures import plain
from .probes import neighbour_accuracy
from .record import read_facts, replacing, require_same, surroundings, write_facts, write_table
from .stream import StreamSettings, daemon_program, reading
from .study import Run, Study, StudyError, Training

#: For 256 images a step; proportional to their number.
RATE: Final = 0.12
#: Part of the training in which the rate rises to its full value; it falls along a cosine afterwards.
WARM_UP: Final = 0.1
WEIGHT_DECAY: Final = 5e-4

Say = Callable[[str], None]


def device_at_hand() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def settings_of(study: Study, run: Run) -> StreamSettings:
    """The run's stream. Runs of one seed and method differ in nothing but the style step."""
    training, style, order = study.training, study.style(run.arm), study.order(run.arm)
    return StreamSettings(study.train, run.seed, training.side, training.batch, run.method, style, order=order)


def rate_at(progress: float, batch: int) -> float:
    """The learning rate when this part of the training is done."""
    full = RATE * batch / 256
    if progress < WARM_UP:
        return full * progress / WARM_UP
    return full * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


class _State:
    """Everything that a checkpoint holds."""

    def __init__(self, training: Training, run: Run, device: str) -> None:
        torch.manual_seed(run.seed)
        network = ResidualNetwork(training.network, training.width, training.side)
        self.model: Method = method(run.method, network).to(device)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(trained, RATE, momentum=0.9, weight_decay=WEIGHT_DECAY)
        #: One row for each epoch that is done.
        self.history: list[dict[str, Any]] = []
        #: That were learnt from, so the number of the next.
        self.batches = 0

    def save(self, file: Path) -> None:
        with replacing(file) as partial:
            torch.save(
                {
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "history": self.history,
                    "batches": self.batches,
                    "random": torch.get_rng_state(),
                },
                partial,
            )

    def load(self, file: Path, device: str) -> None:
        saved = torch.load(file, map_location=device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.history = saved["history"]
        self.batches = saved["batches"]
        torch.set_rng_state(saved["random"].cpu())


def pretrain(study: Study, run: Run, say: Say) -> ResidualNetwork:
    """Trains the run to its end, from its checkpoint where there is one; returns the encoder.

    Leaves `checkpoint.pt`, `training.csv` (a row for each epoch) and `run.json` in the run's folder. Raises
    `StudyError` where the folder holds a run of other settings, and where the loss is no number any more.
    """
    training, folder, device = study.training, study.run_folder(run), device_at_hand()
    folder.mkdir(parents=True, exist_ok=True)
    state, checkpoint = _State(training, run, device), folder / "checkpoint.pt"
    if checkpoint.exists():
        state.load(checkpoint, device)
    if len(state.history) == training.epochs:
        return state.model.encoder
    if training.precision == "bfloat16" and device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise StudyError("training.precision: this processor computes bfloat16 many times slower than float32")
    first = len(state.history)
    with reading(settings_of(study, run), start=state.batches) as reader:
        _note(study, run, reader.information, device)
        if first:
            say(f"{run.name}: goes on after epoch {first} of {training.epochs}")
        for epoch in range(first, training.epochs):
            state.history.append(_epoch(state, training, reader, device))
            if (epoch + 1) % training.monitor_every == 0 or epoch + 1 == training.epochs:
                state.history[-1]["neighbour_accuracy"] = _neighbours(study, state.model.encoder, device)
            state.save(checkpoint)
            write_table(folder / "training.csv", state.history)
            say(
                f"{run.name}: " + ", ".join(f"{key} {value}" for key, value in state.history[-1].items() if value != "")
            )
    return state.model.encoder


def _epoch(state: _State, training: Training, reader: sassl.Reader, device: str) -> dict[str, Any]:
    began, waited = time.monotonic(), reader.status.reader_waited_seconds
    steps = reader.information.batches_per_epoch
    losses = []
    state.model.train()
    for _ in range(steps):
        batch = reader.next()
        if batch.number != state.batches:
            raise StudyError(f"batch {batch.number} came where {state.batches} was due")
        views = [as_input(view, device) for view in batch.views]
        batch.release()
        for group in state.optimizer.param_groups:
            group["lr"] = rate_at(state.batches / (steps * training.epochs), training.batch)
        with torch.autocast(device, torch.bfloat16, enabled=training.precision == "bfloat16"):
            loss: Tensor = state.model.loss(*views)
        state.optimizer.zero_grad()
        torch.autograd.backward(loss)
        state.optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise StudyError(f"the loss is {losses[-1]} at batch {state.batches}: nothing more can be learnt from here")
        state.batches += 1
        state.model.after_step(state.batches / (steps * training.epochs))
    seconds = time.monotonic() - began
    return {
        "epoch": len(state.history) + 1,
        "loss": round(float(np.mean(losses)), 5),
        "neighbour_accuracy": "",
        "seconds": round(seconds, 2),
        "waited_for_sassld_seconds": round(reader.status.reader_waited_seconds - waited, 2),
        "images_per_second": round(steps * training.batch / seconds, 1),
    }


def _neighbours(study: Study, encoder: ResidualNetwork, device: str) -> float:
    """The k-nearest-neighbour accuracy on the test pictures: whether a training still learns anything."""
    side = study.training.side
    known, asked = (
        features_of(encoder, plain(part, side), device, [unchanged])[0] for part in (study.train, study.test)
    )
    return round(neighbour_accuracy(known, asked), 4)


def _note(study: Study, run: Run, ring: sassl.RingInformation, device: str) -> None:
    """Writes what the run is made of, or compares it with what it was begun with."""
    file = study.run_folder(run) / "run.json"
    facts = {**study.facts(run), "fingerprint": ring.fingerprint}
    require_same(file, facts)
    # A run that goes on elsewhere has several.
    machines = read_facts(file).get("machines", [])
    here = surroundings(device, daemon_program())
    machines = machines if here in machines else [*machines, here]
    # The stream's settings name files by their paths: for people, and not compared.
    write_facts(file, {**facts, "stream": ring.settings.splitlines(), "machines": machines})
