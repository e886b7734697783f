#!/usr/bin/env python3
"""Makes the style bank that is compiled into the program: numbers that describe styles, no pictures.

    python -m distillation.make_style_bank --model ../../Sources/CEmbeddedModel/model.safetensors \\
        --out ../../Sources/CEmbeddedModel/styles.safetensors

It holds the embeddings of procedural textures (textures.py), as the model's own predictor sees them, blends of some
pairs of them, and the Gaussian of both. Make it anew whenever the predictor changes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from textures import PATTERNS, texture

from .evaluate_model import embed
from .model_file import load_model
from .networks import StylePredictor
from .pictures import CROP_SIDE

PER_PATTERN = 16
BLENDS = 96
PROVENANCE = (
    "SASSL default style bank: embeddings of procedural textures (Tests/SamplePictures/textures.py) under the embedded "
    "model's own predictor. Made by Research/distillation (make_style_bank)."
)


def textures(predictor: StylePredictor) -> tuple[list[str], Tensor]:
    """Names and embeddings of `PER_PATTERN` textures of every pattern."""
    names: list[str] = []
    rows: list[Tensor] = []
    for pattern in tqdm(PATTERNS, unit="pattern", mininterval=5):
        pictures = np.stack([texture(seed, CROP_SIDE, pattern) for seed in range(PER_PATTERN)])
        rows.append(embed(predictor, torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255))
        names += [f"{pattern}-{seed:02d}" for seed in range(PER_PATTERN)]
    return names, torch.cat(rows)


def gaussian(embeddings: Tensor) -> dict[str, Tensor]:
    """The tensors `mean` and `factor` of a bank: factor times its transpose is the covariance."""
    rows = embeddings.double()
    vectors, variances, _ = torch.linalg.svd(torch.cov(rows.T))
    return {"mean": rows.mean(0).float(), "factor": (vectors * variances.sqrt()).float().contiguous()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the model whose predictor is to be used")
    parser.add_argument("--out", type=Path, required=True, help="the bank to write")
    arguments = parser.parse_args()

    torch.set_num_threads(2)
    predictor, _ = load_model(arguments.model)
    with torch.inference_mode():
        names, embeddings = textures(predictor)
    random = np.random.default_rng(4)
    for number in range(BLENDS):
        first, second = random.choice(len(PATTERNS) * PER_PATTERN, 2, replace=False)
        share = float(random.uniform(0.35, 0.65))
        embeddings = torch.cat([embeddings, (share * embeddings[first] + (1 - share) * embeddings[second])[None]])
        names.append(f"blend-{number:02d}")
    embeddings = embeddings.to(torch.float16).contiguous()
    save_file(
        {"embeddings": embeddings} | gaussian(embeddings),
        arguments.out,
        {"names": json.dumps(names), "provenance": PROVENANCE, "licence": "Apache-2.0"},
    )
    print(f"{arguments.out}: {len(names)} styles, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
