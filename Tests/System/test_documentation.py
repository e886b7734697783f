"""What the documentation says of the tests is so."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from workplace import ROOT

PAGES = [ROOT / "docs" / name for name in ("hostile-surroundings.md", "reliability.md")]


def troubles() -> list[tuple[str, str]]:
    """Of each row of a table whose last column is headed `test`: the first cell and the last."""
    found = []
    for page in PAGES:
        for table in page.read_text().split("\n\n"):
            rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
            if rows[0][-1] == "test":
                found += [(row[0], row[-1]) for row in rows[2:]]
    return found


def test_both_pages_have_such_tables() -> None:
    assert all("| test |" in page.read_text() for page in PAGES)


@pytest.mark.parametrize(("trouble", "told"), troubles(), ids=lambda cell: str(cell))
def test_every_trouble_names_a_test_that_provokes_it(trouble: str, told: str, here: Path) -> None:
    sources = "".join(
        file.read_text()
        for file in (
            *here.glob("test_*.py"),
            *(ROOT / "python" / "tests").glob("test_*.py"),
            *(ROOT / "Tests").rglob("*Tests.swift"),
        )
    )
    tests = re.findall(r"^(?:@Suite )?(?:def|struct|final class) (\w*[Tt]est\w*)", sources, re.MULTILINE)
    tests += re.findall(r"^  func (\w+)\(", sources, re.MULTILINE)
    keys = re.findall(r"`(\w+)`", told)
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
