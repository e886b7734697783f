"""A real Prometheus scrapes a running daemon, through a crash and a restart; and what the exporter answers whom."""

from __future__ import annotations

import functools
import json
import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

import sassl
from scraping import DASHBOARD, RULES, SMALL, queries
from scraping import data as data
from scraping import workplace as workplace
from serving import Prometheus, exporter, get, prometheus
from workplace import PLAIN, Workplace, control, eventually

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        # What Prometheus sends, in versions 2 and 3.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OPEN_METRICS,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            OPEN_METRICS,
        ),
        ("text/plain; version=0.0.4; q=0.9, application/openmetrics-text; q=0.3", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(unused: tuple[str, str], accept: str | None, media_type: str) -> None:
    name, address = unused
    answered, body = get(address, **({} if accept is None else {"Accept": accept}))
    assert answered == media_type
    families = list((open_metrics if media_type == OPEN_METRICS else text_format)(body))
    assert ("sassl_up", {"stream": name}, 0.0) in [sample[:3] for family in families for sample in family.samples]


@pytest.fixture(scope="module")
def unused(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[tuple[str, str]]:
    """A stream whose daemon does not run, and where its metrics are."""
    name, configuration = Workplace(tmp_path_factory.mktemp("unused")).configure(data, SMALL)
    with exporter(configuration) as address:
        yield name, address


def test_other_paths_lead_to_the_metrics(unused: tuple[str, str]) -> None:
    root = unused[1].removesuffix("/metrics")
    assert "/metrics" in get(root)[1]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{root}/status")


def test_others_need_the_token(workplace: Workplace, data: Path, tmp_path: Path) -> None:
    _, configuration = workplace.configure(data, SMALL)
    elsewhere = control("metrics", "--config", str(configuration), "--listen", "0.0.0.0:0")
    assert elsewhere.returncode == 64
    assert "token" in elsewhere.stderr
    token = tmp_path / "token"
    token.write_text("a-token-of-some-length\n")
    with exporter(configuration, "--token-file", str(token)) as address:
        assert get(address, Authorization="Bearer a-token-of-some-length")[0] == TEXT
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(address, Authorization="Bearer another-token-of-some-length")


@pytest.mark.parametrize(
    "wrong",
    [["--listen", "x"], ["--token-file", "x"], ["--listen", "127.0.0.1:0", "--out", "x"], ["--text", "--out", "x"]],
)
def test_options_that_contradict_are_refused(workplace: Workplace, data: Path, wrong: list[str]) -> None:
    _, configuration = workplace.configure(data, SMALL)
    assert control("metrics", "--config", str(configuration), *wrong).returncode == 64


def test_a_configuration_becomes_wrong_while_it_is_measured(workplace: Workplace, data: Path) -> None:
    name, configuration = workplace.configure(data, SMALL)
    right = configuration.read_text()
    with exporter(configuration) as address:
        configuration.write_text("[stream]\nseed = 'x'\n")
        # Read again after each scrape.
        for _ in range(3):
            assert f'sassl_up{{stream="{name}"}} 0\n' in get(address)[1]
        configuration.write_text(right.replace(name, "renamed"))
        eventually(lambda: 'sassl_up{stream="renamed"} 0\n' in get(address)[1], "the right one is taken over")


class Trainer(threading.Thread):
    """Reads the stream until it is told to stop, whatever becomes of daemons, and takes its time for each batch."""

    #: Of one step, in seconds.
    STEP = 0.02

    def __init__(self, name: str) -> None:
        super().__init__()
        self.numbers: list[int] = []
        self._name = name
        self._ends = threading.Event()

    def run(self) -> None:
        with sassl.attach(self._name, daemon_timeout=120) as reader:
            while not self._ends.is_set():
                try:
                    with reader.next(timeout=0.5) as batch:
                        self.numbers.append(batch.number)
                        self._ends.wait(self.STEP)
                except sassl.BatchTimeoutError:
                    continue

    def __enter__(self) -> Trainer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join()


def test_prometheus_scrapes_a_daemon_through_crash_and_restart(
    workplace: Workplace, data: Path, tmp_path: Path
) -> None:
    name, configuration = workplace.configure(data, SMALL, **PLAIN)
    with exporter(configuration) as address, prometheus(tmp_path, address, RULES) as server:

        def sees(expression: str) -> float:
            """The value of an expression as soon as it has one."""
            value = eventually(lambda: server.query(expression), expression)
            (only,) = value.values()
            return only

        with workplace.running(name, configuration) as daemon, Trainer(name) as trainer:
            sees("sassl_up == 1")
            sees("rate(sassl_images_total[10s]) > 0")
            every_query_has_an_answer(server)
            daemon.process.kill()
            daemon.process.wait()
            sees("sassl_up == 0")
            made = sees("sassl_ring_next_batch")
            # The trainer takes what is ready, and from then on it waits; the dead daemon's ring counts that.
            sees('sum(sassl_ring_waited_seconds_total{side="trainer"}) > 1')
            assert server.query("sassl_images_total") == {}
            with workplace.running(name, configuration):
                sees("sassl_up == 1")
                assert sees("sassl_ring_next_batch") >= made
                sees("changes(sassl_start_time_seconds[5m]) == 1")
                sees("resets(sassl_images_total[5m]) == 1")
                assert sees("increase(sassl_images_total[5m])") > 0
                sees("max_over_time(sassl_up[5m]) - min_over_time(sassl_up[5m]) == 1")
                count = len(trainer.numbers)
                eventually(lambda: len(trainer.numbers) > count, "the trainer goes on")
        assert trainer.numbers == list(range(len(trainer.numbers)))
        # No scrape failed, whatever happened.
        assert server.value("min_over_time(up[5m])") == 1
        (target,) = server.ask("targets")["activeTargets"]
        assert target["lastError"] == ""
        # OpenMetrics was asked for and understood: the other format has no such types.
        told = {entry["metric"]: entry for entry in server.ask("targets/metadata")}
        assert told["sassl_state"]["type"] == "stateset"
        assert (told["sassl_batch_age_seconds"]["type"], told["sassl_batch_age_seconds"]["unit"]) == (
            "histogram",
            "seconds",
        )
        assert told["sassl_images"]["type"] == "counter"


def every_query_has_an_answer(server: Prometheus) -> None:
    """Every alert can be evaluated, and each panel of the dashboard has something to show."""

    def healths() -> list[str]:
        return [rule["health"] for group in server.ask("rules")["groups"] for rule in group["rules"]]

    eventually(lambda: set(healths()) == {"ok"}, "every alert is evaluated")
    for query in queries(json.loads(DASHBOARD.read_text())["panels"]):
        shown = query.replace("$stream", ".*").replace("$rank", ".*")
        eventually(functools.partial(server.query, shown), shown)
