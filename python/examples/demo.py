#!/usr/bin/env python3
"""The main job from nothing: a folder of pictures, a daemon, and a trainer that reads stylized batches.

Starts `sassld` on a folder (by default pictures that the project draws itself), reads whole epochs from the ring as a
trainer would, checks that every sample came exactly once an epoch, prints `sasslctl status`, and writes a preview.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import subprocess
import sys
import time

import sassl

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / ".build" / "release"

CONFIGURATION = """\
[stream]
name = "{name}"
seed = 1

[dataset]
path = "{data}"
layout = "{layout}"

[batch]
size = {batch}
last_batch = "{last_batch}"

[views]
preset = "mocov2"
side = 224

[style]
model = "{model}"

[state]
directory = "{work}/state"
runtime_directory = "{work}/run"
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, help="folder of pictures (default: pictures drawn for the demo)")
    parser.add_argument("--model", default="", help="style model file (default: the embedded model)")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "demo", help="where everything is written")
    parser.add_argument("--epochs", type=int, default=2, help="how many epochs the trainer reads")
    parser.add_argument("--batch", type=int, default=32, help="samples of one batch")
    return parser.parse_args()


def layout_of(folder: pathlib.Path) -> str:
    """Class directories where there are any, a flat folder otherwise."""
    return "image-folder" if any(entry.is_dir() for entry in folder.iterdir()) else "flat"


def read_epochs(name: str, epochs: int) -> int:
    """Reads whole epochs as a trainer would; returns how many images came, and fails if one came twice."""
    seen: collections.Counter[int] = collections.Counter()
    images = 0
    start = time.perf_counter()
    with sassl.attach(name, start=0) as ring:
        for batch in ring:
            if batch.epoch >= epochs:
                break
            for sample in batch.sample_ids.tolist():
                seen[(batch.epoch << 40) | sample] += 1
            images += len(batch.sample_ids)
            if batch.step % 5 == 0:
                rate = images / (time.perf_counter() - start)
                stylized = int(batch.applied.sum())
                print(
                    f"epoch {batch.epoch} step {batch.step:3d}: views {batch.views[0].shape} {batch.views[1].shape}, "
                    f"{stylized}/{len(batch.applied)} stylized, {rate:.0f} images/s",
                    flush=True,
                )
    repeated = [key for key, count in seen.items() if count != 1]
    if repeated:
        raise SystemExit(f"{len(repeated)} samples came more than once in an epoch")
    print(f"read {images} images, each exactly once an epoch, in {time.perf_counter() - start:.1f} s")
    return images


def main() -> int:
    options = arguments()
    work: pathlib.Path = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if options.data is None:
        data = work / "images"
        subprocess.run(
            [sys.executable, ROOT / "Tests" / "SamplePictures" / "render_samples.py", "--out", data], check=True
        )
    else:
        data = options.data.resolve()
    configuration = work / "sassld.toml"
    configuration.write_text(
        CONFIGURATION.format(
            name="demo",
            data=data,
            layout=layout_of(data),
            batch=options.batch,
            last_batch="drop",
            model=options.model and pathlib.Path(options.model).resolve(),
            work=work,
        )
    )
    with (work / "sassld.log").open("w") as log:
        daemon = subprocess.Popen([PROGRAMS / "sassld", "--config", configuration], stdout=log, stderr=log)
        try:
            read_epochs("demo", options.epochs)
            print(flush=True)
            subprocess.run([PROGRAMS / "sasslctl", "status", "--config", configuration], check=True)
        except sassl.SasslError as error:
            print((work / "sassld.log").read_text(), file=sys.stderr)
            raise SystemExit(f"demo: {error}") from error
        finally:
            daemon.terminate()
            code = daemon.wait(timeout=60)
    if code != 0:
        print((work / "sassld.log").read_text(), file=sys.stderr)
        return code
    preview = work / "preview.png"
    subprocess.run([PROGRAMS / "sasslctl", "preview", "--config", configuration, "--out", preview], check=True)
    print(f"\nlook at {preview}: how each view came about, and what the trainer reads")
    return 0


if __name__ == "__main__":
    sys.exit(main())
