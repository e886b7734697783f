"""What every reader of published weights gives: a network whose layers are spelled out, with its tensors."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

USAGE, NOT_A_MODEL, UNREADABLE, MISSING_PACKAGE, UNWRITABLE = 64, 65, 66, 69, 73

Array = npt.NDArray[np.float32]


class UnusableInputError(Exception):
    """What is wrong with which file, and the exit status that says so."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the message for the user and the status for the shell."""
        super().__init__(message)
        self.status = status


class MissingPackageError(Exception):
    """A Python package that a file of this kind needs."""

    def __init__(self, package: str, kind: str) -> None:
        """Say what to install."""
        super().__init__(
            f"the Python package {package} is missing, which reads {kind}; install it with "
            f"'{sys.executable} -m pip install {package}', or name a Python that has it in SASSL_PYTHON"
        )


class OutdatedPackageError(MissingPackageError):
    """A Python package that is too old to read files of this kind safely."""

    def __init__(self, package: str, found: str, oldest: str, why: str) -> None:
        """Say what to install."""
        Exception.__init__(
            self,
            f"the Python package {package} is {found}, and {why}; install {package} {oldest} or newer with "
            f"'{sys.executable} -m pip install \"{package}>={oldest}\"', or name a Python that has it in SASSL_PYTHON",
        )


def required(module: str, kind: str, package: str | None = None) -> Any:
    """Import a module that files of a kind need."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise MissingPackageError(package or module, kind) from missing


def refused(message: str) -> UnusableInputError:
    """Return the error that says why a file is no network that can be run."""
    return UnusableInputError(NOT_A_MODEL, message)


@dataclass
class Network:
    """One network: its description, the length of its embedding, its tensors without the network's name."""

    architecture: dict[str, Any]
    embedding: int
    tensors: dict[str, Array]


@dataclass
class LayerList:
    """Layers under construction."""

    layers: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, Array] = field(default_factory=dict)

    def add(self, kind: str, name: str, reads: list[str] | None = None, **keys: Any) -> str:
        """Add a layer; return its name. Without `reads` it reads the one before."""
        layer: dict[str, Any] = {"layer": kind, "name": name}
        if reads is not None and reads != [self.layers[-1]["name"] if self.layers else "picture"]:
            layer["from"] = reads
        self.layers.append(layer | keys)
        return name

    def convolve(
        self, name: str, weight: Array, bias: Array | None, reads: list[str] | None = None, **keys: Any
    ) -> str:
        """Add a convolution with weights [out][in][rows][columns]."""
        self.tensors[f"{name}.weight"] = weight
        if bias is not None:
            self.tensors[f"{name}.bias"] = bias
        form = {"channels": weight.shape[0], "kernel": list(weight.shape[2:])}
        return self.add("convolution", name, reads, **form, **keys)


def folded(
    weight: Array, mean: Array, variance: Array, scale: Array | float, shift: Array, epsilon: float
) -> tuple[Array, Array]:
    """Return weight and bias of a convolution with its batch normalisation folded in, in double precision."""
    factor = np.asarray(scale, np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    folded_weight: Array = (weight.astype(np.float64) * factor[:, None, None, None]).astype(np.float32)
    bias: Array = (shift.astype(np.float64) - mean.astype(np.float64) * factor).astype(np.float32)
    return folded_weight, bias
