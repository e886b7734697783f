#!/usr/bin/env python3
"""The style networks in ONNX Runtime and OpenVINO: images per second of the fastest, fp32.

Called by `sassl-bench`, which runs it between two measurements of its own, and prints the ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from style_networks import export


def rate(call: Callable[[], None], images: int, seconds: float) -> float:
    """Images per second: the median over calls of `images` each."""
    call()
    call()
    times: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 3:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return images / statistics.median(times)


def with_onnxruntime(model: pathlib.Path, feed: dict[str, Any], threads: int, seconds: float) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return rate(lambda: session.run(None, feed), len(feed["x"]), seconds)


def with_openvino(model: pathlib.Path, feed: dict[str, Any], threads: int, seconds: float) -> float:
    import openvino

    compiled = openvino.Core().compile_model(
        str(model),
        "CPU",
        {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    queue = openvino.AsyncInferQueue(compiled, threads)
    requests = 2 * threads

    def call() -> None:
        for _ in range(requests):
            queue.start_async(feed)
        queue.wait_all()

    return rate(call, requests * len(feed["x"]), seconds)


RUNTIMES = {"onnxruntime": with_onnxruntime, "openvino": with_openvino}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=["transformer", "predictor"])
    parser.add_argument(
        "--shape",
        type=pathlib.Path,
        required=True,
        help="a shape (JSON) or a model file",
    )
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=4, help="for each runtime and batch size")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for batch in (1, 8):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "network.onnx"
            # The exporter is talkative, also on standard output.
            with contextlib.redirect_stdout(io.StringIO()):
                tensors = export(options.shape, options.network, options.side, batch, model)
            feed = {name: tensor.numpy() for name, tensor in tensors.items()}
            for name, measure in RUNTIMES.items():
                speed = measure(model, feed, options.threads, options.seconds)
                rows.append(
                    {
                        "runtime": name,
                        "batch": batch,
                        "images_per_second": round(speed, 1),
                    }
                )
                if not options.json:
                    print(
                        f"{options.network:12s} {name:12s} batch {batch}  {speed:8.1f} images/s",
                        flush=True,
                    )
    best = max(rows, key=lambda row: row["images_per_second"])
    if options.json:
        json.dump(
            {
                "network": options.network,
                "rows": rows,
                "best_images_per_second": best["images_per_second"],
            },
            sys.stdout,
        )
        print()


if __name__ == "__main__":
    main()
