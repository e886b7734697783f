"""What a resumed training gets: the rest of the undisturbed stream, or the names of the settings that changed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import pathlib
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

import sassl
from picture_files import write_good
from streams import digest_of, digest_of_arrays, read
from workplace import Workplace

if TYPE_CHECKING:
    from reliability import Provocations
    from workplace import Size

pytestmark = pytest.mark.reliability

EPOCH = 5
EPOCHS = 3
BATCHES = EPOCH * EPOCHS
#: Numbers of the batch that comes next: one in the middle of an epoch, the last of that epoch, the first of the next.
POINTS = (EPOCH + 2, 2 * EPOCH - 1, 2 * EPOCH)

Arrays = Mapping[str, Any]
State = dict[str, Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, size: Size) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    # Some are left over, so that another order in the next epoch makes other batches.
    write_good(folder, EPOCH * size.batch + size.batch // 2)
    return folder


@pytest.fixture(scope="module")
def plain(size: Size) -> dict[str, Any]:
    """What all configurations here have: style groups that fit a quarter of a batch."""
    return {"style__group": size.batch // 4}


@pytest.fixture(scope="module")
def undisturbed(
    data: pathlib.Path, size: Size, plain: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> list[bytes]:
    """The digests of three epochs, read in one go."""
    workplace = Workplace(tmp_path_factory.mktemp("undisturbed"))
    with workplace.daemon(data, size, **plain) as daemon:
        return read(daemon.name, 0, BATCHES)


@pytest.fixture(scope="module")
def states(
    data: pathlib.Path, size: Size, plain: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, State]:
    """The state at each of POINTS, of a run whose `sassld` has ended since."""
    workplace = Workplace(tmp_path_factory.mktemp("checkpoints"))
    states = {}
    with workplace.daemon(data, size, **plain) as daemon, sassl.attach(daemon.name, start=0) as ring:
        for batch in ring:
            assert (batch.epoch, batch.step) == divmod(batch.number, EPOCH)
            if batch.number + 1 in POINTS:
                states[batch.number + 1] = ring.state_dict()
            if len(states) == len(POINTS):
                return states
    raise AssertionError("the stream has ended")


def read_by_reader(name: str, rank: int, world_size: int, state: State) -> Iterator[Arrays]:
    with sassl.attach(name, rank, world_size=world_size, start="continue") as ring:
        ring.load_state_dict(json.loads(json.dumps(state)))
        for batch in ring:
            yield batch.arrays


def read_by_dataset(name: str, rank: int, world_size: int, state: State) -> Iterator[Arrays]:
    from sassl.torch import RingDataset

    dataset = RingDataset(name, rank, world_size=world_size, endless=True)
    dataset.load_state_dict(pickle.loads(pickle.dumps(state)))
    with contextlib.closing(dataset):
        for batch in dataset:
            yield batch.tensors


needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no PyTorch")


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(read_by_reader, id="Reader"),
        pytest.param(read_by_dataset, id="RingDataset", marks=needs_torch),
    ],
)
@pytest.mark.parametrize(
    ("workers", "slots", "world_size"),
    [
        pytest.param(1, 4, 1, id="other workers"),
        pytest.param(2, 7, 1, id="other slots"),
        pytest.param(2, 4, 2, id="two ranks"),
        pytest.param(3, 2, 4, id="all other"),
    ],
)
def test_the_rest_of_a_resumed_stream_is_that_of_an_undisturbed_one(
    workplace: Workplace,
    data: pathlib.Path,
    size: Size,
    plain: dict[str, Any],
    undisturbed: list[bytes],
    states: dict[int, State],
    reading: Callable[[str, int, int, State], Iterator[Arrays]],
    workers: int,
    slots: int,
    world_size: int,
    provoked: Provocations,
) -> None:
    for point, state in states.items():
        with workplace.daemon(
            data,
            size,
            **plain,
            workers__count=workers,
            ring__slots=slots,
            batch__size=size.batch // world_size,
            batch__world_size=world_size,
            batch__ranks=list(range(world_size)),
        ) as daemon:
            with provoked("a checkpoint resumed with other workers, slots or ranks"):
                ranks = [reading(daemon.name, rank, world_size, state) for rank in range(world_size)]
            # One batch of each rank at a time; `range` first, so that none is asked for more than is wanted.
            rest = [digest_of_arrays(*slices) for _, *slices in zip(range(point, BATCHES), *ranks, strict=False)]
            for rank in ranks:
                rank.close()  # type: ignore[attr-defined]
        assert rest == undisturbed[point:]


def test_the_state_of_one_rank_serves_a_stream_that_is_no_longer_divided(
    workplace: Workplace, data: pathlib.Path, size: Size, plain: dict[str, Any], undisturbed: list[bytes]
) -> None:
    point = POINTS[0]
    halves: dict[str, Any] = {"batch__size": size.batch // 2, "batch__world_size": 2, "batch__ranks": [1]}
    with (
        workplace.daemon(data, size, **plain, **halves) as daemon,
        sassl.attach(daemon.name, rank=1, world_size=2, start=0) as ring,
    ):
        for batch in ring:
            if batch.number == point - 1:
                break
        state = ring.state_dict()
    with workplace.daemon(data, size, **plain) as daemon, sassl.attach(daemon.name, start=0) as ring:
        ring.load_state_dict(state)
        assert digest_of(next(ring)) == undisturbed[point]


def test_seeking_costs_no_replay(workplace: Workplace, data: pathlib.Path, size: Size, plain: dict[str, Any]) -> None:
    far, slots, taken = 1_000_000, 4, 3
    with workplace.daemon(data, size, **plain, ring__slots=slots) as daemon, sassl.attach(daemon.name, start=0) as ring:
        for _ in range(taken):
            ring.next().release()
        ring.load_state_dict({**ring.state_dict(), "batch": far})
        batch = ring.next()
        status = daemon.status()
        assert (batch.number, batch.epoch, batch.step) == (far, *divmod(far, EPOCH))
        found = digest_of(batch)
    # What was taken, what was ready when the seek came, and what has become ready since.
    bound = taken + slots + slots
    assert 0 < status["rings"][0]["published_batches"] <= bound
    assert status["images"] <= bound * size.batch
    assert far <= status["rings"][0]["next_batch"] <= far + slots
    with workplace.daemon(data, size, **plain, ring__slots=slots, workers__count=1) as daemon:
        assert read(daemon.name, far, 1) == [found]
        status = daemon.status()
    # It began with batch 0 before anybody asked for another, and went on after the one that was read.
    bound = slots + 1 + slots
    assert 0 < status["rings"][0]["published_batches"] <= bound
    assert status["images"] <= bound * size.batch


Change = tuple[dict[str, object], str]


def other_keys(_: pathlib.Path, size: Size) -> Change:
    sides = f"was {size.side} and is {size.side + 4}"
    return {"stream__seed": 8, "views__side": size.side + 4}, (
        f"stream.seed was 7 and is 8; view0.side {sides}; view1.side {sides}"
    )


def other_global_batch(_: pathlib.Path, size: Size) -> Change:
    return {"batch__size": size.batch // 2}, (
        f"batch.size x batch.world_size was {size.batch} and is {size.batch // 2}"
    )


def other_pictures(folder: pathlib.Path, size: Size) -> Change:
    write_good(folder, EPOCH * size.batch)
    return {"dataset__path": str(folder)}, (
        f"dataset was {EPOCH * size.batch + size.batch // 2} samples, mark MARK and is "
        f"{EPOCH * size.batch} samples, mark MARK"
    )


def other_styles(_: pathlib.Path, size: Size) -> Change:
    return {"style__source": "bank"}, (
        f'style.source was "in-batch" and is "bank"; style.group was {size.batch // 4} and is unset; '
        "styles was unset and is COUNT styles, mark MARK"
    )


def no_styles(_: pathlib.Path, size: Size) -> Change:
    return {"style__enabled": False}, (
        "view0.style.probability was 0.8 and is unset; view0.style.alpha was [0.1, 0.3] and is unset; "
        "view0.style.beta was [0.1, 0.3] and is unset; "
        f'style.source was "in-batch" and is unset; style.group was {size.batch // 4} and is unset; '
        'style.model was mark MARK, "embedded" and is unset'
    )


@pytest.mark.parametrize("change", [other_keys, other_global_batch, other_pictures, other_styles, no_styles])
def test_a_state_of_another_configuration_is_refused_by_what_changed(
    workplace: Workplace,
    data: pathlib.Path,
    size: Size,
    plain: dict[str, Any],
    states: dict[int, State],
    tmp_path: pathlib.Path,
    change: Callable[[pathlib.Path, Size], Change],
) -> None:
    changes, words = change(tmp_path, size)
    state = states[POINTS[0]]
    with workplace.daemon(data, size, **plain | changes) as daemon, sassl.attach(daemon.name, start=0) as ring:
        with pytest.raises(sassl.ConfigurationChangedError) as refusal:
            ring.load_state_dict(state)
        assert ring.position == 0
        ring.load_state_dict(state, force=True)
        assert ring.next().number == state["batch"]
    told = re.sub(r"\b[0-9a-f]{16}\b", "MARK", str(refusal.value))
    assert re.sub(r"\d+ styles", "COUNT styles", told) == (
        f"the saved position belongs to another stream than this ring holds: {words}. "
        "Start sassld with the configuration of the checkpoint, or load with force=True"
    )


def test_a_daemon_that_comes_back_with_another_configuration_is_refused_by_what_changed(
    workplace: Workplace, data: pathlib.Path, size: Size, plain: dict[str, Any]
) -> None:
    with workplace.daemon(data, size, **plain) as daemon:
        ring = sassl.attach(daemon.name, start=0)
        ring.next().release()
    with workplace.daemon(data, size, **plain, stream__name=daemon.name, stream__seed=8):
        with pytest.raises(sassl.ConfigurationChangedError, match=r": stream\.seed was 7 and is 8\. Restart"):
            for _ in ring:
                pass
        position = ring.position
    # The former configuration is back, and so is the stream.
    with workplace.daemon(data, size, **plain, stream__name=daemon.name), ring:
        assert next(ring).number == position
