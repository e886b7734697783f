"""The networks of StyleAug (Jackson et al. 2019, arXiv 1809.05375), from the tensors of their PyTorch checkpoints."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from inception import Names, inception_v3
from network_file import Array, LayerList, Network, OutdatedPackageError, folded, refused, required

# Of torchvision's batch normalisation in Inception.
EPSILON = 0.001
# The paper names none; Magenta's.
SIDE = 256

# What the predictor does to a picture in 0...1: PyTorch's normalisation, then the way from there to that of Inception.
# The first divides blue by 0.255 where the second multiplies by 0.225. The weights were trained so.
MEANS = np.array([0.485, 0.456, 0.406])
DIVISORS = np.array([0.229, 0.224, 0.255])
MULTIPLIERS = np.array([0.229, 0.224, 0.225])

# Before it, torch.load(weights_only=True) could be made to run what a checkpoint says (CVE-2025-32434).
OLDEST_TORCH = (2, 6)

Tensors = dict[str, Array]


def checkpoint(path: Path, key: str) -> Tensors:
    """Return the tensors of a checkpoint, or of the entry `key` of it."""
    torch = required("torch", "PyTorch checkpoints")
    version = re.match(r"([0-9]+)\.([0-9]+)", str(torch.__version__))
    if version is None or (int(version[1]), int(version[2])) < OLDEST_TORCH:
        oldest = ".".join(map(str, OLDEST_TORCH))
        why = f"before {oldest} a checkpoint could run a program although it is opened for its tensors alone"
        raise OutdatedPackageError("torch", str(torch.__version__), oldest, why)
    try:
        # Anything but tensors and containers of them is refused before it is made.
        stored: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise refused(f"it is no PyTorch checkpoint of tensors alone ({str(error).splitlines()[0]})") from error
    if not isinstance(stored, dict):
        raise refused("it is no PyTorch checkpoint with named tensors")
    state = stored.get(key, stored)
    return {name: value.float().numpy() for name, value in state.items() if torch.is_tensor(value)}


def tensor(tensors: Tensors, name: str) -> Array:
    """Return a tensor."""
    if name not in tensors:
        raise refused(f"it has no tensor {name}")
    return tensors[name]


def styleaug_predictor(path: Path) -> Network:
    """Return the predictor: Inception v3 to Mixed_6e, the mean, a linear map."""
    tensors = checkpoint(path, "state_dict_stylepredictor")

    def weights(names: Names) -> tuple[Array, Array]:
        name = names.torchvision
        scale, shift, mean, variance = (
            tensor(tensors, f"{name}.bn.{part}") for part in ("weight", "bias", "running_mean", "running_var")
        )
        weight, bias = folded(tensor(tensors, f"{name}.conv.weight"), mean, variance, scale, shift, EPSILON)
        if name != "Conv2d_1a_3x3":
            return weight, bias
        # The first convolution has no border, so what is done to the picture before it goes into its weights.
        factor = MULTIPLIERS / 0.5 / DIVISORS
        summand = (MEANS - 0.5) / 0.5 - MEANS * factor
        exact = weight.astype(np.float64)
        bias = (bias + (exact * summand[None, :, None, None]).sum((1, 2, 3))).astype(np.float32)
        return (exact * factor[None, :, None, None]).astype(np.float32), bias

    network = inception_v3(weights, "relu", counts_border=True)
    matrix = tensor(tensors, "fc.weight")
    ends = {"embedding.weight": matrix, "embedding.bias": tensor(tensors, "fc.bias")}
    return Network({"side": SIDE, "layers": network.layers}, matrix.shape[0], network.tensors | ends)


def styleaug_transformer(path: Path) -> Network:
    """Return the transformer: that of Ghiasi et al., its contraction normalised too."""
    tensors = checkpoint(path, "state_dict_ghiasi")
    network = LayerList()

    def convolve(name: str, source: str, number: str = "", *, styled: bool = True, **keys: Any) -> str:
        # A bias in front of a normalisation would be subtracted again, so it is left out.
        weight = tensor(tensors, f"{source}.conv{number}.weight")
        keys |= {"padding": [weight.shape[2] // 2] * 4, "border": "mirrored"}
        keys["normalization"] = "style" if styled else "instance"
        network.convolve(name, weight, None, **keys)
        if styled:
            for part, suffix in (("scale", "gamma"), ("shift", "beta")):
                linear = f"{source}.fc_{suffix}{number}"
                network.tensors[f"{name}.{part}.weight"] = tensor(tensors, f"{linear}.weight")
                network.tensors[f"{name}.{part}.bias"] = tensor(tensors, f"{linear}.bias")
        return name

    for index in range(3):
        stride: dict[str, Any] = {"stride": 2} if index > 0 else {}
        convolve(f"contract.{index}", f"layers.{index}", styled=False, **stride, activation="relu")
    index = 3
    while f"layers.{index}.conv1.weight" in tensors:
        source = network.layers[-1]["name"]
        name = f"residual.{index - 3}"
        convolve(f"{name}.0", f"layers.{index}", "1", activation="relu")
        network.add("addition", f"{name}.sum", [source, convolve(f"{name}.1", f"layers.{index}", "2")])
        index += 1
    for number in range(2):
        convolve(f"expand.{number}", f"layers.{index + number}", upsampling=2, activation="relu")
    convolve("expand.2", f"layers.{index + 2}", activation="sigmoid")
    return Network({"layers": network.layers}, network.tensors["expand.2.scale.weight"].shape[1], network.tensors)


def styleaug_bank(path: Path) -> tuple[dict[str, Array], list[str]]:
    """Return the tensors of a style bank, and the names of its styles: the Gaussian over paintings, and two means."""
    tensors = checkpoint(path, "")
    means = [tensor(tensors, f"{source}_embedding_mean").reshape(-1) for source in ("pbn", "imagenet")]
    covariance = tensor(tensors, "pbn_embedding_covariance")
    length = means[0].size
    if covariance.shape != (length, length) or means[1].size != length:
        raise refused("its means and its covariance are of different lengths")
    left, values, _ = np.linalg.svd(covariance.astype(np.float64))
    factor = (left * np.sqrt(values)).astype(np.float32)
    bank = {"embeddings": np.stack(means), "mean": means[0], "factor": factor}
    return bank, ["mean of paintings", "mean of ImageNet"]
