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


def torchrun(here: Path, directory: str, ranks: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Trains with that many ranks on the rings of a directory."""
    command: list[object] = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", ranks]
    command += [here.parent / "examples" / "distributed.py", "test", "--directory", directory, *arguments]
    return subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def weights_by_rank_and_batch(done: subprocess.CompletedProcess[str]) -> dict[tuple[int, int], str]:
    """What the ranks said of their weights. Lines of two processes may run together."""
    assert done.returncode == 0, done.stderr
    said = re.findall(r"rank (\d) batch (\d+): loss [\d.]+, weights (-?\d+\.\d{9})", done.stdout)
    return {(int(rank), int(batch)): value for rank, batch, value in said}


def test_the_ranks_of_torchrun_train_the_same_weights_and_go_on_with_another_number_of_ranks(
    directory: str, here: Path, tmp_path: Path
) -> None:
    checkpoint = ["--checkpoint", tmp_path / "run.pt"]
    with stream(directory, 2, rank=0, world_size=2), stream(directory, 2, rank=1, world_size=2):
        weights = weights_by_rank_and_batch(torchrun(here, directory, 2, "--steps", 12, *checkpoint))
    assert sorted(weights) == [(0, 9), (0, 11), (1, 9), (1, 11)]
    assert weights[0, 9] == weights[1, 9]
    assert weights[0, 11] == weights[1, 11]
    assert weights[0, 9] != weights[0, 11]
    with stream(directory, 2):
        weights |= weights_by_rank_and_batch(torchrun(here, directory, 1, "--steps", 13, *checkpoint))
    assert weights[0, 12] != weights[0, 11]
    assert sorted(weights)[2] == (0, 12), "the batch after the last, and none before it"


def test_ranks_that_do_not_agree_on_the_batch_stop_with_a_sentence(directory: str, here: Path) -> None:
    with (
        stream(directory, 2, rank=0, world_size=2),
        stream(directory, 2, rank=1, world_size=2, fingerprint=b"g" * 32),
    ):
        done = torchrun(here, directory, 2)
    assert done.returncode != 0
    assert "rank 1 would go on with batch 0 of stream 676767676767, and rank 0 with batch 0 of stream 66" in done.stderr
    assert "loss" not in done.stdout


def test_more_ranks_than_the_rings_are_made_for_stop_with_a_sentence(directory: str, here: Path) -> None:
    with stream(directory, 2):
        done = torchrun(here, directory, 1 + 1)
    assert done.returncode != 0
    assert "WorldSizeError" in done.stderr
    assert "loss" not in done.stdout
