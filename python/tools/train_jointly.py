#!/usr/bin/env python3
"""Continues both networks of a model file together, as SASSL uses them.

    python train_jointly.py --data ../../../shared --views /tmp/distill/views --work /tmp/distill/joint \\
        --from /tmp/distill/first.safetensors

The student's predictor looks at a photograph and at a style, its transformer repaints the photograph with what the
predictor said, and the picture is to equal the teacher's, made with the teacher's own embeddings. So the predictor
learns what matters in the picture, and the transformer to live with what errors are left. Mostly alpha is drawn as
SASSL draws it, from [0.1, 0.3].

It learns from the views of `prepare_views.py`. Stopping and starting the same command again continues from the last
checkpoint (joint.pt in the work folder); the log of the losses is joint.csv beside it, with the mean absolute
difference on procedural scenes, which are never learnt from. A GPU is used if there is one. The allocator settings
that `train_transformer.py` names help here too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model_file import load_model, provenance_of
from networks import StylePredictor, StyleTransformer, shape_as_json
from optimiser import Soap
from prepare_views import TEACHER_SIDE, Views, as_images, resized
from scenes import SCENES, scene
from teacher import load_predictor, load_transformer
from textures import PATTERNS, texture
from training import Schedule, Training, training_parser

TYPICAL_DIFFERENCE = 0.03
LARGEST_GRADIENT = 5.0
PREDICTOR_RATE = 0.25
"""The predictor's learning rate as a share of the transformer's."""
LARGE_SHARE = 0.1
"""Share of the steps, the last ones, in which whole views are repainted instead of windows."""


class Pair(nn.Module):
    """Predictor and transformer as one network."""

    def __init__(self, predictor: StylePredictor, transformer: StyleTransformer) -> None:
        super().__init__()
        self.predictor, self.transformer = predictor, transformer

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings of images of any size."""
        result: Tensor = self.predictor(resized(images, self.predictor.shape.side))
        return result

    def described(self) -> str:
        """The shapes of both, for the checkpoint."""
        return "\n".join([shape_as_json(self.predictor.shape), shape_as_json(self.transformer.shape)])


def draw_alpha(random: np.random.Generator, count: int) -> Tensor:
    """As SASSL draws it, now and then anything up to the style itself."""
    kind = random.random(count)
    alpha = np.where(kind < 0.75, random.uniform(0.1, 0.3, count), np.where(kind < 0.9, 1.0, random.random(count)))
    return torch.from_numpy(alpha).float()[:, None]


class Draws:
    """What each step repaints, a pure function of seed and step."""

    def __init__(self, views: Views, seed: int) -> None:
        self.views, self.seed = views, seed
        self.photographs = np.flatnonzero(views.contents >= 0)
        self.others = np.flatnonzero(views.contents < 0)

    def draw(self, step: int, batch: int) -> tuple[np.ndarray, np.ndarray, Tensor, np.random.Generator]:
        """Numbers of the views to repaint, numbers of the views that are their styles, alphas, and more randomness."""
        random = np.random.default_rng([self.seed, step])
        contents = random.choice(self.photographs, batch)
        contents = np.where(random.random(batch) < 0.15, random.integers(len(self.views), size=batch), contents)
        styles = random.choice(self.others, batch)
        return contents, styles, draw_alpha(random, batch), random


