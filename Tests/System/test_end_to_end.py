"""The main job: pictures in a folder, `sassld`, and a trainer's loop that reads stylized batches from the ring."""

from __future__ import annotations

import collections
import pathlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

import sassl
from streams import read

if TYPE_CHECKING:
    from workplace import Size, Workplace

BATCHES = 50
RESUMED_AT = 23


@pytest.fixture(scope="module")
def expected(pictures: pathlib.Path, size: Size, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The stream as one worker and two slots make it."""
    from workplace import Workplace

    workplace = Workplace(tmp_path_factory.mktemp("expected"))
    with workplace.daemon(pictures, size, workers__count=1, ring__slots=2) as daemon:
        return read(daemon.name, 0, BATCHES)


def test_any_two_batches_differ(expected: list[bytes]) -> None:
    assert len(set(expected)) == BATCHES


def test_the_stream_is_the_same_with_four_workers_and_eight_slots(
    workplace: Workplace, pictures: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    with workplace.daemon(pictures, size, workers__count=4, ring__slots=8) as daemon:
        assert read(daemon.name, 0, BATCHES) == expected


def test_the_stream_is_the_same_when_stopped_and_resumed(
    workplace: Workplace, pictures: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    with workplace.daemon(pictures, size) as daemon:
        first = read(daemon.name, 0, RESUMED_AT)
    with workplace.daemon(pictures, size, workers__count=3) as daemon:
        rest = read(daemon.name, RESUMED_AT, BATCHES - RESUMED_AT)
    assert first + rest == expected


def test_another_seed_is_another_stream(
    workplace: Workplace, pictures: pathlib.Path, size: Size, expected: list[bytes]
) -> None:
    with workplace.daemon(pictures, size, stream__seed=8) as daemon:
        assert not set(read(daemon.name, 0, 3)) & set(expected)


def test_two_ranks_joined_are_one_rank_with_the_same_global_batch(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    count = 10
    whole = []
    with workplace.daemon(pictures, size) as daemon, sassl.attach(daemon.name, start=0) as ring:
        for batch in ring:
            whole.append([view.copy() for view in batch.views] + [batch.sample_ids.copy(), batch.style_ids.copy()])
            if len(whole) == count:
                break
    with workplace.daemon(
        pictures, size, batch__size=size.batch // 2, batch__world_size=2, batch__ranks=[0, 1]
    ) as daemon:
        slices = []
        for rank in (0, 1):
            with sassl.attach(daemon.name, rank=rank, world_size=2, start=0) as ring:
                mine = []
                for batch in ring:
                    mine.append(
                        [view.copy() for view in batch.views] + [batch.sample_ids.copy(), batch.style_ids.copy()]
                    )
                    if len(mine) == count:
                        break
                slices.append(mine)
    for number in range(count):
        for column, array in enumerate(whole[number]):
            joined = np.concatenate([slices[0][number][column], slices[1][number][column]])
            assert np.array_equal(joined, array)


def test_every_sample_comes_exactly_once_an_epoch(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    seen: collections.Counter[tuple[int, int]] = collections.Counter()
    applied = []
    with workplace.daemon(pictures, size, style__enabled=True) as daemon:
        samples = None
        with sassl.attach(daemon.name, start=0) as ring:
            for batch in ring:
                samples = samples or daemon.status()["samples"]
                if batch.epoch == 2:
                    break
                seen.update((batch.epoch, sample) for sample in batch.sample_ids.tolist())
                applied.extend(batch.applied.tolist())
                assert np.all((batch.alpha[batch.applied] >= 0.1) & (batch.alpha[batch.applied] <= 0.3))
                assert np.all((batch.beta[batch.applied] >= 0.1) & (batch.beta[batch.applied] <= 0.3))
                assert np.all(batch.alpha[~batch.applied] == 0)
    assert samples is not None
    assert set(seen.values()) == {1}
    whole = samples // size.batch * size.batch
    assert collections.Counter(epoch for epoch, _ in seen) == {0: whole, 1: whole}
    # 80 % are stylized: five standard deviations on either side.
    share = np.mean(applied)
    assert abs(share - 0.8) < 5 * (0.8 * 0.2 / len(applied)) ** 0.5


def test_only_the_first_view_is_stylized(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    with workplace.daemon(pictures, size) as daemon, sassl.attach(daemon.name, start=0) as ring:
        styled = next(iter(ring))
        with_style = [view.copy() for view in styled.views]
        applied = styled.applied.copy()
    with workplace.daemon(pictures, size, style__enabled=False) as daemon, sassl.attach(daemon.name, start=0) as ring:
        plain = next(iter(ring))
        without_style = [view.copy() for view in plain.views]
        assert not plain.applied.any()
    assert np.array_equal(with_style[1], without_style[1])
    changed = (with_style[0] != without_style[0]).any(axis=(1, 2, 3))
    assert np.array_equal(changed, applied)
