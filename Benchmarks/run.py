#!/usr/bin/env python3
"""Measures everything: the networks, the other operations, the hand-over, the whole pipeline, how it scales.

The result is one JSON file, with the machine, the date, the versions and the commit, and is printed as the tables of
docs/performance.md. `make bench` calls this; `make bench-peers` does so with other loaders and runtimes installed,
which are then measured within the same minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import drawn_pictures
import tables

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "Benchmarks"
NETWORKS = ROOT / ".build" / "release" / "sassl-bench"
EMBEDDED = ROOT / "Sources" / "CEmbeddedModel" / "model.safetensors"
SHAPES = [BENCHMARKS / "shapes" / "lite.json", BENCHMARKS / "shapes" / "full-width.json", EMBEDDED]
SIDES = (64, 112, 160, 224, 320, 448)
#: What the peers consist of, as their requirements name it.
PEER_PACKAGES = ("nvidia-dali-cuda120", "onnxruntime", "openvino", "torch", "torchvision", "webdataset")


def measured(*command: str | pathlib.Path, **environment: str) -> list[dict[str, Any]]:
    """The JSON objects that a program of this folder prints, one a line."""
    print("+", *(str(part).removeprefix(f"{ROOT}/") for part in command), file=sys.stderr, flush=True)
    run = subprocess.run(
        [*command, "--json"], env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def processor() -> str:
    """The processor's name; a virtual machine's often says little, so family and model stand beside it."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = " ".join(facts.get("model name", platform.machine()).split())
    return f"{name} (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else name


def busy_percent(seconds: float = 3) -> int:
    """How much of all cores is in use while this program waits: by somebody else, that is."""

    def times() -> tuple[int, int]:
        first = pathlib.Path("/proc/stat").read_text().splitlines()[0]
        counts = [int(word) for word in first.split()[1:9]]
        return sum(counts), counts[3] + counts[4]

    total, idle = times()
    time.sleep(seconds)
    total_after, idle_after = times()
    return round(100 * (1 - (idle_after - idle) / (total_after - total)))


def versions_of_peers(python: str) -> dict[str, str]:
    """The versions of those peers that an interpreter has."""
    program = (
        "import importlib.metadata as m, json\n"
        f"found = {{d.metadata['Name'].lower(): d.version for d in m.distributions()}}\n"
        f"print(json.dumps({{name: found[name] for name in {PEER_PACKAGES!r} if name in found}}))"
    )
    run = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


def versions(python: str) -> dict[str, str]:
    """What is measured, and beside what: the packages of an interpreter."""
    ours = {"sassl": (ROOT / "VERSION").read_text().strip(), "python": platform.python_version()}
    return ours | versions_of_peers(python)


def today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def commit() -> str | None:
    """The commit that is measured, with `-dirty` behind it where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip() or None


def networks(peer: str, seconds: float) -> dict[str, Any]:
    """The two style networks alone."""
    shapes = [part for shape in SHAPES for part in ("--shape", shape)]
    common = ("--seconds", str(seconds))
    result: dict[str, Any] = {
        "beside_peers": measured(NETWORKS, *shapes, *common, SASSL_PYTHON=peer),
        "one_thread": measured(NETWORKS, *shapes, *common, "--no-peers", "--threads", "1"),
        "reference_engine": measured(NETWORKS, *shapes, *common, "--no-peers", "--reference"),
        "sides": measured(
            NETWORKS, "--shape", EMBEDDED, "--network", "transformer", "--no-peers", *common,
            *(part for side in SIDES for part in ("--side", str(side))),
        ),
        "layers": measured(NETWORKS, "--shape", EMBEDDED, "--layers", *common),
    }  # fmt: skip
    # A processor that lacks the instructions runs others, and says so.
    result["other_instructions"] = [
        row
        for path in ("avx512", "avx2", "portable")
        if path != result["one_thread"][0]["path"]
        for row in measured(NETWORKS, *shapes, *common, "--no-peers", SASSL_CPU=path)
        if row["path"] == path
    ]
    return result


def everything(data: pathlib.Path, peer: str, quick: bool) -> dict[str, Any]:
    """The whole result."""
    python = sys.executable
    seconds, epochs, batches = (0.02, 2, 20) if quick else (4.0, 4, 300)
    busy = [busy_percent()]
    result: dict[str, Any] = {
        "format": tables.FORMAT,
        "quick": quick,
        "date": today(),
        "commit": commit(),
        "versions": versions(peer),
        "data": drawn_pictures.described(data),
        "networks": networks(peer, seconds),
        "operations": measured(ROOT / ".build" / "release" / "sassl-bench-pictures"),
        "hand_over": measured(python, BENCHMARKS / "ring.py", "--count", str(batches))[0],
    }
    where: tuple[str | pathlib.Path, ...] = ("--data", data)
    result["pipeline"] = measured(
        python, BENCHMARKS / "pipeline.py", *where, "--epochs", str(epochs), "--peer-python", peer
    )[0]
    result["scaling"] = measured(python, BENCHMARKS / "scaling.py", *where, "--seconds", str(max(1.0, seconds)))[0]
    busy.append(busy_percent())
    result["machine"] = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernels": result["networks"]["one_thread"][0]["path"],
        "system": f"{platform.system()} {platform.release()}",
        "busy_percent_before_and_after": busy,
    }
    return result


def file_name(machine: Mapping[str, Any]) -> str:
    """One file for each kind of machine: a later run takes the place of an earlier one, which stays in the history."""
    words = re.findall(r"[a-z0-9]+", f"{machine['processor']} {machine['cores']} cores {machine['kernels']}".lower())
    return "-".join(words) + ".json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, help="a folder of pictures (default: 480 that are drawn)")
    parser.add_argument("--quick", action="store_true", help="only try whether everything runs; the figures say little")
    parser.add_argument("--out", type=pathlib.Path, help="the JSON file (default: in Benchmarks/results, by machine)")
    options = parser.parse_args()
    data = options.data
    if data is None:
        count = 160 if options.quick else 480
        data = ROOT / ".build" / "benchmarks" / f"pictures-{count}"
        drawn_pictures.make(data, count)
    peer = os.environ.get("PEER_PYTHON", sys.executable)
    result = everything(data.resolve(), peer, options.quick)
    out = options.out or BENCHMARKS / "results" / file_name(result["machine"])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    for block in tables.BLOCKS.values():
        print(f"\n{block(result)}")
    print(f"\nkept in {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
