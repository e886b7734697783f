"""How the sources of a trainer take turns, and what is concluded from their steps."""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sources import Sources
from training import Step, Trainer

#: For how long a turn is measured, in seconds; it has at least two steps.
TURN = 1.0
#: How many steps before that do not count: until half a turn's time is over, one at least and this many at most.
UNMEASURED = 4
#: How many resamplings the confidence intervals are made of.
RESAMPLINGS = 4000
BASELINE = "resident"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How much longer a step takes than its baseline: the ratio, and its 95 % confidence interval."""

    ratio: float
    low: float
    high: float


def paired_ratio(steps: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """The ratio of the means of two sources, of which each pair was measured in the same round.

    The interval is that of the percentile bootstrap over rounds (Efron and Tibshirani 1993): rounds are drawn with
    replacement, both of their means together, so that what slows a whole round down makes it no wider.
    """
    ours, theirs = np.asarray(steps), np.asarray(baseline)
    drawn = np.random.default_rng(0).integers(len(ours), size=(RESAMPLINGS, len(ours)))
    low, high = np.percentile(ours[drawn].mean(axis=1) / theirs[drawn].mean(axis=1), [2.5, 97.5])
    return Ratio(float(ours.mean() / theirs.mean()), float(low), float(high))


def turn(trainer: Trainer, sources: Sources, name: str) -> list[Step]:
    """Some steps of one source while all others are at rest.

    It begins without a batch in store, which is the state of a ring that does not suffice, and the first steps do not
    count: in them a ring that suffices fills up.
    """
    sources.settle()
    source = sources.by_name[name]
    source.empty()
    began = time.monotonic()
    for _ in range(UNMEASURED):
        trainer.step(source)
        if time.monotonic() > began + TURN / 2:
            break
    steps: list[Step] = []
    began = time.monotonic()
    while len(steps) < 2 or time.monotonic() < began + TURN:
        steps.append(trainer.step(source))
    return steps


def rounds(
    trainer: Trainer, sources: Sources, budget: float, progress: Callable[[int], None], least: int
) -> dict[str, list[list[Step]]]:
    """The steps of every source, by round. In each round every source has its turn, in an order that is drawn.

    :param budget: seconds after which no further round begins, once there are `least`.
    :param progress: told how many are done.
    """
    order = random.Random(0)
    # The first steps of a network also choose how it is computed.
    turn(trainer, sources, BASELINE)
    measured: dict[str, list[list[Step]]] = {name: [] for name in sources.by_name}
    began = time.monotonic()
    while len(measured[BASELINE]) < least or time.monotonic() < began + budget:
        names = list(measured)
        order.shuffle(names)
        for name in names:
            measured[name].append(turn(trainer, sources, name))
        progress(len(measured[BASELINE]))
    return measured


def summary(measured: dict[str, list[list[Step]]]) -> dict[str, dict[str, Any]]:
    """What is kept of the steps of each source: means of its turns, all of which count alike."""

    def seconds(name: str) -> list[float]:
        return [statistics.fmean(step.seconds for step in turn) for turn in measured[name]]

    found: dict[str, dict[str, Any]] = {}
    for name, turns in measured.items():
        mean = statistics.fmean(seconds(name))
        waited = statistics.fmean(statistics.fmean(step.waited for step in turn) for turn in turns)
        found[name] = {
            "steps": sum(map(len, turns)),
            "step_milliseconds": round(1000 * mean, 3),
            "waited_percent": round(100 * waited / mean, 3),
        }
        if name != BASELINE:
            ratio = paired_ratio(seconds(name), seconds(BASELINE))
            found[name] |= {key: round(value, 4) for key, value in dataclasses.asdict(ratio).items()}
    return found
