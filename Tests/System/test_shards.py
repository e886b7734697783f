"""Tar shards: the stream of the folder that they were packed from, and what becomes of those that are not in order."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, Literal

import pytest

import sassl
from picture_files import good_picture
from shard_files import Member, tables, write_shard
from stream_digests import FILE, STREAMS, digests, write_data
from streams import digest_of_arrays, read
from workplace import PLAIN, SHARED, Workplace, control, eventually

if TYPE_CHECKING:
    from workplace import Size

SHARDS: dict[str, Any] = {"dataset__layout": "shards"}
FORMATS: dict[str, Literal[0, 1, 2]] = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}
BATCHES = 12


def samples_of(folder: pathlib.Path) -> list[tuple[str, bytes, int]]:
    """Name, bytes and label of each picture of an image-folder."""
    classes = sorted(entry.name for entry in folder.iterdir())
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [(str(file.relative_to(folder)), file.read_bytes(), classes.index(file.parent.name)) for file in files]


def packed(folder: pathlib.Path, target: pathlib.Path, form: int = tarfile.PAX_FORMAT, shards: int = 4) -> pathlib.Path:
    """The pictures of an image-folder in shards, in no order."""
    samples = samples_of(folder)
    random.Random(1).shuffle(samples)
    for number in range(shards):
        members: list[Member] = []
        for name, content, label in samples[number::shards]:
            members += [(name.rsplit(".", 1)[0] + ".cls", f"{label}\n".encode()), (name, content)]
        write_shard(target / f"train-{number:06}.tar", members, form)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An image-folder of 38 pictures in three classes."""
    folder = tmp_path_factory.mktemp("pictures") / "data"
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def shards(folder: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The same in shards."""
    return packed(folder, tmp_path_factory.mktemp("shards"))


def kept_tables(workplace: Workplace, name: str) -> pathlib.Path:
    """The file of the tables that a stream has made."""
    (file,) = (workplace.folder / name / "state").glob("*.shards")
    return file


# --- One stream -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_a_list_and_shards_of_the_same_pictures_are_one_stream(
    workplace: Workplace, folder: pathlib.Path, tmp_path: pathlib.Path, form: str
) -> None:
    packed(folder, tmp_path / "shards", FORMATS[form])
    listing = tmp_path / "list"
    listing.write_text("".join(f"{folder}/{name}\t{label}\n" for name, _, label in samples_of(folder)))
    expected = json.loads(FILE.read_text())["mocov2"]
    for layout, path in (("image-folder", folder), ("list", listing), ("shards", tmp_path / "shards")):
        stream = STREAMS["mocov2"].changes | {"dataset__layout": layout}
        assert digests(workplace, path, type(STREAMS["mocov2"])(stream)) == expected, layout


def started(workplace: Workplace, path: pathlib.Path, size: Size, **changes: Any) -> dict[str, Any]:
    """The status of a daemon that serves these shards."""
    with workplace.daemon(path, size, **PLAIN, **SHARDS, **changes) as daemon:
        return eventually(lambda: (status := daemon.status())["fingerprint"] and status, "a fingerprint")


def refused(workplace: Workplace, path: pathlib.Path, size: Size, *patterns: str, **changes: object) -> str:
    """Fails unless a daemon refuses these shards in one sentence, which it returns."""
    _, file = workplace.configure(path, size, **PLAIN, **SHARDS, **changes)
    code, errors = workplace.end(file)
    assert code == 66, errors
    assert len(errors.splitlines()) == 1, errors
    for pattern in patterns:
        assert re.search(pattern, errors), errors
    return errors


@pytest.mark.parametrize("name", ["train-{000000..000003}.tar", "train-00000{0,{1..3}}.tar", "shards.txt", "one.tar"])
def test_shards_are_named_by_a_folder_a_notation_or_a_list(
    workplace: Workplace, folder: pathlib.Path, shards: pathlib.Path, tmp_path: pathlib.Path, size: Size, name: str
) -> None:
    path = shards / name
    if name == "shards.txt":
        path = tmp_path / name
        path.write_text(f"{shards}/train-000000.tar\n{shards}/train-{{000001..000003}}.tar\n")
    if name == "one.tar":
        path = packed(folder, tmp_path / "one", shards=1) / "train-000000.tar"
    named, whole = (started(workplace, place, size) for place in (path, shards))
    assert named["samples"] == whole["samples"] == 38
    assert named["fingerprint"] == whole["fingerprint"]


def test_killed_and_resumed_with_other_workers_it_is_the_stream_of_the_folder(
    workplace: Workplace, folder: pathlib.Path, shards: pathlib.Path, size: Size
) -> None:
    keys: dict[str, Any] = {"batch__size": 8}
    with workplace.daemon(folder, size, **keys, dataset__layout="image-folder") as daemon:
        expected = read(daemon.name, 0, BATCHES)
    found: list[bytes] = []
    for workers in (1, 3, 2):
        name, file = workplace.configure(shards, size, **keys, **SHARDS, workers__count=workers)
        process = workplace.launch(file)
        try:
            found += read(name, len(found), BATCHES // 3)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    assert found == expected


def test_two_ranks_joined_are_the_stream_of_the_folder(
    workplace: Workplace, folder: pathlib.Path, shards: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(folder, size, dataset__layout="image-folder", batch__size=16) as daemon:
        expected = read(daemon.name, 0, 4)
    ranks: dict[str, Any] = {"batch__size": 8, "batch__world_size": 2, "batch__ranks": [0, 1]}
    with workplace.daemon(shards, size, **SHARDS, **ranks) as daemon:
        slices = []
        for rank in (0, 1):
            with sassl.attach(daemon.name, rank=rank, world_size=2, start=0) as ring:
                slices.append([{k: v.copy() for k, v in ring.next(timeout=60).arrays.items()} for _ in range(4)])
    assert [digest_of_arrays(*pair) for pair in zip(*slices, strict=True)] == expected


# --- What lies where --------------------------------------------------------------------------------------------


def long_name(length: int) -> str:
    return "/".join(["directory" * 9] * (length // 82)) + "/picture"


@pytest.mark.parametrize("form", FORMATS)
def test_places_are_those_that_pythons_tarfile_finds(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, form: str
) -> None:
    names = ["a.jpg", "b/c.d/e.f.PNG", "./f.jpeg", "g h.webp", long_name(170) + ".png"]
    if form != "ustar":
        names += [long_name(900) + ".png", "\u00fc\u4e2d.jpg", "x" * 101 + ".jpg"]
    shard = tmp_path / "shards" / "a.tar"
    write_shard(
        shard,
        [member for name in names for member in ((name, good_picture(len(name))), (name + ".txt", b"x" * 700))],
        FORMATS[form],
    )
    with workplace.daemon(shard, size, **PLAIN, **SHARDS, batch__size=4) as daemon:
        read(daemon.name, 0, 1)
    places = tables(kept_tables(workplace, daemon.name))[str(shard)]
    with tarfile.open(shard) as archive:
        expected = {
            member.name.removeprefix("./"): (member.offset_data, member.size)
            for member in archive
            if not member.name.endswith(".txt")
        }
    assert {place.name: (place.offset, place.size) for place in places} == expected


def test_a_name_of_any_bytes_is_read(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    name = os.fsdecode(b"\xff\xfe line\nfeed.png")
    for form in FORMATS.values():
        write_shard(
            tmp_path / "shards" / f"{form}.tar",
            [(f"{number}{name}", good_picture(number)) for number in range(8)],
            form,
        )
    with workplace.daemon(tmp_path / "shards", size, **PLAIN, **SHARDS, batch__size=24) as daemon:
        read(daemon.name, 0, 3)
        assert daemon.status()["quarantined_files"] == 0
    for places in tables(kept_tables(workplace, daemon.name)).values():
        assert [place.name for place in places] == [f"{number}{name}" for number in range(8)]


def test_real_shards_hold_what_webdataset_finds_in_them(workplace: Workplace, size: Size) -> None:
    webdataset = pytest.importorskip("webdataset")
    folder = SHARED / "images" / "imagenette-128"
    if not folder.is_dir():
        pytest.skip("the shared shards are not here")
    with workplace.daemon(folder, size, **PLAIN, **SHARDS, dataset__exclude=["val-*"]) as daemon:
        assert eventually(lambda: daemon.status()["samples"], "samples") == 9469
    found = {
        (place.name, place.label, hashlib.sha256(content[place.offset : place.offset + place.size]).digest())
        for path, places in tables(kept_tables(workplace, daemon.name)).items()
        for content in [pathlib.Path(path).read_bytes()]
        for place in places
    }
    expected = {
        (sample["__key__"] + ".jpg", int(sample["cls"]), hashlib.sha256(sample["jpg"]).digest())
        for sample in webdataset.WebDataset(str(folder / "train-{0000..0009}.tar"), shardshuffle=False)
    }
    assert found == expected


def test_what_webdataset_writes_is_read(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    webdataset = pytest.importorskip("webdataset")
    pattern = str(tmp_path / "train-%06d.tar")
    with webdataset.ShardWriter(pattern, maxcount=10, verbose=0) as writer:
        for number in range(32):
            writer.write({"__key__": f"sample{number:04}", "png": good_picture(number), "cls": number * 3})
    path = tmp_path / "train-{000000..000003}.tar"
    with workplace.daemon(path, size, **PLAIN, **SHARDS, batch__size=32) as daemon:
        with sassl.attach(daemon.name, start=0) as ring, ring.next(timeout=60) as batch:
            assert {int(i): int(label) for i, label in zip(batch.sample_ids, batch.labels, strict=True)} == {
                number: number * 3 for number in range(32)
            }
        assert daemon.status()["quarantined_files"] == 0


# --- Labels -----------------------------------------------------------------------------------------------------


def labels(workplace: Workplace, shard: pathlib.Path, size: Size, count: int, **changes: Any) -> list[int]:
    """The labels of all pictures in the order of their numbers."""
    with (
        workplace.daemon(shard, size, **PLAIN, **SHARDS, batch__size=count, **changes) as daemon,
        sassl.attach(daemon.name, start=0) as ring,
        ring.next(timeout=60) as batch,
    ):
        return [int(label) for _, label in sorted(zip(batch.sample_ids, batch.labels, strict=True))]


def test_labels_with_gaps_without_and_of_several_pictures(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    picture = good_picture(1)
    members = [
        ("a.cls", b"7"), ("a.png", picture), ("b.png", picture), ("b.cls", b" -1\n"), ("c.png", picture),
        ("d.left.png", picture), ("d.right.png", picture), ("d.cls", b"1000000"), ("e.f/g.png", picture),
        ("e.cls", b"5"), ("README", b"no sample"), ("h.json", b"{}"), (".png", picture),
    ]  # fmt: skip
    shard = write_shard(tmp_path / "a.tar", members)
    # In the order of .png, a.png, b.png, c.png, d.left.png, d.right.png, e.f/g.png.
    assert labels(workplace, shard, size, 7) == [-1, 7, -1, -1, 1_000_000, 1_000_000, -1]


def test_labels_of_a_field_of_json(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    picture = good_picture(1)
    members = [
        ("a.json", b'{"class": 3, "x": "y"}'), ("a.png", picture), ("a.cls", b"9"),
        ("b.json", b'{"x": 2}'), ("b.png", picture), ("c.png", picture),
        ("d.png", picture), ("d.json", b'{"class": null}'),
    ]  # fmt: skip
    shard = write_shard(tmp_path / "a.tar", members)
    assert labels(workplace, shard, size, 4, dataset__label_field="class") == [3, -1, -1, -1]
    refused(workplace, shard, size, r"No \.json .* has a field 'label'", dataset__label_field="label")
    for text in (b'{"class": "three"}', b'{"class": -2}', b"class"):
        bad = write_shard(tmp_path / "bad.tar", [("a.json", text), ("a.png", picture)])
        refused(workplace, bad, size, r"bad\.tar: a\.json holds '.*' and no label", dataset__label_field="class")


@pytest.mark.parametrize("text", [b"-2", b"1.5", b"cat", b"", b"99999999999999999999"])
def test_a_label_that_is_none(workplace: Workplace, tmp_path: pathlib.Path, size: Size, text: bytes) -> None:
    shard = write_shard(tmp_path / "a.tar", [("x/a.png", good_picture(1)), ("x/a.cls", text)])
    refused(workplace, shard, size, r"a\.tar: x/a\.cls holds '.*' and no label", "whole number from 0, or -1")


# --- Shards that are not as they should be ----------------------------------------------------------------------


def good_members(count: int, first: int = 0) -> list[Member]:
    return [(f"{number:04}.png", good_picture(number)) for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("name", "by"), [("a.tar.gz", "gzip"), ("a.tar", "gzip"), ("a.tar.zst", "zstd"), ("a.tgz", "gzip")]
)
def test_a_compressed_shard_is_refused_by_name(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, name: str, by: str
) -> None:
    plain = write_shard(tmp_path / "plain", good_members(8))
    data = tmp_path / "shards"
    data.mkdir()
    if by == "zstd":
        if shutil.which("zstd") is None:
            pytest.skip("no zstd")
        subprocess.run(["zstd", "-q", plain, "-o", data / name], check=True)
    else:
        (data / name).write_bytes(gzip.compress(plain.read_bytes()))
    for path in (data, data / name):
        refused(workplace, path, size, rf"{name} is compressed \({by}\)", "Decompress it")
    write_shard(data / "b.tar", good_members(32))
    assert started(workplace, data, size, dataset__exclude=["a.*"])["samples"] == 32


@pytest.mark.parametrize("missing", [1, 600, 1024 + 512 * 3])
def test_a_shard_that_ends_inside_of_a_member(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, missing: int
) -> None:
    shard = write_shard(tmp_path / "a.tar", good_members(8))
    with tarfile.open(shard) as archive:
        last = archive.getmembers()[-1]
    os.truncate(shard, last.offset_data + last.size - missing)
    refused(workplace, shard, size, rf"a\.tar ends inside of 0007\.png: {missing} bytes are missing", "Fetch it again")


def write_shard_with_header(path: pathlib.Path, header: bytes) -> int:
    """A shard of seven good pictures, with a header and 600 bytes behind them; where that header begins."""
    write_shard(path, good_members(7))
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    start = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    path.write_bytes(path.read_bytes()[:start] + header + bytes(600))
    return start


@pytest.mark.parametrize("form", ["gnu", "pax"])
@pytest.mark.parametrize("told", [2**63 - 2, 2**63 - 1, 2**70])
def test_a_member_of_a_size_that_no_file_has(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, form: str, told: int
) -> None:
    member = tarfile.TarInfo("0007.png")
    member.size = told
    header = member.tobuf(FORMATS[form])
    start = write_shard_with_header(tmp_path / "a.tar", header)
    errors = refused(workplace, tmp_path / "a.tar", size, r"a\.tar ", "Fetch it again")
    # The largest of these are no numbers to libarchive, and what it takes for one differs between its versions.
    found = re.search(r"ends inside of 0007\.png: (\d+) bytes are missing|is damaged from byte (\d+) on", errors)
    assert found, errors
    missing, place = found.groups()
    assert int(missing) == told - 600 if missing else start <= int(place) < start + len(header)


def test_a_label_of_a_size_that_no_file_has(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    member = tarfile.TarInfo("0000.cls")
    member.pax_headers = {"SCHILY.realsize": "-5"}
    start = write_shard_with_header(tmp_path / "a.tar", member.tobuf(tarfile.PAX_FORMAT))
    refused(workplace, tmp_path / "a.tar", size, rf"a\.tar is damaged from byte {start} on", "Fetch it again")


def test_shards_that_are_none_or_damaged(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    shard = write_shard(tmp_path / "a.tar", good_members(8))
    content = bytearray(shard.read_bytes())
    with tarfile.open(shard) as archive:
        header = archive.getmembers()[5].offset
    content[header : header + 200] = b"?" * 200
    shard.write_bytes(content)
    refused(workplace, shard, size, rf"a\.tar is damaged from byte {header} on", "Fetch it again")
    for junk in (b"", b"no archive" * 200):
        shard.write_bytes(junk)
        refused(workplace, shard, size, r"a\.tar is no tar archive")
    refused(workplace, write_shard(tmp_path / "empty.tar", []), size, "No image was found")
    refused(workplace, tmp_path / "b-{0..3}.tar", size, r"There is no .*/b-0\.tar")
    refused(workplace, tmp_path / "b-{0.3}.tar", size, r"b-{0\.3}\.tar names no shards: '{0\.3}' is neither")
    (tmp_path / "nothing").mkdir()
    refused(workplace, tmp_path / "nothing", size, "No shard was found")


def test_a_member_that_is_there_twice(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    for twice in ([("0003.png", good_picture(9))], [("0003.cls", b"1"), ("0003.cls", b"1")]):
        shard = write_shard(tmp_path / "a.tar", good_members(8) + twice)
        refused(workplace, shard, size, rf"a\.tar holds {twice[0][0]} twice")
    # In different shards, they are different pictures.
    for name in ("c", "d"):
        write_shard(tmp_path / "shards" / f"{name}.tar", good_members(16))
    assert started(workplace, tmp_path / "shards", size)["samples"] == 32


def test_members_that_are_no_plain_files(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02}.png").write_bytes(good_picture(number))
    with (folder / "sparse.png").open("wb") as sparse:
        sparse.write(good_picture(0))
        sparse.truncate(1 << 20)
        sparse.seek(1 << 20)
        sparse.write(b"end")
    (folder / "symbolic.png").symlink_to("00.png")
    os.link(folder / "00.png", folder / "hard.png")
    (folder / "packed.png.gz").write_bytes(gzip.compress(good_picture(1)))
    (folder / "._00.png").write_bytes(b"resource")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "1.png").write_bytes(good_picture(1))
    shard = tmp_path / "shards" / "a.tar"
    shard.parent.mkdir()
    subprocess.run(["tar", "--sparse", "--sort=name", "-cf", shard, "-C", folder, "."], check=True)
    with workplace.daemon(shard, size, **PLAIN, **SHARDS, batch__size=31, limits__max_bad_fraction=0.1) as daemon:
        assert eventually(lambda: daemon.status()["samples"], "samples") == 31
        read(daemon.name, 0, 3)
        quarantine = daemon.status()["quarantine"]
        journal = daemon.stop()
    assert [(entry["path"], entry["reason"]) for entry in quarantine] == [
        (f"{shard}/sparse.png", "is stored as a sparse file; pack the shard without --sparse")
    ]
    for words in (
        "1 hidden folder (.hidden)", "1 macOS resource file (._00.png)", "2 links in shards (a.tar/",
        "1 compressed picture in a shard (a.tar/packed.png.gz)",
    ):  # fmt: skip
        assert words in journal


# --- While the daemon runs, and after ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["renamed", "rewritten", "same size and time", "removed", "touched"])
def test_a_shard_replaced_while_running_never_gives_pixels_of_another_sample(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, how: str
) -> None:
    """All pictures of a shard are as large as each other, so that those of the other one lie at the same places."""
    data = tmp_path / "shards"
    kept = write_shard(data / "a.tar", good_members(56))
    victim = data / "b.tar"

    def fill(first: int) -> pathlib.Path:
        """Four pictures at the places of four others, under other names."""
        members = [(name, content.ljust(60_000, b"\0")) for name, content in good_members(4, first)]
        return write_shard(tmp_path / "other.tar", members)

    victim.write_bytes(fill(1000).read_bytes())
    status = victim.stat()
    changes: dict[str, Any] = {"batch__size": 4, "ring__slots": 2, "limits__max_bad_fraction": 0.2}
    with workplace.daemon(data, size, **PLAIN, **SHARDS, **changes) as daemon:
        before = read(daemon.name, 0, 1)
        content = fill(2000).read_bytes()
        if how == "renamed":
            (tmp_path / "other.tar").rename(victim)
        elif how == "removed":
            victim.unlink()
        elif how == "touched":
            os.utime(victim, ns=(0, 0))
        else:
            with victim.open("r+b") as file:
                file.write(content)
            if how == "same size and time":
                os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
        shown: set[int] = set()
        with sassl.attach(daemon.name, start=45) as ring:
            for batch in ring:
                shown.update(batch.sample_ids.tolist())
                if batch.number == 90:
                    break
        quarantine = daemon.status()["quarantine"]
        assert read(daemon.name, 0, 1) == before or quarantine
    assert {entry["path"] for entry in quarantine} == {f"{victim}/{number}.png" for number in range(1000, 1004)}
    reason = (
        "no such file" if how == "removed" else "its shard was changed after its table was made; start sassld again"
    )
    assert {entry["reason"] for entry in quarantine} == {reason}
    assert shown == set(range(56))
    assert kept.exists()


def test_the_second_start_does_not_read_the_headers_again(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    shard = write_shard(tmp_path / "shards" / "a.tar", good_members(32))
    name, file = workplace.configure(shard, size, **PLAIN, **SHARDS)
    with workplace.running(name, file):
        first = read(name, 0, 2)
    kept = kept_tables(workplace, name)
    table, status = kept.read_bytes(), shard.stat()
    whole = shard.read_bytes()
    # With the size and the time that it had, it is taken for what it was until a picture is read.
    shard.write_bytes(b"?" * len(whole))
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    told = control("doctor", "--config", str(file)).stdout
    assert re.search(r"dataset +8 of 8 samples tried cannot be used, such as .*0000\.png: its shard was changed", told)
    shard.write_bytes(whole)
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    for rubbish in (b"", b"rubbish", table[:-3], table[:100] + b"?" + table[101:], b"SASSLTAR" + bytes(8)):
        kept.write_bytes(rubbish)
        with workplace.running(name, file):
            assert read(name, 0, 2) == first
        assert kept.read_bytes() == table
    # Another shard beside it, and one that has changed, are read.
    shard.unlink()
    write_shard(shard, good_members(33))
    with workplace.running(name, file) as daemon:
        # Until it answers, status tells what the index has of the daemon before.
        eventually(lambda: daemon.status()["samples"] == 33, "33 samples")
