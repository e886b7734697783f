"""The figures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator

from .comparison import Question, Values, difference
from .record import read_table
from .study import Study


def draw_differences(study: Study, values: Values, questions: Sequence[Question], file: Path) -> None:
    """What each arm gains or loses against the reference, in points, with the 95 % interval over seeds."""
    # Of the others there is nothing to compare.
    arms_of: dict[str, set[str]] = {}
    for _, method, arm in values:
        arms_of.setdefault(method, set()).add(arm)
    methods = [method for method, arms in arms_of.items() if study.reference in arms and len(arms) > 1]
    if not methods:
        return
    figure, axes = pyplot.subplots(
        1, len(methods), figsize=(3 + 4 * len(methods), 2 + 0.3 * len(questions)), sharey=True, squeeze=False
    )
    measured = set().union(*arms_of.values())
    arms = [arm for arm in study.arms if arm != study.reference and arm in measured]
    for axis, method in zip(axes[0], methods, strict=True):
        for place, arm in enumerate(arms):
            points = []
            for row, question in enumerate(questions):
                here = values.get((question, method, arm), {})
                found = difference(values.get((question, method, study.reference), {}), here)
                if found is not None:
                    height = row + (place - (len(arms) - 1) / 2) * 0.6 / len(arms)
                    points.append((100 * found.mean, height, np.nan_to_num(100 * found.half_width)))
            if points:
                means, heights, widths = zip(*points, strict=True)
                axis.errorbar(means, heights, xerr=widths, fmt="o", markersize=4, capsize=2, label=arm)
        axis.axvline(0, color="grey", linewidth=0.8)
        axis.set(title=method, xlabel=f"points more than '{study.reference}'")
        axis.set_yticks(range(len(questions)), [str(question) for question in questions])
        axis.invert_yaxis()
        if axis.get_legend_handles_labels()[0]:
            # Below, where no point can be.
            axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3)
    _write(figure, file)


def draw_training(study: Study, file: Path) -> None:
    """The k-nearest-neighbour accuracy along the training, one line for each run, unfinished ones as well."""
    runs = {run: read_table(study.run_folder(run) / "training.csv") for run in study.runs}
    methods = list(dict.fromkeys(run.method for run, rows in runs.items() if rows))
    figure, axes = pyplot.subplots(1, max(len(methods), 1), figsize=(5 * max(len(methods), 1), 3.5), squeeze=False)
    colours = {arm: f"C{position % 10}" for position, arm in enumerate(study.arms)}
    for axis, method in zip(axes[0], methods, strict=False):
        labelled: set[str] = set()
        for run, rows in runs.items():
            looks = [row for row in rows if row["neighbour_accuracy"]]
            if run.method == method and looks:
                epochs = [int(row["epoch"]) for row in looks]
                accuracies = [100 * float(row["neighbour_accuracy"]) for row in looks]
                label = run.arm if run.arm not in labelled else None
                axis.plot(epochs, accuracies, ".-", color=colours[run.arm], alpha=0.8, label=label)
                labelled.add(run.arm)
        axis.set(title=method, xlabel="epoch", ylabel="nearest neighbours, % right")
        if labelled:
            axis.legend(fontsize="small")
    _write(figure, file)


def draw_shifts(study: Study, values: Values, file: Path) -> None:
    """The linear probe on shifted pictures by severity, the mean over seeds, one row of panels for each method."""
    methods = list(dict.fromkeys(method for _, method, _ in values))
    shifts = list(dict.fromkeys(question.pictures for question, _, _ in values if question.severity))
    if not shifts:
        return
    figure, axes = pyplot.subplots(
        len(methods), len(shifts), figsize=(3 * len(shifts), 2.8 * len(methods)), sharey=True, squeeze=False
    )
    for row, method in zip(axes, methods, strict=True):
        for axis, shift in zip(row, shifts, strict=True):
            for arm in study.arms:
                points = {
                    question.severity: 100 * float(np.mean(list(found.values())))
                    for (question, there, which), found in values.items()
                    if (there, which) == (method, arm)
                    and question.measure == "linear"
                    # Unchanged pictures are severity 0 of every shift.
                    and question.pictures in (shift, "clean")
                }
                if points:
                    axis.plot(sorted(points), [points[severity] for severity in sorted(points)], ".-", label=arm)
            axis.set(title=f"{method}, {shift}", xlabel="severity")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        row[0].set_ylabel("linear probe, % right")
        row[0].legend(fontsize="small")
    _write(figure, file)


def _write(figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
