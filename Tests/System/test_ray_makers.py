"""A maker keeps its daemon running, whatever becomes of programs and files around it. No cluster is needed for that."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from ray_cluster import SETTINGS
from sassl.ray.deployment import configuration_of
from sassl.ray.maker import Maker, MakerReport
from sassl.ray.slices import Division, slice_configuration
from workplace import PROGRAMS, eventually


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Programs that a test can take away, and beside them the temporary files."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place = Path(folder) / "bin"
        place.mkdir()
        for name in ("sassld", "sasslctl"):
            (place / name).symlink_to(PROGRAMS / name)
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}/usr/bin{os.pathsep}/bin")
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield place


@pytest.fixture
def configuration(data: Path, directory: str) -> dict[str, Any]:
    """Of the only slice of each batch."""
    settings = {**SETTINGS, "style_enabled": False, "ring_directory": directory, "workers_count": 1}
    return slice_configuration(configuration_of(data, settings=settings), Division(32, 1, 1), [0])


@pytest.fixture
def started(configuration: dict[str, Any]) -> Iterator[Callable[[], Maker]]:
    """Starts makers that end with the test."""
    makers: list[Maker] = []

    def start() -> Maker:
        makers.append(Maker(configuration, {}))
        return makers[-1]

    yield start
    for maker in makers:
        asyncio.run(maker.stop())


def report_of(maker: Maker) -> MakerReport:
    return asyncio.run(maker.describe())


def runs(maker: Maker) -> int:
    """The process number of its daemon, once it runs."""
    report = report_of(maker)
    return report.status["process"] if report.state == "running" else 0


@pytest.mark.parametrize("what", ["log", "folder"])
def test_a_daemon_is_started_again_although_its_files_were_removed(
    started: Callable[[], Maker], programs: Path, what: str
) -> None:
    maker = started()
    first = eventually(lambda: runs(maker), "the maker runs")
    (log,) = programs.parent.glob("sassl-*/sassld.log")
    if what == "log":
        log.unlink()
    else:
        shutil.rmtree(log.parent)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: runs(maker) not in (0, first), "the next daemon runs")
    assert asyncio.run(maker.take(0, 0)).number == 0


@pytest.mark.parametrize(
    ("program", "content", "state", "words"),
    [
        ("sassld", None, "failed", "sassld is not installed"),
        ("sasslctl", None, "starting", "sasslctl is not installed"),
        ("sasslctl", "#!/bin/sh\necho '[]'", "failed", "cannot be watched"),
    ],
    ids=["no sassld", "no sasslctl", "a sasslctl that says something else"],
)
def test_a_program_that_is_away_for_a_moment_is_told_and_waited_for(
    started: Callable[[], Maker], programs: Path, program: str, content: str | None, state: str, words: str
) -> None:
    place = programs / program
    place.unlink()
    if content is not None:
        place.write_text(content)
        place.chmod(0o755)
    maker = started()

    def told() -> bool:
        report = report_of(maker)
        return report.state == state and words in report.detail

    eventually(told, "the maker says what is wrong")
    place.unlink(missing_ok=True)
    place.symlink_to(PROGRAMS / program)
    eventually(lambda: runs(maker), "the maker runs")
