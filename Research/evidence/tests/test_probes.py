"""Probes, corruptions and comparisons on numbers that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from evidence.comparison import difference
from evidence.corruptions import corruptions
from evidence.features import Features, as_input
from evidence.probes import LinearProbe, neighbour_accuracy, subset


def clouds(count: int, distance: float, seed: int) -> Features:
    """Three classes as clouds around corners of a cube."""
    generator = np.random.default_rng(seed)
    labels = np.arange(3 * count) % 3
    values = generator.normal(size=(3 * count, 8)) + distance * np.eye(8)[labels]
    return Features(values.astype(np.float32), labels, np.arange(3 * count))


def test_pictures_come_to_the_network_standardised_by_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    # Mean and standard deviation of ImageNet's colours, as torchvision's documentation has them.
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = as_input(pixels, "cpu")
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_probes_tell_classes_apart_as_well_as_can_be() -> None:
    known, asked = clouds(200, 3.0, 0), clouds(200, 3.0, 1)
    # Nobody does better than whoever knows the clouds: the largest of the three coordinates.
    best = float(np.mean(asked.values[:, :3].argmax(axis=1) == asked.labels))
    assert best > 0.9
    assert LinearProbe(known).accuracy(asked) == pytest.approx(best, abs=0.02)
    assert neighbour_accuracy(known, asked) == pytest.approx(best, abs=0.04)


def test_nothing_is_found_where_there_is_nothing() -> None:
    known, asked = clouds(200, 0.0, 0), clouds(200, 0.0, 1)
    assert LinearProbe(known).accuracy(asked) == pytest.approx(1 / 3, abs=0.08)
    assert neighbour_accuracy(known, asked) == pytest.approx(1 / 3, abs=0.08)


def test_a_part_of_the_labels_is_spread_over_the_classes() -> None:
    known = clouds(300, 1.0, 0)
    part = subset(known, 0.1, seed=0)
    assert np.bincount(part.labels).tolist() == [30, 30, 30]
    assert np.bincount(subset(known, 0.01, seed=0).labels).tolist() == [5, 5, 5]
    np.testing.assert_array_equal(part.samples, subset(known, 0.1, seed=0).samples)
    assert set(part.samples) != set(subset(known, 0.1, seed=1).samples)
    np.testing.assert_array_equal(known.values[part.samples], part.values)


def test_corruptions_get_worse_and_repeat() -> None:
    rows, columns = np.mgrid[0:64, 0:64]
    waves = np.stack([rows * 4, columns * 4, 128 + 100 * np.sin(rows * columns / 40)], axis=-1)
    pixels = np.repeat(waves.astype(np.uint8)[None], 3, axis=0)
    far: dict[str, list[float]] = {}
    for (name, severity, change), (_, _, again) in zip(corruptions(), corruptions(), strict=True):
        changed = change(pixels)
        assert changed.shape == pixels.shape
        assert changed.dtype == np.uint8
        np.testing.assert_array_equal(changed, again(pixels))
        far.setdefault(name, []).append(float(np.abs(changed.astype(float) - pixels).mean()))
        assert len(far[name]) == severity
    assert list(far) == ["grey", "blur", "noise", "jpeg"]
    for errors in far.values():
        assert errors == sorted(errors)
        assert errors[0] > 0.5


def test_differences_are_paired_by_seed() -> None:
    reference = {0: 0.50, 1: 0.60, 2: 0.40, 3: 0.45}
    other = {1: 0.63, 0: 0.52, 2: 0.44, 7: 0.9}
    found = difference(reference, other)
    assert found is not None
    assert found.seeds == 3
    assert found.mean == pytest.approx(0.03)
    expected = stats.ttest_rel([0.52, 0.63, 0.44], [0.50, 0.60, 0.40]).confidence_interval(0.95)
    assert found.mean - found.half_width == pytest.approx(expected.low)
    assert found.mean + found.half_width == pytest.approx(expected.high)
    assert found.is_significant == (expected.low > 0)


def test_one_seed_shows_nothing() -> None:
    found = difference({0: 0.5}, {0: 0.9})
    assert found is not None
    assert math.isnan(found.half_width)
    assert not found.is_significant
    assert difference({0: 0.5}, {1: 0.9}) is None
