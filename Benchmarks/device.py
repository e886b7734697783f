#!/usr/bin/env python3
"""The way to the device: bytes a second to a GPU, and how long a training step takes that is fed over it.

Each way hands out the same batches of a ring, normalized, in channels-last memory:

    loader     sassl.torch.DeviceLoader, which copies from the page-locked ring
    buffer     the same where memory cannot be page-locked: through a pinned buffer
    pinned     DataLoader(RingDataset, batch_size=None, pin_memory=True), and .to(device, non_blocking=True)
    pageable   RingDataset, and .to(device)

First as fast as they can, then with a training step of a convolutional network between two batches, some steps in turns
with some on a batch that is on the device already: how much longer a step takes is what a way costs. A process
publishes batches whenever there is room, without making them. `--device cpu` only tries whether it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
import unittest.mock
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import Any, NoReturn

import torch
from torch.utils.data import DataLoader

import sassl
from sassl._drivers import CudaDriver
from sassl._producer import RingField, RingProducer
from sassl._transfers import PageLockRefusedError
from sassl.torch import DeviceLoader, RingDataset

UINT8, INT64 = 1, 8
SLOTS = 8
# Between two looks at the clock, so that one step may overlap with the next.
STEPS = 5

Views = list[torch.Tensor]


def publish(directory: str, side: int, batch: int, ready: Any, stop: Any) -> None:
    """The producing process: what lies in the slots, again and again."""
    views = [(f"view{view}", UINT8, (batch, side, side, 3)) for view in (0, 1)]
    with RingProducer(
        directory,
        "bench",
        rank=0,
        world_size=1,
        batch_size=batch,
        slots=SLOTS,
        fields=[RingField(*field) for field in [*views, ("labels", INT64, (batch,))]],
        batches_per_epoch=0,
        fingerprint=bytes(32),
    ) as producer:
        ready.set()
        while not stop.is_set():
            reservation = producer.reserve(timeout=0.1)
            if reservation is not None:
                producer.publish(reservation, epoch=0, step=reservation.number, count=batch)


@contextlib.contextmanager
def ring(side: int, batch: int) -> Iterator[str]:
    """The directory of a ring that is filled as fast as it can be read."""
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        process = context.Process(target=publish, args=(directory, side, batch, ready, stop))
        process.start()
        try:
            ready.wait(60)
            yield directory
        finally:
            stop.set()
            process.join()


def normalized(views: Any, device: torch.device, dtype: torch.dtype, *, non_blocking: bool) -> Views:
    """What a script without a loader does itself."""
    moved = [view.to(device, non_blocking=non_blocking).permute(0, 3, 1, 2) for view in views]
    return [view.to(dtype).div_(255).sub_(0.45).div_(0.225) for view in moved]


def loader(directory: str, device: torch.device, dtype: torch.dtype) -> Generator[Views, None, None]:
    dataset = RingDataset("bench", directory=directory, endless=True)
    with contextlib.closing(dataset):
        for views, _ in DeviceLoader(dataset, device, dtype=dtype):
            yield views


def buffer(directory: str, device: torch.device, dtype: torch.dtype) -> Generator[Views, None, None]:
    with unittest.mock.patch.object(CudaDriver, "register", refuse), warnings.catch_warnings():
        warnings.simplefilter("ignore", sassl.PageLockWarning)
        yield from loader(directory, device, dtype)


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise PageLockRefusedError("for comparison")


def pinned(directory: str, device: torch.device, dtype: torch.dtype) -> Generator[Views, None, None]:
    dataset = RingDataset("bench", directory=directory, endless=True)
    with contextlib.closing(dataset):
        for batch in DataLoader(dataset, batch_size=None, pin_memory=device.type == "cuda"):
            yield normalized(batch.views, device, dtype, non_blocking=True)


def pageable(directory: str, device: torch.device, dtype: torch.dtype) -> Generator[Views, None, None]:
    dataset = RingDataset("bench", directory=directory, endless=True)
    with contextlib.closing(dataset):
        for batch in dataset:
            yield normalized(batch.views, device, dtype, non_blocking=False)


WAYS: dict[str, Callable[[str, torch.device, torch.dtype], Generator[Views, None, None]]] = {
    way.__name__: way for way in (loader, buffer, pinned, pageable)
}


def seconds(count: int, device: torch.device, work: Callable[[], object]) -> float:
    """How long the device takes for work, of `count` times one; what it copies ahead meanwhile is not waited for."""
    begin = time.perf_counter()
    for _ in range(count):
        work()
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    return (time.perf_counter() - begin) / count


def trainer(device: torch.device, dtype: torch.dtype) -> Callable[[Views], None]:
    """A step of a convolutional network on both views."""
    widths = [3, 64, 128, 256]
    layers: list[torch.nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [torch.nn.Conv2d(before, after, 3, stride=2, padding=1), torch.nn.ReLU()]
    network: Any = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    network = network.to(device, dtype, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 1e-4)

    def step(views: Views) -> None:
        first, second = (network(view).float() for view in views[:2])
        optimizer.zero_grad()
        loss: Any = torch.nn.functional.mse_loss(first, second)
        loss.backward()
        optimizer.step()

    return step


def measured(
    name: str, directory: str, options: argparse.Namespace, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    step = trainer(device, dtype)
    copied = 2 * options.batch * options.side**2 * 3
    with contextlib.closing(WAYS[name](directory, device, dtype)) as batches:
        resident = [view.clone() for view in next(batches)]
        seconds(STEPS, device, lambda: step(next(batches)))
        reading = seconds(options.count, device, lambda: next(batches))
        fed, alone = [], []
        for _ in range(0, options.count, STEPS):
            fed.append(seconds(STEPS, device, lambda: step(next(batches))))
            alone.append(seconds(STEPS, device, lambda: step(resident)))
    return {
        "way": name,
        "bytes_per_second": round(copied / reading),
        "step_seconds": statistics.median(fed),
        "resident_step_seconds": statistics.median(alone),
        "step_ratio": round(statistics.median(f / a for f, a in zip(fed, alone, strict=True)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--count", type=int, default=100, help="batches for each figure, a multiple of 5")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        words = f"there is no GPU that this PyTorch ({torch.__version__}) sees, so nothing was measured"
        print(json.dumps({"measured": False, "reason": words}) if options.json else words)
        return
    # On a busy processor several threads may be much slower than one.
    torch.set_num_threads(1)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with ring(options.side, options.batch) as directory:
        rows = [measured(name, directory, options, device, dtype) for name in WAYS]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor, to try this"
    if options.json:
        print(json.dumps({"measured": True, "device": name, "rows": rows}))
        return
    print(f"two views, {options.batch} x {options.side} x {options.side} x 3, to {name}")
    print(f"{'':10s}{'pixels':>12s}{'of loader':>12s}{'step, of one that needs no copy':>34s}")
    for row in rows:
        ratio = row["bytes_per_second"] / rows[0]["bytes_per_second"]
        print(f"{row['way']:10s}{row['bytes_per_second'] / 1e9:7.1f} GB/s{ratio:12.2f}{row['step_ratio']:34.3f}")


if __name__ == "__main__":
    main()
