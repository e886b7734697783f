"""The options that the examples share, and what follows from them for `sassl.serve`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def options(description: str | None) -> argparse.ArgumentParser:
    """The options that all examples have which start a sassld of their own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    parser.add_argument("--epochs", type=int, default=2, help="epochs to train, those before a resume included")
    parser.add_argument("--batch", type=int, default=32, help="samples of a batch, a multiple of 32")
    parser.add_argument("--side", type=int, default=64, help="width and height of the views in pixels")
    parser.add_argument("--rate", type=float, default=0.001, help="learning rate")
    return parser


def checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of those that can be stopped and resumed anywhere."""
    parser.add_argument("--checkpoint", type=Path, help="where to resume from, if it exists, and to save to")
    parser.add_argument("--steps", type=int, help="stop after so many batches, in the middle of an epoch too")


def settings(chosen: argparse.Namespace, preset: str = "simclr") -> dict[str, Any]:
    """What `sassl.serve` is to make, as keys of sassld's configuration."""
    return {"layout": "flat", "preset": preset, "batch_size": chosen.batch, "side": chosen.side}
