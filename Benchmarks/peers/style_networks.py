"""The two style networks as ONNX files, for other runtimes: from a model file, or with random weights from a shape.

A shape is the `architecture` of a model file as JSON (Benchmarks/shapes); random weights cost what trained ones do.
"""

from __future__ import annotations

import json
import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "Research" / "distillation"))
from distillation.model_file import Transformer, described_transformer, load_model  # noqa: E402
from distillation.networks import (  # noqa: E402
    EMBEDDING_SIZE,
    PredictorBlock,
    PredictorShape,
    StylePredictor,
)


def load(file: pathlib.Path) -> tuple[StylePredictor | None, Transformer]:
    """Both networks of a model file, or of a shape with random weights, where the predictor may be missing."""
    if file.suffix != ".json":
        return load_model(file)
    torch.manual_seed(0)
    shape = json.loads(file.read_text())
    transformer = described_transformer(shape["transformer"]).eval()
    if "predictor" not in shape:
        return None, transformer
    parts = shape["predictor"]
    blocks = tuple(PredictorBlock(*block) for block in parts["blocks"])
    predictor = StylePredictor(PredictorShape(parts["side"], parts["stem"], blocks, parts["head"])).eval()
    predictor.fold()
    return predictor, transformer


def inputs(network: str, predictor_side: int, side: int, batch: int) -> dict[str, torch.Tensor]:
    """Random inputs of the right shapes: `x` in [0, 1], and `z` of the size of embeddings for the transformer."""
    torch.manual_seed(0)
    if network == "predictor":
        return {"x": torch.rand(batch, 3, predictor_side, predictor_side)}
    return {
        "x": torch.rand(batch, 3, side, side),
        "z": torch.randn(batch, EMBEDDING_SIZE) * 0.8,
    }


def export(file: pathlib.Path, network: str, side: int, batch: int, out: pathlib.Path) -> dict[str, torch.Tensor]:
    """Writes `network` ("transformer" or "predictor") for fixed sizes to `out`; returns inputs for it."""
    predictor, transformer = load(file)
    module = predictor if network == "predictor" else transformer
    if module is None:
        raise SystemExit(f"{file} has no predictor")
    feed = inputs(network, predictor.shape.side if predictor else 0, side, batch)
    torch.onnx.export(
        module, tuple(feed.values()), str(out), input_names=list(feed), output_names=["y"], dynamo=True, verbose=False,
        external_data=False,
    )  # fmt: skip
    return feed
