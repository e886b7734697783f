#!/usr/bin/env python3
"""Draws the pictures of the documents anew, with `sasslctl`, from scenes and textures that the project makes itself.

make pictures
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "Tests" / "SamplePictures"))

from png import write  # noqa: E402
from scenes import scene  # noqa: E402
from textures import texture  # noqa: E402

#: Contents by their kind and number, styles by the seed of their texture: easy to tell apart when small.
SCENES = {"sea": ("seas", 10), "balloons": ("balloons", 6), "fruit": ("fruits", 2)}
TEXTURES = {"strata": 3, "cells": 8, "hatching": 27, "waves": 32, "mosaic": 10}

CONFIGURATION = """\
stream = {{ name = "pictures", seed = 5 }}
dataset = {{ path = "{images}", layout = "image-folder" }}
batch.size = 32
state = {{ directory = "{folder}", runtime_directory = "{folder}" }}
"""


def control(*arguments: object) -> None:
    subprocess.run([ROOT / ".build" / "release" / "sasslctl", *map(str, arguments)], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for content, (kind, number) in SCENES.items():
            write(folder / f"{content}.png", scene(kind, number))
        for style, seed in TEXTURES.items():
            write(folder / f"{style}.png", texture(seed, 224))

        contents = [part for content in SCENES for part in ("--content", folder / f"{content}.png")]
        styles = [part for style in TEXTURES for part in ("--style", folder / f"{style}.png")]
        full_strength = ("--alpha", 1, "--beta", 1, "--side", 160)
        control("stylize", *contents, *styles, *full_strength, "--out", HERE / "styles.jpg")

        one = ("--content", folder / "balloons.png", "--style", folder / "cells.png")
        scale = ("--alpha", "0.1,0.3,0.6,1", "--beta", "0.1,0.3,0.6,1", "--side", 160)
        control("stylize", *one, *scale, "--out", HERE / "strength.jpg")

        images = folder / "images"
        render = ROOT / "Tests" / "SamplePictures" / "render_samples.py"
        subprocess.run([sys.executable, render, "--out", images], check=True)
        configuration = folder / "sassld.toml"
        configuration.write_text(CONFIGURATION.format(images=images, folder=folder))
        control("preview", "--config", configuration, "--rows", 4, "--difference", 4, "--out", HERE / "preview.jpg")


if __name__ == "__main__":
    main()
