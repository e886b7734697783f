"""Broken files among good ones: each is told and replaced, and the stream goes on."""

from __future__ import annotations

import collections
import datetime
import itertools
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest

import sassl
from keyed_draws import replacements
from picture_files import (
    GOLDEN,
    MAXIMUM_FILE_BYTES,
    flat_picture,
    good_picture,
    png,
    png_header,
    write_broken,
    write_good,
)
from streams import digest_of
from workplace import PROGRAMS, Workplace, control, eventually, rows

if TYPE_CHECKING:
    from workplace import Daemon, Size

GOOD = 150
SEED = 7

# Root may read everything, unless it gives that right away.
AS_ANYBODY = (
    ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override,-dac_read_search"]
    if os.geteuid() == 0
    else []
)


class Mixed:
    """A folder of good and broken files, and what a stream made of it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.data = folder / "data"
        write_good(self.data, GOOD)
        self.reasons = write_broken(self.data / "broken")
        # Neither a file of the stream nor in its way: a directory with a picture's name, and one that leads back.
        (self.data / "directory.jpg").mkdir()
        (self.data / "directory.jpg" / "loop").symlink_to(self.data, target_is_directory=True)
        self.count = GOOD + len(self.reasons)
        self.digests: list[bytes] = []
        self.samples: collections.Counter[int] = collections.Counter()
        self.status: dict[str, Any] = {}
        self.stopped_status: dict[str, Any] = {}
        self.journal = ""
        self.index = pathlib.Path()

    def configuration(self, workers: int) -> dict[str, Any]:
        return {
            "style__enabled": False,
            "stream__seed": SEED,
            "batch__last_batch": "wrap",
            "limits__max_bad_fraction": 0.4,
            "workers__count": workers,
            "limits__max_file_bytes": MAXIMUM_FILE_BYTES,
        }


def read_two_epochs(daemon: Daemon, mixed: Mixed) -> list[bytes]:
    digests = []
    with sassl.attach(daemon.name, start=0) as ring:
        for batch in ring:
            if batch.epoch == 2:
                break
            digests.append(digest_of(batch))
            if batch.epoch == 0:
                mixed.samples.update(batch.sample_ids.tolist())
    return digests


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, size: Size) -> Mixed:
    """Two epochs of the mixed folder, made by four workers."""
    folder = tmp_path_factory.mktemp("mixed")
    mixed = Mixed(folder)
    workplace = Workplace(folder)
    with workplace.daemon(mixed.data, size, AS_ANYBODY, **mixed.configuration(workers=4)) as daemon:
        mixed.digests = read_two_epochs(daemon, mixed)
        mixed.status = daemon.status()
        mixed.journal = daemon.stop()
        configuration = daemon.configuration
    mixed.index = folder / daemon.name / "state" / f"{daemon.name}.sqlite"
    left = control("status", "--json", "--config", str(configuration))
    assert left.returncode == 3
    mixed.stopped_status = json.loads(left.stdout)
    return mixed


def printed(path: bytes) -> str:
    """A path as it is shown: on one line, whatever its bytes."""
    text = path.decode(errors="surrogateescape").replace("\n", "\\n")
    return re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02X}", text)


def test_every_good_sample_comes_and_no_broken_one(mixed: Mixed) -> None:
    assert mixed.status["samples"] == mixed.count
    broken = {sample for (sample,) in rows(mixed.index, "SELECT sample_id FROM quarantine")}
    assert len(broken) == len(mixed.reasons) >= 40
    assert set(mixed.samples) == set(range(mixed.count)) - broken


def test_every_broken_file_is_in_the_status_with_its_reason(mixed: Mixed) -> None:
    assert mixed.status["state"] == "running"
    assert mixed.status["quarantined_files"] == len(mixed.reasons)
    told = {entry["path"]: entry["reason"] for entry in mixed.status["quarantine"]}
    assert set(told) == {printed(path) for path in mixed.reasons}
    for path, reason in mixed.reasons.items():
        assert re.search(reason, told[printed(path)]), (path, told[printed(path)])


def test_every_broken_file_is_in_the_index_with_its_reason(mixed: Mixed) -> None:
    told = dict(rows(mixed.index, "SELECT path, reason FROM quarantine"))
    assert set(told) == set(mixed.reasons)
    for path, reason in mixed.reasons.items():
        assert re.search(reason, told[path]), (path, told[path])


def test_the_journal_names_them_but_no_more_than_five_in_thirty_seconds(mixed: Mixed) -> None:
    told = re.findall(r"^(\S+) (.*) cannot be used and is replaced: (.*)$", mixed.journal, re.MULTILINE)
    assert told
    reasons = {printed(path): reason for path, reason in mixed.reasons.items()}
    for _, path, reason in told:
        assert re.search(reasons[path], reason), (path, reason)
    moments = [datetime.datetime.fromisoformat(moment) for moment, _, _ in told]
    for first, sixth in itertools.pairwise(moments[::5]):
        # They are told in whole seconds.
        assert (sixth - first).total_seconds() >= 29


def test_the_status_of_a_stopped_daemon_still_names_them(mixed: Mixed) -> None:
    assert mixed.stopped_status["state"] == "stopped"
    told = {(entry["path"], entry["reason"]) for entry in mixed.stopped_status["quarantine"]}
    assert told == {(entry["path"], entry["reason"]) for entry in mixed.status["quarantine"]}


def test_replacements_are_drawn_as_the_stream_defines(mixed: Mixed) -> None:
    broken = {sample for (sample,) in rows(mixed.index, "SELECT sample_id FROM quarantine")}
    replaced = rows(
        mixed.index,
        "SELECT epoch, replaced_sample_id, sample_id FROM sample JOIN batch ON batch.id = batch_id "
        "WHERE replaced_sample_id IS NOT NULL AND epoch < 2",
    )
    # Every broken sample has its turn in every epoch; where the last batch wraps, some have two.
    assert {(epoch, planned) for epoch, planned, _ in replaced} == {(e, s) for e in (0, 1) for s in broken}
    for epoch, planned, shown in replaced:
        tried = replacements(SEED, epoch, planned, mixed.count)
        assert shown == next(sample for sample in tried if sample not in broken)


def test_one_worker_makes_the_same_stream_as_four(workplace: Workplace, mixed: Mixed, size: Size) -> None:
    with workplace.daemon(mixed.data, size, AS_ANYBODY, **mixed.configuration(workers=1)) as daemon:
        assert read_two_epochs(daemon, mixed) == mixed.digests


def test_too_many_broken_files_end_the_stream(workplace: Workplace, mixed: Mixed, size: Size) -> None:
    name, file = workplace.configure(
        mixed.data, size, **mixed.configuration(workers=1) | {"limits__max_bad_fraction": 0.02, "ring__slots": 16}
    )
    code, errors = workplace.end(file, AS_ANYBODY)
    assert code == 65, errors
    # 2 % of 201 files are 4.02: the fifth bad one is one too many. A second worker might find the sixth meanwhile.
    allowed = int(mixed.count * 0.02)
    assert errors.splitlines()[-1].startswith(
        f"sassld: {allowed + 1} of {mixed.count} files cannot be used, more than limits.max_bad_fraction = 0.02 allows"
    )
    # The state that it leaves tells what happened, to people and to programs.
    left = control("status", "--json", "--config", str(file))
    assert left.returncode == 3
    assert json.loads(left.stdout)["quarantined_files"] > allowed
    assert not list(pathlib.Path("/dev/shm").glob(f"*{name}*"))


def test_a_folder_without_any_good_file_ends_the_stream(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    for number in range(20):
        (tmp_path / f"{number}.jpg").write_text("nothing")
    _, file = workplace.configure(tmp_path, size, style__enabled=False, limits__max_bad_fraction=1.0, workers__count=4)
    code, errors = workplace.end(file)
    assert code == 65, errors
    assert re.search(r"neither can any of the 64 samples drawn to replace it; check the dataset$", errors)


def test_files_deleted_and_truncated_while_running_are_told_and_replaced_until_they_are_back(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    data = tmp_path / "data"
    write_good(data, 64)
    files = sorted(data.iterdir())
    gone, cut = files[10:14], files[20:24]
    with (
        workplace.daemon(data, size, style__enabled=False, limits__max_bad_fraction=0.5) as daemon,
        sassl.attach(daemon.name, start=0) as ring,
    ):
        assert ring.next().number == 0
        for file in gone:
            file.rename(tmp_path / file.name)
        for file in cut:
            os.truncate(file, 200)
        # What was made before is still to come; two whole epochs later every file had its turn.
        seen: collections.Counter[int] = collections.Counter()
        for batch in ring:
            if batch.epoch in (3, 4):
                seen.update(batch.sample_ids.tolist())
            if batch.epoch == 5:
                break
        bad = {*range(10, 14), *range(20, 24)}
        assert set(seen) == set(range(64)) - bad
        status = daemon.status()
        assert status["quarantined_files"] == 8
        told = {entry["sample_id"]: entry["reason"] for entry in status["quarantine"]}
        for file in gone:
            (tmp_path / file.name).rename(file)
        back: set[int] = set()
        for batch in ring:
            if batch.epoch in (8, 9):
                back.update(batch.sample_ids.tolist())
            if batch.epoch == 10:
                break
        assert back == set(range(64)) - set(range(20, 24))
    assert all("no such file" in told[sample] for sample in range(10, 14))
    assert all("ends before its picture does" in told[sample] for sample in range(20, 24))


def digests_of(ring: sassl.Reader, epoch: int) -> list[bytes]:
    """The digests of an epoch's batches; those before it are passed over."""
    digests = []
    for batch in ring:
        if batch.epoch == epoch:
            digests.append(digest_of(batch))
        if batch.epoch > epoch:
            break
    return digests


