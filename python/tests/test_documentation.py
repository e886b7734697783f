"""What the documentation says of the tests is so."""

from __future__ import annotations

import re
import subprocess
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


def broken_links(root: Path, pages: list[Path]) -> list[str]:
    """Relative links and pictures of Markdown pages that lead nowhere, or out of the folder."""
    broken = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
            target = (link[0] or link[1]).partition("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            place = (page.parent / target).resolve()
            if not place.exists() or not place.is_relative_to(root.resolve()):
                broken.append(f"{page.relative_to(root)}: {target}")
    return broken


def test_every_link_of_the_documents_leads_somewhere() -> None:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    pages = [ROOT / name for name in listed.splitlines()] or [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert ROOT / "README.md" in pages
    assert broken_links(ROOT, pages) == []


def test_every_link_of_the_installed_documents_leads_somewhere(tmp_path: Path) -> None:
    subprocess.run(
        ["make", "-s", "install-documents", f"DESTDIR={tmp_path}", "PREFIX=/usr"], cwd=ROOT, check=True, timeout=60
    )
    installed = tmp_path / "usr/share/doc/sassl"
    pages = list(installed.rglob("*.md"))
    assert installed / "README.md" in pages
    assert broken_links(installed, pages) == []
