"""What the documents say of streams on different vector instructions."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import sassl
from workplace import Size, Workplace

PLAIN = "[[views.view]]\njitter_probability = 0.0\ngrayscale_probability = 0.0\nblur_probability = 0.0\n"
CPU_FLAGS = pathlib.Path("/proc/cpuinfo").read_text().split()


def skip_without(flag: str) -> pytest.MarkDecorator:
    """Skips where the processor has no such instructions."""
    return pytest.mark.skipif(flag not in CPU_FLAGS, reason=f"this processor has no {flag}")


def streams_on(
    paths: tuple[str, str], workplace: Workplace, pictures: pathlib.Path, size: Size
) -> list[list[dict[str, np.ndarray]]]:
    """Three batches of fully stylized pictures as each of two paths makes them."""
    batches: list[list[dict[str, np.ndarray]]] = []
    for chosen in paths:
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
    return batches


@skip_without("avx512vl")
def test_avx2_and_avx512_make_the_same_stream_with_the_embedded_model(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    for ours, theirs in zip(*streams_on(("avx2", "avx512"), workplace, pictures, size), strict=True):
        for column, array in ours.items():
            assert np.array_equal(array, theirs[column])


@pytest.mark.parametrize(
    "path",
    [pytest.param(name, marks=skip_without(flag)) for name, flag in (("avx2", "avx2"), ("avx512", "avx512vl"))],
)
def test_without_fused_multiply_adds_a_stream_is_the_same_but_for_few_levels_of_stylized_values(
    workplace: Workplace, pictures: pathlib.Path, size: Size, path: str
) -> None:
    batches = streams_on((path, "portable"), workplace, pictures, size)
    for ours, theirs in zip(*batches, strict=True):
        for column, array in ours.items():
            if column == "view0":
                difference = np.abs(array.astype(int) - theirs[column])
                assert difference.max() <= 4
                assert (difference > 0).mean() < 0.15
                assert (difference > 1).mean() < 2e-3
            else:
                assert np.array_equal(array, theirs[column])
