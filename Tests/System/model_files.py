"""Model files for tests."""

from __future__ import annotations

import json
import pathlib

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

EMBEDDED = pathlib.Path(__file__).parents[2] / "Sources" / "CEmbeddedModel" / "model.safetensors"
_LENGTH = 100


def with_another_transformer(file: pathlib.Path) -> pathlib.Path:
    """Writes the embedded model's predictor with a small transformer of Ghiasi et al.'s form and random weights."""
    with safe_open(EMBEDDED, "numpy") as embedded:
        metadata = embedded.metadata()
        tensors = {name: embedded.get_tensor(name) for name in embedded.keys() if name.startswith("predictor.")}  # noqa: SIM118
    architecture = json.loads(metadata["architecture"])
    architecture["transformer"] = {
        "kind": "ghiasi",
        "contract": [8, 16, 32],
        "residual": 1,
        "expand": [16, 8],
        "end_kernels": [5, 5],
    }
    random = np.random.default_rng(1)
    layers = {"contract.0": (8, 3, 5), "contract.1": (16, 8, 3), "contract.2": (32, 16, 3)}
    layers |= {f"residual.0.{number}": (32, 32, 3) for number in range(2)}
    layers |= {"expand.0": (16, 32, 3), "expand.1": (8, 16, 3), "expand.2": (3, 8, 5)}
    for name, (outputs, inputs, kernel) in layers.items():
        shapes = {"weight": (outputs, inputs, kernel, kernel), "bias": (outputs,)}
        if not name.startswith("contract"):
            styled = {"weight": (outputs, _LENGTH), "bias": (outputs,)}
            shapes = {"weight": shapes["weight"]}
            shapes |= {f"{role}.{part}": shape for role in ("scale", "shift") for part, shape in styled.items()}
        for part, shape in shapes.items():
            deviation = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
            tensors[f"transformer.{name}.{part}"] = random.normal(0, deviation, shape).astype(np.float32)
    save_file(tensors, file, metadata | {"architecture": json.dumps(architecture)})
    return file
