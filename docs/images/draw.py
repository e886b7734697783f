#!/usr/bin/env python3
"""Draws the pictures of the documents anew, with `sasslctl`, from scenes and textures that the project makes itself.

make pictures
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

from playwright.sync_api import sync_playwright

import sassl

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
state = {{ directory = "{folder}", runtime_directory = "{folder}" }}
"""


#: Of the page: a trainer that takes a batch each second, columns of what was drawn, and a few bad files.
PAGE = """\
batch.size = 32
views.side = 128
ring = {{ drawn = true, slots = 8 }}
limits.max_bad_fraction = 0.5
"""

#: How the page is looked at: the window, the colours, and where it is scrolled to.
LOOKS: dict[str, tuple[dict[str, Any], str]] = {
    "page-light": ({"viewport": {"width": 1100, "height": 1000}, "color_scheme": "light"}, "header"),
    "page-dark": ({"viewport": {"width": 1100, "height": 1000}, "color_scheme": "dark"}, "#history"),
    "page-phone": ({"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}, "header"),
}

#: Whether every picture is there.
LOADED = "document.images.length > 0 && [...document.images].every((image) => image.naturalWidth > 0)"

PROGRAMS = ROOT / ".build" / "release"


def control(*arguments: object) -> None:
    subprocess.run([PROGRAMS / "sasslctl", *map(str, arguments)], check=True)


def draw_page(configuration: pathlib.Path) -> None:
    """Has Chromium look at `sasslctl page` while a daemon makes batches and a trainer takes them."""
    daemon = subprocess.Popen([PROGRAMS / "sassld", "--config", configuration])
    page = subprocess.Popen(
        [PROGRAMS / "sasslctl", "page", "--config", configuration, "--samples", "18"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert page.stdout is not None
        address = page.stdout.readline().strip()
        with sassl.attach("pictures", wait=120) as reader, sync_playwright() as playwright:
            # Long enough for lines of the history.
            until = time.monotonic() + 100
            while time.monotonic() < until:
                with reader.next(timeout=60):
                    time.sleep(0.7)
            # As a trainer at work does, it holds a batch.
            held = reader.next(timeout=60)
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for file, (options, place) in LOOKS.items():
                look = browser.new_page(**options, reduced_motion="reduce")
                look.goto(address)
                # The page lets nobody evaluate text in it, so it is asked again from here.
                while not look.evaluate(LOADED):
                    look.wait_for_timeout(100)
                look.evaluate("(place) => document.querySelector(place).scrollIntoView()", place)
                look.screenshot(path=HERE / f"{file}.jpg", quality=88)
            browser.close()
            held.release()
    finally:
        for process in (page, daemon):
            process.terminate()
            process.wait()


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
        configuration.write_text((CONFIGURATION + "batch.size = 32\n").format(images=images, folder=folder))
        control("preview", "--config", configuration, "--rows", 4, "--difference", 4, "--out", HERE / "preview.jpg")

        (next(images.iterdir()) / "half a file.png").write_bytes((folder / "sea.png").read_bytes()[:5000])
        (next(images.iterdir()) / "notes.jpg").write_text("no picture\n")
        configuration.write_text((CONFIGURATION + PAGE).format(images=images, folder=folder))
        draw_page(configuration)


if __name__ == "__main__":
    main()
