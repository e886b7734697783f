#!/usr/bin/env python3
"""How far makers have to run ahead so that the slowest slice of each batch does not hold up the trainer: a simulation.

    .venv/bin/python Benchmarks/makers_simulation.py docs/images/makers.svg    # needs matplotlib

Each batch consists of one slice from each of K makers. How long a slice takes is drawn from a log-normal distribution,
independently. A maker begins a slice when it has finished the one before and when the trainer has given back the batch
that is `window` before it. The trainer takes a batch when all its slices are there. Times are in units of the mean
time of a slice.
"""

from __future__ import annotations

import argparse

import matplotlib
import numpy as np
import numpy.typing as npt

BATCHES = 20_000
# Of the first batches nothing is told: the ring fills.
WARMING = 500
MAKERS = (1, 2, 4, 8, 16)
WINDOWS = (1, 2, 3, 4, 6, 8, 12, 16)
#: Standard deviation of the time of a slice, by its mean: what batches of a daemon on a busy machine show.
VARIATIONS = (0.1, 0.3, 0.6)


def waits(
    makers: int, window: int, variation: float, step: float, seed: int = 1
) -> tuple[float, npt.NDArray[np.float64]]:
    """How long the trainer takes for a batch on average, and how long it waits for each.

    :param step: what the trainer itself takes for a batch; 0 for one that does nothing else.
    """
    spread = np.sqrt(np.log(1 + variation**2))
    times = np.random.default_rng(seed).lognormal(-(spread**2) / 2, spread, (BATCHES, makers))
    finished = np.zeros(makers)
    released = np.zeros(BATCHES)
    waited = np.zeros(BATCHES)
    free = 0.0
    for number in range(BATCHES):
        begun = finished if number < window else np.maximum(finished, released[number - window])
        finished = begun + times[number]
        taken = max(finished.max(), free)
        waited[number] = taken - free
        free = released[number] = taken + step
    return float((free - released[WARMING]) / (BATCHES - 1 - WARMING)), waited[WARMING:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", help="where to write the plot")
    options = parser.parse_args()
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "makers"
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    print("share of the makers' rate that a starved trainer gets, with a variation of 0.3")
    print("| window | " + " | ".join(f"{makers} makers" for makers in MAKERS) + " |")
    shares = {(makers, window): 1 / waits(makers, window, 0.3, 0)[0] for makers in MAKERS for window in WINDOWS}
    for window in WINDOWS:
        print(f"| {window} | " + " | ".join(f"{shares[makers, window]:.2f}" for makers in MAKERS) + " |")
    for makers in MAKERS:
        left.plot(WINDOWS, [shares[makers, window] for window in WINDOWS], marker="o", label=f"{makers} makers")
    left.set(xlabel="batches made ahead", ylabel="part of the makers' rate", title="a starved trainer, variation 0.3")
    print("99.9th percentile of the wait for a batch, 8 makers, a trainer that needs 0.8 of their rate")
    for variation in VARIATIONS:
        tail = [float(np.quantile(waits(8, window, variation, 1 / 0.8)[1], 0.999)) for window in WINDOWS]
        print(
            f"variation {variation}: "
            + ", ".join(f"{window}: {wait:.2f}" for window, wait in zip(WINDOWS, tail, strict=True))
        )
        right.plot(WINDOWS, tail, marker="o", label=f"variation {variation}")
    right.set(
        xlabel="batches made ahead",
        ylabel="wait, in times of a slice",
        title="99.9th percentile, 8 makers, 80 % in use",
    )
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(options.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
