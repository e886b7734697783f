"""The frame of every training run: steps under a schedule, averaged weights, and a checkpoint to continue from."""

from __future__ import annotations

import argparse
import copy
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .progress import Log, bar

CHECKPOINT_EVERY = 250
WARMING = 200
LOWEST_RATE = 0.005
AVERAGED_STEPS = 500


def training_parser(description: str | None, steps: int, batch: int, rate: float) -> argparse.ArgumentParser:
    """The options that all trainers have; the numbers are the defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/content, images/style, models")
    parser.add_argument("--views", type=Path, required=True, help="folder that prepare_views.py filled")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and log; one for each stage")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser


@dataclass(frozen=True)
class Schedule:
    """Learning rates: a short rise to `rate`, then half a cosine down to a two-hundredth of it."""

    steps: int
    rate: float

    def at(self, step: int) -> float:
        """The learning rate of a step."""
        fading = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.rate * min(1.0, (step + 1) / WARMING) * (LOWEST_RATE + (1 - LOWEST_RATE) * fading)


class Training:
    """A student, its optimiser and the average of its weights over the last steps, kept in one file.

    - file: the checkpoint; where it exists, training continues from it. The losses go to a CSV file beside it.
    - described: what the student is; a checkpoint of anything else is refused.
    - origin: the provenance of the weights that the student starts with, empty for random ones.
    """

    def __init__(
        self, file: Path, student: nn.Module, optimiser: torch.optim.Optimizer, described: str, origin: str
    ) -> None:
        self.file, self.student, self.optimiser = file, student, optimiser
        self.described, self.origin = described, origin
        file.parent.mkdir(parents=True, exist_ok=True)
        self.averaged = copy.deepcopy(student)
        self.step = 0
        self.stopping = False
        if file.exists():
            state = read_checkpoint(file)
            if (state["described"], state["origin"]) != (described, origin):
                raise SystemExit(f"{file} holds another student: use another work folder")
            student.load_state_dict(state["student"])
            self.averaged.load_state_dict(state["averaged"])
            optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def save(self) -> None:
        """Writes the checkpoint; a run that is killed meanwhile leaves the one before."""
        state = {
            "described": self.described,
            "origin": self.origin,
            "step": self.step,
            "student": self.student.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        partial = self.file.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.file)

    def stop(self, *_: object) -> None:
        """Ends the run after the step that is being made."""
        self.stopping = True

    def run(
        self,
        schedule: Schedule,
        columns: list[str],
        losses: Callable[[int], list[Tensor]],
        largest_gradient: float,
        before_checkpoint: Callable[[nn.Module], None] = lambda averaged: None,
    ) -> None:
        """Makes the steps that are left.

        - losses: for a step's number, the loss that is minimised and whatever else `columns` names.
        - before_checkpoint: is given the averaged student every so often.
        """
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        log = Log(self.file.with_suffix(".csv"), ["step", "rate", *columns])
        with bar(self.step, schedule.steps, "step") as progress:
            while self.step < schedule.steps and not self.stopping:
                rate = schedule.at(self.step)
                for group in self.optimiser.param_groups:
                    group["lr"] = rate
                values = losses(self.step)
                self.optimiser.zero_grad(set_to_none=True)
                values[0].backward()  # type: ignore[no-untyped-call]
                length = torch.nn.utils.clip_grad_norm_(self.student.parameters(), largest_gradient)
                if length.isfinite():  # A flat window can hand back infinities through instance normalisation.
                    self.optimiser.step()
                self.step += 1
                self.average()
                if self.step % CHECKPOINT_EVERY == 0:
                    before_checkpoint(self.averaged)
                    self.save()
                log.add(self.step, rate, [value.item() for value in values])
                progress.set_postfix({name: f"{log.mean(i):.4f}" for i, name in enumerate(columns[:3])}, refresh=False)
                progress.update()
        self.save()
        log.close()

    @torch.no_grad()
    def average(self) -> None:
        """Moves the averaged weights towards the present ones: early steps are soon forgotten."""
        share = max(1 / AVERAGED_STEPS, 19 / (self.step + 20))
        present = self.student.state_dict()
        for name, average in self.averaged.state_dict().items():
            if average.dtype.is_floating_point:
                average.lerp_(present[name], share)


def read_checkpoint(file: Path) -> dict[str, Any]:
    """What `Training.save` wrote."""
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state
