"""Shared memory that is too small, on a small tmpfs in a mount namespace of its own."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import sassl
from producing import BATCH_SIZE, Producer

LARGE: list[tuple[str, int, tuple[int, ...]]] = [("view0", 1, (BATCH_SIZE, 256, 1024))]  # 1 MiB a slot
IN_NAMESPACE = "SASSL_SMALL_TMPFS"


def may_unshare() -> bool:
    done = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(IN_NAMESPACE in os.environ or not may_unshare(), reason="user namespaces are not permitted here")
def test_everything_below_on_a_file_system_of_five_mebibytes(directory: str) -> None:
    script = f"mount -t tmpfs -o size=5m tmpfs {directory} && exec {sys.executable} -m pytest -q -x {__file__}"
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script],
        env={**os.environ, IN_NAMESPACE: directory},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


small_only = pytest.mark.skipif(IN_NAMESPACE not in os.environ, reason="runs inside the test above")


@pytest.fixture
def small() -> str:
    return os.environ[IN_NAMESPACE]


@small_only
def test_a_ring_that_does_not_fit_is_one_clear_error_and_leaves_nothing(small: str) -> None:
    with pytest.raises(
        OSError, match=r"it needs 6\d{6} bytes, 5242880 are available.*Lower the number of slots"
    ) as caught:
        Producer(small, slots=6, fields=LARGE)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(small) == []
    assert os.statvfs(small).f_bavail * os.statvfs(small).f_frsize == 5242880
    with Producer(small, slots=4, fields=LARGE) as producer:
        while producer.produce() is not None:
            pass
    assert os.listdir(small) == []


@small_only
def test_the_ring_of_a_killed_producer_makes_room_for_its_successor(small: str) -> None:
    producer = Producer(small, slots=3, fields=LARGE)
    for _ in range(3):
        producer.produce()
    producer.abandon()
    with Producer(small, slots=3, fields=LARGE) as successor:
        successor.produce()
        with sassl.attach("test", directory=small, start="continue", wait=0) as reader:
            assert reader.next(timeout=5).number == 0
    assert os.listdir(small) == []


@small_only
def test_a_reader_lets_go_of_a_dead_ring_when_it_has_finished_with_it(small: str) -> None:
    producer = Producer(small, slots=3, fields=LARGE)
    for _ in range(2):
        producer.produce()
    with sassl.attach("test", directory=small, start="continue", wait=0) as reader:
        first = next(reader)
        producer.abandon()
        # As long as it reads, there is no room for a second ring, and what it reads stays.
        with pytest.raises(OSError, match="no room"):
            Producer(small, slots=3, fields=LARGE)
        shown = first.views[0].copy()
        assert shown.shape == (BATCH_SIZE, 256, 1024)
        successors: list[Producer] = []
        thread = threading.Thread(
            target=lambda: successors.append(Producer(small, slots=3, fields=LARGE, space_timeout=60))
        )
        thread.start()
        assert next(reader).number == 1  # published before the producer died
        # From here on `first` is in memory of its own, as the variable of a loop would be.
        numbers = []
        waiter = threading.Thread(target=lambda: numbers.append(next(reader).number))
        waiter.start()
        thread.join(timeout=60)
        # The successor begins with what was not released.
        while waiter.is_alive():
            successors[0].produce(timeout=0.1)
        assert numbers == [2]
        np.testing.assert_array_equal(first.views[0], shown)
        successors[0].close()
    assert os.listdir(small) == []
