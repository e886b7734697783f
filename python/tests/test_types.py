"""A script of a user's, as a type checker sees it with what the package says of itself."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy")


SCRIPT = """
import numpy as np
import numpy.typing as npt

import sassl


def read(reader: sassl.Reader) -> list[npt.NDArray[np.uint8]]:
    seen = []
    for batch in reader.epoch():
        first, second = batch.views
        seen += [first, second]
        number: int = batch.number
        print(number, len(reader.epoch()), reader.status.ready, reader.information.settings)
    reader.load_state_dict(reader.state_dict(), force=True)
    return seen


with sassl.serve("photos", layout="flat", preset="mocov2", batch_size=256) as served:
    read(served)
    reveal_type(served)
    reveal_type(next(served))
read(sassl.attach("photos", rank=1, start="continue", world_size=2, owner="sassl"))
sassl.attach(start=0)
sassl.attach("photos", start="elsewhere")
read(served).number
"""

TORCH_SCRIPT = """
import torch

import sassl
from sassl.torch import DeviceLoader, RingDataset, TensorBatch


def train(views: list[torch.Tensor], labels: torch.Tensor) -> None:
    print(views[0].shape, labels.shape)


dataset = RingDataset(sassl.serve("photos", layout="flat"))
for batch in dataset:
    reveal_type(batch)
    train(*batch.as_tuple())
    moved = batch.to("cuda", non_blocking=True)
    print(moved.labels, moved.as_dict()["view0"], moved.number)
loader = DeviceLoader(dataset, device="cuda", dtype=torch.bfloat16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), depth=3)
for ready in loader:
    reveal_type(ready.views)
    views, labels = ready
    train(views, labels)
loader.load_state_dict(loader.state_dict())
print(len(loader), loader.position + 1)
DeviceLoader(dataset, depth="two")
DeviceLoader("photos")
"""


def test_a_users_script_is_checked_with_the_package_as_it_is_installed(tmp_path: pathlib.Path) -> None:
    found = checked(SCRIPT, tmp_path)
    expected = [
        'script.py:21: note: Revealed type is "sassl.serving.ServedReader"',
        'script.py:22: note: Revealed type is "sassl.batch.Batch"',
        'script.py:24: error: Missing positional argument "name" in call to "attach"  [call-arg]',
        'script.py:25: error: Argument "start" to "attach" has incompatible type',
        'script.py:26: error: "list[ndarray[',
    ]
    assert_says(found, expected)


def test_so_is_one_with_pytorch(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("torch")
    found = checked(TORCH_SCRIPT, tmp_path)
    expected = [
        'script.py:14: note: Revealed type is "sassl.tensor_batch.TensorBatch"',
        'script.py:20: note: Revealed type is "tuple[torch._tensor.Tensor, ...]"',
        'script.py:25: error: Argument "depth" to "DeviceLoader" has incompatible type',
        'script.py:26: error: Argument 1 to "DeviceLoader" has incompatible type',
    ]
    assert_says(found, expected)


def assert_says(found: list[str], expected: list[str]) -> None:
    """Each line is as expected, as far as that goes."""
    assert len(found) == len(expected), found
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


def checked(script: str, folder: pathlib.Path) -> list[str]:
    """What mypy says of a script in a folder of its own, where there is no package but the installed one."""
    (folder / "script.py").write_text(script)
    # What the linters have found out about PyTorch and NumPy is used again: finding it out takes most of a minute.
    package = pathlib.Path(__file__).parent.parent
    options = ["--strict", "--config-file", package / "pyproject.toml", "--cache-dir", package / ".mypy_cache"]
    command = [sys.executable, "-m", "mypy", *map(str, options), "--no-error-summary", "script.py"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert not result.stderr
    return result.stdout.splitlines()
