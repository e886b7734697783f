#!/usr/bin/env python3
"""Writes what the trainers left in a work folder as one model file, float16.

    python -m distillation.export_model --views /tmp/distill/views --work /tmp/distill/first \\
        --out ../../Sources/CEmbeddedModel/model.safetensors

Takes the averaged weights of predictor.pt and transformer.pt in the work folder, at whatever step they are. Where the
trainers continued from a model file, name it by `--from MODEL`: a network that has no checkpoint is taken from there. A
predictor that still has batch normalisation is calibrated on the first training views; one that was continued is not:
its last matrix is no worse than the closed form would make it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .calibration import calibrated
from .model_file import Transformer, load_model, provenance_of, save_model
from .networks import StylePredictor, StyleTransformer, TransformerShape, parameter_count, predictor_shape_from_json
from .patch_networks import PatchShape, PatchTransformer
from .prepare_views import Views
from .training import read_checkpoint

LARGEST_FILE = 2_000_000
CALIBRATION_VIEWS = 8000
PHOTOGRAPH_WEIGHT = 3.0
"""Photographs as they are count so much more than other views: SASSL asks for their embeddings most."""
LICENCE = "Apache-2.0"


def predictor_of(state: dict[str, Any]) -> StylePredictor:
    """The averaged predictor of a checkpoint."""
    predictor = StylePredictor(predictor_shape_from_json(state["described"]))
    if state["origin"]:  # Continued from a model file, where batch normalisation is folded.
        predictor.fold()
    predictor.load_state_dict(state["averaged"])
    return predictor


def transformer_of(state: dict[str, Any]) -> Transformer:
    """The averaged transformer of a checkpoint."""
    shape = json.loads(state["described"])
    transformer: Transformer
    if "features" in shape:
        transformer = PatchTransformer(PatchShape(**shape))
    else:
        transformer = StyleTransformer(TransformerShape(**shape))
    transformer.load_state_dict(state["averaged"])
    return transformer


def trained(work: Path, start: Path | None) -> tuple[StylePredictor, Transformer, str]:
    """The two networks, and where they come from."""
    paths = {name: work / f"{name}.pt" for name in ("predictor", "transformer")}
    states = {name: read_checkpoint(path) for name, path in paths.items() if path.exists()}
    predictor, transformer = load_model(start) if start is not None else (None, None)
    if "predictor" in states:
        predictor = predictor_of(states["predictor"])
    if "transformer" in states:
        transformer = transformer_of(states["transformer"])
    if predictor is None or transformer is None:
        raise SystemExit(f"{work} does not hold both networks: name the model file that they continued from")
    steps = ", ".join(f"{name} {state['step']}" for name, state in states.items())
    if start is not None:
        provenance = f"{provenance_of(start)} Continued from there by Research/distillation (steps: {steps})."
    else:
        provenance = (
            f"SASSL embedded model: random weights trained by Research/distillation (steps: {steps}) to imitate "
            "Magenta's public arbitrary-image-stylization lite pair (Apache-2.0), which was the teacher only; no "
            "weight was copied. See docs/model-card.md."
        )
    return predictor, transformer, provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=Path, required=True, help="folder that prepare_views.py filled")
    parser.add_argument("--work", type=Path, required=True, help="folder with the trainers' checkpoints")
    parser.add_argument("--from", type=Path, dest="start", metavar="MODEL", help="model that the trainers continued")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    arguments = parser.parse_args()

    predictor, transformer, provenance = trained(arguments.work, arguments.start)
    if any(isinstance(module, nn.BatchNorm2d) for module in predictor.modules()):
        views = Views(arguments.views)
        chosen = np.arange(min(CALIBRATION_VIEWS, len(views)))
        weights = torch.from_numpy(np.where(views.contents[chosen] >= 0, PHOTOGRAPH_WEIGHT, 1.0))
        predictor = calibrated(predictor, views, chosen, weights)
    save_model(arguments.out, predictor, transformer, provenance, LICENCE)
    size = arguments.out.stat().st_size
    if size > LARGEST_FILE:
        raise SystemExit(f"{arguments.out} has {size} bytes; at most {LARGEST_FILE} may be embedded")
    print(
        f"{arguments.out}: {size} bytes, about {parameter_count(predictor) + parameter_count(transformer)} parameters"
    )


if __name__ == "__main__":
    main()
