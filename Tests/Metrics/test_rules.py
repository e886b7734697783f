"""The alerts and the dashboard: they fire when they should, and ask for metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scraping import DASHBOARD, PAGE, RULES, SMALL, names_in, names_of, queries, scrape
from scraping import data as data
from scraping import workplace as workplace
from workplace import PLAIN, ROOT, Workplace


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory, data: Path) -> set[str]:
    """The names that samples have."""
    with Workplace(tmp_path_factory.mktemp("names")).daemon(data, SMALL, **PLAIN) as daemon:
        return names_of(scrape(daemon).families)


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture
def here() -> Path:
    """Where the tests are."""
    return Path(__file__).parent


def test_the_alerts_fire_when_they_should(here: Path) -> None:
    for command in (["check", "rules", "--lint-fatal", str(RULES)], ["test", "rules", str(here / "rules.test.yml")]):
        run = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    tested = yaml.safe_load((here / "rules.test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tested for case in test["alert_rule_test"] if case["exp_alerts"]}
    quiet = {case["alertname"] for test in tested for case in test["alert_rule_test"] if not case["exp_alerts"]}
    assert fired == quiet == {alert["alert"] for alert in alerts()}


def test_the_alerts_ask_for_metrics_that_there_are_and_stand_on_the_page(names: set[str]) -> None:
    for alert in alerts():
        asked = names_in(alert["expr"])
        assert asked and asked <= names, alert["alert"]
        assert f"| `{alert['alert']}` |" in PAGE.read_text()


def test_what_alerts_say_is_so(names: set[str]) -> None:
    """The keys of the configuration that they name are keys."""
    told = " ".join(text for alert in alerts() for text in alert["annotations"].values())
    configuration = (ROOT / "Config" / "sassld.toml").read_text()
    for table, key in re.findall(r"\b([a-z]+)\.(\w+)\b", re.sub(r"\{\{.*?\}\}", "", told)):
        section = re.search(rf"^\[{table}\]\n(.*?)(?=^\[|\Z)", configuration, re.MULTILINE | re.DOTALL)
        assert section is not None, table
        assert re.search(rf"^{key} = ", section[1], re.MULTILINE), key


def test_the_dashboard_asks_for_metrics_that_there_are(names: set[str]) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = queries(dashboard)
    assert len(asked) > 30
    for query in asked:
        assert names_in(query) <= names, query
    # Nothing is measured that nobody looks at, but for what tells what a stream is rather than how it goes.
    seen = set().union(*map(names_in, asked), *(names_in(alert["expr"]) for alert in alerts()))
    families = {re.sub("_(bucket|count|sum)$", "", name) for name in names}
    assert families - {re.sub("_(bucket|sum)$", "", name) for name in seen} == {
        "sassl_info",
        "sassl_state",
        "sassl_samples",
        "sassl_ring_size_bytes",
        "sassl_index_written_records_total",
        "sassl_index_rebuilds_total",
        "sassl_index_latest_batch",
        "sassl_index_latest_batch_time_seconds",
    }


def test_the_dashboard_can_be_provisioned() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) == 23
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - {"__all"} == variables
    (provider,) = yaml.safe_load((DASHBOARD.parent / "sassl.provisioning.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].endswith("/share/sassl/grafana")
