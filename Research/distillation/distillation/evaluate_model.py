#!/usr/bin/env python3
"""Measures a model file against the teacher on the held-out pictures, and prints the figures of the model card.

    python -m distillation.evaluate_model --data DATA --model ../../Sources/CEmbeddedModel/model.safetensors

Every held-out content is repainted in every held-out style at 224x224 by both pairs of networks, each with its own
predictor. `--json` prints one JSON object instead of the table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from tqdm import tqdm

from .model_file import Transformer, load_model
from .networks import StylePredictor, parameter_count
from .pictures import centre_crop, split
from .prepare_views import resized
from .teacher import fours, load_predictor, load_transformer

ALPHA_BETA = (0.1, 0.3)


def luminance(images: Tensor) -> Tensor:
    """[n, 3, h, w] to [n, 1, h, w]."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of the luminances of two batches, over 8x8 windows: one number per image."""
    a, b = luminance(first), luminance(second)

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 8, stride=2)

    ma, mb = mean(a), mean(b)
    va, vb, covariance = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * ma * mb + c1) * (2 * covariance + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return value.mean(dim=(1, 2, 3))


def embed(predictor: StylePredictor, crops: Tensor) -> Tensor:
    """Embeddings of crops at any size, resized for the predictor."""
    return torch.cat([predictor(resized(four, predictor.shape.side)) for four in fours(crops)])


def pictures_as_tensor(paths: list[Path]) -> Tensor:
    """Central squares at 224x224 as [n, 3, 224, 224] in [0, 1]."""
    return torch.from_numpy(np.stack([centre_crop(path) for path in paths])).permute(0, 3, 1, 2).float() / 255


def measure(
    student: tuple[StylePredictor, Transformer],
    teacher: tuple[StylePredictor, Transformer],
    contents: Tensor,
    styles: Tensor,
    diagnose: bool = False,
    seed: int = 1,
) -> dict[str, float]:
    """All figures over every pair of a content and a style."""
    own = [embed(pair[0], contents) for pair in (student, teacher)]
    other = [embed(pair[0], styles) for pair in (student, teacher)]
    both = [torch.cat(pair) for pair in zip(own, other, strict=True)]
    cosine = functional.cosine_similarity(both[0], both[1])
    random = np.random.default_rng(seed)
    error = error_same_embedding = change = sassl_difference = sassl_error = sassl_change = 0.0
    explained: list[float] = []
    similar_student: list[float] = []
    similar_teacher: list[float] = []
    for index in tqdm(range(len(contents)), unit="content", mininterval=5, leave=False):
        content = contents[index : index + 1].expand(len(styles), -1, -1, -1)
        wanted = teacher[1](content, other[1])
        got = student[1](content, other[0])
        errors = (got - wanted).square().mean(dim=(1, 2, 3))
        changes = (content - wanted).square().mean(dim=(1, 2, 3))
        explained += (1 - errors / changes).tolist()
        error += float(errors.sum())
        change += float(changes.sum())
        if diagnose:
            same = student[1](content, other[1])
            error_same_embedding += float((same - wanted).square().mean(dim=(1, 2, 3)).sum())
        similar_student += structural_similarity(content, got).tolist()
        similar_teacher += structural_similarity(content, wanted).tolist()

        alpha, beta = (torch.from_numpy(random.uniform(*ALPHA_BETA, len(styles))).float() for _ in range(2))
        blended = [(1 - alpha)[:, None] * own[which][index] + alpha[:, None] * other[which] for which in range(2)]
        got, wanted = student[1](content, blended[0]), teacher[1](content, blended[1])
        strength = beta[:, None, None, None]
        sassl_difference += float((strength * (got - wanted)).abs().mean(dim=(1, 2, 3)).sum())
        sassl_error += float((got - wanted).square().mean(dim=(1, 2, 3)).sum())
        sassl_change += float((content - wanted).square().mean(dim=(1, 2, 3)).sum())
    pairs = len(contents) * len(styles)
    macs = [pair[0].macs() + pair[1].macs(224) for pair in (student, teacher)]
    diagnosis = {"explained_variance_with_the_teachers_embeddings": 1 - error_same_embedding / change}
    return {
        "pairs": pairs,
        "explained_variance": 1 - error / change,
        "explained_variance_median": float(np.median(explained)),
        **(diagnosis if diagnose else {}),
        "embedding_cosine_median": float(cosine.median()),
        "embedding_cosine_smallest": float(cosine.min()),
        "sassl_mean_absolute_difference_255": 255 * sassl_difference / pairs,
        "sassl_explained_variance_of_the_stylized_picture": 1 - sassl_error / sassl_change,
        "content_ssim_student": float(np.mean(similar_student)),
        "content_ssim_teacher": float(np.mean(similar_teacher)),
        "million_macs_per_crop_student": macs[0] / 1e6,
        "million_macs_per_crop_teacher": macs[1] / 1e6,
        "macs_share_of_teacher": macs[0] / macs[1],
        "parameters_student": sum(parameter_count(network) for network in student),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/content, images/style, models")
    parser.add_argument("--model", type=Path, required=True, help="the model file to measure")
    parser.add_argument("--contents", type=int, default=1000, help="use only so many of the held-out contents")
    parser.add_argument(
        "--diagnose", action="store_true", help="also tell the transformer's share of the error from the predictor's"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    models = arguments.data / "models/magenta-lite"
    teacher = load_predictor(models / "predict.tflite"), load_transformer(models / "transfer.tflite")
    student = load_model(arguments.model)
    for network in (*teacher, *student):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = split(arguments.data / "images/content", arguments.data / "images/style")
    with torch.inference_mode():
        contents = pictures_as_tensor(parts.held_out_contents[: arguments.contents])
        figures = measure(student, teacher, contents, pictures_as_tensor(parts.held_out_styles), arguments.diagnose)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):52s} {value:12.4f}")


if __name__ == "__main__":
    main()
