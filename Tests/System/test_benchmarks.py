"""The figures in the documents are those of a result that is kept, and the result says where they come from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workplace import ROOT

sys.path.insert(0, str(ROOT / "Benchmarks"))
import tables
import trainer_figure

#: What was measured beside what, by result: everything but the trainer, and the trainer.
KEPT = [
    (file, {"torch", "onnxruntime", "openvino", "nvidia-dali-cuda120"}) for file in tables.RESULTS.glob("*.json")
] + [(file, {"torch", "torchvision"}) for file in (tables.RESULTS / "trainer").glob("*.json")]


def results() -> tuple[tables.Result, tables.Result]:
    """What the documents are made from."""
    return tables.loaded(tables.chosen()), tables.loaded(tables.chosen(tables.TRAINER_LINK))


def test_the_documents_say_what_their_result_says() -> None:
    for page in tables.PAGES:
        assert tables.written(page.read_text(), *results()) == page.read_text(), "run make bench-tables"


def test_the_figure_shows_what_its_result_says() -> None:
    assert trainer_figure.FILE.read_text() == trainer_figure.drawn(results()[1]), "run make bench-tables"


def test_every_block_stands_once_in_the_documents() -> None:
    marks = [name for page in tables.PAGES for name in re.findall(r"<!-- measured: (.*) -->", page.read_text())]
    assert sorted(marks) == sorted([*tables.BLOCKS, *tables.TRAINER_BLOCKS])


@pytest.mark.parametrize(("file", "peers"), KEPT, ids=lambda value: getattr(value, "stem", ""))
def test_a_kept_result_says_what_was_measured_where_and_when(file: Path, peers: set[str]) -> None:
    result = tables.loaded(file)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", result["commit"])
    assert {"processor", "cores", "kernels", "busy_percent_before_and_after"} <= result["machine"].keys()
    assert {"sassl", "python"} | peers <= result["versions"].keys()


def device(*options: str) -> Any:
    """What the benchmark of the way to a device prints."""
    pytest.importorskip("torch")
    command = [sys.executable, str(ROOT / "Benchmarks" / "device.py"), "--json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=300).stdout)


def test_what_was_not_measured_is_said() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    found = device()
    assert found["measured"] is False
    assert "no GPU" in found["reason"]


def test_every_way_to_a_device_runs() -> None:
    found = device("--device", "cpu", "--side", "16", "--batch", "4", "--count", "5")
    assert [row["way"] for row in found["rows"]] == ["loader", "buffer", "pinned", "pageable"]
    assert all(row["bytes_per_second"] > 0 and row["step_ratio"] > 0 for row in found["rows"])


def test_a_figure_that_is_changed_by_hand_is_found() -> None:
    page = tables.PAGES[0].read_text()
    changed = re.sub(r"(sassld with style \| )", r"\g<1>1", page)
    assert changed != page
    assert tables.written(changed, *results()) == page


def test_the_table_of_shards_is_that_of_its_result() -> None:
    import shards

    page, result = shards.PAGE.read_text(), json.loads(shards.RESULT.read_text())
    assert shards.written(page, result) == page, "run Benchmarks/shards.py --write"
    assert shards.written(re.sub(r"(sassld, shards, warm cache \| )", r"\g<1>1", page), result) == page
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", result["commit"])
