#!/usr/bin/env python3
"""Turn published style networks into one SASSL model file (docs/model-format.md).

usage: import_model.py [--predictor PREDICTOR] --transformer TRANSFORMER --out MODEL.safetensors
                       [--styles STYLES --bank BANK.safetensors] [--provenance TEXT] [--licence TEXT]

What a file is, its content says. Read are, for either network:

- TensorFlow Lite files of Magenta's "lite" pair (a MobileNetV2, and the network of Ghiasi et al. 2017);
- ONNX files of any network that is made of a model file's layers, float or int8 with quantised activations;
- TensorFlow checkpoints (the name in front of .index), SavedModels, and safetensors files of TensorFlow's variables
  (convolution kernels [rows][columns][in][out]): Magenta's pair, its predictor an Inception v3;
- PyTorch checkpoints of StyleAug, of which nothing but tensors is read.

Quantised weights are turned back into the numbers they stand for, and batch normalisations are folded into weights and
biases. Without --predictor the model can repaint pictures but not compute styles. --styles is StyleAug's Gaussian of
styles (checkpoint_embeddings.pth), which becomes a style bank.

Equal inputs give equal bytes. Exit status: 0 done, 64 wrong usage, 65 a file is not what it should be,
66 a file cannot be read, 69 a Python package is missing, 73 a file cannot be written.

Needs (pip): numpy, and tflite, onnx, safetensors or torch for files of these kinds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

try:
    import numpy as np
except ModuleNotFoundError:
    print(
        "import_model: the Python package numpy is missing; install it with "
        f"'{sys.executable} -m pip install numpy', or name a Python that has it in SASSL_PYTHON",
        file=sys.stderr,
    )
    sys.exit(69)

from magenta import magenta_predictor, magenta_transformer
from network_file import (
    MISSING_PACKAGE,
    NOT_A_MODEL,
    UNREADABLE,
    UNWRITABLE,
    USAGE,
    Array,
    MissingPackageError,
    Network,
    UnusableInputError,
    refused,
)
from onnx_file import read_onnx
from styleaug import styleaug_bank, styleaug_predictor, styleaug_transformer
from tensorflow_variables import checkpoint_prefix, tensorflow_variables
from tflite_file import read_tflite_predictor, tflite_variables

# A safetensors header is no longer than this.
LONGEST_HEADER = 100_000_000


def kind_of(path: Path) -> str:
    """Return what a file is, by its first bytes: tflite, variables, pytorch or onnx."""
    if checkpoint_prefix(path) is not None:
        return "variables"
    with path.open("rb") as file:
        start = file.read(9)
    if start[4:8] == b"TFL3":
        return "tflite"
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return "pytorch"
    if start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < LONGEST_HEADER:
        return "variables"
    # A message's first field: the version of its form, a small number.
    if start[:1] == b"\x08" and start[1:2] < b"\x80":
        return "onnx"
    raise refused("it is none of the files that are read: TensorFlow Lite, ONNX, TensorFlow's variables, PyTorch")


def read_network(path: Path, role: str) -> Network:
    """Read a predictor or a transformer from a file of any kind."""
    kind = kind_of(path)
    if kind == "onnx":
        return read_onnx(path, role)
    if role == "predictor":
        if kind == "tflite":
            return read_tflite_predictor(path)
        return styleaug_predictor(path) if kind == "pytorch" else magenta_predictor(tensorflow_variables(path))
    if kind == "pytorch":
        return styleaug_transformer(path)
    return magenta_transformer(tflite_variables(path) if kind == "tflite" else tensorflow_variables(path))


def described(path: Path, role: str) -> str:
    """Return where a network came from, precisely enough to find the file again."""
    prefix = checkpoint_prefix(path)
    numbers = path if prefix is None else prefix.with_name(prefix.name + ".data-00000-of-00001")
    return f"{role} imported from {path.name} (SHA-256 {hashlib.sha256(numbers.read_bytes()).hexdigest()})"


def encoded(tensors: dict[str, Array], metadata: dict[str, str]) -> bytes:
    """Return the bytes of a safetensors file.

    The safetensors package writes the metadata in a random order, and a model's identity is the hash of its bytes.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    data = bytearray()
    for name, value in sorted(tensors.items()):
        start = len(data)
        data += np.ascontiguousarray(value, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(data)


def read_as(role: str, path: Path) -> tuple[Network, str]:
    """Read a network; return it with where it came from. Every failure names the file."""
    try:
        return read_network(path, role), described(path, role)
    except UnusableInputError as failure:
        at = "".join(f", {note}" for note in getattr(failure, "__notes__", []))
        raise UnusableInputError(
            failure.status, f"{path}{at}: {failure}; give --{role} a published network"
        ) from failure
    except OSError as error:
        raise UnusableInputError(UNREADABLE, f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        # What the readers raise on a damaged file, and numpy on weights of another form.
        raise UnusableInputError(NOT_A_MODEL, f"{path}: it is damaged or of another form ({error})") from error


def write(path: Path, contents: bytes) -> None:
    """Write a file, which appears whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(contents)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise UnusableInputError(UNWRITABLE, f"{path}: cannot be written: {error.strerror}") from error


def import_model(predictor: Path | None, transformer: Path, out: Path, provenance: str | None, licence: str) -> None:
    """Read the networks and write the model file."""
    networks: dict[str, Network] = {}
    sources = []
    for role, path in (("predictor", predictor), ("transformer", transformer)):
        if path is not None:
            networks[role], source = read_as(role, path)
            sources.append(source)
    lengths = [network.embedding for network in networks.values()]
    if len(set(lengths)) > 1:
        raise UnusableInputError(
            NOT_A_MODEL,
            f"the predictor gives {lengths[0]} numbers, the transformer takes {lengths[1]}; use a matching pair",
        )
    is_spelled = any("layers" in network.architecture for network in networks.values())
    architecture: dict[str, Any] = {"format": 2 if is_spelled else 1}
    tensors: dict[str, Array] = {}
    for role, network in networks.items():
        architecture[role] = network.architecture
        tensors |= {f"{role}.{name}": value for name, value in network.tensors.items()}
    architecture["embedding"] = lengths[0]
    metadata = {
        "architecture": json.dumps(architecture),
        "provenance": provenance or "; ".join(sources),
        "licence": licence,
    }
    write(out, encoded(tensors, metadata))


def import_bank(styles: Path, out: Path, provenance: str | None, licence: str) -> None:
    """Read a Gaussian of styles and write the style bank."""
    try:
        if kind_of(styles) != "pytorch":
            raise refused("it is no PyTorch checkpoint")
        bank, names = styleaug_bank(styles)
        source = described(styles, "styles")
    except UnusableInputError as failure:
        message = f"{styles}: {failure}; give --styles StyleAug's checkpoint_embeddings.pth"
        raise UnusableInputError(failure.status, message) from failure
    except OSError as error:
        raise UnusableInputError(UNREADABLE, f"{styles}: cannot be read: {error.strerror}") from error
    metadata = {"names": json.dumps(names), "provenance": provenance or source, "licence": licence}
    write(out, encoded(bank, metadata))


class UsageParser(argparse.ArgumentParser):
    """An argument parser with the exit status that sysexits.h gives to wrong usage."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = UsageParser(description="Turn published style networks into one SASSL model file.")
    parser.add_argument("--predictor", type=Path, help="style predictor")
    parser.add_argument("--transformer", type=Path, required=True, help="style transformer")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    parser.add_argument("--styles", type=Path, help="StyleAug's checkpoint_embeddings.pth")
    parser.add_argument("--bank", type=Path, help="the style bank to write from --styles")
    parser.add_argument("--provenance", help="where the weights come from (default: names and SHA-256 of the files)")
    parser.add_argument("--licence", default="unstated", help="licence of the weights (default: unstated)")
    arguments = parser.parse_args()
    if (arguments.styles is None) != (arguments.bank is None):
        parser.error("--styles and --bank belong together")
    said = (arguments.provenance, arguments.licence)
    try:
        import_model(arguments.predictor, arguments.transformer, arguments.out, *said)
        if arguments.styles is not None:
            import_bank(arguments.styles, arguments.bank, *said)
    except MissingPackageError as missing:
        print(f"import_model: {missing}", file=sys.stderr)
        return MISSING_PACKAGE
    except UnusableInputError as failure:
        print(f"import_model: {failure}", file=sys.stderr)
        return failure.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
