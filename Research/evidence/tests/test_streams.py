"""What the arms of a study see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from drawings import SIDE
from evidence.pictures import conflicts, plain, stylized
from evidence.pretraining import settings_of
from evidence.stream import reading
from evidence.study import Run, Study, StudyError


def test_the_arms_of_a_seed_differ_in_nothing_but_the_style(study: Study) -> None:
    without, within = (settings_of(study, Run("simclr", arm, 0)) for arm in ("off", "in-batch"))
    with reading(without) as first, reading(within) as second:
        stylized_pictures = 0
        for _ in range(3):
            plain_batch, styled_batch = first.next(), second.next()
            np.testing.assert_array_equal(plain_batch.sample_ids, styled_batch.sample_ids)
            np.testing.assert_array_equal(plain_batch.views[1], styled_batch.views[1])
            applied = styled_batch.applied.astype(bool)
            same = (plain_batch.views[0] == styled_batch.views[0]).all(axis=(1, 2, 3))
            assert same[~applied].all()
            stylized_pictures += int(np.sum(applied & ~same))
            plain_batch.release()
            styled_batch.release()
        assert stylized_pictures > 48


def test_an_arm_may_have_the_style_somewhere_else(study: Study) -> None:
    first, last = (settings_of(study, Run("simclr", arm, 0)) for arm in ("in-batch", "style-last"))
    with reading(first) as one, reading(last) as other:
        here, there = one.next(), other.next()
        np.testing.assert_array_equal(here.applied, there.applied)
        applied = here.applied.astype(bool)
        same = (here.views[0] == there.views[0]).all(axis=(1, 2, 3))
        assert same[~applied].all() and not same[applied].any()


def test_other_seeds_see_other_crops(study: Study) -> None:
    with reading(settings_of(study, Run("simclr", "off", 0))) as first:
        one = np.array(first.next().views[1])
    with reading(settings_of(study, Run("simclr", "off", 1))) as second:
        assert not np.array_equal(one, second.next().views[1])


def test_every_test_picture_is_asked_about_once_as_pillow_reads_it(study: Study) -> None:
    # At the size of the files, so that nothing is scaled.
    found = list(plain(study.test, SIDE))
    samples = np.concatenate([some.samples for some in found])
    assert sorted(samples.tolist()) == list(range(75))
    files = sorted(study.test.glob("*/*.png"))
    for some in found:
        for pixels, label, sample in zip(some.pixels, some.labels, some.samples, strict=True):
            assert label == sorted({file.parent for file in files}).index(files[sample].parent)
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(files[sample])))


def test_more_of_the_style_is_farther_from_the_picture(study: Study) -> None:
    def far(beta: float) -> float:
        pairs = zip(plain(study.test, 32), stylized(study.test, 32, study.styles, beta), strict=True)
        return float(np.mean([np.abs(a.pixels.astype(float) - b.pixels).mean() for a, b in pairs]))

    assert 1 < far(0.3) < far(0.6) < far(1.0)


def test_the_style_of_a_conflict_is_that_of_another_picture(study: Study) -> None:
    for some in conflicts(study.test, 32):
        assert (some.samples != some.styles).all()
        assert set(some.styles.tolist()) <= set(range(75))


def test_a_stream_that_cannot_be_says_what_sassld_said(study: Study) -> None:
    settings = replace(settings_of(study, Run("simclr", "off", 0)), side=33, preset="simclr", batch=0)
    with pytest.raises(StudyError, match=r"batch\.size"), reading(settings):
        pass
