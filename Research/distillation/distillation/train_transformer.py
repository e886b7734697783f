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

import numpy as np
import torch
from torch import Tensor

from textures import texture

from .model_file import load_model, provenance_of
from .networks import StyleTransformer, TransformerShape, shape_as_json
from .optimiser import Soap
from .pictures import Picture, load, random_crop, recoloured, split
from .prepare_views import Views, as_images
from .teacher import load_transformer
from .training import Schedule, Training, training_parser

OUTPUT_SCALE = 0.02
"""Typical squared error of a bad student: brings the output loss to the order of the feature losses."""


class StyleSource:
    """Embeddings as SASSL mixes them, from what the teacher's predictor said about the training views."""

    def __init__(self, views: Views, contents: int) -> None:
        self.embeddings = views.embeddings.numpy()
        self.of_content = [np.flatnonzero(views.contents == index) for index in range(contents)]
        self.mean = self.embeddings.mean(axis=0)
        self.factor = np.linalg.cholesky(np.cov(self.embeddings.T) + 1e-6 * np.eye(self.embeddings.shape[1]))

    def any(self, random: np.random.Generator) -> np.ndarray:
        """A style: mostly one that some view has, sometimes a mixture of two, sometimes drawn from the Gaussian."""
        kind = random.random()
        first: np.ndarray = self.embeddings[random.integers(len(self.embeddings))]
        if kind < 0.75:
            return first
        if kind < 0.9:
            share = random.random()
            second = self.embeddings[random.integers(len(self.embeddings))]
            mixture: np.ndarray = share * first + (1 - share) * second
            return mixture
        drawn: np.ndarray = self.mean + self.factor @ random.standard_normal(len(self.mean))
        return drawn

    def draw(self, random: np.random.Generator, content: int) -> np.ndarray:
        """The embedding a content is to be repainted with: z_c blended towards a style, or the style itself."""
        style = self.any(random)
        kind = random.random()
        if kind < 0.3:
            return style
        views = self.of_content[content] if content >= 0 else np.empty(0, np.int64)
        own = self.embeddings[views[random.integers(len(views))]] if len(views) else self.any(random)
        alpha = random.uniform(0.1, 0.3) if kind < 0.85 else random.random()
        return (1 - alpha) * own + alpha * style


class ContentSource:
    """Crops to repaint: photographs first, then recoloured ones, styles and textures."""

    def __init__(self, contents: list[Picture], styles: list[Picture]) -> None:
        self.contents, self.styles = contents, styles

    def draw(self, random: np.random.Generator, side: int) -> tuple[Picture, int]:
        kind = random.random()
        if kind < 0.9:
            index = int(random.integers(len(self.contents)))
            # A window of the product's crop, which is larger than `side`: patterns keep their size in pixels.
            area = float(np.exp(random.uniform(np.log(0.06), np.log(0.8))))
            crop = random_crop(self.contents[index], random, side, (area, area))
            return (recoloured(crop, random) if kind > 0.8 else crop), index
        if kind < 0.96:
            return random_crop(self.styles[int(random.integers(len(self.styles)))], random, side, (0.05, 0.6)), -1
        return texture(int(random.integers(1 << 30)), side), -1


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
            results.append(student.residual_block(index - 3, given, z))
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
    parser = training_parser(__doc__, steps=11_000, batch=4, rate=8e-3)
    parser.add_argument("--forced", type=float, default=0.05, help="share of the steps fed with the teacher's features")
    parser.add_argument("--side", type=int, default=112, help="side of the crops; the last twelfth uses twice that")
    parser.add_argument("--from", type=Path, dest="start", metavar="MODEL", help="model file to start from")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--first-kernel", type=int, default=5)
    parser.add_argument("--last-kernel", type=int, default=5)
    parser.add_argument("--residual-blocks", type=int, default=5)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = split(arguments.data / "images/content", arguments.data / "images/style")
    contents = ContentSource([load(path) for path in parts.contents], [load(path) for path in parts.styles])
    styles = StyleSource(Views(arguments.views), len(parts.contents))

    teacher = load_transformer(arguments.data / "models/magenta-lite/transfer.tflite").to(device)
    shape = TransformerShape(arguments.width, arguments.first_kernel, arguments.last_kernel, arguments.residual_blocks)
    if arguments.start is None:
        student, origin = StyleTransformer(shape), ""
    else:
        start, origin = load_model(arguments.start)[1], provenance_of(arguments.start)
        student = grown(start, shape, teacher.shape.residual_blocks)
    student.to(device)
    for network in (teacher, student):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    blocks = shape.residual_blocks

    def losses(step: int) -> list[Tensor]:
        done = step / arguments.steps
        forced = done < arguments.forced
        large = done > 0.92
        side = arguments.side * 2 if large else arguments.side
        batch = max(2, arguments.batch // 4) if large else arguments.batch
        random = np.random.default_rng([arguments.seed, step])
        drawn = [contents.draw(random, side) for _ in range(batch)]
        z = torch.from_numpy(np.stack([styles.draw(random, index) for _, index in drawn])).float().to(device)
        x = as_images(np.stack([crop for crop, _ in drawn])).to(device)

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
