"""The examples with frameworks train, and go on after a stop as if there had been none."""

from __future__ import annotations

import math
import os
import pickle
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sassl
from running import EXAMPLES, SIDE, Example
from running import example as example
from running import pictures as pictures
from running import surroundings as surroundings
from surroundings import directory as directory

Weights = list[Any]


def losses(said: str) -> list[float]:
    """The loss of each epoch, in what an example printed."""
    found = re.findall(r"epoch \d+: loss (-?[\d.]+)", said)
    assert found, said
    return [float(loss) for loss in found]


def of_lightning(checkpoint: Path) -> Weights:
    """The weights in a checkpoint."""
    return list(torch.load(checkpoint / "last.ckpt", weights_only=False)["state_dict"].values())


def of_accelerate(checkpoint: Path) -> Weights:
    from safetensors.torch import load_file

    return list(load_file(checkpoint / "model.safetensors").values())


def of_torchdata(checkpoint: Path) -> Weights:
    return list(torch.load(checkpoint, weights_only=True)["model"].values())


def of_jax(checkpoint: Path) -> Weights:
    return list(pickle.loads(checkpoint.read_bytes())["weights"])


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("with_lightning", of_lightning),
        ("with_accelerate", of_accelerate),
        ("with_torchdata", of_torchdata),
        ("with_jax", of_jax),
    ],
)
def test_a_run_stopped_within_an_epoch_and_resumed_ends_with_the_same_weights(
    name: str, weights: Callable[[Path], Weights], example: Example, tmp_path: Path
) -> None:
    whole = example(name, "--epochs", 2, "--checkpoint", tmp_path / "whole")
    example(name, "--epochs", 2, "--checkpoint", tmp_path / "parts", "--steps", 4)
    stopped = weights(tmp_path / "parts")
    rest = example(name, "--epochs", 2, "--checkpoint", tmp_path / "parts")
    assert all(map(math.isfinite, losses(whole)))
    assert len(losses(whole)) == 2
    assert len(losses(rest)) == 1
    undisturbed, resumed = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for one, other in zip(undisturbed, resumed, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert any(not np.array_equal(one, other) for one, other in zip(stopped, resumed, strict=True))


@pytest.mark.parametrize("method", ["simclr", "byol"])
def test_the_losses_of_lightly_fall(method: str, example: Example) -> None:
    found = losses(example("with_lightly", "--method", method, "--epochs", 8))
    assert found[-1] < found[0]


def test_moco_of_lightly_recognizes_images_better_than_by_chance(example: Example) -> None:
    found = losses(example("with_lightly", "--method", "moco", "--epochs", 8))
    # One of the second view and the queue's 1024.
    assert found[-1] < math.log(1 + 1024)


def test_dino_of_lightly_trains_on_crops_of_two_sizes(example: Example, pictures: Path, directory: str) -> None:
    found = losses(example("with_lightly", "--method", "dino", "--epochs", 2))
    assert all(map(math.isfinite, found))
    script = runpy.run_path(str(EXAMPLES / "with_lightly.py"))
    chosen = script["options"](None).parse_args([str(pictures), "--side", str(SIDE)])
    keys = script["settings"](chosen, "byol") | script["multi_crop"](chosen)
    with sassl.serve(pictures, **keys, ring_directory=directory) as ring:
        shapes = [view.shape for view in next(ring).views]
    assert shapes == [(32, SIDE, SIDE, 3)] * 2 + [(32, SIDE // 2, SIDE // 2, 3)] * 6


def test_two_devices_of_jax_compute_what_one_does(example: Example, pictures: Path) -> None:
    alone = losses(example("with_jax"))
    command = [sys.executable, str(EXAMPLES / "with_jax.py"), str(pictures), "--side", str(SIDE)]
    divided = subprocess.run(
        command,
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    assert "on 2 devices" in divided
    # Sums come in another order.
    assert losses(divided) == pytest.approx(alone, abs=2e-3)


@pytest.mark.parametrize(
    "name", [file.stem for file in sorted(EXAMPLES.glob("*.py")) if "__main__" in file.read_text()]
)
def test_every_example_explains_its_options(name: str, example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        example(name, "--help")
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out