def test_files_replaced_while_running_are_shown_as_they_are(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    data = tmp_path / "data"
    write_good(data, 4 * size.batch)
    renamed, rewritten, hidden, half = sorted(data.iterdir())[10:14]
    with workplace.daemon(data, size, style__enabled=False, limits__max_bad_fraction=0.5) as daemon:
        with sassl.attach(daemon.name, start=0) as ring:
            # While the ring is full nobody reads a file, so none is read half written.
            eventually(lambda: daemon.status()["rings"][0]["ready_batches"] == 4, "the ring is full")
            other = tmp_path / "other.png"
            other.write_bytes(flat_picture(90, 70))
            other.rename(renamed)
            rewritten.write_bytes(flat_picture(200, 300))
            changed = digests_of(ring, 2)
        assert daemon.status()["quarantined_files"] == 0
    # It is the stream of the changed folder, as if it had always been so.
    with workplace.daemon(data, size, style__enabled=False, limits__max_bad_fraction=0.5) as daemon:
        with sassl.attach(daemon.name, start=0) as ring:
            assert digests_of(ring, 2) == changed
            # A directory in a file's place, and a file that somebody is about to write.
            hidden.rename(tmp_path / hidden.name)
            hidden.mkdir()
            content = half.read_bytes()
            with half.open("wb", buffering=0) as file:
                file.write(content[:1000])
                digests_of(ring, 6)
                told = {entry["sample_id"]: entry["reason"] for entry in daemon.status()["quarantine"]}
                assert set(told) == {12, 13}
                assert told[12] == "is not a regular file"
                assert "ends before its picture does" in told[13]
                file.write(content[1000:])
            hidden.rmdir()
            (tmp_path / hidden.name).rename(hidden)
        # From the start: what is whole again is used again.
        with sassl.attach(daemon.name, start=0) as ring:
            assert digests_of(ring, 2) == changed


# Not a child of this process: Linux counts what that has, too.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
HEADER, BODY, END = png_header(1, 1), (b"IDAT", zlib.compress(b"\0\1\2\3")), (b"IEND", b"")


def surveyed(workplace: Workplace, size: Size, folder: pathlib.Path) -> tuple[int, list[str]]:
    """The most memory that decoding a folder takes, in bytes, and what is wrong with those that cannot be."""
    _, file = workplace.configure(folder, size)
    survey: list[str | pathlib.Path] = [PROGRAMS / "sasslctl", "dataset", "--json", "--workers", "1", "--config", file]
    # None takes more than a moment, but what would take hours has to end.
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *survey], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    report, _, kibibytes = done.stdout.strip().rpartition("\n")
    return int(kibibytes) << 10, [picture["reason"] for picture in json.loads(report)["reading"]["bad"]]


