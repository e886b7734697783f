"""Inception v3 up to Mixed_6e, with the names that TensorFlow's slim and torchvision give its layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from network_file import Array, LayerList


@dataclass(frozen=True)
class Names:
    """What a convolution is called."""

    tensorflow: str
    """Below the scope of the network, such as Mixed_5b/Branch_1/Conv2d_0b_5x5."""
    torchvision: str
    """Such as Mixed_5b.branch5x5_2."""


Weights = Callable[[Names], tuple[Array, Array]]
"""Gives weight [out][in][rows][columns] and bias of a convolution, its batch normalisation folded in."""

# A branch: the layers of each, by the names of TensorFlow and torchvision; a name with Pool in it is no convolution.
Branch = list[tuple[str, str]]

# The end of a branch whose input is averaged.
POOLED: Branch = [("AvgPool_0a_3x3", ""), ("Conv2d_0b_1x1", "branch_pool")]


def first_kind(middle: tuple[str, str] = ("Conv2d_0a_1x1", "Conv2d_0b_5x5")) -> list[Branch]:
    """Return the branches of Mixed_5b, 5c and 5d; one of them has names of its own for the second branch."""
    return [
        [("Conv2d_0a_1x1", "branch1x1")],
        [(middle[0], "branch5x5_1"), (middle[1], "branch5x5_2")],
        [("Conv2d_0a_1x1", "branch3x3dbl_1"), ("Conv2d_0b_3x3", "branch3x3dbl_2"), ("Conv2d_0c_3x3", "branch3x3dbl_3")],
        POOLED,
    ]


SECOND_KIND: list[Branch] = [
    [("Conv2d_1a_1x1", "branch3x3")],
    [("Conv2d_0a_1x1", "branch3x3dbl_1"), ("Conv2d_0b_3x3", "branch3x3dbl_2"), ("Conv2d_1a_1x1", "branch3x3dbl_3")],
    [("MaxPool_1a_3x3", "")],
]

THIRD_KIND: list[Branch] = [
    [("Conv2d_0a_1x1", "branch1x1")],
    [("Conv2d_0a_1x1", "branch7x7_1"), ("Conv2d_0b_1x7", "branch7x7_2"), ("Conv2d_0c_7x1", "branch7x7_3")],
    [
        ("Conv2d_0a_1x1", "branch7x7dbl_1"),
        ("Conv2d_0b_7x1", "branch7x7dbl_2"),
        ("Conv2d_0c_1x7", "branch7x7dbl_3"),
        ("Conv2d_0d_7x1", "branch7x7dbl_4"),
        ("Conv2d_0e_1x7", "branch7x7dbl_5"),
    ],
    POOLED,
]

MIXED: dict[str, list[Branch]] = {
    "Mixed_5b": first_kind(),
    "Mixed_5c": first_kind(("Conv2d_0b_1x1", "Conv_1_0c_5x5")),
    "Mixed_5d": first_kind(),
    "Mixed_6a": SECOND_KIND,
    "Mixed_6b": THIRD_KIND,
    "Mixed_6c": THIRD_KIND,
    "Mixed_6d": THIRD_KIND,
    "Mixed_6e": THIRD_KIND,
}


def inception_v3(weights: Weights, activation: str, *, counts_border: bool) -> LayerList:
    """Return the layers.

    `counts_border`: means are taken over a border of zeros too, as torchvision does and TensorFlow does not.
    """
    network = LayerList()

    def convolve(name: str, names: Names, reads: list[str] | None, stride: int = 1, *, same: bool) -> None:
        weight, bias = weights(names)
        rows, columns = weight.shape[2] // 2, weight.shape[3] // 2
        keys = {"stride": stride} if stride > 1 else {}
        border = {"padding": [rows, rows, columns, columns]} if same and rows + columns > 0 else {}
        network.convolve(name, weight, bias, reads, **keys, **border, activation=activation)

    def pool(name: str, reads: list[str] | None) -> None:
        if name.rpartition(".")[2].startswith("Max"):
            network.add("max_pooling", name, reads, kernel=[3, 3], stride=2)
        else:
            counts = {"counts_border": True} if counts_border else {}
            network.add("average_pooling", name, reads, kernel=[3, 3], padding=[1] * 4, **counts)

    def plain(name: str, stride: int = 1, *, same: bool = False) -> None:
        convolve(name, Names(name, name), None, stride, same=same)

    plain("Conv2d_1a_3x3", 2)
    plain("Conv2d_2a_3x3")
    plain("Conv2d_2b_3x3", same=True)
    pool("MaxPool_3a_3x3", None)
    plain("Conv2d_3b_1x1")
    plain("Conv2d_4a_3x3")
    pool("MaxPool_5a_3x3", None)
    for mixed, branches in MIXED.items():
        source = network.layers[-1]["name"]
        ends = []
        for number, branch in enumerate(branches):
            reads: list[str] = [source]
            for tensorflow, torchvision in branch:
                name = f"{mixed}.Branch_{number}.{tensorflow}"
                if "Pool" in tensorflow:
                    pool(name, reads)
                else:
                    names = Names(f"{mixed}/Branch_{number}/{tensorflow}", f"{mixed}.{torchvision}")
                    is_strided = "_1a_" in tensorflow
                    convolve(name, names, reads, 2 if is_strided else 1, same=not is_strided)
                reads = [name]
            ends += reads
        network.add("concatenation", mixed, ends)
    return network
