"""Magenta's arbitrary image stylization, by the names of its TensorFlow variables."""

from __future__ import annotations

import numpy as np

from inception import Names, inception_v3
from network_file import Array, Network, folded, refused

# Of slim's batch normalisation, in both networks.
EPSILON = 0.001
# Magenta shows its predictor pictures of this side.
SIDE = 256

Variables = dict[str, Array]


def variable(variables: Variables, name: str) -> Array:
    """Return a variable."""
    if name not in variables:
        raise refused(f"it has no variable {name}")
    return variables[name]


def weights_of(variables: Variables, scope: str) -> tuple[Array, Array]:
    """Return weight and bias of a convolution, its batch normalisation folded in if it has one."""
    weight = variable(variables, f"{scope}/weights")
    if f"{scope}/biases" in variables:
        return weight, variables[f"{scope}/biases"]
    mean, variance, shift = (
        variable(variables, f"{scope}/BatchNorm/{part}") for part in ("moving_mean", "moving_variance", "beta")
    )
    return folded(weight, mean, variance, variables.get(f"{scope}/BatchNorm/gamma", np.ones_like(mean)), shift, EPSILON)


def magenta_predictor(variables: Variables) -> Network:
    """Return the predictor: Inception v3 to Mixed_6e with ReLU6, the mean, a linear map."""

    def weights(names: Names) -> tuple[Array, Array]:
        return weights_of(variables, f"InceptionV3/{names.tensorflow}")

    network = inception_v3(weights, "relu6", counts_border=False)
    matrix = variable(variables, "Conv/weights")[:, :, 0, 0]
    tensors = network.tensors | {"embedding.weight": matrix, "embedding.bias": variable(variables, "Conv/biases")}
    return Network({"side": SIDE, "layers": network.layers}, matrix.shape[0], tensors)


def magenta_transformer(variables: Variables) -> Network:
    """Return the transformer of Ghiasi et al. 2017, of any width."""
    tensors: dict[str, Array] = {}

    def keep_styled(name: str, scope: str) -> None:
        # A bias in front of the normalisation would be subtracted again, so it is left out.
        tensors[f"{name}.weight"] = variable(variables, f"{scope}/weights")
        for part, suffix in (("shift", "Conv"), ("scale", "Conv_1")):
            style = f"style_params/{scope}/StyleNorm/{suffix}"
            tensors[f"{name}.{part}.weight"] = variable(variables, f"{style}/weights")[:, :, 0, 0]
            tensors[f"{name}.{part}.bias"] = variable(variables, f"{style}/biases")

    for index in range(3):
        weight, bias = weights_of(variables, f"transformer/contract/conv{index + 1}")
        tensors[f"contract.{index}.weight"], tensors[f"contract.{index}.bias"] = weight, bias
    residual = 0
    while f"transformer/residual/residual{residual + 1}/conv1/weights" in variables:
        for index in range(2):
            keep_styled(f"residual.{residual}.{index}", f"transformer/residual/residual{residual + 1}/conv{index + 1}")
        residual += 1
    for index in range(3):
        keep_styled(f"expand.{index}", f"transformer/expand/conv{index + 1}/conv")
    first, last = tensors["contract.0.weight"], tensors["expand.2.weight"]
    architecture = {
        "kind": "ghiasi",
        "contract": [tensors[f"contract.{index}.weight"].shape[0] for index in range(3)],
        "residual": residual,
        "expand": [tensors[f"expand.{index}.weight"].shape[0] for index in range(2)],
        "end_kernels": [first.shape[2], last.shape[2]],
    }
    return Network(architecture, tensors["expand.2.scale.weight"].shape[1], tensors)
