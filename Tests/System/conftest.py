"""The options, the fixtures, and the table of what was provoked."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Generator, Iterator

import pytest

from picture_files import write_good
from ray_cluster import cluster as cluster
from ray_cluster import on_one_machine as on_one_machine
from ray_cluster import programs_on_path as programs_on_path
from reliability import Provocations, Table
from streams import read
from surroundings import directory as directory
from workplace import PLAIN, ROOT, SHARED, Size, Workplace


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-size",
        action="store_true",
        help="end-to-end tests at batch 32 and side 224 (minutes) instead of batch 16 and side 64 (seconds)",
    )
    parser.addoption("--kills", type=int, default=8, help="about how often to kill daemon and reader, each")
    parser.addoption("--soak-minutes", type=float, default=0.2, help="how long the soak lasts")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "reliability: provokes something bad while a stream is read")
    config.stash[TABLE] = Table()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[TABLE].lines()
    if lines:
        terminalreporter.section("what was provoked")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Where many kills are asked for, everything else is provoked several times too.
    rounds = metafunc.config.getoption("--kills") // 300
    if "provoked" in metafunc.fixturenames and rounds > 1:
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(rounds))


TABLE = pytest.StashKey[Table]()


@pytest.fixture(scope="session")
def kills(request: pytest.FixtureRequest) -> int:
    """About how often to kill."""
    number: int = request.config.getoption("--kills")
    return number


@pytest.fixture(scope="session")
def soak_minutes(request: pytest.FixtureRequest) -> float:
    """How long the soak lasts."""
    minutes: float = request.config.getoption("--soak-minutes")
    return minutes


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    """What is shown at the end of the session."""
    return request.config.stash[TABLE]


@pytest.fixture
def provoked(request: pytest.FixtureRequest, table: Table) -> Iterator[Provocations]:
    """Notes what the test provokes while it reads; see `Provocations`."""
    provocations = Provocations()
    with provocations.watching():
        yield provocations
    if request.node.stash.get(PASSED, False):
        provocations.report(table)
    else:
        table.note(f"FAILED, and not in the table: {request.node.name}")


PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    return Size(32, 224) if request.config.getoption("--full-size") else Size(16, 64)


@pytest.fixture
def here() -> pathlib.Path:
    """Where the tests are."""
    return pathlib.Path(__file__).parent


@pytest.fixture
def workplace(tmp_path: pathlib.Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A flat folder of pictures: the shared photographs where they are, else pictures that the project draws."""
    photographs = SHARED / "images" / "content"
    if photographs.is_dir():
        return photographs
    folder = tmp_path_factory.mktemp("pictures")
    subprocess.run(
        [sys.executable, ROOT / "Tests" / "SamplePictures" / "render_samples.py", "--out", folder],
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A flat folder of 70 small pictures."""
    folder = tmp_path_factory.mktemp("data")
    write_good(folder, 70)
    return folder


@pytest.fixture(scope="session")
def undisturbed(data: pathlib.Path, size: Size, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The first batches of those pictures without style, made while nothing happens."""
    with Workplace(tmp_path_factory.mktemp("undisturbed")).daemon(data, size, **PLAIN) as daemon:
        return read(daemon.name, 0, 24)
