"""How the tests run examples and notebooks: in the environment of `make test-frameworks`, with the built programs."""

from __future__ import annotations

import os
import pathlib
import runpy
import sys
from collections.abc import Callable

import pytest
import torch

from picture_files import write_good
from workplace import PROGRAMS, ROOT, Workplace

EXAMPLES = ROOT / "python" / "examples"
SIDE = 32

# PyPI has torchvision for a PyTorch with CUDA only. Beside one for the CPU its operators are missing, and it cannot be
# imported, because it says of two of them what shapes they give. With their names declared it can; nothing calls them.
if torch.version.cuda is None:
    for operator in ("nms", "qnms"):
        torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The built programs on PATH, one thread for what computes here or in processes of a test, and a cache for JAX."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # What JAX compiles for one run of an example is the same for the next.
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "jax"))
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of 96 small pictures, which are three batches."""
    folder = tmp_path_factory.mktemp("pictures")
    write_good(folder, 96)
    return folder


@pytest.fixture
def workplace(tmp_path: pathlib.Path) -> Workplace:
    return Workplace(tmp_path)


Example = Callable[..., str]


@pytest.fixture
def example(pictures: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Example:
    """Runs an example on the pictures, in this process; returns what it printed."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(name: str, *arguments: object) -> str:
        command = [EXAMPLES / f"{name}.py", pictures, "--side", SIDE, *arguments]
        monkeypatch.setattr(sys, "argv", [str(part) for part in command])
        capsys.readouterr()
        runpy.run_path(sys.argv[0], run_name="__main__")
        return capsys.readouterr().out

    return run
