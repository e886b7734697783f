#!/usr/bin/env python3
"""Draws the model card's picture: procedural contents repainted by teacher and student, side by side.

    python -m distillation.picture_grid --data DATA --model ../../Sources/CEmbeddedModel/model.safetensors \\
        --out ../../docs/images/embedded-model.png

Columns: content, style, then teacher and student at alpha = 0.2 and at alpha = 1 (beta = 1 throughout, so that
nothing of the content is blended back in). Every picture is made by scenes.py and textures.py; `--contents FOLDER`
takes the contents from a folder of your own instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from scenes import scene
from textures import texture

from .evaluate_model import embed
from .model_file import load_model
from .pictures import CROP_SIDE, Picture, centre_crop, files_in
from .teacher import load_predictor, load_transformer

CONTENTS = [("fruits", 2), ("balloons", 0), ("forests", 3), ("cities", 3), ("mountains", 3)]
STYLES = [("strokes", 5), ("cells", 4), ("swirls", 1), ("marble", 2), ("hatching", 3)]
TITLES = ["content", "style", "teacher, alpha 0.2", "student, alpha 0.2", "teacher, alpha 1", "student, alpha 1"]
CELL = 132
GAP = 4
HEADING = 16


def square(picture: Picture) -> Picture:
    """The central square at crop size."""
    height, width = picture.shape[:2]
    left = (width - height) // 2
    image = Image.fromarray(picture[:, left : left + height])
    return np.asarray(image.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BILINEAR))


def as_tensor(picture: Picture) -> Tensor:
    """[1, 3, h, w] in [0, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def as_picture(image: Tensor) -> Picture:
    """The other way round."""
    pixels: Picture = (image[0].permute(1, 2, 0) * 255 + 0.5).clamp(0, 255).to(torch.uint8).numpy()
    return pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with models/magenta-lite, the teacher")
    parser.add_argument("--model", type=Path, required=True, help="the model file to show")
    parser.add_argument("--contents", type=Path, help="folder of pictures to repaint instead of procedural scenes")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    arguments = parser.parse_args()

    torch.set_num_threads(2)
    models = arguments.data / "models/magenta-lite"
    pairs = [
        (load_predictor(models / "predict.tflite"), load_transformer(models / "transfer.tflite")),
        load_model(arguments.model),
    ]
    if arguments.contents is None:
        contents = [square(scene(kind, number)) for kind, number in CONTENTS]
    else:
        contents = [centre_crop(path) for path in files_in(arguments.contents)[: len(STYLES)]]
    styles = [texture(seed, CROP_SIDE, pattern) for pattern, seed in STYLES]
    rows: list[list[Picture]] = []
    with torch.inference_mode():
        for content, style in zip(contents, styles, strict=False):
            x, s = as_tensor(content), as_tensor(style)
            row = [content, style]
            for alpha in (0.2, 1.0):
                for predictor, transformer in pairs:
                    z = (1 - alpha) * embed(predictor, x) + alpha * embed(predictor, s)
                    row.append(as_picture(transformer(x, z)))
            rows.append(row)
    width = len(TITLES) * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (width, HEADING + len(rows) * (CELL + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(TITLES):
        left = GAP + column * (CELL + GAP)
        draw.text((left + 2, 3), title, fill="black")
        for line, row in enumerate(rows):
            cell = Image.fromarray(row[column]).resize((CELL, CELL), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left, HEADING + GAP + line * (CELL + GAP)))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    # 256 colours are enough to compare by eye, and a third of the size.
    sheet.quantize(256).save(arguments.out, optimize=True)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
