"""Everything that is asked of a trained network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from .corruptions import corruptions
from .features import Features, encode, features_of, unchanged
from .networks import ResidualNetwork
from .pictures import Pictures, conflicts, plain, stylized
from .pretraining import device_at_hand
from .probes import LinearProbe, neighbour_accuracy, subset
from .record import digest, read_facts, surroundings, write_facts, write_table
from .stream import daemon_program
from .study import Run, Study

#: How much of the stylized picture is blended in, for each severity of the shift "stylized".
STYLIZED_BETAS: Final = (0.3, 0.6, 1.0)
#: Parts of the labels, and how often such a part is drawn: few labels are good or bad luck.
LOW_LABEL_PARTS: Final = (0.01, 0.1)
LOW_LABEL_DRAWS: Final = 5


def measure(study: Study, run: Run, encoder: ResidualNetwork, say: Callable[[str], None]) -> None:
    """Probes the network and writes `measurements.csv` into the run's folder.

    What that was done with is added to the folder's `run.json`.
    Each row has a `measure`, the `pictures` that it was taken on, their `severity` (0 for unchanged ones), its `value`
    from 0 to 1, and the `count` of pictures.
    """
    side, device = study.training.side, device_at_hand()
    rows: list[dict[str, Any]] = []

    def note(measure: str, pictures: str, severity: int, value: float, count: int) -> None:
        rows.append(
            {
                "measure": measure,
                "pictures": pictures,
                "severity": severity,
                "value": round(value, 5),
                "count": count,
            }
        )
        say(f"{run.name}: {measure}, {pictures} {severity or ''}: {value:.4f}")

    def asked(pictures: Iterable[Pictures]) -> Features:
        return features_of(encoder, pictures, device, [unchanged])[0]

    shifts = list(corruptions())
    known = asked(plain(study.train, side))
    changes = [unchanged, *(change for _, _, change in shifts)]
    test, *shifted = features_of(encoder, plain(study.test, side), device, changes)
    probe, count = LinearProbe(known), len(test.labels)
    note("linear", "clean", 0, probe.accuracy(test), count)
    note("neighbours", "clean", 0, neighbour_accuracy(known, test), count)
    for part in LOW_LABEL_PARTS:
        draws = [LinearProbe(subset(known, part, draw)).accuracy(test) for draw in range(LOW_LABEL_DRAWS)]
        note(f"linear, {part:.0%} of the labels", "clean", 0, float(np.mean(draws)), count)
    for (name, severity, _), features in zip(shifts, shifted, strict=True):
        note("linear", name, severity, probe.accuracy(features), count)
    if study.styles.exists():
        for severity, beta in enumerate(STYLIZED_BETAS, start=1):
            features = asked(stylized(study.test, side, study.styles, beta))
            note("linear", "stylized", severity, probe.accuracy(features), len(features.labels))
    # Styles are named by the place of the picture that lent them.
    labels = dict(zip(test.samples.tolist(), test.labels.tolist(), strict=True))
    by_content, by_style, conflicting = 0, 0, 0
    for pictures in conflicts(study.test, side):
        lenders = np.array([labels[style] for style in pictures.styles.tolist()])
        apart = lenders != pictures.labels
        decisions = probe.decide(encode(encoder, pictures.pixels, device))
        by_content += int(np.sum(apart & (decisions == pictures.labels)))
        by_style += int(np.sum(apart & (decisions == lenders)))
        conflicting += int(np.sum(apart))
    note("decided for the content's class", "conflict", 0, by_content / max(conflicting, 1), conflicting)
    note("decided for the style's class", "conflict", 0, by_style / max(conflicting, 1), conflicting)
    note(
        "for the content's rather than the style's",
        "conflict",
        0,
        by_content / max(by_content + by_style, 1),
        by_content + by_style,
    )
    for folder in study.transfers:
        there, asked_there = (asked(plain(folder / part, side)) for part in ("train", "val"))
        note(
            "linear", f"transfer to {folder.name}", 0, LinearProbe(there).accuracy(asked_there), len(asked_there.labels)
        )
    folder = study.run_folder(run)
    styles = digest(sorted(path for path in study.styles.rglob("*") if path.is_file()))
    with_this = {**surroundings(device, daemon_program()), "styles": styles}
    write_facts(folder / "run.json", {**read_facts(folder / "run.json"), "measured": with_this})
    write_table(folder / "measurements.csv", rows)
