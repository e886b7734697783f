"""The report of a study: one page of Markdown, its figures, and the tables that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from .comparison import Difference, Question, Values, gain, questions_of, values_of
from .figures import draw_differences, draw_shifts, draw_training
from .record import read_facts, read_table, write_table
from .scheduler import is_finished
from .study import METHODS, Run, Study

#: What the study was made to find out, named before any of it was measured. Everything else is exploration.
MAIN: Final = Question("linear", "clean", 0)


def write_report(study: Study, folder: Path) -> Path:
    """Writes the report from what the logs have, and returns its file. Runs that are not finished are named as such."""
    folder.mkdir(parents=True, exist_ok=True)
    values = values_of(study)
    parts = ["# What style augmentation did to representations", state(study)]
    finished = [run for run in study.runs if is_finished(study, run)]
    for name in ("differences", "shifts"):
        (folder / f"{name}.png").unlink(missing_ok=True)
    if finished:
        draw_differences(study, values, folder / "differences.png")
        draw_shifts(study, values, folder / "shifts.png")
        parts += [
            main(study, values),
            "## Against the arm without the change",
            f"Points more than the arm '{study.reference}' of the same method, mean over the seeds that both have, "
            "with the 95 % interval (Student's t, paired by seed: both arms saw the same crops and colours). **Bold**: "
            "the interval leaves out zero. One seed has no interval, and shows nothing. The question that was asked "
            f"beforehand is '{MAIN}'; the others are exploration.",
            differences(study, values),
            *(["![differences](differences.png)"] if (folder / "differences.png").exists() else []),
            "## Every measure",
            "Per cent, mean and standard deviation over seeds, and in brackets the number of seeds.",
            levels(study, values),
            *(["![shifts](shifts.png)"] if (folder / "shifts.png").exists() else []),
        ]
        if any(run.arm not in study.main_arms for run in finished):
            parts += [
                "## A closer look",
                f"Points more than the arm '{study.reference}' of the same seed, for each seed. First the main arms: "
                "so far are seeds alone apart. Then those that are not in the first group of runs.",
                ablations(study, values),
            ]
        for name in ("measurements", "training"):
            write_table(folder / f"{name}.csv", _collected(study, finished, name))
    draw_training(study, folder / "training.png")
    parts += ["## Along the training", "![training](training.png)", "## How it was made", _making(study)]
    page = folder / "report.md"
    page.write_text("\n\n".join(parts) + "\n")
    return page


def state(study: Study) -> str:
    """Which runs are finished, and how far the others are."""
    main_runs = [run for run in study.runs if run.arm in study.main_arms]
    others = [run for run in study.runs if run.arm not in study.main_arms]
    open_runs, open_others = ([run for run in runs if not is_finished(study, run)] for runs in (main_runs, others))
    parts = [f"All {len(main_runs)} runs of the main comparison are complete."]
    if open_runs:
        complete = f"{len(main_runs) - len(open_runs)} of its {len(main_runs)} runs are"
        heading = f"**The main comparison is not complete: {complete}.** The missing ones may change the picture:"
        parts = [heading, _progress(study, open_runs)]
    if open_others:
        complete = f"{len(others) - len(open_others)} of {len(others)} runs are complete"
        parts += [f"Of the other arms, which are in no table of the main comparison, {complete}:"]
        parts += [_progress(study, open_others)]
    elif others:
        parts += [f"All {len(others)} runs of the other arms are complete as well."]
    return "\n\n".join(parts)


def _progress(study: Study, runs: Iterable[Run]) -> str:
    epochs = {run: len(read_table(study.run_folder(run) / "training.csv")) for run in runs}
    lines = [f"- {run.name}: {done} of {study.training.epochs} epochs" for run, done in epochs.items() if done]
    untouched = [run.name for run, done in epochs.items() if not done]
    return "\n".join([*lines, *([f"- not finished: {', '.join(untouched)}"] if untouched else [])])


def main(study: Study, values: Values) -> str:
    """A table of the main question alone: the reference in per cent, and what each other arm has more."""
    arms = [arm for arm in study.main_arms if any((MAIN, method, arm) in values for method in METHODS)]
    rows = []
    for method in METHODS:
        reference = values.get((MAIN, method, study.reference), {})
        if reference:
            others = (_cell(gain(study, values, MAIN, method, arm)) for arm in arms if arm != study.reference)
            rows.append([method, _level(reference), *others])
    return _table([str(MAIN), *(arm if arm == study.reference else f"{arm}, points more" for arm in arms)], rows)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(heading)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def differences(study: Study, values: Values) -> str:
    """A table of what each main arm gains or loses against the reference, in points."""
    questions = questions_of(values)
    columns = [(method, arm) for method, arm in _main_columns(study) if arm != study.reference]
    found = {
        question: [gain(study, values, question, method, arm) for method, arm in columns] for question in questions
    }
    rows = [[str(question), *map(_cell, cells)] for question, cells in found.items()]
    table = _table(["", *(f"{method}, {arm}" for method, arm in columns)], rows)
    with_interval = [cell for cells in found.values() for cell in cells if cell and cell.seeds > 1]
    if not with_interval:
        return table
    bold = sum(cell.is_significant for cell in with_interval)
    count = len(with_interval)
    chance = f"by chance it would be {count / 20:.2g} on average, but the same networks answer all of them"
    return f"{table}\n\nIntervals that leave out zero: {bold} of {count}; {chance}."


def _cell(found: Difference | None) -> str:
    if found is None:
        return ""
    if found.seeds == 1:
        return f"{_points(found.mean)} (1)"
    text = f"{_points(found.mean)} ± {100 * found.half_width:.1f} ({found.seeds})"
    return f"**{text}**" if found.is_significant else text


def _level(by_seed: Mapping[int, float]) -> str:
    found = np.array(list(by_seed.values()))
    spread = f" ± {100 * found.std(ddof=1):.1f}" if len(found) > 1 else ""
    return f"{100 * found.mean():.1f}{spread} ({len(found)})" if len(found) else ""


def levels(study: Study, values: Values) -> str:
    """A table of every measure of the main arms, in per cent."""
    questions = questions_of(values)
    columns = _main_columns(study)
    rows = []
    for question in questions:
        cells = []
        for method, arm in columns:
            cells.append(_level(values.get((question, method, arm), {})))
        rows.append([str(question), *cells])
    return _table(["", *(f"{method}, {arm}" for method, arm in columns)], rows)


def ablations(study: Study, values: Values) -> str:
    """A table of what each seed gains or loses with the arms that are no main ones, in points; before them, of the same
    methods, what each seed does with the main arms."""
    closer = [column for column in _finished_columns(study) if column[1] not in study.main_arms]
    methods = {method for method, _ in closer}
    beside = [column for column in _main_columns(study) if column[0] in methods and column[1] != study.reference]
    columns, questions = {}, questions_of(values)
    for method, arm in [*beside, *closer]:
        seeds = (
            values[questions[0], method, arm].keys() & values.get((questions[0], method, study.reference), {}).keys()
        )
        columns[method, arm] = f"{method}, {arm}: seed {', '.join(map(str, sorted(seeds)))}"
    rows = []
    for question in questions:
        found = [gain(study, values, question, method, arm) for method, arm in columns]
        rows.append([str(question), *(", ".join(map(_points, each.by_seed)) if each else "" for each in found)])
    return _table(["", *columns.values()], rows)


def _points(value: float) -> str:
    # What is added makes -0.0 a zero like any other.
    return f"{round(100 * value, 1) + 0.0:+.1f}"


def _main_columns(study: Study) -> list[tuple[str, str]]:
    """Methods and main arms of which a run is finished."""
    return [column for column in _finished_columns(study) if column[1] in study.main_arms]


def _finished_columns(study: Study) -> list[tuple[str, str]]:
    """Methods and arms of which a run is finished."""
    return list(dict.fromkeys((run.method, run.arm) for run in study.runs if is_finished(study, run)))


def _making(study: Study) -> str:
    training = ", ".join(f"{key} {value}" for key, value in vars(study.training).items())
    rows = []
    for run in study.runs:
        facts = read_facts(study.run_folder(run) / "run.json")
        if facts:
            epochs = read_table(study.run_folder(run) / "training.csv")
            hours = sum(float(row["seconds"]) for row in epochs) / 3600
            machines = "; ".join(_machine(machine) for machine in facts["machines"])
            settings = study.arms[run.arm]
            style = ", ".join(f"{key} {value}" for key, value in settings.items()) or "as by default"
            rows.append([run.name, style, f"`{facts['fingerprint'][:16]}`", f"{hours:.2f}", machines])
    heading = ["run", "`[style]` and order", "stream", "hours of training", "machines and versions"]
    return f"Training: {training}.\n\n" + _table(heading, rows)


def _machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{key} {value}" for key, value in machine.items() if key not in ("device", "processor"))
    return f"{machine['processor']} ({machine['device']}), {packages}"


def _collected(study: Study, finished: Iterable[Run], name: str) -> list[dict[str, Any]]:
    """The rows of all finished runs in one table."""
    return [
        {"method": run.method, "arm": run.arm, "seed": run.seed, **row}
        for run in finished
        for row in read_table(study.run_folder(run) / f"{name}.csv")
    ]
