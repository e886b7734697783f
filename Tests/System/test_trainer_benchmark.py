"""The benchmark of a trainer runs, and concludes from its steps what statistics do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workplace import ROOT

pytest.importorskip("torch", reason="PyTorch is not installed here")
sys.path[:0] = [str(ROOT / "Benchmarks"), str(ROOT / "Benchmarks" / "trainer")]
import tables  # noqa: E402
from measuring import paired_ratio  # noqa: E402


def noisy(ratio: float, rounds: int, seed: int) -> tuple[list[float], list[float]]:
    """Step times of two sources in a machine that is up to twice as slow in some rounds as in others."""
    random = np.random.default_rng(seed)
    machine = random.uniform(1, 2, rounds)
    ours, baseline = (machine * random.normal(1, 0.02, rounds) for _ in (0, 1))
    return (ratio * ours).tolist(), baseline.tolist()


def test_the_interval_of_a_ratio_holds_the_true_one_about_as_often_as_it_says() -> None:
    intervals = [paired_ratio(*noisy(1.01, 15, seed)) for seed in range(200)]
    held = sum(interval.low <= 1.01 <= interval.high for interval in intervals)
    # 95 % of 200; with 15 rounds a bootstrap is a little too narrow.
    assert 170 <= held <= 199
    # What slows whole rounds down by up to a half does not widen it.
    assert max(interval.high - interval.low for interval in intervals) < 0.06


def test_the_interval_is_that_of_another_implementation() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed here")
    ours, baseline = noisy(1.2, 12, 0)
    found = paired_ratio(ours, baseline)
    theirs = stats.bootstrap(
        (ours, baseline), lambda first, second, axis: first.mean(axis=axis) / second.mean(axis=axis),
        paired=True, vectorized=True, method="percentile", n_resamples=20_000, rng=1,
    ).confidence_interval  # fmt: skip
    assert found.ratio == pytest.approx(sum(ours) / sum(baseline))
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.002)


def test_every_source_of_a_trainer_is_measured(pictures: Path, tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("trainer and data have no cores of their own here")
    out = tmp_path / "result.json"
    program = ROOT / "Benchmarks" / "trainer" / "measure.py"
    run = subprocess.run(
        [sys.executable, program, "--quick", "--data", pictures, "--out", out],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(out.read_text())
    (row,) = result["trainers"]
    assert {"resident", "style", "plain"} <= row["sources"].keys()
    resident = row["sources"]["resident"]["step_milliseconds"]
    for name, source in row["sources"].items():
        assert source["steps"] > 0
        assert 0 <= source["waited_percent"] <= 100
        if name != "resident":
            assert source["low"] <= source["ratio"] <= source["high"]
            assert source["ratio"] == pytest.approx(source["step_milliseconds"] / resident, rel=0.01)
    assert row["images_per_second"] == pytest.approx(32_000 / resident, rel=0.01)
    assert row["needed_cores"] == pytest.approx(
        row["images_per_second"] * row["daemon_core_microseconds"] / 1e6, rel=0.01
    )
    assert tables.trainer(result) in run.stdout
