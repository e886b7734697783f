"""A producer on the same C library, so that tests need no sassld. Run as a program it fills a ring until it is killed.

python producing.py DIRECTORY NAME [--slots N] [--failpoint STEP:N]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sassl._producer import Reservation, RingField, RingProducer

BATCH_SIZE, HEIGHT, WIDTH = 4, 6, 5
BATCHES_PER_EPOCH = 10
SLOTS = 4
FIELDS: list[tuple[str, int, tuple[int, ...]]] = [
    ("view0", 1, (BATCH_SIZE, HEIGHT, WIDTH, 3)),
    ("view1", 1, (BATCH_SIZE, HEIGHT, WIDTH, 3)),
    ("labels", 8, (BATCH_SIZE,)),
    ("sample_ids", 8, (BATCH_SIZE,)),
    ("style_ids", 8, (BATCH_SIZE,)),
    ("applied", 13, (BATCH_SIZE,)),
    ("alpha", 11, (BATCH_SIZE,)),
    ("beta", 11, (BATCH_SIZE,)),
]
NUMPY_TYPES = {1: "u1", 8: "<i8", 11: "<f4", 13: "b1"}


def expected(number: int) -> dict[str, np.ndarray]:
    """What batch `number` holds: a function of the number alone, as a stream is."""
    random = np.random.default_rng(number)
    return {
        "view0": random.integers(0, 256, (BATCH_SIZE, HEIGHT, WIDTH, 3), dtype=np.uint8),
        "view1": random.integers(0, 256, (BATCH_SIZE, HEIGHT, WIDTH, 3), dtype=np.uint8),
        "labels": np.arange(BATCH_SIZE, dtype=np.int64) - 1,
        "sample_ids": np.arange(BATCH_SIZE, dtype=np.int64) + number % 2**40 * BATCH_SIZE,
        "style_ids": np.arange(BATCH_SIZE, dtype=np.int64)[::-1].copy(),
        "applied": np.array([True, False, True, True]),
        "alpha": random.random(BATCH_SIZE, dtype=np.float32),
        "beta": random.random(BATCH_SIZE, dtype=np.float32),
    }


class Producer(RingProducer):
    """Fills a ring, one batch at a time, with what `expected` says."""

    def __init__(
        self,
        directory: str,
        name: str = "test",
        *,
        slots: int = 3,
        rank: int = 0,
        world_size: int = 1,
        fingerprint: bytes = b"f" * 32,
        fields: list[tuple[str, int, tuple[int, ...]]] = FIELDS,
        **options: Any,
    ) -> None:
        super().__init__(
            directory,
            name,
            slots=slots,
            rank=rank,
            world_size=world_size,
            batch_size=BATCH_SIZE,
            fields=[RingField(*field) for field in fields],
            batches_per_epoch=BATCHES_PER_EPOCH,
            fingerprint=fingerprint,
            **options,
        )

    def publish_batch(self, reservation: Reservation, count: int = BATCH_SIZE) -> bool:
        """Publishes a slot that was filled."""
        epoch, step = divmod(reservation.number, BATCHES_PER_EPOCH)
        return self.publish(reservation, epoch=epoch, step=step, count=count)

    def fill(self, reservation: Reservation) -> None:
        """Writes what the batch holds."""
        payload = self.payload(reservation)
        for name, array in expected(reservation.number).items():
            if name in self.offsets:
                offset = self.offsets[name]
                payload[offset : offset + array.nbytes] = array.reshape(-1).view(np.uint8)

    def produce(self, timeout: float = 0.0) -> int | None:
        """Publishes the next batch if there is room, and returns its number."""
        reservation = self.reserve(timeout)
        if reservation is None:
            return None
        self.fill(reservation)
        return reservation.number if self.publish_batch(reservation) else None

    def __enter__(self) -> Producer:
        return self


@contextlib.contextmanager
def stream(directory: str, slots: int = SLOTS, **options: Any) -> Iterator[Producer]:
    """A producer that fills every slot as soon as it is free, as `sassld` does."""
    stop = threading.Event()
    with Producer(directory, slots=slots, **options) as producer:

        def work() -> None:
            while not stop.is_set():
                producer.produce(timeout=0.02)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield producer
        finally:
            stop.set()
            worker.join()


def failpoint_hook(failpoint: str) -> Callable[[int], bool]:
    """A hook that ends this process, as `kill -9` does, at `STEP:N`: when it reaches the step for the n-th time."""
    step, count = map(int, failpoint.split(":"))
    seen = 0

    def hook(reached: int) -> bool:
        nonlocal seen
        seen += reached == step
        if reached == step and seen == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    return hook


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("name")
    parser.add_argument("--slots", type=int, default=3)
    parser.add_argument("--failpoint")
    arguments = parser.parse_args()
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    parent = os.getppid()
    hook = failpoint_hook(arguments.failpoint) if arguments.failpoint else None
    with Producer(arguments.directory, arguments.name, slots=arguments.slots, hook=hook, space_timeout=10) as producer:
        print("ready", flush=True)
        while not stopped and os.getppid() == parent:
            producer.produce(timeout=0.05)
            time.sleep(0)
    sys.exit(0)


if __name__ == "__main__":
    main()
