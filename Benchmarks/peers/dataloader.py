#!/usr/bin/env python3
"""What could be assembled without sassld: a DataLoader with torchvision's MoCo v2 recipe, and style by OpenVINO.

Each worker decodes, crops twice and augments; with `--style`, it also runs the style networks, one thread each, on the
first view with probability 0.8. One image is one sample: two views.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pathlib
import random
import statistics
import tempfile
import time
from typing import Any

import numpy as np
import torch
from style_networks import export
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

SIDE = 224
ALPHA = BETA = (0.1, 0.3)


class Style:
    """Algorithm 1 of the SASSL paper with styles of a bank, in OpenVINO."""

    def __init__(self, predictor: pathlib.Path, transformer: pathlib.Path) -> None:
        import openvino

        core = openvino.Core()
        wanted = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.predictor = core.compile_model(str(predictor), "CPU", wanted)
        self.transformer = core.compile_model(str(transformer), "CPU", wanted)
        self.side: int = self.predictor.input(0).shape[2]
        self.bank = (np.random.default_rng(0).standard_normal((64, 100)) * 0.8).astype(np.float32)

    def __call__(self, view: torch.Tensor) -> torch.Tensor:
        content = view.float().div(255)[None]
        small = v2.functional.resize(content, [self.side, self.side], antialias=True)
        own = self.predictor(small.numpy())[0]
        alpha, beta = random.uniform(*ALPHA), random.uniform(*BETA)
        blended = ((1 - alpha) * own + alpha * self.bank[random.randrange(len(self.bank))][None]).astype(np.float32)
        stylized = torch.from_numpy(self.transformer({"x": content.numpy(), "z": blended})[0])
        return ((1 - beta) * content + beta * stylized)[0].mul(255).round().to(torch.uint8)


class TwoViews(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Two augmented views of each picture of a folder."""

    def __init__(
        self,
        files: list[pathlib.Path],
        networks: tuple[pathlib.Path, pathlib.Path] | None,
    ) -> None:
        self.files, self.networks = files, networks
        self.style: Style | None = None
        self.crop = v2.RandomResizedCrop(SIDE, (0.2, 1.0), antialias=True)
        self.rest = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
                v2.RandomGrayscale(0.2),
                v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], p=0.5),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.networks is not None and self.style is None:
            # Here and not earlier: compiled networks cannot be sent to a worker process.
            self.style = Style(*self.networks)
        image = decode_image(str(self.files[index]), ImageReadMode.RGB)
        first, second = self.crop(image), self.crop(image)
        if self.style is not None and random.random() < 0.8:
            first = self.style(first)
        return self.rest(first), self.rest(second)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder of pictures")
    parser.add_argument(
        "--style",
        type=pathlib.Path,
        help="a shape (JSON) or model file; without it, no style",
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(path for path in options.data.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as folder:
        networks: tuple[pathlib.Path, pathlib.Path] | None = None
        if options.style:
            networks = (
                pathlib.Path(folder) / "predictor.onnx",
                pathlib.Path(folder) / "transformer.onnx",
            )
            with contextlib.redirect_stdout(io.StringIO()):
                export(options.style, "predictor", SIDE, 1, networks[0])
                export(options.style, "transformer", SIDE, 1, networks[1])
        loader: DataLoader[Any] = DataLoader(
            TwoViews(files, networks),
            options.batch,
            num_workers=options.workers,
            shuffle=True,
            persistent_workers=True,
            drop_last=True,
        )
        rates: list[float] = []
        for _ in range(options.epochs):
            start = time.perf_counter()
            images = sum(len(first) for first, _ in loader)
            rates.append(images / (time.perf_counter() - start))
    rate = round(statistics.median(rates[1:] or rates), 1)
    if options.json:
        print(json.dumps({"images_per_second": rate}))
    else:
        print(
            f"DataLoader, {options.workers} workers, {'style by OpenVINO' if networks else 'no style'}: {rate} images/s"
        )


if __name__ == "__main__":
    main()
