"""Long work tells how far it is: a terminal, a pipe, whoever asks for the status, and the service manager."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import sassl
from failing_files import Failing
from picture_files import good_picture, write_good
from workplace import PLAIN, PROGRAMS, ROOT, Size, Workplace, eventually

ERASED = "\r\x1b[K"
#: What a test inherits must not decide what is coloured.
COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM")


def environment(**changes: str) -> dict[str, str]:
    """This process's environment on a usual terminal, with changes."""
    rest = {name: value for name, value in os.environ.items() if name not in COLOURS}
    return rest | {"TERM": "xterm"} | changes


@pytest.fixture
def classes(tmp_path: pathlib.Path) -> pathlib.Path:
    """Four folders of twelve pictures, of which one is called "held c"."""
    for name in ("a", "b", "held c", "j"):
        write_good(tmp_path / "data" / name, 12)
    return tmp_path / "data"


class OnTerminal:
    """A program whose standard error is a terminal, 100 columns wide."""

    def __init__(self, command: Sequence[str | pathlib.Path], **changes: str) -> None:
        self.terminal, standard_error = os.openpty()
        os.set_blocking(self.terminal, False)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=standard_error, text=True, env=environment(**changes)
        )
        os.close(standard_error)
        self._said = b""

    @property
    def said(self) -> str:
        """Everything that was written to the terminal so far."""
        with contextlib.suppress(BlockingIOError, OSError):
            while more := os.read(self.terminal, 1 << 16):
                self._said += more
        return self._said.decode()

    def end(self) -> str:
        """Waits for the program; returns its standard output."""
        output, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, self.said
        return output

    def __enter__(self) -> OnTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


class ServiceManager:
    """A socket that takes the messages of sd_notify(3)."""

    def __init__(self, place: pathlib.Path) -> None:
        self.place = place
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(place))
        self._socket.setblocking(False)
        self._messages: list[dict[str, str]] = []

    @property
    def messages(self) -> list[dict[str, str]]:
        """All messages so far, the fields of each by name."""
        with contextlib.suppress(BlockingIOError):
            while True:
                lines = self._socket.recv(1 << 16).decode().splitlines()
                self._messages.append(dict(line.split("=", 1) for line in lines))
        return self._messages

    def __enter__(self) -> ServiceManager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@contextlib.contextmanager
def running(command: Sequence[str | pathlib.Path]) -> Iterator[subprocess.Popen[str]]:
    """A program whose output goes into pipes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


SERVED = """
import sys, sassl
settings = dict(layout="image-folder", batch_size=8, side=64, style_enabled=False, ring_directory="/dev/shm")
with sassl.serve(sys.argv[1], **settings) as ring:
    print(next(ring).number)
