"""Differences between arms, paired by seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from .record import read_table
from .scheduler import is_finished
from .study import Study


class Question(NamedTuple):
    """One thing that was measured."""

    measure: str
    pictures: str
    severity: int

    def __str__(self) -> str:
        severity = f", severity {self.severity}" if self.severity else ""
        return f"{self.measure}: {self.pictures}{severity}"


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of two arms, over the seeds that both have."""

    mean: float
    #: Half the width of the 95 % interval by Student's t; not a number for a single seed.
    half_width: float
    #: The differences that these are of.
    by_seed: Sequence[float]

    @property
    def seeds(self) -> int:
        """How many of them."""
        return len(self.by_seed)

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out zero. Never for a single seed."""
        return abs(self.mean) > self.half_width


#: For each question, method and arm the values by seed.
Values = Mapping[tuple[Question, str, str], Mapping[int, float]]


def values_of(study: Study) -> Values:
    """What was measured in the runs that are finished."""
    values: dict[tuple[Question, str, str], dict[int, float]] = {}
    for run in study.runs:
        if is_finished(study, run):
            for row in read_table(study.run_folder(run) / "measurements.csv"):
                question = Question(row["measure"], row["pictures"], int(row["severity"]))
                values.setdefault((question, run.method, run.arm), {})[run.seed] = float(row["value"])
    return values


def questions_of(values: Values) -> list[Question]:
    """What was measured, in its order."""
    return list(dict.fromkeys(question for question, _, _ in values))


def difference(reference: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """How much more `other` is, seed by seed: both saw the same crops and colours. None where no seed is in both."""
    seeds = sorted(reference.keys() & other.keys())
    if not seeds:
        return None
    differences = np.array([other[seed] - reference[seed] for seed in seeds])
    half_width = math.nan
    if len(seeds) > 1:
        error = differences.std(ddof=1) / math.sqrt(len(seeds))
        half_width = float(stats.t.ppf(0.975, len(seeds) - 1) * error)
    return Difference(float(differences.mean()), half_width, differences.tolist())


def gain(study: Study, values: Values, question: Question, method: str, arm: str) -> Difference | None:
    """How much more the arm has than the study's reference. None where no seed is in both."""
    reference = values.get((question, method, study.reference), {})
    return difference(reference, values.get((question, method, arm), {}))
