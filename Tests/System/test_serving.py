"""`serve`: a daemon that lives as long as its reader, and says what is wrong with its settings."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import tomli_w

import sassl
from sassl import serving
from workplace import PROGRAMS, Size, Workplace, control, eventually

SMALL: dict[str, Any] = {
    "layout": "flat",
    "batch_size": 8,
    "side": 64,
    "style_group": 8,
    "slots": 2,
    "workers_count": 2,
    "style_enabled": False,
}


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[None]:
    """The built programs, and a directory, none of pytest's, in which what is left behind shows."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        monkeypatch.setenv("TMPDIR", temporary)
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        yield


def lives(process: int) -> bool:
    """Whether a process is there and no zombie."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def digest(batch: sassl.Batch) -> str:
    return hashlib.sha256(b"".join(view.tobytes() for view in batch.views)).hexdigest()


def test_the_batches_are_those_of_a_configuration_file(
    pictures: pathlib.Path, workplace: Workplace, directory: str
) -> None:
    size = Size(8, 64)
    with sassl.serve(
        pictures, preset="mocov2", seed=7, **SMALL | {"style_enabled": True}, ring_directory=directory
    ) as ring:
        served = [digest(next(ring)) for _ in range(3)]
    with workplace.daemon(pictures, size, ring__directory=directory, state__runtime_directory=directory) as daemon:
        reader = sassl.attach(daemon.name, directory=directory)
        assert [digest(next(reader)) for _ in range(3)] == served
        reader.close()


def test_nothing_is_left_after_the_block(pictures: pathlib.Path, directory: str) -> None:
    with sassl.serve(pictures, **SMALL, ring_directory=directory) as ring:
        daemon = ring.information.producer_pid
        status = control("status", "--json", "--config", str(ring.configuration))
        assert json.loads(status.stdout)["process"] == daemon
    assert not lives(daemon)
    assert os.listdir(directory) == []
    assert os.listdir(tempfile.gettempdir()) == []


def test_a_long_temporary_directory_and_a_long_name_fit(
    pictures: pathlib.Path, directory: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ("long" * 25)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with sassl.serve(pictures, name="n" * 63, **SMALL, ring_directory=directory) as ring:
        assert next(ring).number == 0


def test_it_ends_after_an_exception_and_when_it_is_forgotten(pictures: pathlib.Path, directory: str) -> None:
    with pytest.raises(KeyboardInterrupt), sassl.serve(pictures, **SMALL, ring_directory=directory) as ring:
        daemon = ring.information.producer_pid
        next(ring)
        raise KeyboardInterrupt
    assert not lives(daemon)
    ring = sassl.serve(pictures, **SMALL, ring_directory=directory)
    daemon = ring.information.producer_pid
    del ring
    eventually(lambda: not lives(daemon), "the daemon of a forgotten reader ends")


def test_a_cell_can_be_run_again(pictures: pathlib.Path, directory: str) -> None:
    def cell() -> sassl.ServedReader:
        return sassl.serve(pictures, stream_name="cell", **SMALL, ring_directory=directory)

    first = cell()
    before = digest(next(first))
    daemon = first.information.producer_pid
    second = cell()
    assert not lives(daemon)
    assert digest(next(second)) == before
    second.close()


SCRIPT = """
import os, signal, sys, threading, sassl
def serve():
    global ring
    small = dict(layout="flat", batch_size=8, side=64, style_enabled=False)
    ring = sassl.serve(sys.argv[1], **small, ring_directory=sys.argv[2])
starter = threading.Thread(target=serve)
starter.start()
starter.join()
print(ring.information.producer_pid, flush=True)
child = os.fork() if sys.argv[3] == "fork" else 0
if sys.argv[3] == "fork" and child == 0:
    signal.pause()
next(ring)
print(child, flush=True)
if sys.argv[3] == "exit":
    sys.exit()
