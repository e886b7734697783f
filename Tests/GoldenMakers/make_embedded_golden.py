#!/usr/bin/env python3
"""Writes what PyTorch computes with the embedded model, for the StyleTransfer tests to compare with.

    python Tests/GoldenMakers/make_embedded_golden.py --model Sources/CEmbeddedModel/model.safetensors \\
        --out Tests/StyleTransferTests/Golden/embedded-case.safetensors

One procedural picture of 32x32 serves as content, and repeated four times each way as the predictor's input. Make it
anew whenever the model changes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Research" / "distillation"), str(ROOT / "Tests" / "SamplePictures")]

from distillation.model_file import load_model  # noqa: E402

from scenes import scene  # noqa: E402

SIDE = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    predictor, transformer = load_model(arguments.model)
    predictor.double()
    transformer.double()
    picture = np.ascontiguousarray(scene("balloons", 0)[20 : 20 + 4 * SIDE : 4, 60 : 60 + 4 * SIDE : 4])
    content = torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 255
    repeats = predictor.shape.side // SIDE
    with torch.inference_mode():
        embedding = predictor(content.repeat(1, 1, repeats, repeats))
        # A style of its own, so that scale and shift are tested away from the content's.
        style = embedding.roll(7, dims=1)
        stylized = transformer(content, style)[0].permute(1, 2, 0)
    tensors = {
        "picture": torch.from_numpy(picture),
        "embedding": embedding[0].float(),
        "style": style[0].float(),
        "stylized": stylized.float().contiguous(),
    }
    save_file(tensors, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
