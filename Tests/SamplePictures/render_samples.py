#!/usr/bin/env python3
"""Renders sample pictures to try the program on: procedural scenes in one folder per class. Needs numpy only.

    python3 Tests/SamplePictures/render_samples.py --out demo/images

The same command writes the same bytes every time. Pictures that are already there are kept.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from png import write
from scenes import SCENES, scene


def render(job: tuple[Path, str, int, int, int]) -> None:
    path, kind, number, width, height = job
    partial = path.with_suffix(".partial")
    write(partial, scene(kind, number, width, height))
    partial.replace(path)  # A picture is either whole or absent, also when this is interrupted.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to fill; class folders are made inside")
    parser.add_argument("--count", type=int, default=96, help="pictures in all, shared among the classes")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    arguments = parser.parse_args()

    kinds = list(SCENES)
    jobs: list[tuple[Path, str, int, int, int]] = []
    for index in range(arguments.count):
        kind, number = kinds[index % len(kinds)], index // len(kinds)
        path = arguments.out / kind / f"{kind}-{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            jobs.append((path, kind, number, arguments.width, arguments.height))
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(render, jobs, chunksize=4))
    print(f"{arguments.count} pictures in {arguments.out} ({len(jobs)} new)")


if __name__ == "__main__":
    main()
