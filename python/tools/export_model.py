#!/usr/bin/env python3
"""Writes the two distilled networks as one model file, float16.

    python export_model.py --work /tmp/distill --out ../../Sources/CEmbeddedModel/model.safetensors

Takes the averaged weights of transformer.pt and predictor.pt in the work folder, at whatever step they are, and
calibrates the predictor on the first training views.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from calibration import calibrated
from model_file import save_model
from networks import (
    StylePredictor,
    StyleTransformer,
    TransformerShape,
    parameter_count,
    predictor_shape_from_json,
)

LARGEST_FILE = 2_000_000
CALIBRATION_VIEWS = 3000
PHOTOGRAPH_WEIGHT = 3.0
"""Photographs as they are count so much more than other views: SASSL asks for their embeddings most."""
LICENCE = "Apache-2.0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder with what the trainers and their views left")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    arguments = parser.parse_args()

    trained = torch.load(arguments.work / "transformer.pt", map_location="cpu", weights_only=True)
    transformer = StyleTransformer(TransformerShape(**trained["shape"]))
    transformer.load_state_dict(trained["averaged"])
    learnt = torch.load(arguments.work / "predictor.pt", map_location="cpu", weights_only=True)
    predictor = StylePredictor(predictor_shape_from_json(learnt["shape"]))
    predictor.load_state_dict(learnt["averaged"])
    views = np.load(arguments.work / "views.npy", mmap_mode="r")[:CALIBRATION_VIEWS]
    embeddings = torch.from_numpy(np.load(arguments.work / "embeddings.npy")[:CALIBRATION_VIEWS])
    photographs = np.load(arguments.work / "contents.npy")[:CALIBRATION_VIEWS] >= 0
    weights = torch.from_numpy(np.where(photographs, PHOTOGRAPH_WEIGHT, 1.0))
    predictor = calibrated(predictor, views, embeddings, weights)
    provenance = (
        "SASSL embedded model: random weights trained by python/tools (transformer "
        f"{trained['step']} steps, predictor {learnt['step']} steps) to imitate Magenta's public arbitrary-image-"
        "stylization lite pair (Apache-2.0), which was the teacher only; no weight was copied. See docs/model-card.md."
    )
    save_model(arguments.out, predictor, transformer, provenance, LICENCE)
    size = arguments.out.stat().st_size
    if size > LARGEST_FILE:
        raise SystemExit(f"{arguments.out} has {size} bytes; at most {LARGEST_FILE} may be embedded")
    count = parameter_count(transformer) + parameter_count(predictor)
    print(f"{arguments.out}: {size} bytes, about {count} parameters")


if __name__ == "__main__":
    main()
