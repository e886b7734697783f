#!/usr/bin/env python3
"""Distils the teacher's style predictor into a smaller one that starts from random weights.

    python train_predictor.py --data ../../../shared --work /tmp/distill --steps 8000

`prepare_views.py` must have filled the work folder with views and what the teacher says about them. Stopping and
starting the same command again continues from the last checkpoint (predictor.pt in the work folder); the log of the
losses is predictor.csv beside it, with the cosine to the teacher on the held-out pictures, which are never learnt
from. A GPU is used if there is one. The allocator settings that `train_transformer.py` names help here too.

An error in the embedding matters as far as the transformer listens to it. The loss therefore measures it through the
teacher's own affine maps from embedding to scale and shift, together with the plain distance.
"""

from __future__ import annotations

import argparse
import copy
import math
import signal
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from networks import PredictorShape, StyledConvolution, StylePredictor, StyleTransformer, shape_as_json
from pictures import centre_crop, split
from prepare_views import resized
from progress import Log, bar
from teacher import fours, load_predictor, load_transformer


def listening_map(transformer: StyleTransformer) -> Tensor:
    """[m, 100]: all affine maps of the transformer on top of each other, each with the same weight."""
    rows = []
    for module in transformer.modules():
        if isinstance(module, StyledConvolution):
            for linear in (module.scale, module.shift):
                weight = linear.weight.detach()
                rows.append(weight / weight.norm())
    return torch.cat(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/content, images/style, models")
    parser.add_argument("--work", type=Path, required=True, help="folder of prepare_views.py; checkpoints go there")
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    views = np.load(arguments.work / "views.npy", mmap_mode="r")
    embeddings = torch.from_numpy(np.load(arguments.work / "embeddings.npy"))
    models = arguments.data / "models/magenta-lite"
    weights = listening_map(load_transformer(models / "transfer.tflite")).to(device)
    centred = (embeddings - embeddings.mean(dim=0)).to(device)
    plain_scale = centred.square().mean()
    heard_scale = (centred @ weights.T).square().mean()

    parts = split(arguments.data / "images/content", arguments.data / "images/style")
    crops = np.stack([centre_crop(path) for path in [*parts.held_out_contents, *parts.held_out_styles]])
    held_out = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    held_out_views = resized(held_out, PredictorShape.compact().side)
    with torch.inference_mode():
        teacher = load_predictor(models / "predict.tflite")
        held_out_wanted = torch.cat([teacher(resized(four, 256)) for four in fours(held_out)])

    student = StylePredictor(PredictorShape.compact()).to(device)
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        student.embedding.bias.copy_(embeddings.mean(dim=0))
    averaged = copy.deepcopy(student)
    decayed = [parameter for parameter in student.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in student.parameters() if parameter.ndim == 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}], lr=arguments.rate
    )
    step = 0
    checkpoint = arguments.work / "predictor.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["shape"] != shape_as_json(student.shape):
            raise SystemExit(f"{checkpoint} holds another shape: use another work folder")
        student.load_state_dict(state["student"])
        averaged.load_state_dict(state["averaged"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]

    def save() -> None:
        state = {
            "shape": shape_as_json(student.shape),
            "step": step,
            "student": student.state_dict(),
            "averaged": averaged.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        torch.save(state, checkpoint.with_suffix(".partial"))
        checkpoint.with_suffix(".partial").replace(checkpoint)

    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    log = Log(arguments.work / "predictor.csv", ["step", "rate", "loss", "unexplained", "unheard", "held_out_cosine"])
    per_epoch = len(views) // arguments.batch
    order = np.empty(0, np.int64)
    held_out_cosine = 0.0
    with bar(step, arguments.steps, "step") as progress:
        while step < arguments.steps and not stopping:
            epoch, within = divmod(step, per_epoch)
            if within == 0 or not len(order):
                order = np.random.default_rng([arguments.seed, epoch]).permutation(len(views))
            chosen = np.sort(order[within * arguments.batch : (within + 1) * arguments.batch])
            x = torch.from_numpy(views[chosen]).to(device).permute(0, 3, 1, 2).float() / 255
            wanted = embeddings[chosen].to(device)
            got = student(x)
            error = got - wanted
            unexplained = error.square().mean() / plain_scale
            unheard = (error @ weights.T).square().mean() / heard_scale
            loss = unexplained + unheard

            done = step / arguments.steps
            rate = arguments.rate * min(1.0, (step + 1) / 200) * (0.003 + 0.997 * 0.5 * (1 + math.cos(math.pi * done)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
            optimiser.step()
            step += 1
            keep = min(0.997, (step + 1) / (step + 20))
            with torch.no_grad():
                for average, value in zip(averaged.state_dict().values(), student.state_dict().values(), strict=True):
                    if average.dtype.is_floating_point:
                        average.lerp_(value, 1 - keep)

            if step % 250 == 0:
                averaged.eval()
                with torch.inference_mode():
                    similar = functional.cosine_similarity(averaged(held_out_views.to(device)).cpu(), held_out_wanted)
                held_out_cosine = float(similar.median())
                save()
            log.add(step, rate, [loss.item(), unexplained.item(), unheard.item(), held_out_cosine])
            progress.set_postfix(
                unexplained=f"{log.mean(1):.4f}", held_out_cosine=f"{held_out_cosine:.4f}", refresh=False
            )
            progress.update()
    save()
    log.close()


if __name__ == "__main__":
    main()