signal.pause()
"""


@contextlib.contextmanager
def serving_process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A process that serves from a thread which has ended since; with the numbers of its daemon and its child."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline()), int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("end", ["exit", "SIGKILL", "SIGTERM", "fork"])
def test_it_ends_with_the_process_and_not_with_a_thread(pictures: pathlib.Path, directory: str, end: str) -> None:
    with serving_process(str(pictures), directory, end) as (process, daemon, child):
        if end != "exit":
            assert lives(daemon)
            process.send_signal(signal.SIGTERM if end == "SIGTERM" else signal.SIGKILL)
        process.wait(60)
        eventually(lambda: not lives(daemon), "the daemon ends with its parent, though a child of that lives")
        assert os.listdir(directory) == []
        if child:
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_sise": 8}, "batch.sise: unknown key; did you mean batch.size?"),
        ({"presset": "byol"}, "presset: unknown section"),
        ({"directory": "/tmp"}, "directory: unknown key; did you mean directory in [ring]?"),
        ({"preset": "mocov3"}, "views.preset: must be one of"),
        ({"views": {"view": [{"sied": 4}]}}, "views.view[0].sied: unknown key; did you mean side?"),
    ],
)
def test_what_is_not_accepted_is_named_as_in_a_file(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(sassl.DaemonFailedError) as caught:
        sassl.serve("pictures", **settings)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == 78
    assert os.listdir(tempfile.gettempdir()) == []


def test_its_last_words_are_in_the_exception(pictures: pathlib.Path, directory: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(sassl.DaemonFailedError, match="nowhere") as caught:
        sassl.serve(tmp_path / "nowhere", **SMALL, ring_directory=directory)
    assert caught.value.exit_code == 66
    with sassl.serve(pictures, stream_name="held", **SMALL, ring_directory=directory) as ring:
        number = next(ring).number
        # A second process that takes the same name does not disturb the first.
        program = "import json, sys, sassl; sassl.serve(sys.argv[1], **json.loads(sys.argv[2]))"
        settings = json.dumps(SMALL | {"name": "held", "ring_directory": directory})
        other = subprocess.run(
            [sys.executable, "-c", program, pictures, settings], capture_output=True, text=True, check=False
        )
        assert "DaemonFailedError: sassld has ended (exit code 69)" in other.stderr, other.stderr
        assert next(ring).number == number + 1


def test_a_daemon_that_holds_the_name_keeps_its_readers_place(
    pictures: pathlib.Path, workplace: Workplace, directory: str
) -> None:
    with workplace.daemon(pictures, Size(8, 64), style__enabled=False, ring__directory=directory) as daemon:
        with sassl.attach(daemon.name, directory=directory, start=0) as reader:
            for _ in range(3):
                next(reader)
        with pytest.raises(sassl.DaemonFailedError, match="already served by process") as caught:
            sassl.serve(config=daemon.configuration)
        assert caught.value.exit_code == 69
        with sassl.attach(daemon.name, directory=directory, start="continue") as reader:
            assert (reader.position, reader.status.dropped) == (3, 0)


def test_a_daemon_that_dies_is_told(pictures: pathlib.Path, directory: str) -> None:
    with sassl.serve(pictures, **SMALL, ring_directory=directory) as ring:
        os.kill(ring.information.producer_pid, signal.SIGKILL)
        with pytest.raises(sassl.DaemonFailedError, match="signal 9"):
            for _ in ring:
                pass


def test_ranks_make_the_same_call(pictures: pathlib.Path, directory: str) -> None:
    settings = SMALL | {"world_size": 2, "ring_directory": directory}
    with (
        sassl.serve(pictures, ranks=[0], **settings) as first,
        sassl.serve(pictures, ranks=[1], **settings) as second,
        sassl.serve(pictures, name="both", ranks=[0, 1], **settings) as both,
    ):
        assert second.information.rank == 1
        other = sassl.attach("both", rank=1, world_size=2, directory=directory)
        for _ in range(3):
            assert digest(next(both)) == digest(next(first))
            assert digest(next(other)) == digest(next(second))
        other.close()


def test_a_configuration_file_is_taken_as_it_is(pictures: pathlib.Path, workplace: Workplace, directory: str) -> None:
    name, file = workplace.configure(pictures, Size(8, 64), ring__directory=directory)
    with sassl.serve(config=file) as ring:
        assert ring.information.name == name
    with pytest.raises(TypeError, match="not both"):
        sassl.serve(pictures, config=file)


def test_relative_paths_start_at_the_working_directory(tmp_path: pathlib.Path) -> None:
    """The settings that sassld resolves from its file's place are those that `serve` resolves from the current one."""
    file = tmp_path / "all.toml"
    file.write_text("")
    defaults = json.loads(control("config", "show", "--json", "--config", str(file)).stdout)
    texts = {
        f"{section}.{key}"
        for section, keys in defaults.items()
        for key, value in keys.items()
        if isinstance(value, str)
    }
    paths = set()
    for name in texts:
        section, key = name.split(".")
        file.write_text(tomli_w.dumps({section: {key: "here"}}))
        shown = control("config", "show", "--json", "--config", str(file))
        if shown.returncode == 0 and json.loads(shown.stdout)[section][key].startswith("/"):
            paths.add(name)
    assert paths == serving._PATHS
