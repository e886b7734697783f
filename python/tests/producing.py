"""A producer on the same C library, so that tests need no sassld. Run as a program it fills a ring until it is killed.

python producing.py DIRECTORY NAME [--slots N] [--failpoint STEP:N]
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import numpy as np

from sassl import _library as c

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


class Producer:
    """Fills a ring, one batch at a time."""

    def __init__(
        self,
        directory: str,
        name: str = "test",
        *,
        slots: int = 3,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        resume: bool = True,
        fingerprint: bytes = b"f" * 32,
        settings: str = "",
        cpu_path: int = 0,
        fields: list[tuple[str, int, tuple[int, ...]]] = FIELDS,
        space_timeout: float = 0.0,
        hook: Callable[[int], bool] | None = None,
    ) -> None:
        table = (c.Field * len(fields))()
        for entry, (field_name, dtype, shape) in zip(table, fields, strict=True):
            entry.name, entry.dtype, entry.dimensions = field_name.encode(), dtype, len(shape)
            entry.shape[: len(shape)] = shape
        options = c.ProducerOptions(
            directory=os.fsencode(directory),
            name=name.encode(),
            rank=rank,
            world_size=world_size,
            batch_size=BATCH_SIZE,
            slot_count=slots,
            fields=table,
            field_count=len(fields),
            resume=resume,
            start_batch=start,
            batches_per_epoch=BATCHES_PER_EPOCH,
            settings=settings.encode(),
            cpu_path=cpu_path,
            group_id=-1,
            space_timeout_ns=c.nanoseconds(space_timeout),
        )
        options.fingerprint[:] = fingerprint
        if hook is not None:
            self._hook = c.Hook(lambda step, _: int(hook(step)))
            options.hook = self._hook
        handle, error = ctypes.c_void_p(), c.Error()
        result = c.library.sassl_ring_producer_create(ctypes.byref(options), ctypes.byref(handle), ctypes.byref(error))
        if result != c.OK:
            c.raise_error(result, error)
        self.handle: int | None = handle.value
        self.payload_bytes = c.library.sassl_ring_producer_geometry(handle).contents.payload_bytes
        offsets = c.library.sassl_ring_producer_fields(handle)
        self.offsets = {offsets[index].name.decode(): offsets[index].offset for index in range(len(fields))}

    def reserve(self, timeout: float = 0.0) -> c.Reservation | None:
        reservation, error = c.Reservation(), c.Error()
        result = c.library.sassl_ring_producer_reserve(
            self.handle, c.nanoseconds(timeout), ctypes.byref(reservation), ctypes.byref(error)
        )
        if result == c.TIMEOUT:
            return None
        if result != c.OK:
            c.raise_error(result, error)
        return reservation

    def publish(self, reservation: c.Reservation, count: int = BATCH_SIZE) -> bool:
        error = c.Error()
        epoch, step = divmod(reservation.number, BATCHES_PER_EPOCH)
        batch = c.BatchInformation(epoch=epoch, step=step, count=count)
        result = c.library.sassl_ring_producer_publish(
            self.handle, ctypes.byref(reservation), ctypes.byref(batch), ctypes.byref(error)
        )
        if result not in (c.OK, c.VOID):
            c.raise_error(result, error)
        return bool(result == c.OK)

    def fill(self, reservation: c.Reservation) -> None:
        for name, array in expected(reservation.number).items():
            if name in self.offsets:
                ctypes.memmove(reservation.payload + self.offsets[name], array.ctypes.data, array.nbytes)

    def produce(self, timeout: float = 0.0) -> int | None:
        """Publishes the next batch if there is room, and returns its number."""
        reservation = self.reserve(timeout)
        if reservation is None:
            return None
        self.fill(reservation)
        return reservation.number if self.publish(reservation) else None

    def counters(self) -> c.Counters:
        counters = c.Counters()
        c.library.sassl_ring_producer_counters(self.handle, ctypes.byref(counters))
        return counters

    def close(self) -> None:
        if self.handle is not None:
            c.library.sassl_ring_producer_close(self.handle)
            self.handle = None

    def abandon(self) -> None:
        """What a kill does."""
        if self.handle is not None:
            c.library.sassl_ring_producer_abandon(self.handle)
            self.handle = None

    def __enter__(self) -> Producer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