def texts_that_grow(count: int) -> bytes:
    """A PNG file with texts of 8 kB before its pixels that become 8 MB each."""
    packed = zlib.compress(b" " * 7_900_000, 9)
    texts = [(b"zTXt", b"Comment\0\0" + packed), (b"iTXt", b"Comment\0\1\0\0\0" + packed)] * (count // 2)
    return png([HEADER, *texts, BODY, END])


def tags_that_share(count: int) -> bytes:
    """A TIFF file of a megabyte with tags whose values are that same megabyte each."""
    tiff = (GOLDEN / "rgb-8-strips-little.tiff").read_bytes()
    (directory,) = struct.unpack_from("<I", tiff, 4)
    (known,) = struct.unpack_from("<H", tiff, directory)
    entries = tiff[directory + 2 : directory + 2 + 12 * known]
    shared = b"".join(struct.pack("<HHII", 40_000 + tag, 7, 1 << 20, 0) for tag in range(count))
    body = (tiff[:4] + struct.pack("<I", 1 << 20) + tiff[8:]).ljust(1 << 20, b"\0")
    return body + struct.pack("<H", known + count) + entries + shared + bytes(4)


@pytest.mark.parametrize(
    ("name", "content", "reasons"),
    [
        ("texts.png", texts_that_grow(40), []),
        ("tags.tiff", tags_that_share(300), ["the values of its tags together are longer than the file"]),
    ],
    ids=["png", "tiff"],
)
def test_a_few_bytes_take_no_memory(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, name: str, content: bytes, reasons: list[str]
) -> None:
    harmless, hostile = tmp_path / "harmless", tmp_path / "hostile"
    for folder, file in [(harmless, good_picture(1)), (hostile, content)]:
        folder.mkdir()
        (folder / name).write_bytes(file)
    usual, bad = surveyed(workplace, size, harmless)
    assert bad == []
    most, bad = surveyed(workplace, size, hostile)
    assert [reason for reason, words in zip(bad, reasons, strict=True) if words not in reason] == []
    # They ask for 300 MB.
    assert most < usual + (64 << 20)


def test_texts_of_a_picture_do_not_take_hours(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    profile = b"\nexif\n  524288\n" + b"0" * 1_000_000
    text = png([(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile, 9))])[8:]
    # Behind the pixels, where libpng does not get.
    (tmp_path / "texts.png").write_bytes(png([HEADER, BODY]) + text * 30_000 + png([END])[8:])
    assert surveyed(workplace, size, tmp_path)[1] == []
