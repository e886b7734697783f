"""A study at toy size."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
# As the scheduler has it: with one thread, sums come out the same every time.
torch.set_num_threads(1)

from drawings import write_classes, write_styles  # noqa: E402
from evidence.study import Study, load  # noqa: E402

STUDY = """
reference = "off"

[training]
side = 32
batch = 32
epochs = 2
network = "resnet10"
width = 8
precision = "float32"
monitor_every = 2

[arms.off]
enabled = false
[arms.in-batch]
[arms.style-last]
order = ["flip", "jitter", "grayscale", "blur", "solarize", "equalize", "posterize", "style"]

[[runs]]
methods = ["simclr"]
arms = ["off", "in-batch"]
seeds = [0, 1]
[[runs]]
methods = ["mocov2", "byol"]
arms = ["in-batch"]
seeds = [0]
"""


@pytest.fixture(scope="session")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's file."""
    file = tmp_path_factory.mktemp("study") / "study.toml"
    file.write_text(STUDY)
    return file


@pytest.fixture(scope="session")
def study(study_file: Path) -> Study:
    """The study in its folder, with drawings for data and nothing carried out."""
    folder = study_file.parent
    write_classes(folder / "data" / "train", 48, seed=1)
    write_classes(folder / "data" / "val", 25, seed=2)
    write_classes(folder / "transfer" / "drawings" / "train", 12, seed=3)
    write_classes(folder / "transfer" / "drawings" / "val", 6, seed=4)
    write_styles(folder / "styles", 3)
    return load(study_file, folder)
