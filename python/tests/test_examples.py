"""The training example does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from producing import stream

torch = pytest.importorskip("torch")


def train(here: Path, directory: str, steps: int, checkpoint: Path) -> str:
    command: list[object] = [sys.executable, here.parent / "examples" / "mocov2.py", "test", "--directory", directory]
    command += ["--device", "cpu", "--steps", str(steps), "--checkpoint", checkpoint, "--every", "7"]
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout


def test_a_training_stopped_and_resumed_ends_with_the_same_weights(directory: str, here: Path, tmp_path: Path) -> None:
    with stream(directory, slots=2):
        whole = train(here, directory, 16, tmp_path / "whole.pt")
        train(here, directory, 9, tmp_path / "parts.pt")
    with stream(directory, slots=2):  # a new daemon, and a reader that begins in the middle of an epoch
        rest = train(here, directory, 16, tmp_path / "parts.pt")
    assert "resumed after 9 batches" in rest
    last = re.compile(r"batch 15 \(epoch 1, step 5\): loss (\d+\.\d+)")
    losses = [match.group(1) for text in (whole, rest) if (match := last.search(text))]
    assert len(losses) == 2
    assert losses[0] == losses[1]
    once, twice = (torch.load(tmp_path / name, weights_only=True) for name in ("whole.pt", "parts.pt"))
    assert once["data"] == twice["data"]
    for name, weights in once["model"].items():
        assert torch.equal(weights, twice["model"][name]), name


def test_the_ranks_of_torchrun_read_their_own_rings_and_train_the_same_weights(directory: str, here: Path) -> None:
    command: list[object] = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [here.parent / "examples" / "distributed.py", "test", "--directory", directory, "--steps", "12"]
    with stream(directory, 2, rank=0, world_size=2), stream(directory, 2, rank=1, world_size=2):
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
    # Lines of two processes may run together.
    said = re.findall(r"rank (\d) batch (\d+): loss [\d.]+, weights (-?\d+\.\d{9})", done.stdout)
    weights = {(int(rank), int(batch)): value for rank, batch, value in said}
    assert sorted(weights) == [(0, 9), (0, 11), (1, 9), (1, 11)], done.stdout
    assert weights[0, 9] == weights[1, 9]
    assert weights[0, 11] == weights[1, 11]
    assert weights[0, 9] != weights[0, 11]
