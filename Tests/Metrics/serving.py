"""Programs that listen: the exporter, Prometheus, node_exporter. Each says where, and lives as long as a `with`."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from workplace import PROGRAMS, eventually


@contextlib.contextmanager
def listening(command: list[str], pattern: str) -> Iterator[str]:
    """A program, and what the first group of `pattern` matches in one of its lines."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if (found := re.search(pattern, line)) is not None:
                break
        else:
            raise AssertionError("".join(lines))
        # Nobody reads the rest, which must not fill the pipe.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield found[1]
    finally:
        process.terminate()
        process.wait(timeout=60)


def exporter(configuration: pathlib.Path, *options: str) -> contextlib.AbstractContextManager[str]:
    """The address at which `sasslctl metrics` answers."""
    command = [str(PROGRAMS / "sasslctl"), "metrics", "--config", str(configuration), "--listen", "127.0.0.1:0"]
    return listening([*command, *options], r"^(http://\S+)$")


def get(address: str, **headers: str) -> tuple[str, str]:
    """The media type and the body of an answer."""
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


class Prometheus:
    """A Prometheus that scrapes every second."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        _, body = get(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        answer = json.loads(body)
        assert answer["status"] == "success"
        return answer["data"]

    def is_ready(self) -> bool:
        """Whether it answers queries: it listens a moment before."""
        try:
            get(f"http://{self.address}/-/ready")
        except urllib.error.HTTPError:
            return False
        return True

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The values of an expression now, by their labels."""
        result = self.ask("query", query=expression)["result"]
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in result}

    def value(self, expression: str) -> float | None:
        """The only value of an expression; None while there is none."""
        values = list(self.query(expression).values())
        assert len(values) <= 1, expression
        return values[0] if values else None


@contextlib.contextmanager
def prometheus(folder: pathlib.Path, target: str, rules: pathlib.Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the address `target` every second, and evaluates `rules` as often."""
    file = folder / "prometheus.yml"
    url = urllib.parse.urlsplit(target)
    job = {"job_name": "sassl", "metrics_path": url.path, "static_configs": [{"targets": [url.netloc]}]}
    intervals = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    # JSON is YAML.
    file.write_text(json.dumps({"global": intervals, "rule_files": [str(rules)], "scrape_configs": [job]}))
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
    with listening(
        [*command, "--web.listen-address=127.0.0.1:0"], r"Listening on.*address=(127\.0\.0\.1:\d+)"
    ) as address:
        server = Prometheus(address)
        eventually(server.is_ready, "Prometheus has read what it stored, which is nothing")
        yield server
