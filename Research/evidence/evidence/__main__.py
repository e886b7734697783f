"""The command line: `python -m evidence --help`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Final

import torch

from .memory import keep_freed_memory
from .publishing import publish
from .report import write_report
from .scheduler import BUSY, carry_out, carry_out_all
from .shards import unpack
from .study import StudyError, load

#: Logs of the studies that the repository shows, in folders that are named after the studies' files.
RESULTS: Final = Path(__file__).resolve().parents[1] / "results"


def _say(text: str) -> None:
    # In one piece, so that what several threads say does not mix.
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {text}\n", end="", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m evidence", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="make data/train and data/val from tar shards")
    prepare.add_argument("folder", type=Path, help="of the study")
    prepare.add_argument("--train", type=Path, nargs="+", required=True, metavar="TAR")
    prepare.add_argument("--val", type=Path, nargs="+", required=True, metavar="TAR")
    for name, text in (
        ("run", "train and measure one run, from where it was stopped"),
        ("queue", "train and measure every run that is not finished, then write the report"),
        ("report", "write the report from the logs that there are"),
        (
            "publish",
            "keep the logs of finished runs in results, and write the sections and figures of a page from them",
        ),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("study", type=Path, help="TOML file")
        command.add_argument("folder", type=Path, help="holds data and results")
        if name == "run":
            command.add_argument("name", help="METHOD-ARM-SEED")
        if name == "publish":
            command.add_argument("page", type=Path, help="Markdown file with sections `<!-- evidence: NAME -->`")
        if name == "queue":
            cores = len(os.sched_getaffinity(0))
            command.add_argument("--processes", type=int, default=cores, help="runs at a time (default: one per core)")
    return parser.parse_args()


def main() -> int:
    """Does what the command line says; returns the exit code."""
    options = _options()
    if options.command == "prepare":
        for part, shards in (("train", options.train), ("val", options.val)):
            count = unpack(shards, options.folder / "data" / part)
            _say(f"{count} pictures in {options.folder / 'data' / part}")
        return 0
    file, folder = options.study.resolve(), options.folder.resolve()
    study = load(file, folder)
    if options.command == "run":
        # Also for what the libraries below PyTorch compute; the scheduler says so to the others.
        torch.set_num_threads(1)
        keep_freed_memory()
        return 0 if carry_out(study, study.run_named(options.name), _say) else BUSY
    if options.command == "publish":
        publish(study, RESULTS / file.stem, options.page)
        _say(f"wrote {options.page}, its figures, and {RESULTS / file.stem}")
        return 0
    failed = []
    if options.command == "queue":
        failed = carry_out_all(file, study, max(options.processes, 1), _say)
    _say(f"wrote {write_report(study, folder / 'report')}")
    for run in failed:
        _say(f"{run.name}: failed, see above; the next `queue` tries again")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StudyError as error:
        sys.exit(f"evidence: {error}")
    except KeyboardInterrupt:
        sys.exit("evidence: stopped; the same command goes on from here")