"""


def test_a_start_that_takes_long_is_told_to_whoever_asks_to_the_service_manager_and_to_the_log(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, size: Size, classes: pathlib.Path
) -> None:
    failing = Failing(tmp_path, here / "failing_files.c", "held c", 0)
    settings: dict[str, Any] = {**PLAIN, "dataset__layout": "image-folder"}
    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(ServiceManager(tmp_path / "notify"))
        held = stack.enter_context(contextlib.ExitStack())
        held.enter_context(failing.on())
        through = [*failing.through, f"NOTIFY_SOCKET={manager.place}"]
        daemon = stack.enter_context(workplace.daemon(classes, size, through, **settings))
        sasslctl, file = str(PROGRAMS / "sasslctl"), str(daemon.configuration)
        preview = ["--out", str(tmp_path / "preview.png"), "--config", file]

        def progress() -> dict[str, Any]:
            """What the status says of the start, as soon as there is one."""
            report = json.loads(daemon.control("status", "--json").stdout)
            found: dict[str, Any] = report.get("progress", {})
            return found if report["state"] == "starting" and found.get("done") == 2 else {}

        eventually(progress, "two of the four folders are read")
        found = eventually(lambda: progress() if "remaining_seconds" in progress() else {}, "the rate shows")
        assert found["activity"] == "reading the dataset"
        assert (found["total"], found["unit"], found["percent"]) == (4, "folders", 50)
        assert found["note"] == "24 samples so far"
        assert found["per_second"] == pytest.approx(2 / found["elapsed_seconds"], rel=0.05)
        assert found["remaining_seconds"] == pytest.approx(2 / found["per_second"])
        what = "reading the dataset: 2 of 4 folders (50 %), 24 samples so far"
        shown = daemon.control("status")
        assert shown.returncode == 0
        assert re.search(
            rf"starting \(process {daemon.process.pid}\).*: {re.escape(what)}, about \d+ .+ left", shown.stdout
        )
        # Who reads pictures beside it is held too, and says so in lines of its own.
        beside = [
            stack.enter_context(running([*failing.through, sasslctl, command, *options, "--config", file]))
            for command, *options in (["dataset", "--count"], ["doctor"], ["bench"])
        ]
        dumb = stack.enter_context(OnTerminal([*failing.through, sasslctl, "preview", *preview], TERM="dumb"))
        path = f"PATH={PROGRAMS}{os.pathsep}{os.environ['PATH']}"
        of_python = stack.enter_context(running([*failing.through, path, sys.executable, "-c", SERVED, str(classes)]))
        for process in beside:
            assert process.stderr is not None
            assert process.stderr.readline().startswith(what)
        said = eventually(
            lambda: dumb.said if "\n" in dumb.said else "", "a line on a terminal without control sequences"
        )
        assert said.startswith(what)
        assert "\x1b" not in said
        assert of_python.stderr is not None
        assert of_python.stderr.readline().startswith(f"sassld: {what}")
        # As long as it gets on it is given time, and when it hangs no more.
        told = [message for message in manager.messages if what in message["STATUS"]]
        assert told[0]["EXTEND_TIMEOUT_USEC"] == str(15 * 60 * 1_000_000)
        eventually(
            lambda: any(
                "EXTEND_TIMEOUT_USEC" not in message for message in manager.messages if what in message["STATUS"]
            ),
            "time passes",
        )
        held.close()
        eventually(lambda: any(message.get("READY") == "1" for message in manager.messages), "it is ready")
        status = daemon.status()
        assert (status["state"], status["samples"], "progress" in status) == ("running", 48, False)
        assert f" {what}" in daemon.stop()
        assert of_python.communicate(timeout=60)[0] == "0\n"


def test_a_flat_folder_has_as_many_samples_as_it_had_until_it_is_read(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, size: Size, classes: pathlib.Path
) -> None:
    name, file = workplace.configure(classes, size, **PLAIN)
    with workplace.running(name, file) as daemon:
        assert daemon.status()["samples"] == 48
    failing = Failing(tmp_path, here / "failing_files.c", "held c", 0)
    with contextlib.ExitStack() as held:
        held.enter_context(failing.on())
        with workplace.running(name, file, failing.through) as daemon:

            def progress() -> dict[str, Any]:
                found: dict[str, Any] = json.loads(daemon.control("status", "--json").stdout).get("progress", {})
                return found if found.get("done") else {}

            found = eventually(progress, "some samples are found")
            assert found["done"] < found["total"] == 48
            assert (found["unit"], found["percent"]) == ("samples", pytest.approx(100 * found["done"] / 48))
            assert found["note"] == "as many as there were at the last start"
            held.close()
            assert daemon.status()["samples"] == 48


def test_a_start_is_prolonged_by_as_much_as_the_unit_gives_it_at_first() -> None:
    unit = (ROOT / "systemd" / "sassld.service").read_text()
    minutes = re.search(r"^TimeoutStartSec=(\d+)min$", unit, re.MULTILINE)
    source = (ROOT / "Sources" / "Lifecycle" / "StartNotices.swift").read_text()
    seconds = re.search(r"static let patience = (\d+)$", source, re.MULTILINE)
    assert minutes is not None
    assert seconds is not None
    assert int(seconds[1]) == 60 * int(minutes[1])


def test_a_batch_that_a_reader_has_was_made_by_a_daemon_that_runs(
    workplace: Workplace, data: pathlib.Path, size: Size
) -> None:
    for _ in range(3):
        with workplace.daemon(data, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=0, wait=60) as ring:
            next(ring)
            report = json.loads(daemon.control("status", "--json").stdout)
            assert (report["state"], report["rings"][0]["published_batches"] > 0) == ("running", True)


def test_a_daemon_that_python_starts_and_that_reads_its_dataset_says_so_on_a_terminal(
    tmp_path: pathlib.Path, here: pathlib.Path, classes: pathlib.Path
) -> None:
    pytest.importorskip("tqdm")
    failing = Failing(tmp_path, here / "failing_files.c", "held c", 0)
    path = f"PATH={PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    held = contextlib.ExitStack()
    held.enter_context(failing.on())
    with held, OnTerminal([*failing.through, path, sys.executable, "-c", SERVED, str(classes)]) as shown:
        what = "sassld: reading the dataset: 2 of 4 folders (50 %)"
        eventually(lambda: what in shown.said, "the terminal shows what sassld does")
        held.close()
        assert shown.end() == "0\n"


@pytest.fixture
def survey(workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, size: Size) -> tuple[Failing, list[str]]:
    """What holds the reading of pictures, and a command that reads a hundred of them, of which the last is held."""
    data = tmp_path / "pictures"
    write_good(data, 99)
    (data / "held.png").write_bytes(good_picture(99))
    _, file = workplace.configure(data, size, **PLAIN)
    failing = Failing(tmp_path, here / "failing_files.c", "held.png", 0)
    command = [str(PROGRAMS / "sasslctl"), "dataset", "--workers", "1", "--config", str(file)]
    return failing, [*failing.through, *command]


def test_a_terminal_shows_a_bar_that_is_gone_at_the_end(survey: tuple[Failing, list[str]]) -> None:
    failing, command = survey
    held = contextlib.ExitStack()
    held.enter_context(failing.on())
    with held, OnTerminal(command) as shown:
        # Samples are handed out in portions, so that some beside the held one are open.
        bar = re.compile(
            r"reading pictures \[(#+)(-+)\] (\d+) % (\d+) of 100 pictures, [\d.]+ pictures/\w+, (\d+ \w+) left"
        )
        found = eventually(lambda: bar.search(shown.said), "a bar with rate and remaining time")
        assert found is not None
        assert int(found[3]) == int(found[4]) < 100
        assert len(found[1]) == int(found[3]) * 20 // 100
        assert len(found[1]) + len(found[2]) == 20
        held.close()
        output = shown.end()
        said = shown.said
    assert said.endswith(ERASED)
    assert all(len(line) < 100 for line in said.split(ERASED))
    assert "\x1b[3" not in said
    assert "samples     100" in output


def test_what_is_soon_done_says_nothing(survey: tuple[Failing, list[str]]) -> None:
    done = subprocess.run(survey[1], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""


def test_the_log_of_a_start_on_a_terminal_stands_above_the_bar(
    workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, size: Size, classes: pathlib.Path
) -> None:
    failing = Failing(tmp_path, here / "failing_files.c", "held c", 0)
    name, file = workplace.configure(classes, size, **PLAIN, dataset__layout="image-folder", batch__size=8)
    held = contextlib.ExitStack()
    held.enter_context(failing.on())
    with held, OnTerminal([*failing.through, PROGRAMS / "sassld", "--config", file]) as shown:
        eventually(lambda: "reading the dataset [##########----------] 50 % 2 of 4 folders" in shown.said, "a bar")
        held.close()
        with sassl.attach(name, start=0, wait=60) as ring:
            next(ring)
        said = eventually(lambda: shown.said if "ready: the first batch" in shown.said else "", "its log")
        shown.process.terminate()
        shown.end()
    assert re.search(re.escape(ERASED) + r"\S+Z? stream " + name, said)
    # Nothing passes any more.
    assert ERASED not in said.partition("ready: the first batch")[2]


def test_styles_that_are_embedded_are_counted(tmp_path: pathlib.Path, here: pathlib.Path) -> None:
    styles = tmp_path / "styles"
    write_good(styles, 3)
    (styles / "held.png").write_bytes(good_picture(3))
    failing = Failing(tmp_path, here / "failing_files.c", "held.png", 0)
    out = tmp_path / "bank.safetensors"
    words = ["styles", "export", str(styles), "--out", str(out)]
    command = [*failing.through, str(PROGRAMS / "sasslctl"), *words]
    held = contextlib.ExitStack()
    held.enter_context(failing.on())
    with held, OnTerminal(command) as shown:
        bar = "embedding styles [###############-----] 75 % 3 of 4 pictures"
        eventually(lambda: bar in shown.said, "three of four are embedded")
        held.close()
        assert "4 styles in" in shown.end()


def test_a_bench_shows_how_long_it_measures(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    _, file = workplace.configure(data, size, **PLAIN)
    with OnTerminal([PROGRAMS / "sasslctl", "bench", "--seconds", "1", "--config", file]) as shown:
        assert "images/s" in shown.end()
        assert re.search(r"measuring \[#*-*\] \d+ % [01] of 1 s", shown.said)


@pytest.mark.parametrize("command", ["doctor", "status"])
def test_colours_are_where_people_expect_them_and_say_nothing_that_the_words_do_not(
    workplace: Workplace, data: pathlib.Path, size: Size, command: str
) -> None:
    _, file = workplace.configure(data, size, **PLAIN)

    def shown(words: list[str], **changes: str) -> str:
        variables = environment(**changes)
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=variables)
        # What is free changes while one looks.
        return re.sub(r"\d+ MiB free", "some MiB free", done.stdout).replace("\r\n", "\n")

    def printed(**changes: str) -> str:
        return shown([str(PROGRAMS / "sasslctl"), command, "--config", str(file)], **changes)

    plain, coloured = printed(), printed(FORCE_COLOR="1")
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
    assert re.search(r"\x1b\[3[123]m(ok +|stopped)\x1b\[0m", coloured)
    assert printed(CLICOLOR_FORCE="1") == coloured
    assert printed(NO_COLOR="1", FORCE_COLOR="1") == plain
    script = shutil.which("script")
    assert script is not None, "script(1) of util-linux belongs to every Debian"
    words = [script, "-qec", f"{PROGRAMS / 'sasslctl'} {command} --config {file}", "/dev/null"]
    assert shown(words) == coloured
