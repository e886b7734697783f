"""How batches are divided among makers, how many makers there should be, and which of them go first."""

from __future__ import annotations

import itertools
import random

import pytest

pytest.importorskip("ray")

from sassl.ray.assignment import Assignment, assign, duration
from sassl.ray.scaling import Failures, Starts, in_order_of_leaving, needed_makers, states_of
from sassl.ray.slices import Division, chosen_count, possible_counts


def test_slices_of_all_ranks_are_the_finer_ranks_in_order() -> None:
    division = Division(batch_size=256, world_size=3, count=4)
    assert division.slice_size * division.slice_world_size == 256 * 3
    assert list(itertools.chain(*map(division.slices_of, range(3)))) == list(range(division.slice_world_size))


def test_a_batch_is_cut_where_style_groups_end() -> None:
    assert possible_counts(256, 32) == [1, 2, 4, 8]
    assert possible_counts(96, 32) == [1, 3]
    assert all(256 // count % 32 == 0 for count in possible_counts(256, 32))


def test_every_maker_has_work_or_is_refused() -> None:
    assert chosen_count(256, 32, ranks=1, makers=2) == 8
    assert chosen_count(256, 32, ranks=8, makers=4) == 2
    assert chosen_count(64, 32, ranks=1, makers=2) == 2
    with pytest.raises(ValueError, match="work for 2 makers, not for 3"):
        chosen_count(64, 32, ranks=1, makers=3)


def test_no_division_is_faster_than_the_one_that_is_chosen() -> None:
    draws = random.Random(5)
    for _ in range(200):
        rates = {f"maker{index}": draws.uniform(1, 8) for index in range(draws.randint(1, 3))}
        slices = range(draws.randint(1, 6))
        best = min(duration(dict(enumerate(owners)), rates) for owners in itertools.product(rates, repeat=len(slices)))
        assert duration(assign(slices, rates), rates) == pytest.approx(best)


def test_slices_move_when_makers_come_and_go_and_for_nothing_small() -> None:
    assignment = Assignment(range(8))
    assert assignment.owner(0) is None
    assignment.update({"a": 10, "b": 10})
    assert [len(assignment.slices_of(name)) for name in "ab"] == [4, 4]
    before = [assignment.owner(part) for part in range(8)]
    assignment.update({"a": 10.4, "b": 9.6})
    assert [assignment.owner(part) for part in range(8)] == before
    assignment.update({"a": 30, "b": 10})
    assert [len(assignment.slices_of(name)) for name in "ab"] == [6, 2]
    # One that has made nothing yet is taken for an average one.
    assignment.update({"a": 10, "b": 10, "c": 0})
    assert sorted(len(assignment.slices_of(name)) for name in "abc") == [2, 3, 3]
    assignment.update({"c": 5})
    assert assignment.slices_of("c") == list(range(8))
    assignment.update({})
    assert assignment.owner(0) is None


def test_makers_are_added_while_the_trainer_waits_and_removed_while_they_do() -> None:
    assert needed_makers(1, starved=0.5, full=0.0, most=8) == 2
    assert needed_makers(2, starved=0.75, full=0.0, most=8) == 8
    assert needed_makers(2, starved=0.75, full=0.0, most=4) == 4
    assert needed_makers(4, starved=0.0, full=0.6, most=8) == 2
    assert needed_makers(4, starved=0.0, full=0.1, most=8) == 4
    assert needed_makers(1, starved=0.0, full=0.99, most=8) == 1
    # A trainer that takes batches in bursts wants more slots, not more makers.
    assert needed_makers(3, starved=0.3, full=0.3, most=8) == 3


@pytest.mark.parametrize("used", [0.3, 0.5, 0.79, 0.95])
def test_a_removal_never_makes_the_trainer_wait(used: float) -> None:
    for present in range(1, 20):
        wanted = needed_makers(present, starved=0.0, full=1 - used, most=20)
        assert wanted >= present * used


def test_a_maker_that_any_feeder_reaches_runs_and_one_that_none_has_seen_starts() -> None:
    def report(**makers: str) -> dict[str, list[dict[str, str]]]:
        return {"makers": [{"name": name, "state": state} for name, state in makers.items()]}

    reports = [report(a="running", b="unreachable", gone="running"), report(a="unreachable", b="running", c="failed")]
    assert states_of("abcd", reports) == {"a": "running", "b": "running", "c": "failed", "d": "starting"}


def test_makers_that_do_not_run_go_first_and_then_the_farthest() -> None:
    states = {"a": "failed", "b": "running", "c": "starting", "d": "refused", "e": "running", "f": "unreachable"}
    assert in_order_of_leaving(states) == ["f", "d", "a", "c", "e", "b"]


def test_makers_that_have_not_run_for_a_minute_are_given_up_and_one_of_another_stream_at_once() -> None:
    failures = Failures()
    assert failures.hopeless({"a": "running", "b": "failed", "c": "refused", "d": "starting"}, 0) == ["c"]
    # Its daemon was started again, and has failed again.
    assert failures.hopeless({"a": "unreachable", "b": "starting", "d": "starting"}, 30) == []
    assert failures.hopeless({"a": "unreachable", "b": "failed", "d": "starting"}, 61) == ["b"]
    assert failures.hopeless({"a": "unreachable", "b": "failed", "d": "starting"}, 91) == ["b", "a"]
    assert failures.hopeless({"a": "running", "b": "running", "d": "starting"}, 100) == []
    assert failures.hopeless({"a": "failed", "b": "unreachable", "d": "starting"}, 130) == []


def test_only_makers_that_start_are_waited_for_and_not_for_ever() -> None:
    starts = Starts()
    assert starts.on_their_way({"a": "running", "b": "failed", "c": "unreachable", "d": "refused"}, 0) == []
    assert starts.on_their_way({"a": "running", "b": "starting"}, 100) == ["b"]
    assert starts.on_their_way({"a": "starting", "b": "starting"}, 699) == ["a", "b"]
    assert starts.on_their_way({"a": "starting", "b": "starting"}, 701) == ["a"]
    # One that has run meanwhile starts anew.
    assert starts.on_their_way({"a": "starting", "b": "running"}, 702) == ["a"]
    assert starts.on_their_way({"a": "running", "b": "starting"}, 703) == ["b"]
