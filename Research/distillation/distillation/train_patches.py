#!/usr/bin/env python3
"""Gives a transformer ends that work on patches (`patch_networks.py`), and teaches it the teacher's pictures.

    python -m distillation.train_patches --from MODEL --data DATA --views /tmp/distill/views --work /tmp/distill/third

It starts from the residual blocks of a model file, which `train_transformer.py` taught the teacher's features. Stopping
and starting the same command again continues from the last checkpoint (transformer.pt in the work folder); the log of
the losses is transformer.csv beside it. A GPU is used if there is one.

Two phases. At first the new ends learn alone: one to make the teacher's features from pictures, the other to make
pictures from the teacher's features. Then the student runs as a whole, and learns the stylized picture as well as the
features on the way, whose weight fades. `train_transformer.py` says what to set for memory on a CPU.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .model_file import Transformer, load_model, provenance_of
from .networks import shape_as_json
from .optimiser import Soap
from .patch_networks import PatchShape, PatchTransformer
from .repaintings import Repaintings, repainting_parser, seeded
from .train_transformer import OUTPUT_SCALE, matched_features, relative_error
from .training import Schedule, Training


def with_patches(start: Transformer, shape: PatchShape) -> PatchTransformer:
    """A transformer with the residual blocks of another, and its ends too where they are of the same shape."""
    if isinstance(start, PatchTransformer) and start.shape == shape:
        return start
    result = PatchTransformer(shape)
    result.residual.load_state_dict(start.residual.state_dict())
    return result


def main() -> None:
    parser = repainting_parser(__doc__, 10_000, 4e-3, 0.15, "in which the ends learn alone")
    parser.add_argument(
        "--from", type=Path, required=True, dest="start", metavar="MODEL", help="model file to start from"
    )
    parser.add_argument("--contract", type=int, default=48, help="channels between patches and features")
    parser.add_argument("--expand", type=int, default=48, help="channels between features and patches")
    arguments = parser.parse_args()

    device = seeded(arguments)
    repaintings = Repaintings(arguments, device)
    teacher = repaintings.teacher
    start = load_model(arguments.start)[1]
    shape = PatchShape(arguments.contract, 4 * teacher.shape.width, arguments.expand, len(start.residual))
    student = with_patches(start, shape).to(device)
    for network in (teacher, student):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def losses(step: int) -> list[Tensor]:
        done = step / arguments.steps
        ends_alone = repaintings.is_forced(step)
        x, z = repaintings.batch(step)
        with torch.no_grad():
            stages = matched_features(teacher.stages(x, z), shape.residual_blocks)
            # Without the teacher's features at larger sides, which nothing here has.
            wanted = [*stages[2 : 3 + shape.residual_blocks], stages[-1]]
        if ends_alone:
            got = [student.contracted(x), *wanted[1:-1], student.expanded(wanted[-2], z)]
        else:
            got = student.stages(x, z)
        features = [relative_error(a, b) for a, b in zip(got[:-1], wanted[:-1], strict=True)]
        output = (got[-1] - wanted[-1]).square().mean()
        weight = 1.0 if ends_alone else 0.03 + 0.3 * max(0.0, 1 - (done - arguments.forced) / 0.6)
        loss = output / OUTPUT_SCALE + weight * torch.stack(features).sum()
        unexplained = output / (x - wanted[-1]).square().mean()
        return [loss, unexplained, output, *features]

    names = ["contracted", *(f"residual{index}" for index in range(shape.residual_blocks))]
    optimiser = Soap(student.parameters(), lr=arguments.rate)
    training = Training(
        arguments.work / "transformer.pt", student, optimiser, shape_as_json(shape), provenance_of(arguments.start)
    )
    schedule = Schedule(arguments.steps, arguments.rate)
    training.run(schedule, ["loss", "unexplained", "output", *names], losses, largest_gradient=1.0)


if __name__ == "__main__":
    main()
