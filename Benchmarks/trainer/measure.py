#!/usr/bin/env python3
"""Does the trainer wait? A training step on batches from memory, from `sassld`, and from a DataLoader.

The trainer has one core and the data has others. README.md beside this file explains the method. The result is kept in
Benchmarks/results/trainer, by machine; `make bench-trainer` calls this.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from measuring import BASELINE, rounds, summary, turn
from sources import ROOT, Loader, Resident, Ring, Source, Sources, Taken
from training import Network, Trainer

sys.path.insert(0, str(ROOT / "Benchmarks"))
import drawn_pictures
import run
import tables

#: How many cores a trainer is to need, of those that the data has, in the measurements around the limit.
AROUND = (0.8, 1.25, 2.0)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def resident(ring: Ring, count: int) -> Resident:
    """Batches of a ring that are kept in memory."""
    taken: list[Taken] = [ring.take(lambda view: view.clone()) for _ in range(count)]
    return Resident([(first, second) for first, second, _ in taken])


def around_the_limit(sources: Sources, batch: int, side: int, device: str, core_seconds: float) -> list[Network]:
    """Small networks that need about the shares `AROUND` of one core, found by how long their steps take.

    :param core_seconds: what an image costs `sassld`, divided by the number of cores that it has.
    """

    def seconds(pictures: int) -> float:
        trainer = Trainer(Network("resnet18", 16, pictures), side, device)
        return min(step.seconds for step in turn(trainer, sources, BASELINE))

    few, many = max(2, batch // 8), batch
    fast, slow = seconds(few), seconds(many)
    per_picture = (slow - fast) / (many - few)
    wanted = [batch * core_seconds / share for share in AROUND]
    pictures = [min(batch, max(2, round(few + (step - fast) / per_picture))) for step in wanted]
    return [Network("resnet18", 16, count) for count in dict.fromkeys(pictures)]


def measured(options: argparse.Namespace, data: pathlib.Path, sources: Sources, style: Ring) -> list[dict[str, Any]]:
    """What is found for each trainer."""
    batch, side, device = options.batch, options.side, options.device
    sources.settle()
    networks = [Network(options.network, 64, batch), Network(options.network, 32, batch)]
    networks += around_the_limit(sources, batch, side, device, style.core_seconds() / len(options.data_cores))
    if options.quick:
        networks = networks[-1:]
    rows = []
    for position, network in enumerate(networks, 1):

        def progress(done: int, position: int = position, network: Network = network) -> None:
            say(f"trainer {position} of {len(networks)} ({network.title}): {done} {'rounds' if done > 1 else 'round'}")

        steps = rounds(
            Trainer(network, side, device), sources, 0 if options.quick else 60 * options.minutes / len(networks),
            progress, least=2 if options.quick else 4,
        )  # fmt: skip
        found, core_seconds = summary(steps), style.core_seconds()
        rate = batch * 1000 / found[BASELINE]["step_milliseconds"]
        rows.append(
            {
                "trainer": network.title,
                "pictures": network.pictures,
                "images_per_second": round(rate, 2),
                "daemon_core_microseconds": round(core_seconds * 1e6, 1),
                "needed_cores": round(rate * core_seconds, 4),
                "rounds": len(steps[BASELINE]),
                "sources": found,
            }
        )
    return rows


def arguments() -> argparse.Namespace:
    allowed = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, help="a folder of pictures (default: 480 that are drawn)")
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--network", choices=("resnet18", "resnet50"), default="resnet18")
    parser.add_argument("--device", default="cpu", help="cuda where the trainer has an accelerator")
    parser.add_argument("--data-cores", type=int, default=len(allowed) - 1, help="cores of daemon or DataLoader")
    parser.add_argument("--minutes", type=float, default=6, help="for all trainers together")
    parser.add_argument("--quick", action="store_true", help="only try whether it runs; the figures say little")
    parser.add_argument("--out", type=pathlib.Path, help="the JSON file (default: in Benchmarks/results/trainer)")
    options = parser.parse_args()
    if not 0 < options.data_cores < len(allowed):
        parser.error(f"the trainer has a core of its own, so of {len(allowed)} at most {len(allowed) - 1} are for data")
    options.trainer_core, options.data_cores = allowed[0], allowed[1 : 1 + options.data_cores]
    return options


def main() -> None:
    options = arguments()
    data = options.data
    if data is None:
        data = ROOT / ".build" / "benchmarks" / "pictures-480"
        drawn_pictures.make(data, 480)
    data = data.resolve()
    cores: Sequence[int] = options.data_cores
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {options.trainer_core})
    look = 0.2 if options.quick else 3.0
    busy = [run.busy_percent(look)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        styled = Ring(folder, data, cores, style=True, batch=options.batch, side=options.side)
        plain = Ring(folder, data, cores, style=False, batch=options.batch, side=options.side)
        by_name: dict[str, Source] = {BASELINE: resident(styled, 4), "style": styled, "plain": plain}
        if importlib.util.find_spec("torchvision") is None:
            say("torchvision is not installed here: the DataLoader is not measured")
        else:
            by_name["dataloader"] = Loader(data, cores, batch=options.batch, side=options.side)
        with Sources(by_name) as sources:
            kernels = styled.status()["cpu_path"]
            rows = measured(options, data, sources, styled)
    busy.append(run.busy_percent(look))
    machine = {
        "processor": run.processor(),
        "cores": 1 + len(cores),
        "kernels": kernels,
        "system": f"{platform.system()} {platform.release()}",
        "busy_percent_before_and_after": busy,
    }
    result = {
        "format": tables.FORMAT,
        "quick": options.quick,
        "date": run.today(),
        "commit": run.commit(),
        "versions": run.versions(sys.executable) | {"torch": torch.__version__},
        "machine": machine,
        "data": drawn_pictures.described(data),
        "batch": options.batch,
        "side": options.side,
        "device": options.device,
        "data_cores": len(cores),
        "trainers": rows,
    }
    out = options.out or tables.RESULTS / "trainer" / run.file_name(machine)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    print(tables.trainer(result))
    say(f"kept in {out}")


if __name__ == "__main__":
    main()
