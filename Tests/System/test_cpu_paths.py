"""What the documents say of streams on different vector instructions."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import sassl
from workplace import Size, Workplace

PLAIN = "[[views.view]]\njitter_probability = 0.0\ngrayscale_probability = 0.0\nblur_probability = 0.0\n"
CPU_FLAGS = pathlib.Path("/proc/cpuinfo").read_text().split()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(name, marks=pytest.mark.skipif(flag not in CPU_FLAGS, reason=f"this processor has no {flag}"))
        for name, flag in (("avx2", "avx2"), ("avx512", "avx512vl"))
    ],
)
def test_two_paths_make_the_same_stream_but_for_single_levels_of_stylized_values(
    workplace: Workplace, pictures: pathlib.Path, size: Size, path: str
) -> None:
    batches: list[list[dict[str, np.ndarray]]] = []
    for chosen in (path, "portable"):
        name, file = workplace.configure(pictures, size, style__probability=1.0, style__beta=[1.0, 1.0])
        file.write_text(file.read_text() + PLAIN + PLAIN)
        with (
            workplace.running(name, file, through=("env", f"SASSL_CPU={chosen}")) as daemon,
            sassl.attach(name, start=0) as reader,
        ):
            assert reader.information.cpu_path == chosen
            batches.append([])
            for _ in range(3):
                with reader.next(timeout=60) as batch:
                    batches[-1].append({column: array.copy() for column, array in batch.arrays.items()})
            assert daemon.status()["cpu_path"] == chosen
    for ours, theirs in zip(*batches, strict=True):
        for column, array in ours.items():
            if column == "view0":
                difference = np.abs(array.astype(int) - theirs[column])
                assert difference.max() <= 1
                assert (difference > 0).mean() < 1e-3
            else:
                assert np.array_equal(array, theirs[column])
