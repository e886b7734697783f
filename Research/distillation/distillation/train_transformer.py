#!/usr/bin/env python3
"""Distils the teacher's transformer into a smaller one.

    python -m distillation.train_transformer --data DATA --views /tmp/distill/views --work /tmp/distill/first

The embeddings that `prepare_views.py` left are the styles that are learnt. The student starts from random weights, or
with `--from MODEL` from the transformer of a model file, which may have fewer residual blocks: then the missing ones
are new. Stopping and starting the same command again continues from the last checkpoint (transformer.pt in the work
folder); the log of the losses is transformer.csv beside it. A GPU is used if there is one.

Two phases. At first every stage of the student is given the teacher's features as its input and learns to produce
the teacher's next ones: no error is handed down, so all stages learn at once and fast. Then the student runs as a
whole, and learns the stylized picture as well as the features on the way, whose weight fades.

On a CPU, glibc hands large tensors back to the kernel after every step unless told otherwise, which costs half the
time:
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_TOP_PAD_=268435456
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .model_file import load_model, provenance_of
from .networks import StyleTransformer, TransformerShape, residual_block, shape_as_json
from .optimiser import Soap
from .repaintings import Repaintings, repainting_parser, seeded
from .training import Schedule, Training

OUTPUT_SCALE = 0.02
"""Typical squared error of a bad student: brings the output loss to the order of the feature losses."""


def teacher_blocks(student_blocks: int, teacher_blocks: int) -> list[int]:
    """For each residual block of the student, which of the teacher's its output is to equal."""
    return [round((index + 1) * teacher_blocks / student_blocks) - 1 for index in range(student_blocks)]


def matched_features(features: list[Tensor], student_blocks: int) -> list[Tensor]:
    """The teacher's features that the student has a counterpart for, in the student's order."""
    blocks = len(features) - 6
    middle = [features[3 + index] for index in teacher_blocks(student_blocks, blocks)]
    return features[:3] + middle + features[-3:]


def relative_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared error as a share of the teacher's variance, channel by channel."""
    error = (student - teacher).square().mean(dim=(0, 2, 3))
    variance = teacher.var(dim=(0, 2, 3))
    return (error / (variance + 0.02 * variance.mean() + 1e-6)).mean()


def forced_stages(student: StyleTransformer, x: Tensor, z: Tensor, teacher: list[Tensor]) -> list[Tensor]:
    """The student's stages, each fed with what the teacher has at that place."""
    inputs = [x, *teacher[:-1]]
    blocks = student.shape.residual_blocks
    results: list[Tensor] = []
    for index, given in enumerate(inputs):
        if index < 3:
            results.append(student.contract[index](given))
        elif index < 3 + blocks:
            results.append(residual_block(student.residual[index - 3], given, z))
        else:
            y = student.expand[index - 3 - blocks](given, z)
            results.append(torch.sigmoid(y) if index == len(inputs) - 1 else torch.relu(y))
    return results


def grown(start: StyleTransformer, shape: TransformerShape, blocks_of_teacher: int) -> StyleTransformer:
    """A transformer with more residual blocks than the one it starts from. Blocks that end where the teacher has a
    counterpart keep their place; the ones between them are new."""
    result = StyleTransformer(shape)
    result.contract.load_state_dict(start.contract.state_dict())
    result.expand.load_state_dict(start.expand.state_dict())
    known = teacher_blocks(start.shape.residual_blocks, blocks_of_teacher)
    for index, place in enumerate(teacher_blocks(shape.residual_blocks, blocks_of_teacher)):
        if place in known:
            result.residual[index].load_state_dict(start.residual[known.index(place)].state_dict())
    return result


def main() -> None:
    parser = repainting_parser(__doc__, 11_000, 8e-3, 0.05, "fed with the teacher's features")
    parser.add_argument("--from", type=Path, dest="start", metavar="MODEL", help="model file to start from")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--first-kernel", type=int, default=5)
    parser.add_argument("--last-kernel", type=int, default=5)
    parser.add_argument("--residual-blocks", type=int, default=5)
    arguments = parser.parse_args()

    device = seeded(arguments)
    repaintings = Repaintings(arguments, device)
    teacher = repaintings.teacher
    shape = TransformerShape(arguments.width, arguments.first_kernel, arguments.last_kernel, arguments.residual_blocks)
    if arguments.start is None:
        student, origin = StyleTransformer(shape), ""
    else:
        start, origin = load_model(arguments.start)[1], provenance_of(arguments.start)
        if not isinstance(start, StyleTransformer):
            raise SystemExit(f"{arguments.start} works on patches: train_patches.py goes on with it")
        student = grown(start, shape, teacher.shape.residual_blocks)
    student.to(device)
    for network in (teacher, student):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    blocks = shape.residual_blocks

    def losses(step: int) -> list[Tensor]:
        done = step / arguments.steps
        forced = repaintings.is_forced(step)
        x, z = repaintings.batch(step)

        with torch.no_grad():
            wanted = matched_features(teacher.stages(x, z), blocks)
        got = forced_stages(student, x, z, wanted) if forced else student.stages(x, z)
        features = [relative_error(a, b) for a, b in zip(got[:-1], wanted[:-1], strict=True)]
        output = (got[-1] - wanted[-1]).square().mean()
        feature_weight = 1.0 if forced else 0.03 + 0.3 * max(0.0, 1 - (done - arguments.forced) / 0.6)
        # The first two maps are only a means: once the student runs as a whole it may choose its own.
        weights = torch.tensor([1.0 if forced or index > 1 else 0.1 for index in range(len(features))])
        loss = output / OUTPUT_SCALE + feature_weight * (weights.to(device) * torch.stack(features)).sum()
        unexplained = output / (x - wanted[-1]).square().mean()
        return [loss, unexplained, output, *features]

    names = ["contract0", "contract1", "contract2", *(f"residual{i}" for i in range(blocks)), "expand0", "expand1"]
    optimiser = Soap(student.parameters(), lr=arguments.rate)
    training = Training(arguments.work / "transformer.pt", student, optimiser, shape_as_json(shape), origin)
    schedule = Schedule(arguments.steps, arguments.rate)
    training.run(schedule, ["loss", "unexplained", "output", *names], losses, largest_gradient=1.0)


if __name__ == "__main__":
    main()
