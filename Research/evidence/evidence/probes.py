"""How well classes can be told from features."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .features import Features, Integers

NEIGHBOURS: Final = 20
#: Of the weights of neighbours (Wu et al. 2018).
TEMPERATURE: Final = 0.07
#: Inverse strengths of the penalty on the weights, of which the best on held-out training pictures is taken.
STRENGTHS: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
#: The fewest pictures of a class that a low-label probe is given.
FEWEST: Final = 5


class LinearProbe:
    """Multinomial logistic regression on standardised features."""

    def __init__(self, known: Features) -> None:
        few = len(known.labels) < 2000
        splits = StratifiedKFold(FEWEST) if few else StratifiedShuffleSplit(1, test_size=0.1, random_state=0)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        grid = {"logisticregression__C": STRENGTHS}
        self._search: Any = GridSearchCV(model, grid, cv=splits).fit(known.values, known.labels)

    @property
    def strength(self) -> float:
        """Which of `STRENGTHS` was taken."""
        return float(self._search.best_params_["logisticregression__C"])

    def decide(self, values: npt.NDArray[np.float32]) -> Integers:
        """The class of each picture."""
        classes: Integers = self._search.predict(values)
        return classes

    def accuracy(self, asked: Features) -> float:
        """The part of the pictures that are classified right."""
        return float(np.mean(self.decide(asked.values) == asked.labels))


def neighbour_accuracy(known: Features, asked: Features) -> float:
    """The part of the pictures whose nearest neighbours by cosine, weighted, have their class."""
    model = KNeighborsClassifier(
        min(NEIGHBOURS, len(known.labels)),
        metric="cosine",
        weights=lambda distances: np.exp((1 - distances) / TEMPERATURE),
    )
    return float(model.fit(known.values, known.labels).score(asked.values, asked.labels))


def subset(known: Features, part: float, seed: int) -> Features:
    """This part of the pictures of every class, at least `FEWEST` of each, drawn by the seed."""
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(known.labels):
        places = np.flatnonzero(known.labels == label)
        count = max(FEWEST, round(part * len(places)))
        chosen.append(generator.choice(places, min(count, len(places)), replace=False))
    places = np.concatenate(chosen)
    return Features(known.values[places], known.labels[places], known.samples[places])
