"""What `sasslctl metrics` prints, as the library of Prometheus itself reads it; and the places of the tests."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from picture_files import write_good
from workplace import ROOT, Daemon, Size, Workplace, eventually

PAGE = ROOT / "docs" / "metrics.md"
RULES = ROOT / "Config" / "prometheus" / "sassl.rules.yml"
DASHBOARD = ROOT / "Config" / "grafana" / "sassl.json"

#: Small batches without style, two ranks.
SMALL = Size(8, 32)
RANKS: dict[str, Any] = {"batch__world_size": 2, "batch__ranks": [0, 1]}

Labels = frozenset[tuple[str, str]]


@pytest.fixture
def workplace(tmp_path: pathlib.Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A flat folder of 48 small pictures."""
    folder = tmp_path_factory.mktemp("data")
    write_good(folder, 48)
    return folder


class Scrape:
    """The metrics of one moment."""

    def __init__(self, families: list[Metric]) -> None:
        self.families = families
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, metric: str, **labels: object) -> float:
        """The one sample of that name that has these labels, beside others."""
        (value,) = self.values(metric, **labels).values()
        return value

    def values(self, metric: str, **labels: object) -> Mapping[Labels, float]:
        """All samples of that name that have these labels, by all of their labels."""
        wanted = {(key, str(value)) for key, value in labels.items()}
        return {found: value for (name, found), value in self.samples.items() if name == metric and wanted <= found}


def scrape(daemon: Daemon, *options: str) -> Scrape:
    """What `sasslctl metrics` prints of a daemon."""
    run = daemon.control("metrics", *options)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return Scrape(list((text_format if "--text" in options else open_metrics)(run.stdout)))


def scrape_when(daemon: Daemon, condition: Callable[[Scrape], bool], what: str) -> Scrape:
    """The metrics of a daemon as soon as they fulfil a condition."""

    def look() -> Scrape | None:
        found = scrape(daemon)
        return found if condition(found) else None

    found = eventually(look, what)
    assert found is not None
    return found


def is_full(found: Scrape) -> bool:
    """Whether every slot of the only ring is ready."""
    ready = found.values("sassl_ring_ready_batches")
    return bool(ready) and ready == found.values("sassl_ring_slots")


def queries(value: Any) -> list[str]:
    """The expressions of a dashboard, wherever they stand."""
    if isinstance(value, dict):
        own = [text for key, text in value.items() if key in ("expr", "query") and isinstance(text, str)]
        return own + [query for part in value.values() for query in queries(part)]
    return [query for part in value for query in queries(part)] if isinstance(value, list) else []


def names_in(expression: str) -> set[str]:
    """The metrics that an expression of PromQL asks for."""
    return set(re.findall(r"\bsassl_\w+", re.sub(r"\"[^\"]*\"|\bby \([^)]*\)|\bignoring \([^)]*\)", "", expression)))


def names_of(families: list[Metric]) -> set[str]:
    """Every name that a sample of these metrics can have."""
    names = set()
    for family in families:
        ends = {"counter": ["_total"], "info": ["_info"], "histogram": ["_bucket", "_count", "_sum"]}
        names |= {family.name + end for end in ends.get(family.type, [""])}
    return names
