"""`sasslctl dataset`: what it finds in a data set before a long run does, and the manifest that it writes."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import schemas
from picture_files import MAXIMUM_FILE_BYTES, good_picture, write_broken, write_good
from shard_files import write_shard
from streams import read
from workplace import PLAIN, PROGRAMS

if TYPE_CHECKING:
    from workplace import Size, Workplace


def surveyed(configuration: pathlib.Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and report of `sasslctl dataset --json`."""
    command: list[str | pathlib.Path] = [
        PROGRAMS / "sasslctl",
        "dataset",
        "--json",
        "--config",
        configuration,
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    schemas.accept("dataset", json.loads(done.stdout))
    return done.returncode, json.loads(done.stdout)


def test_it_finds_every_bad_picture(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    data = tmp_path / "data"
    write_good(data, 60)
    reasons = write_broken(data / "broken")
    if os.geteuid() == 0:
        # Root may read it.
        del reasons[os.fsencode(data / "broken" / "unreadable.png")]
    _, file = workplace.configure(data, size, limits__max_file_bytes=MAXIMUM_FILE_BYTES)
    listing = tmp_path / "bad"
    code, report = surveyed(file, "--bad", str(listing))
    assert code == 1
    entries = [line.rsplit(b"\t", 1) for line in re.split(rb"(?<!line)\n", listing.read_bytes())[:-1]]
    found = {path: reason.decode() for path, reason in entries}
    assert set(found) == set(reasons)
    for path, reason in reasons.items():
        assert re.search(reason, found[path]), path
    assert [entry["reason"] for entry in report["reading"]["bad"]] == list(found.values())
    assert report["samples"] == report["source_samples"][0] == 60 + len(reasons) + (os.geteuid() == 0)
    told = subprocess.run(
        [PROGRAMS / "sasslctl", "dataset", "--config", file], capture_output=True, text=True, check=False
    )
    shown = told.stdout.partition("copies")[0]
    assert (told.returncode, shown.count("\n  ")) == (1, 11)
    assert f"bad         {len(reasons)} pictures" in told.stdout


def test_it_counts_labels_and_copies(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    pictures = {f"{number:02}.png": good_picture(number % 30) for number in range(34)}
    labels = {f"{number:02}.cls": str(number * 10).encode() for number in range(20)}
    shard = write_shard(tmp_path / "a.tar", sorted((pictures | labels).items()))
    _, file = workplace.configure(shard, size, dataset__layout="shards", state__directory=str(tmp_path))
    code, report = surveyed(file)
    assert code == 0
    assert report["labels"] == {"different": 20, "lowest": 0, "highest": 190, "samples_without": 14}
    copies = [[f"{shard}/{number:02}.png", f"{shard}/{number + 30}.png"] for number in range(4)]
    assert report["reading"]["copies"] == copies
    assert (report["reading"]["bad"], report["reading"]["bytes"]) == ([], sum(map(len, pictures.values())))
    # The tables are there for the daemon.
    assert len(list(tmp_path.glob("*.shards"))) == 1
    code, report = surveyed(file, "--count")
    assert (code, report["samples"], "reading" in report) == (0, 34, False)


@pytest.mark.parametrize("layout", ["image-folder", "flat", "shards"])
def test_a_frozen_data_set_stays_the_same_stream_when_it_grows_and_shrinks(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, layout: str
) -> None:
    data = tmp_path / "data"

    def add(name: str, first: int, count: int) -> pathlib.Path:
        members = [(f"{name}/{number}.png", good_picture(number)) for number in range(first, first + count)]
        if layout == "shards":
            labels = [(member.replace(".png", ".cls"), b"3") for member, _ in members]
            return write_shard(data / f"{name}.tar", [*members, *labels])
        for member, content in members:
            (data / member).parent.mkdir(parents=True, exist_ok=True)
            (data / member).write_bytes(content)
        return data / name

    add("cow", 0, 20)
    add("dog", 20, 20)
    keys: dict[str, Any] = {"dataset__layout": layout, **PLAIN}
    _, file = workplace.configure(data, size, **keys)
    manifest = tmp_path / "manifest"
    assert surveyed(file, "--freeze", str(manifest))[0] == 0
    with workplace.daemon(data, size, **keys) as daemon:
        expected = read(daemon.name, 0, 4)
        fingerprint = daemon.status()["fingerprint"]
    keys["dataset__manifest"] = str(manifest)
    add("ant", 100, 5)
    add("cat", 110, 7)
    with workplace.daemon(data, size, **keys) as daemon:
        assert read(daemon.name, 0, 4) == expected
        status = daemon.status()
        assert (status["samples"], status["fingerprint"]) == (40, fingerprint)
        report = surveyed(daemon.configuration, "--count")[1]
    assert report["manifest"] == {"samples_not_in_it": 12, "samples_gone": 0}
    add("dog", 21, 19)
    if layout != "shards":
        (data / "dog" / "20.png").unlink()
    with workplace.daemon(data, size, **keys, limits__max_bad_fraction=0.1) as daemon:
        read(daemon.name, 0, 3)
        status = daemon.status()
        assert [entry["reason"] for entry in status["quarantine"]] == ["no such file"]
        assert (status["samples"], status["fingerprint"]) == (40, fingerprint)
        report = surveyed(daemon.configuration, "--count")[1]
    assert report["manifest"] == {"samples_not_in_it": 12, "samples_gone": 1}
    if layout == "shards":
        (data / "dog.tar").unlink()
        _, configuration = workplace.configure(data, size, **keys)
        code, errors = workplace.end(configuration)
        assert (code, "There is no " in errors, "dog.tar" in errors) == (66, True, True), errors


@pytest.mark.parametrize(
    ("layout", "before", "after"),
    [
        ("image-folder", "cow/0.png\t0\ncow/1.png\t0\n", "ant/2.png\t0\ncow/1.png\t1\n"),
        ("shards", "cow.tar/cow/0.png\t-1\ncow.tar/cow/1.png\t-1\n", "ant.tar/ant/2.png\t-1\ncow.tar/cow/1.png\t-1\n"),
    ],
)
def test_freezing_anew_takes_in_what_has_come_and_leaves_out_what_is_gone(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, layout: str, before: str, after: str
) -> None:
    data, manifest = tmp_path / "data", tmp_path / "manifest"

    def put(name: str, *numbers: int) -> None:
        members = [(f"{name}/{number}.png", good_picture(number)) for number in numbers]
        if layout == "shards":
            write_shard(data / f"{name}.tar", members)
            return
        shutil.rmtree(data / name, ignore_errors=True)
        (data / name).mkdir(parents=True)
        for member, content in members:
            (data / member).write_bytes(content)

    # The manifest that the configuration names need not be there when it is made.
    _, file = workplace.configure(data, size, dataset__layout=layout, dataset__manifest=str(manifest))
    put("cow", 0, 1)
    assert surveyed(file, "--freeze", str(manifest))[0] == 0
    assert manifest.read_text() == before
    put("cow", 1)
    put("ant", 2)
    assert surveyed(file, "--count")[1]["manifest"] == {"samples_not_in_it": 1, "samples_gone": 1}
    code, report = surveyed(file, "--freeze", str(manifest))
    assert (code, report["samples"], "manifest" in report) == (0, 2, False)
    assert manifest.read_text() == after
    assert surveyed(file, "--count")[1]["manifest"] == {"samples_not_in_it": 0, "samples_gone": 0}


def test_a_manifest_leaves_out_bad_ones_and_copies_and_keeps_any_name(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    data = tmp_path / "data"
    write_good(data, 40)
    (data / "bad.png").write_bytes(b"bad")
    shutil.copy(data / "good 0009.png", data / "good 0009 copy\t1.png")
    _, file = workplace.configure(data, size)
    manifest = tmp_path / "manifest"
    for flags, count in ((), 41), (("--drop-copies",), 40):
        assert surveyed(file, "--freeze", str(manifest), *flags)[0] == 1
        with workplace.daemon(data, size, **PLAIN, dataset__manifest=str(manifest)) as daemon:
            read(daemon.name, 0, 5)
            status = daemon.status()
            assert (status["samples"], status["quarantined_files"]) == (count, 0)


def test_what_it_refuses(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    data = tmp_path / "data"
    write_good(data, 8)
    _, file = workplace.configure(data, size)

    def refused(code: int, words: str, *arguments: str) -> None:
        command: list[str | pathlib.Path] = [PROGRAMS / "sasslctl", "dataset", "--config", file, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr

    refused(64, "--count reads no pictures", "--count", "--bad", "x")
    refused(64, "takes no 'x'", "x")
    refused(73, "cannot write /nowhere/x: No such file or directory", "--freeze", "/nowhere/x")
    for picture in data.iterdir():
        picture.write_bytes(b"bad")
    refused(65, "no picture of the data set can be used", "--freeze", str(tmp_path / "x"))
    (tmp_path / "manifest").write_text("a.png\t1\n")
    name, _ = workplace.configure(
        data, size, **PLAIN, dataset__layout="shards", dataset__manifest=str(tmp_path / "manifest")
    )
    code, errors = workplace.end(workplace.folder / f"{name}.toml")
    assert code == 66
    assert re.search("manifest, line 1: a.png names no picture in a shard", errors)
