#!/usr/bin/env python3
"""Distils the teacher's style predictor into a smaller one.

    python -m distillation.train_predictor --data DATA --views /tmp/distill/views --work /tmp/distill/first

It learns from the views of `prepare_views.py` and what the teacher says about them. The student starts from random
weights, or with `--from MODEL` from the predictor of a model file, whose batch normalisation is folded already: it then
learns without any. Stopping and starting the same command again continues from the last checkpoint (predictor.pt in the
work folder); the log of the losses is predictor.csv beside it, with the cosine to the teacher on the held-out pictures,
which are never learnt from. A GPU is used if there is one. The allocator settings that `train_transformer.py` names
help here too.

An error in the embedding matters as far as it shows in the picture. The loss therefore measures it by how much the
teacher's transformer changes the picture for it (sensitivity.py), together with a little of the plain distance.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .model_file import load_model, provenance_of
from .networks import PredictorShape, StylePredictor, shape_as_json
from .optimiser import Soap
from .pictures import centre_crop, split
from .prepare_views import TEACHER_SIDE, Views, as_images, resized
from .sensitivity import sensitivity_of
from .teacher import fours, load_predictor, load_transformer
from .training import Schedule, Training, training_parser

PLAIN_WEIGHT = 0.25


def main() -> None:
    parser = training_parser(__doc__, steps=8_000, batch=16, rate=3e-3)
    parser.add_argument("--from", type=Path, dest="start", metavar="MODEL", help="model file to start from")
    parser.add_argument("--side", type=int, help="width and height of what it sees (default: as it starts, or 128)")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    views = Views(arguments.views)
    models = arguments.data / "models/magenta-lite"
    sensitivity = sensitivity_of(load_transformer(models / "transfer.tflite"), views, arguments.seed).to(device)
    photographs = views.embeddings[torch.from_numpy(views.contents >= 0)]
    centred = (photographs - photographs.mean(dim=0)).to(device)
    plain_scale = centred.square().mean()
    picture_scale = (centred @ sensitivity.T).square().mean()

    parts = split(arguments.data / "images/content", arguments.data / "images/style")
    held_out = as_images(np.stack([centre_crop(path) for path in [*parts.held_out_contents, *parts.held_out_styles]]))
    with torch.inference_mode():
        teacher = load_predictor(models / "predict.tflite")
        held_out_wanted = torch.cat([teacher(resized(four, TEACHER_SIDE)) for four in fours(held_out)])

    if arguments.start is None:
        student, origin = StylePredictor(PredictorShape.compact()), ""
        with torch.no_grad():
            student.embedding.bias.copy_(views.embeddings.mean(dim=0))
    else:
        student, origin = load_model(arguments.start)[0].train(), provenance_of(arguments.start)
    if arguments.side is not None:
        student.shape = replace(student.shape, side=arguments.side)
    student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    held_out_views = resized(held_out, student.shape.side).to(device)
    optimiser = Soap(student.parameters(), lr=arguments.rate)
    training = Training(arguments.work / "predictor.pt", student, optimiser, shape_as_json(student.shape), origin)
    held_out_cosine = torch.zeros(())

    def look(averaged: nn.Module) -> None:
        nonlocal held_out_cosine
        averaged.eval()
        with torch.inference_mode():
            similar = functional.cosine_similarity(averaged(held_out_views).cpu(), held_out_wanted)
        held_out_cosine = similar.median()

    def losses(step: int) -> list[Tensor]:
        epoch, within = divmod(step, len(views) // arguments.batch)
        order = np.random.default_rng([arguments.seed, epoch]).permutation(len(views))
        chosen = np.sort(order[within * arguments.batch : (within + 1) * arguments.batch])
        x = resized(views.images(chosen).to(device), student.shape.side)
        error = student(x) - views.embeddings[chosen].to(device)
        unexplained = error.square().mean() / plain_scale
        visible = (error @ sensitivity.T).square().mean() / picture_scale
        return [visible + PLAIN_WEIGHT * unexplained, visible, unexplained, held_out_cosine]

    columns = ["loss", "visible", "unexplained", "held_out_cosine"]
    schedule = Schedule(arguments.steps, arguments.rate)
    training.run(schedule, columns, losses, largest_gradient=5.0, before_checkpoint=look)


if __name__ == "__main__":
    main()
