"""The figures in the documents are those of a result that is kept, and the result says where they come from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from workplace import ROOT

sys.path.insert(0, str(ROOT / "Benchmarks"))
import tables

KEPT = sorted(tables.RESULTS.glob("*.json"))


def test_the_documents_say_what_their_result_says() -> None:
    result = tables.loaded(tables.chosen())
    for page in tables.PAGES:
        assert tables.written(page.read_text(), result) == page.read_text(), "run make bench-tables"


def test_every_block_stands_once_in_the_documents() -> None:
    marks = [name for page in tables.PAGES for name in re.findall(r"<!-- measured: (.*) -->", page.read_text())]
    assert sorted(marks) == sorted(tables.BLOCKS)


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_kept_result_says_what_was_measured_where_and_when(file: Path) -> None:
    result = tables.loaded(file)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", result["commit"])
    assert {"processor", "cores", "kernels", "busy_percent_before_and_after"} <= result["machine"].keys()
    assert {"sassl", "python", "torch", "onnxruntime", "openvino", "nvidia-dali-cuda120"} <= result["versions"].keys()


def test_a_figure_that_is_changed_by_hand_is_found() -> None:
    page = tables.PAGES[0].read_text()
    changed = re.sub(r"(sassld with style \| )", r"\g<1>1", page)
    assert changed != page
    assert tables.written(changed, tables.loaded(tables.chosen())) == page