class Unseen:
    """Procedural scenes to be repainted, with what the teacher makes of them at the SASSL setting."""

    ALPHA, BETA = 0.2, 0.2
    PER_SCENE = 2

    @torch.inference_mode()
    def __init__(self, predictor: StylePredictor, transformer: StyleTransformer, side: int) -> None:
        scenes = [scene(kind, number) for kind in SCENES for number in range(self.PER_SCENE)]
        height, width = scenes[0].shape[:2]
        left = (width - height) // 2
        squares = np.stack([picture[:, left : left + height] for picture in scenes])
        self.contents = resized(as_images(squares), side)
        names = list(PATTERNS)
        patterns = [texture(1000 + i, side, names[i % len(names)]) for i in range(len(scenes))]
        self.styles = as_images(np.stack(patterns))
        own, other = (predictor(resized(images, TEACHER_SIDE)) for images in (self.contents, self.styles))
        self.wanted = transformer(self.contents, own.lerp(other, self.ALPHA))

    def to(self, device: torch.device) -> Unseen:
        """The same pictures where the student is."""
        self.contents, self.styles, self.wanted = (x.to(device) for x in (self.contents, self.styles, self.wanted))
        return self

    @torch.inference_mode()
    def difference(self, pair: Pair) -> Tensor:
        """Mean absolute difference of the student's pictures, in 255ths."""
        embedded = pair.embed(self.contents).lerp(pair.embed(self.styles), self.ALPHA)
        got = [pair.transformer(self.contents[i : i + 1], embedded[i : i + 1]) for i in range(len(self.contents))]
        return 255 * self.BETA * (torch.cat(got) - self.wanted).abs().mean()


def main() -> None:
    parser = training_parser(__doc__, steps=6_000, batch=4, rate=8e-4)
    parser.add_argument("--from", type=Path, dest="start", metavar="MODEL", required=True, help="the model to continue")
    parser.add_argument("--side", type=int, default=112, help="side of the windows that are repainted")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    views = Views(arguments.views)
    models = arguments.data / "models/magenta-lite"
    teacher = load_transformer(models / "transfer.tflite").to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    unseen = Unseen(load_predictor(models / "predict.tflite"), teacher, views.pixels.shape[1]).to(device)
    teacher.to(device)
    student = Pair(*load_model(arguments.start)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = [
        {"params": list(student.transformer.parameters()), "share": 1.0},
        {"params": list(student.predictor.parameters()), "share": PREDICTOR_RATE},
    ]
    training = Training(
        arguments.work / "joint.pt",
        student,
        Soap(groups, lr=arguments.rate),
        student.described(),
        provenance_of(arguments.start),
    )
    draws = Draws(views, arguments.seed)
    plain_scale = views.embeddings.var(dim=0).mean()
    unseen_difference = unseen.difference(student)

    def look(averaged: nn.Module) -> None:
        nonlocal unseen_difference
        assert isinstance(averaged, Pair)
        unseen_difference = unseen.difference(averaged)

    def losses(step: int) -> list[Tensor]:
        whole = step >= (1 - LARGE_SHARE) * arguments.steps
        batch = max(2, arguments.batch // 4) if whole else arguments.batch
        contents, styles, alpha, random = draws.draw(step, batch)
        x = views.images(contents).to(device)
        wanted_own, wanted_other = views.embeddings[contents].to(device), views.embeddings[styles].to(device)
        own, other = student.embed(torch.cat([x, views.images(styles).to(device)])).split(batch)
        if not whole:
            top, left = random.integers(x.shape[2] - arguments.side + 1, size=2)
            x = x[:, :, top : top + arguments.side, left : left + arguments.side]
        alpha = alpha.to(device)
        with torch.no_grad():
            wanted = teacher(x, wanted_own.lerp(wanted_other, alpha))
        got = student.transformer(x, own.lerp(other, alpha))
        difference = (got - wanted).abs().mean()
        misplaced = ((own - wanted_own).square().mean() + (other - wanted_other).square().mean()) / 2 / plain_scale
        unexplained = (got - wanted).detach().square().mean() / (x - wanted).square().mean()
        loss = difference / TYPICAL_DIFFERENCE + misplaced
        return [loss, difference * 255, misplaced, unexplained, unseen_difference]

    columns = ["loss", "difference", "misplaced", "unexplained", "unseen"]
    training.run(Schedule(arguments.steps, arguments.rate), columns, losses, LARGEST_GRADIENT, look)


if __name__ == "__main__":
    main()
