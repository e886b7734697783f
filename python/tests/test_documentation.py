"""What the documentation says of the tests is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import ROOT

PAGE = ROOT / "docs" / "hostile-surroundings.md"


def troubles() -> list[list[str]]:
    """The rows of the page's tables, cell by cell, without their headings."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("| trouble")
    ]


@pytest.mark.parametrize("row", troubles(), ids=lambda row: str(row[0]))
def test_every_trouble_names_a_test_that_provokes_it(row: list[str], here: Path) -> None:
    sources = "".join(file.read_text() for file in (*here.glob("test_*.py"), *(ROOT / "Tests").rglob("*Tests.swift")))
    tests = re.findall(r"^(?:@Suite )?(?:def|struct|final class) (\w*[Tt]est\w*)", sources, re.MULTILINE)
    keys = re.findall(r"`(\w+)`", row[3])
    assert keys
    for key in keys:
        assert any(key in test for test in tests), key
