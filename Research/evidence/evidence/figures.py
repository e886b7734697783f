"""The figures of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator

from .comparison import Difference, Values, gain, questions_of
from .record import read_table
from .study import Study


def draw_differences(study: Study, values: Values, file: Path) -> None:
    """What each main arm gains or loses against the reference on pictures as they are and on conflicts: the mean with
    its 95 % interval, and each seed by itself."""
    methods = _compared(study, values)
    questions = [question for question in questions_of(values) if not question.severity]
    if not methods:
        return
    figure, axes = pyplot.subplots(
        1,
        len(methods),
        figsize=(3 + 4 * len(methods), 1.6 + 0.45 * len(questions)),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    arms = _other_arms(study, values)
    for axis, method in zip(axes[0], methods, strict=True):
        for place, arm in enumerate(arms):
            label, colour = arm, _colour(study, arm)
            for row, question in enumerate(questions):
                height = row + (place - (len(arms) - 1) / 2) * 0.6 / len(arms)
                found = gain(study, values, question, method, arm)
                if found is not None:
                    width = 100 * found.half_width
                    axis.errorbar(
                        100 * found.mean, height, xerr=width, color=colour, label=label, **_mark(found, place)
                    )
                    seeds = [100 * value for value in found.by_seed]
                    axis.plot(seeds, [height] * len(seeds), "|", color="black", markersize=7, zorder=3)
                    label = "_"
        axis.axvline(0, color="grey", linewidth=0.8)
        axis.set(title=method, xlabel=f"points more than '{study.reference}'")
        axis.set_yticks(range(len(questions)), [str(question) for question in questions])
    axes[0][0].invert_yaxis()
    _legend_below(figure, axes)
    _write(figure, file)


def draw_training(study: Study, file: Path) -> None:
    """The k-nearest-neighbour accuracy along the training, one line for each run of a main arm, unfinished ones as
    well."""
    main_runs = [run for run in study.runs if run.arm in study.main_arms]
    runs = {run: read_table(study.run_folder(run) / "training.csv") for run in main_runs}
    methods = list(dict.fromkeys(run.method for run, rows in runs.items() if rows))
    figure, axes = pyplot.subplots(1, max(len(methods), 1), figsize=(5 * max(len(methods), 1), 3.5), squeeze=False)
    for axis, method in zip(axes[0], methods, strict=False):
        labelled: set[str] = set()
        for run, rows in runs.items():
            looks = [row for row in rows if row["neighbour_accuracy"]]
            if run.method == method and looks:
                epochs = [int(row["epoch"]) for row in looks]
                accuracies = [100 * float(row["neighbour_accuracy"]) for row in looks]
                label = run.arm if run.arm not in labelled else None
                axis.plot(epochs, accuracies, ".-", color=_colour(study, run.arm), alpha=0.8, label=label)
                labelled.add(run.arm)
        axis.set(title=method, xlabel="epoch", ylabel="nearest neighbours, % right")
        if labelled:
            axis.legend(fontsize="small")
    _write(figure, file)


def draw_shifts(study: Study, values: Values, file: Path) -> None:
    """What each main arm's linear probe gains or loses against the reference's on shifted pictures, by severity, with
    the 95 % interval; one row of panels for each method."""
    methods = _compared(study, values)
    shifts = list(dict.fromkeys(question.pictures for question in questions_of(values) if question.severity))
    if not shifts or not methods:
        return
    figure, axes = pyplot.subplots(
        len(methods), len(shifts), figsize=(2.6 * len(shifts), 2.6 * len(methods)), sharey="row", squeeze=False
    )
    arms = _other_arms(study, values)
    for row, method in zip(axes, methods, strict=True):
        for axis, shift in zip(row, shifts, strict=True):
            for place, arm in enumerate(arms):
                label, colour = arm, _colour(study, arm)
                for question in questions_of(values):
                    # Unchanged pictures are severity 0 of every shift.
                    if question.measure == "linear" and question.pictures in (shift, "clean"):
                        found = gain(study, values, question, method, arm)
                        if found is not None:
                            beside = question.severity + 0.2 * (place - (len(arms) - 1) / 2)
                            width = 100 * found.half_width
                            mark = _mark(found, place)
                            axis.errorbar(beside, 100 * found.mean, yerr=width, color=colour, label=label, **mark)
                            label = "_"
            axis.axhline(0, color="grey", linewidth=0.8)
            axis.set_title(f"{method}, {shift}", fontsize="medium")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        row[0].set_ylabel(f"points more\nthan '{study.reference}'")
    for axis in axes[-1]:
        axis.set_xlabel("severity")
    _legend_below(figure, axes)
    _write(figure, file)


def _compared(study: Study, values: Values) -> list[str]:
    """The methods of which the reference and another main arm were measured with some seed."""
    arms_of: dict[str, set[str]] = {}
    for _, method, arm in values:
        if arm in study.main_arms:
            arms_of.setdefault(method, set()).add(arm)
    return [method for method, arms in arms_of.items() if study.reference in arms and len(arms) > 1]


def _other_arms(study: Study, values: Values) -> list[str]:
    """The main arms that were measured, but for the reference."""
    measured = {arm for _, _, arm in values}
    return [arm for arm in study.main_arms if arm != study.reference and arm in measured]


def _colour(study: Study, arm: str) -> str:
    """The same in all figures."""
    return f"C{list(study.arms).index(arm) % 10}"


def _mark(found: Difference, place: int) -> dict[str, Any]:
    """A point with its interval, of another form for each arm; hollow, and alone, where a single seed has none."""
    form = "osD^v"[place % 5]
    return {"fmt": form, "markersize": 5, "capsize": 2, "markerfacecolor": "white" if found.seeds == 1 else None}


def _legend_below(figure: Any, axes: Any) -> None:
    # Below, where no point can be; not every panel has every arm.
    handles: dict[str, Any] = {}
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 0), ncols=len(handles)
    )


def _write(figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close(figure)
