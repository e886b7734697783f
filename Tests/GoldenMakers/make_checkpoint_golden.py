#!/usr/bin/env python3
"""Make a small checkpoint with TensorFlow, and the same variables in safetensors, that the import's tests read.

usage: make_checkpoint_golden.py FOLDER     (Tests/System/golden)

The variables are those of a transformer by Magenta's names, narrow and with one residual block, some in other
precisions, and a counter that is no weight. TensorFlow writes them as its training does.

Needs (pip): tensorflow-cpu safetensors.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

EMBEDDING = 5


def variables() -> dict[str, npt.NDArray[Any]]:
    """Return the variables, convolution kernels [rows][columns][in][out]."""
    random = np.random.default_rng(11)
    made: dict[str, npt.NDArray[Any]] = {}

    def add(name: str, *shape: int) -> None:
        made[name] = random.normal(0, 0.3, shape).astype(np.float32)

    inputs = 3
    for number, (out, kernel) in enumerate(((2, 5), (3, 3), (4, 3)), 1):
        scope = f"transformer/contract/conv{number}"
        add(f"{scope}/weights", kernel, kernel, inputs, out)
        for part in ("beta", "moving_mean", "moving_variance"):
            add(f"{scope}/BatchNorm/{part}", out)
        made[f"{scope}/BatchNorm/moving_variance"] = np.abs(made[f"{scope}/BatchNorm/moving_variance"])
        inputs = out
    styled = [("transformer/residual/residual1/conv1", 4, 3), ("transformer/residual/residual1/conv2", 4, 3)]
    styled += [(f"transformer/expand/conv{number}/conv", out, 3) for number, out in ((1, 3), (2, 2))]
    for scope, out, kernel in [*styled, ("transformer/expand/conv3/conv", 3, 5)]:
        add(f"{scope}/weights", kernel, kernel, inputs, out)
        for suffix in ("Conv", "Conv_1"):
            add(f"style_params/{scope}/StyleNorm/{suffix}/weights", 1, 1, EMBEDDING, out)
            add(f"style_params/{scope}/StyleNorm/{suffix}/biases", out)
        inputs = out
    made["transformer/contract/conv2/weights"] = made["transformer/contract/conv2/weights"].astype(np.float64)
    made["transformer/contract/conv3/weights"] = made["transformer/contract/conv3/weights"].astype(np.float16)
    return made


def main() -> None:
    """Write variables.index, variables.data-00000-of-00001 and variables.safetensors."""
    import tensorflow.compat.v1 as tf  # type: ignore[import-not-found, import-untyped, unused-ignore]

    folder = Path(sys.argv[1])
    values = variables()
    tf.disable_eager_execution()
    for name, value in values.items():
        tf.get_variable(name, initializer=value)
    tf.train.get_or_create_global_step()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "variables"), write_meta_graph=False, write_state=False)
    safetensors.numpy.save_file(
        {name: value.astype(np.float32) for name, value in values.items()}, folder / "variables.safetensors"
    )


if __name__ == "__main__":
    main()
