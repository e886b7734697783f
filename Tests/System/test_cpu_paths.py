"""What the documents say of streams on different vector instructions."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import sassl
from workplace import TINY_MODEL, Size, Workplace

PLAIN = "[[views.view]]\njitter_probability = 0.0\ngrayscale_probability = 0.0\nblur_probability = 0.0\n"
CPU_FLAGS = pathlib.Path("/proc/cpuinfo").read_text().split()


def skip_without(flag: str) -> pytest.MarkDecorator:
    """Skips where the processor has no such instructions."""
    return pytest.mark.skipif(flag not in CPU_FLAGS, reason=f"this processor has no {flag}")


def stream_on(
    path: str, workplace: Workplace, pictures: pathlib.Path, size: Size, depends_on: str, model: str = ""
) -> list[dict[str, np.ndarray]]:
    """Three batches of fully stylized pictures, by the kernels of one path; the ring says what they depend on."""
    batches: list[dict[str, np.ndarray]] = []
    style = {"style__probability": 1.0, "style__beta": [1.0, 1.0], "style__model": model}
    name, file = workplace.configure(pictures, size, **style)
    file.write_text(file.read_text() + PLAIN + PLAIN)
    with (
        workplace.running(name, file, through=("env", f"SASSL_CPU={path}")) as daemon,
        sassl.attach(name, start=0) as reader,
    ):
        assert reader.information.cpu_path == depends_on
        for _ in range(3):
            with reader.next(timeout=60) as batch:
                batches.append({column: array.copy() for column, array in batch.arrays.items()})
        assert daemon.status()["cpu_path"] == path
    return batches


each_path = pytest.mark.parametrize(
    "path",
    [pytest.param(name, marks=skip_without(flag)) for name, flag in (("avx2", "avx2"), ("avx512", "avx512vl"))],
)


@each_path
def test_every_path_makes_the_same_stream_with_the_embedded_model(
    workplace: Workplace, pictures: pathlib.Path, size: Size, path: str
) -> None:
    streams = [stream_on(kernels, workplace, pictures, size, "any") for kernels in ("portable", path)]
    for ours, theirs in zip(*streams, strict=True):
        for column, array in ours.items():
            assert np.array_equal(array, theirs[column]), column


@each_path
def test_styles_of_other_networks_depend_on_the_instructions_a_little(
    workplace: Workplace, pictures: pathlib.Path, size: Size, path: str
) -> None:
    streams = [
        stream_on(kernels, workplace, pictures, size, kernels, str(TINY_MODEL)) for kernels in ("portable", path)
    ]
    for ours, theirs in zip(*streams, strict=True):
        for column, array in ours.items():
            if column == "view0":
                difference = np.abs(array.astype(int) - theirs[column])
                assert difference.max() <= 4
                assert (difference > 0).mean() < 1e-3
            else:
                assert np.array_equal(array, theirs[column])
