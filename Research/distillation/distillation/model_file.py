"""Style models as the product reads them (docs/model-format.md), written from PyTorch networks and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .networks import (
    EMBEDDING_SIZE,
    InvertedResidual,
    NormedConvolution,
    PredictorBlock,
    PredictorShape,
    StylePredictor,
    StyleTransformer,
    TransformerShape,
)
from .patch_networks import PatchShape, PatchTransformer

Transformer = StyleTransformer | PatchTransformer


def transformer_entry(shape: TransformerShape | PatchShape) -> dict[str, object]:
    """The transformer in the `architecture` entry."""
    if isinstance(shape, PatchShape):
        return {
            "kind": "patches",
            "contract": [shape.contract, shape.features],
            "residual": shape.residual_blocks,
            "expand": [shape.expand],
        }
    return {
        "kind": "ghiasi",
        "contract": [shape.width, 2 * shape.width, 4 * shape.width],
        "residual": shape.residual_blocks,
        "expand": [2 * shape.width, shape.width],
        "end_kernels": [shape.first_kernel, shape.last_kernel],
    }


def described_transformer(entry: dict[str, Any]) -> Transformer:
    """A transformer of the shape that `transformer_entry` wrote."""
    if entry["kind"] == "patches":
        contract, features = entry["contract"]
        return PatchTransformer(PatchShape(contract, features, entry["expand"][0], entry["residual"]))
    first, last = entry["end_kernels"]
    return StyleTransformer(TransformerShape(entry["contract"][0], first, last, entry["residual"]))


def architecture(predictor: PredictorShape, transformer: TransformerShape | PatchShape) -> dict[str, object]:
    """The `architecture` entry of the file's metadata."""
    return {
        "format": 1,
        "embedding": EMBEDDING_SIZE,
        "predictor": {
            "kind": "mobilenet_v2",
            "side": predictor.side,
            "stem": predictor.stem,
            "blocks": [[block.expansion, block.channels, block.stride] for block in predictor.blocks],
            "head": predictor.head,
        },
        "transformer": transformer_entry(transformer),
    }


def named_convolutions(predictor: StylePredictor) -> list[tuple[str, NormedConvolution]]:
    """Every convolution of F under its name in the file."""
    named = [("predictor.stem", predictor.stem), ("predictor.head", predictor.head)]
    for index, block in enumerate(predictor.blocks):
        assert isinstance(block, InvertedResidual)
        named += [(f"predictor.blocks.{index}.{name}", part) for name, part in block.convolutions()]
    return named


def tensors_of(predictor: StylePredictor, transformer: Transformer) -> dict[str, Tensor]:
    """Every tensor of the file, float32, batch normalisation folded into the convolutions."""
    tensors = {f"transformer.{name}": value for name, value in transformer.state_dict().items()}
    for name, convolution in named_convolutions(predictor):
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = convolution.folded()
    tensors["predictor.embedding.weight"] = predictor.embedding.weight
    tensors["predictor.embedding.bias"] = predictor.embedding.bias
    return {name: value.detach().float().cpu() for name, value in tensors.items()}


def save_model(path: Path, predictor: StylePredictor, transformer: Transformer, provenance: str, licence: str) -> None:
    """Writes both networks as float16. Raises ValueError where a weight does not fit half precision."""
    tensors = {}
    for name, value in tensors_of(predictor, transformer).items():
        half = value.to(torch.float16).contiguous()
        if not bool(torch.isfinite(half).all()):
            raise ValueError(f"{name} has a value beyond the range of float16")
        tensors[name] = half
    described = json.dumps(architecture(predictor.shape, transformer.shape))
    save_file(tensors, path, {"architecture": described, "provenance": provenance, "licence": licence})


def load_model(path: Path) -> tuple[StylePredictor, Transformer]:
    """Reads what `save_model` wrote, ready for inference."""
    with safe_open(path, "pt") as file:
        described = json.loads(file.metadata()["architecture"])
        names = list(file.keys())
        tensors = {name: file.get_tensor(name).float() for name in names}
    parts = described["predictor"]
    blocks = tuple(PredictorBlock(*block) for block in parts["blocks"])
    predictor = StylePredictor(PredictorShape(parts["side"], parts["stem"], blocks, parts["head"]))
    for name, convolution in named_convolutions(predictor):
        convolution.load_folded(tensors[f"{name}.weight"], tensors[f"{name}.bias"])
    with torch.no_grad():
        predictor.embedding.weight.copy_(tensors["predictor.embedding.weight"])
        predictor.embedding.bias.copy_(tensors["predictor.embedding.bias"])
    transformer = described_transformer(described["transformer"])
    prefix = "transformer."
    transformer.load_state_dict(
        {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    )
    return predictor.eval(), transformer.eval()


def provenance_of(path: Path) -> str:
    """What a model file says about where its weights come from."""
    with safe_open(path, "pt") as file:
        text: str = file.metadata()["provenance"]
    return text
