"""Several sources in one stream: what an epoch is, how often each sample comes, and that it is still one stream."""

from __future__ import annotations

import collections
import os
import pathlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sassl
from picture_files import good_picture
from shard_files import write_shard
from streams import digest_of_arrays, read
from workplace import PLAIN, PROGRAMS, Size, toml

if TYPE_CHECKING:
    from workplace import Workplace

FIRST, SECOND, THIRD = 60, 10, 90
#: Draws of an epoch: one pass over the first source, a third as many from the second, half as many from the third.
SHARES = (60, 20, 30)
BATCH = 11
EPOCH = sum(SHARES) // BATCH
SMALL = Size(BATCH, 32)
RANGES = (range(FIRST), range(FIRST, FIRST + SECOND), range(FIRST + SECOND, FIRST + SECOND + THIRD))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tables of three sources: shards, a folder and a list."""
    folder = tmp_path_factory.mktemp("sources")
    for shard in range(3):
        members = [(f"{number:03}.png", good_picture(number)) for number in range(shard, FIRST, 3)]
        write_shard(folder / "shards" / f"{shard}.tar", [*members, *((f"{name[:3]}.cls", b"7") for name, _ in members)])
    for number in range(SECOND):
        (folder / "own" / f"class{number % 2}").mkdir(parents=True, exist_ok=True)
        (folder / "own" / f"class{number % 2}" / f"{number}.png").write_bytes(good_picture(1000 + number))
    for number in range(THIRD):
        (folder / "list").mkdir(exist_ok=True)
        (folder / "list" / f"{number:02}.png").write_bytes(good_picture(2000 + number))
    (folder / "list.txt").write_text("".join(f"list/{number:02}.png\n" for number in range(THIRD)))
    tables = [
        {"path": str(folder / "shards"), "layout": "shards", "weight": 3},
        {"path": str(folder / "own"), "layout": "image-folder", "weight": 1},
        {"path": str(folder / "list.txt"), "layout": "list", "weight": 1.5},
    ]
    return "".join("[[dataset.source]]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in table.items()) for table in tables)


def configured(workplace: Workplace, sources: str, **changes: Any) -> tuple[str, pathlib.Path]:
    keys: dict[str, Any] = {**PLAIN, "batch__size": BATCH, **changes}
    name, file = workplace.configure(pathlib.Path("x"), SMALL, **keys)
    file.write_text(re.sub(r"\[dataset\].*?(?=^\[)", sources, file.read_text(), flags=re.M | re.S))
    return name, file


def test_an_epoch_is_one_pass_over_the_first_source_and_the_others_in_proportion(
    workplace: Workplace, sources: str
) -> None:
    epochs: list[collections.Counter[int]] = [collections.Counter() for _ in range(9)]
    labels: dict[int, int] = {}
    pictures: dict[tuple[int, int], set[bytes]] = collections.defaultdict(set)
    name, file = configured(workplace, sources)
    with workplace.running(name, file) as daemon, sassl.attach(name, start=0) as ring:
        status = daemon.status()
        for batch in ring:
            assert (batch.epoch, batch.step) == divmod(batch.number, EPOCH)
            if batch.epoch == len(epochs):
                break
            epochs[batch.epoch].update(batch.sample_ids.tolist())
            labels.update(zip(batch.sample_ids.tolist(), batch.labels.tolist(), strict=True))
            for sample, view in zip(batch.sample_ids.tolist(), batch.views[0], strict=True):
                pictures[batch.epoch, sample].add(view.tobytes())
    assert status["samples"] == FIRST + SECOND + THIRD
    seen: collections.Counter[int] = collections.Counter()
    for number, epoch in enumerate(epochs, 1):
        assert [sum(epoch[sample] for sample in part) for part in RANGES] == list(SHARES)
        assert {epoch[sample] for sample in RANGES[0]} == {1}
        seen.update(epoch)
        for part, share in zip(RANGES, SHARES, strict=True):
            # No sample comes again before all others of its source have come.
            whole, rest = divmod(share * number, len(part))
            assert {seen[sample] for sample in part} == ({whole, whole + 1} if rest else {whole})
    # Its order is another one in each epoch, and what comes twice in one looks another way.
    assert len({tuple(sorted(epoch.items())) for epoch in epochs}) == len(epochs)
    assert all(len(pictures[epoch, sample]) == epochs[epoch][sample] for epoch, sample in pictures)
    assert {labels[sample] for sample in RANGES[0]} == {7}
    assert [labels[sample] for sample in RANGES[1]] == [0] * 5 + [1] * 5
    assert {labels[sample] for sample in RANGES[2]} == {-1}


def test_it_is_one_stream_for_any_workers_ranks_and_restarts(workplace: Workplace, sources: str) -> None:
    changes: dict[str, Any] = {"style__enabled": True, "batch__size": 10, "style__group": 5}
    name, file = configured(workplace, sources, **changes)
    with workplace.running(name, file):
        expected = read(name, 0, 25)
    name, file = configured(workplace, sources, **changes, workers__count=1, ring__slots=2)
    with workplace.running(name, file):
        assert read(name, 13, 12) == expected[13:]
    ranks = {"batch__size": 5, "batch__world_size": 2, "batch__ranks": [0, 1]}
    name, file = configured(workplace, sources, **changes | ranks)
    with workplace.running(name, file):
        halves = []
        for rank in (0, 1):
            with sassl.attach(name, rank=rank, world_size=2, start=0) as ring:
                halves.append([{k: v.copy() for k, v in ring.next(timeout=60).arrays.items()} for _ in range(25)])
    assert [digest_of_arrays(*pair) for pair in zip(*halves, strict=True)] == expected


def test_one_source_in_a_table_is_the_stream_without_a_table(workplace: Workplace, data: pathlib.Path) -> None:
    with workplace.daemon(data, SMALL, **PLAIN) as daemon:
        expected, fingerprint = read(daemon.name, 0, 8), daemon.status()["fingerprint"]
    table = f'[[dataset.source]]\npath = "{data}"\nlayout = "flat"\nweight = 5\n'
    name, file = configured(workplace, table)
    with workplace.running(name, file) as daemon:
        assert read(name, 0, 8) == expected
        assert daemon.status()["fingerprint"] == fingerprint


def test_a_bad_picture_is_replaced_by_one_of_its_source(workplace: Workplace, tmp_path: pathlib.Path) -> None:
    for source, count in (("a", 40), ("b", 6)):
        (tmp_path / source).mkdir()
        for number in range(count):
            (tmp_path / source / f"{number:02}.png").write_bytes(good_picture(number))
    for bad in (tmp_path / "a" / "07.png", tmp_path / "b" / "03.png"):
        bad.write_bytes(b"bad")
    tables = "".join(f'[[dataset.source]]\npath = "{tmp_path}/{part}"\nlayout = "flat"\n' for part in "ab")
    name, file = configured(workplace, tables, batch__size=16, limits__max_bad_fraction=0.5)
    shown: collections.Counter[bool] = collections.Counter()
    with workplace.running(name, file) as daemon, sassl.attach(name, start=0) as ring:
        for batch in ring:
            shown.update((np.asarray(batch.sample_ids) < 40).tolist())
            if batch.number == 19:
                break
        paths = [entry["path"] for entry in daemon.status()["quarantine"]]
    assert shown == {True: 160, False: 160}
    assert sorted(paths) == [f"{tmp_path}/a/07.png", f"{tmp_path}/b/03.png"]


def test_what_does_not_go_together_is_told(workplace: Workplace) -> None:
    def problems(text: str) -> list[str]:
        _, file = configured(workplace, text)
        code, errors = workplace.end(file)
        assert code == 78
        lines = file.read_text().splitlines()
        told = re.findall(r"\.toml:(\d+): (.*)", errors)
        # In place of the number, what stands in that line.
        return [f"{lines[int(number) - 1].split(' ')[0]}: {problem}" for number, problem in told]

    table = '[[dataset.source]]\npath = "a"\n'
    assert problems('[dataset]\npath = "b"\n' + table) == [
        "path: dataset.path: has no meaning beside [[dataset.source]]; write it there"
    ]
    assert problems("[[dataset.source]]\nweight = 0\n")[0].startswith(
        "weight: dataset.source[0].weight: must be a number from"
    )
    assert problems("[[dataset.source]]\nweight = 1\n") == ["[[dataset.source]]: dataset.source[0].path: must be set"]
    assert problems(table + 'label_field = "x"\n') == [
        'label_field: dataset.source[0].label_field: is for dataset.layout = "shards"'
    ]
    assert problems(table + "weigth = 1\n") == ["weigth: dataset.source[0].weigth: unknown key; did you mean weight?"]
    assert problems("[dataset]\nweight = 1\n") == [
        "weight: dataset.weight: unknown key; weight is a key of single sources, below [[dataset.source]]"
    ]


def test_python_serves_sources_with_relative_paths(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    for part in "ab":
        (tmp_path / part).mkdir()
        for number in range(8):
            (tmp_path / part / f"{number}.png").write_bytes(good_picture(number))
    sources = [{"path": "a", "layout": "flat"}, {"path": "b", "layout": "flat", "weight": 0.5}]
    with sassl.serve(dataset_source=sources, batch_size=12, side=32, style_enabled=False) as reader:
        assert reader.next(timeout=60).count == 12
