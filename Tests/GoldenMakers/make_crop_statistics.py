#!/usr/bin/env python3
"""Measures how torchvision's RandomResizedCrop draws its rectangles, for Tests/AugmentationTests to compare with.

usage: make_crop_statistics.py [FILE]

Writes, for some picture sizes and area ranges, the mean and the standard deviation of what describes a crop, over many
draws with a fixed seed. Needs torch and torchvision.
"""

from __future__ import annotations

import json
import math
import pathlib
import statistics
import sys

import torch
from torchvision.transforms import RandomResizedCrop

DRAWS = 20_000
ASPECT = (3 / 4, 4 / 3)
SIZES = [(500, 375), (375, 500), (224, 224), (1000, 300), (100, 1000), (3, 2)]
AREAS = [(0.08, 1.0), (0.2, 1.0)]


def describe(width: int, height: int, area: tuple[float, float]) -> dict[str, object]:
    image = torch.empty((3, height, width))
    measures: dict[str, list[float]] = {"area": [], "logAspect": [], "left": [], "top": []}
    for _ in range(DRAWS):
        y, x, h, w = RandomResizedCrop.get_params(image, list(area), list(ASPECT))
        measures["area"].append(w * h / (width * height))
        measures["logAspect"].append(math.log(w / h))
        measures["left"].append(x / width)
        measures["top"].append(y / height)
    summary = {name: [statistics.fmean(values), statistics.pstdev(values)] for name, values in measures.items()}
    return {
        "width": width,
        "height": height,
        "smallestArea": area[0],
        "largestArea": area[1],
        "draws": DRAWS,
        **summary,
    }


def main() -> None:
    default = pathlib.Path(__file__).resolve().parents[1] / "AugmentationTests" / "Golden" / "crops.json"
    file = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    lines = ",\n".join(json.dumps(describe(width, height, area)) for width, height in SIZES for area in AREAS)
    file.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
