"""Where a training step's batches come from: memory, a ring of `sassld`, or a PyTorch DataLoader.

All hand over the same thing: two views of 32 pictures, each a tensor of bytes [batch, side, side, 3].
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

import sassl
from sassl.torch import TensorBatch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / ".build" / "release"

Views = tuple[Tensor, Tensor]

CONFIGURATION = """
[stream]
name = "{name}"
[dataset]
path = "{data}"
layout = "flat"
[batch]
size = {batch}
[views]
preset = "mocov2"
side = {side}
[style]
enabled = {style}
[ring]
slots = {slots}
[workers]
count = {workers}
[state]
directory = "{folder}"
runtime_directory = "{folder}"
"""


class Taken(NamedTuple):
    """What became of a batch's two views, and for how long it was waited for, in seconds."""

    first: Tensor
    second: Tensor
    waited: float


class Source(Protocol):
    """Who hands over batches."""

    def take(self, use: Callable[[Tensor], Tensor]) -> Taken:
        """Waits for the next batch, and returns what `use` makes of its views; then the batch goes back."""

    def empty(self) -> None:
        """Throws away the batches that were made in advance."""

    def is_quiet(self) -> bool:
        """Whether nothing is being made in the background, and nothing will be until a batch is taken."""

    def close(self) -> None:
        """Ends whoever makes batches."""


class Resident:
    """The same few batches again and again: what a trainer costs that never waits."""

    def __init__(self, batches: Sequence[Views]) -> None:
        self._batches = batches
        self._next = 0

    def take(self, use: Callable[[Tensor], Tensor]) -> Taken:
        self._next += 1
        first, second = self._batches[self._next % len(self._batches)]
        return Taken(use(first), use(second), 0)

    def empty(self) -> None: ...

    def is_quiet(self) -> bool:
        return True

    def close(self) -> None: ...


class Ring:
    """A `sassld` on cores of its own, and its ring."""

    def __init__(
        self, folder: pathlib.Path, data: pathlib.Path, cores: Sequence[int], *, style: bool, batch: int, side: int
    ) -> None:
        self._name = f"trainer-{os.getpid()}-{'style' if style else 'plain'}"
        self._slots = 4
        place = folder / self._name
        place.mkdir()
        self._file = place / "sassld.toml"
        self._file.write_text(
            CONFIGURATION.format(
                name=self._name, data=data, batch=batch, side=side, style=str(style).lower(), slots=self._slots,
                workers=len(cores), folder=place,
            )
        )  # fmt: skip
        through = ["taskset", "--cpu-list", ",".join(map(str, cores))]
        self._daemon = subprocess.Popen(
            [*through, PROGRAMS / "sassld", "--config", self._file, "--parent", str(os.getpid())],
            stderr=subprocess.DEVNULL,
        )
        self._reader = sassl.attach(self._name, start=0, wait=60)

    def take(self, use: Callable[[Tensor], Tensor]) -> Taken:
        began = time.perf_counter()
        with self._reader.next(timeout=60) as batch:
            waited = time.perf_counter() - began
            first, second = (use(view) for view in TensorBatch(batch).views)
        return Taken(first, second, waited)

    def empty(self) -> None:
        for _ in range(self._reader.status.ready):
            self._reader.next(timeout=60).release()

    def is_quiet(self) -> bool:
        return self._reader.status.ready == self._slots

    def status(self) -> dict[str, Any]:
        """What `sasslctl status` says of the daemon."""
        command: list[str | pathlib.Path] = [PROGRAMS / "sasslctl", "status", "--json", "--config", self._file]
        return cast("dict[str, Any]", json.loads(subprocess.run(command, capture_output=True, check=True).stdout))

    def core_seconds(self) -> float:
        """Time of one core that the daemon needs for an image, by its own word."""
        return float(self.status()["pace"]["core_microseconds"]) / 1e6

    def close(self) -> None:
        self._reader.close()
        self._daemon.terminate()
        self._daemon.wait()


class Loader:
    """A DataLoader with torchvision's transforms in processes on the same cores, without style."""

    def __init__(self, data: pathlib.Path, cores: Sequence[int], *, batch: int, side: int) -> None:
        from torchvision.io import ImageReadMode, decode_image
        from torchvision.transforms import v2

        crop = v2.RandomResizedCrop(side, (0.2, 1.0), antialias=True)
        # The blur's kernel is a tenth of the side, as in SimCLR.
        rest = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
                v2.RandomGrayscale(0.2),
                v2.RandomApply([v2.GaussianBlur(side // 20 * 2 + 1, (0.1, 2.0))], p=0.5),
            ]
        )
        files = sorted(str(path) for path in data.rglob("*") if path.is_file())

        class TwoViews(torch.utils.data.IterableDataset[Views]):
            """Two augmented views of random pictures, without an end: no epoch's end disturbs the measurement."""

            def __iter__(self) -> Iterator[Views]:
                while True:
                    image = decode_image(random.choice(files), ImageReadMode.RGB)
                    first, second = (rest(crop(image)).permute(1, 2, 0).contiguous() for _ in (0, 1))
                    yield first, second

        def settle(worker: int) -> None:
            os.sched_setaffinity(0, cores)
            torch.set_num_threads(1)
            random.seed(worker)

        self._made_ahead = 2 * len(cores)
        self._batches = iter(
            torch.utils.data.DataLoader(TwoViews(), batch, num_workers=len(cores), worker_init_fn=settle)
        )
        self._workers = multiprocessing.active_children()
        self._busy_until = (0.0, time.monotonic())

    def take(self, use: Callable[[Tensor], Tensor]) -> Taken:
        began = time.perf_counter()
        first, second = next(self._batches)
        waited = time.perf_counter() - began
        return Taken(use(first), use(second), waited)

    def empty(self) -> None:
        for _ in range(self._made_ahead):
            next(self._batches)

    def is_quiet(self) -> bool:
        # It does not say how much it has made: it is done when its workers have not used a core for a while.
        used = sum(core_seconds(worker.pid) for worker in self._workers if worker.pid)
        now = time.monotonic()
        if used > self._busy_until[0]:
            self._busy_until = (used, now)
        return now > self._busy_until[1] + 0.1

    def close(self) -> None:
        del self._batches


def core_seconds(process: int) -> float:
    """For how long a process has had a core so far."""
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sources:
    """All that are measured, by name; every one is ended with the `with`."""

    def __init__(self, sources: dict[str, Source]) -> None:
        self.by_name = sources

    def __enter__(self) -> Sources:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for source in self.by_name.values():
            source.close()

    def settle(self, seconds: float = 60) -> None:
        """Waits until nothing is being made in the background."""
        deadline = time.monotonic() + seconds
        while not all(source.is_quiet() for source in self.by_name.values()):
            if time.monotonic() > deadline:
                raise TimeoutError("batches are still being made although nobody takes any")
            time.sleep(0.01)
