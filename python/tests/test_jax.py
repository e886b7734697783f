"""The ring as JAX arrays: normalized on the device, and never changed once they are handed out."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sassl
from process_groups import told_by_both
from producing import BATCHES_PER_EPOCH, Producer, expected, stream

jax = pytest.importorskip("jax")

from sassl.jax import DeviceLoader  # noqa: E402

MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


def normalized(number: int, mean: Any = (0.485, 0.456, 0.406), std: Any = (0.229, 0.224, 0.225)) -> list[Any]:
    """The views of a batch by the formula, in double precision."""
    return [(expected(number)[name] / 255.0 - np.array(mean)) / np.array(std) for name in ("view0", "view1")]


def test_arrays_that_are_kept_never_change_while_the_ring_runs_on(directory: str) -> None:
    with stream(directory, slots=2), sassl.attach("test", directory=directory, start=0, wait=0) as reader:
        loader = DeviceLoader(reader)
        assert len(loader) == BATCHES_PER_EPOCH
        kept = [batch for _ in range(4) for batch in loader]
        # Everything was given back on the way: with two slots, forty batches could not have been made otherwise.
        assert reader.status.held <= 1
        assert [batch.number for batch in kept] == list(range(4 * BATCHES_PER_EPOCH))
        for batch in kept:
            views, labels = batch
            for view, by_formula in zip(views, normalized(batch.number), strict=True):
                np.testing.assert_allclose(view, by_formula, atol=1e-5)
            np.testing.assert_array_equal(labels, expected(batch.number)["labels"])
            np.testing.assert_array_equal(batch.sample_ids, expected(batch.number)["sample_ids"])
            assert (batch.epoch, batch.step) == divmod(batch.number, BATCHES_PER_EPOCH)


def test_mean_deviation_and_type_are_the_callers(directory: str) -> None:
    with stream(directory), sassl.attach("test", directory=directory, start=0, wait=0) as reader:
        views, _ = next(iter(DeviceLoader(reader, dtype="bfloat16", mean=MEAN, std=STD)))
        assert [view.dtype for view in views] == ["bfloat16"] * 2
        for view, by_formula in zip(views, normalized(0, MEAN, STD), strict=True):
            np.testing.assert_allclose(view.astype("float32"), by_formula, atol=2e-2)
        with pytest.raises(TypeError, match="uint8: normalized views are floating-point"):
            DeviceLoader(reader, dtype="uint8")
        with pytest.raises(ValueError, match="three numbers from 0 to 1"):
            DeviceLoader(reader, mean=(0.5,))
        with pytest.raises(ValueError, match="not of 255"):
            DeviceLoader(reader, std=(58.4, 57.1, 57.4))


def test_a_state_is_after_the_last_batch_that_was_handed_out(directory: str) -> None:
    with stream(directory), sassl.attach("test", directory=directory, start=0, wait=0) as reader:
        loader = DeviceLoader(reader, endless=True)
        for batch in loader:
            if batch.number == 12:
                break
        state = loader.state_dict()
        assert loader.position == state["batch"] == 13
        assert next(iter(loader)).number == 13
        loader.load_state_dict(state)
        assert next(iter(loader)).number == 13
        with pytest.raises(TypeError, match="no length"):
            len(loader)


DIVIDED = """
import sys
import jax, numpy, sassl
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from sassl.jax import DeviceLoader

mesh = Mesh(jax.local_devices(), ("batch",))
with sassl.attach("test", directory=sys.argv[1], start=0, wait=0) as reader:
    loader = DeviceLoader(reader, NamedSharding(mesh, PartitionSpec("batch")))
    kept = [batch for _ in range(3) for batch in loader]
assert [len(view.addressable_shards) for view in kept[0].views] == [2, 2]
assert kept[0].labels.addressable_shards[0].data.shape[0] * 2 == len(kept[0].labels)
numpy.save(sys.argv[2], [numpy.asarray(view) for batch in kept for view in batch.views])
"""


def test_a_batch_is_divided_among_devices(directory: str, tmp_path: Path) -> None:
    with stream(directory, slots=2):
        subprocess.run(
            [sys.executable, "-c", DIVIDED, directory, tmp_path / "views.npy"],
            env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"},
            check=True,
            timeout=300,
        )
    found = np.load(tmp_path / "views.npy")
    wanted = [view for number in range(3 * BATCHES_PER_EPOCH) for view in normalized(number)]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


ONE_OF_TWO = """
import sys, warnings
import jax
import sassl
from sassl.jax import DeviceLoader

directory, port, process = sys.argv[1], sys.argv[2], int(sys.argv[3])
jax.distributed.initialize(f"localhost:{port}", 2, process)
for name, rank, count in ((f"whole{process}", 0, 1), ("parts", process, 2)):
    with (
        warnings.catch_warnings(record=True) as caught,
        sassl.attach(name, rank, world_size=count, directory=directory, start=0) as reader,
    ):
        warnings.simplefilter("always", sassl.SharedBatchesWarning)
        iter(DeviceLoader(reader))
    print(*(f"{warning.category.__name__} {warning.filename} {warning.message}" for warning in caught), sep="|")
"""


def test_processes_that_would_train_on_the_same_batches_are_warned(directory: str) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    with contextlib.ExitStack() as rings:
        for rank in (0, 1):
            rings.enter_context(Producer(directory, f"whole{rank}"))
            rings.enter_context(Producer(directory, "parts", rank=rank, world_size=2))
        told = told_by_both(ONE_OF_TWO, directory, str(port), JAX_PLATFORMS="cpu")
    for rank, (whole, parts) in enumerate(told):
        assert whole.startswith(
            f"SharedBatchesWarning <string> this process is rank {rank} of 2 that train together, and its reader is "
            "rank 0 of 1: every process that reads like this trains on the same batches. "
        )
        assert parts == ""


def test_a_batch_that_could_not_be_moved_comes_again(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with stream(directory), sassl.attach("test", directory=directory, start=0, wait=0) as reader:
        loader = DeviceLoader(reader)
        batches = iter(loader)
        assert next(batches).number == 0
        with monkeypatch.context() as patch:
            patch.setattr(jax, "block_until_ready", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                next(batches)
        assert loader.position == 1
        assert [next(batches).number, next(batches).number] == [1, 2]
