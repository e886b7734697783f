"""What a study compares: read from a TOML file, which `studies/imagenette.toml` shows with every key."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

METHODS: Final = ("simclr", "mocov2", "byol")
NETWORKS: Final = ("resnet10", "resnet18", "resnet50")
PRECISIONS: Final = ("float32", "bfloat16")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


class StudyError(Exception):
    """The study cannot be carried out as it is written; the message says what to change."""


@dataclasses.dataclass(frozen=True)
class Training:
    """How every run of the study is trained."""

    #: Width and height of the views in pixels, a multiple of 4.
    side: int
    #: Images per step.
    batch: int
    epochs: int
    network: str
    #: Channels of the network's first stage, a multiple of 8; the published networks have 64.
    width: int
    precision: str
    #: Epochs between two looks at the k-nearest-neighbour accuracy.
    monitor_every: int


@dataclasses.dataclass(frozen=True)
class Run:
    """One network to be trained: a method on an arm's stream, from one seed."""

    method: str
    arm: str
    seed: int

    @property
    def name(self) -> str:
        """The run's folder."""
        return f"{self.method}-{self.arm}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Study:
    """A study and the folder that holds its data and results."""

    folder: Path
    training: Training
    #: What stands in `[style]` of sassld's configuration, for each arm, and maybe `order` of `[views]`.
    arms: Mapping[str, Mapping[str, Any]]
    #: The arm that the others are compared with.
    reference: str
    #: The reference and the arms of the first group of runs. The others look closer, and are shown by themselves.
    main_arms: tuple[str, ...]
    #: In the order in which they are carried out.
    runs: tuple[Run, ...]

    @property
    def train(self) -> Path:
        """The pictures that are learnt from, one folder for each class."""
        return self.folder / "data" / "train"

    @property
    def test(self) -> Path:
        """The pictures that are classified, one folder for each class."""
        return self.folder / "data" / "val"

    @property
    def styles(self) -> Path:
        """The pictures whose styles test pictures are given: styles that no arm trains with."""
        return self.folder / "styles"

    @property
    def transfers(self) -> list[Path]:
        """Further data sets that the probe is fitted to, each with folders `train` and `val`."""
        return sorted(path for path in (self.folder / "transfer").glob("*") if path.is_dir())

    def run_folder(self, run: Run) -> Path:
        """Where a run leaves its checkpoint and its logs."""
        return self.folder / "runs" / run.name

    def facts(self, run: Run) -> dict[str, Any]:
        """What a run is made of, as its `run.json` says it: paths as in the study, because its folder may be moved."""
        return {
            "method": run.method,
            "arm": run.arm,
            "seed": run.seed,
            "training": vars(self.training),
            "style": self._style_as_written(run.arm),
            "order": self.order(run.arm),
        }

    def style(self, arm: str) -> dict[str, Any]:
        """The arm's `[style]` table; paths in it start at the study's folder."""
        table = self._style_as_written(arm)
        for key in ("model", "folder", "bank"):
            if table.get(key):
                table[key] = str((self.folder / table[key]).resolve())
        return table

    def _style_as_written(self, arm: str) -> dict[str, Any]:
        return {key: value for key, value in self.arms[arm].items() if key != "order"}

    def order(self, arm: str) -> list[str]:
        """The order of the steps for the arm; nothing for the usual one."""
        return list(self.arms[arm].get("order", []))

    def run_named(self, name: str) -> Run:
        """The run whose folder has this name. Raises `StudyError` where the study has none."""
        for run in self.runs:
            if run.name == name:
                return run
        raise StudyError(f"the study has no run {name!r}; it has {', '.join(run.name for run in self.runs)}")


def load(file: Path, folder: Path) -> Study:
    """Reads a study. Raises `StudyError`, which names the file and the key, where it is wrong."""
    try:
        document = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"{file}: {error}") from error
    _accept(file, "", document, {"reference", "training", "arms", "runs"})
    training = _training(file, document["training"])
    arms = document["arms"]
    for name, table in arms.items():
        if not _NAME.fullmatch(name) or not isinstance(table, dict):
            raise StudyError(f"{file}: arms.{name}: an arm is a table whose name has only a-z, 0-9, '.' and '-'")
    if document["reference"] not in arms:
        raise StudyError(f"{file}: reference: no arm {document['reference']!r}; there are {', '.join(arms)}")
    runs: dict[Run, None] = {}
    for position, group in enumerate(document["runs"], start=1):
        where = f"runs ({position})."
        _accept(file, where, group, {"methods", "arms", "seeds"})
        for key, known in (("methods", METHODS), ("arms", tuple(arms))):
            for value in group[key]:
                if value not in known:
                    raise StudyError(f"{file}: {where}{key}: {value!r} is none of {', '.join(known)}")
        for seed in group["seeds"]:
            if type(seed) is not int or seed < 0:
                raise StudyError(f"{file}: {where}seeds: {seed!r} is no whole number from 0")
        # All arms of one seed follow each other, so that a study that is stopped has whole pairs.
        new = [
            Run(method, arm, seed) for seed in group["seeds"] for method in group["methods"] for arm in group["arms"]
        ]
        runs.update(dict.fromkeys(new))
    if not runs:
        raise StudyError(f"{file}: runs: there is none")
    first = {document["reference"], *document["runs"][0]["arms"]}
    main_arms = tuple(arm for arm in arms if arm in first)
    return Study(folder, training, arms, document["reference"], main_arms, tuple(runs))


def _training(file: Path, table: Mapping[str, Any]) -> Training:
    _accept(file, "training.", table, {field.name for field in dataclasses.fields(Training)})
    training = Training(**table)
    for key, known in (("network", NETWORKS), ("precision", PRECISIONS)):
        if table[key] not in known:
            raise StudyError(f"{file}: training.{key}: {table[key]!r} is none of {', '.join(known)}")
    for key in ("side", "batch", "epochs", "width", "monitor_every"):
        if type(table[key]) is not int or table[key] < 1:
            raise StudyError(f"{file}: training.{key}: {table[key]!r} is no whole number from 1")
    if training.width % 8:
        # Found with PyTorch 2.13 on a processor: with 4 channels its convolutions write past their memory.
        raise StudyError(f"{file}: training.width: {training.width} is no multiple of 8")
    return training


def _accept(file: Path, where: str, table: Any, keys: set[str]) -> None:
    """Each of the keys has to be there, and nothing else."""
    if not isinstance(table, dict):
        raise StudyError(f"{file}: {where.rstrip('.')}: should be a table with the keys {', '.join(sorted(keys))}")
    for key in sorted(keys ^ set(table)):
        raise StudyError(f"{file}: {where}{key}: {'missing' if key in keys else 'unknown'}")
