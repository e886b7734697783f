"""What the documentation says of the tests is so."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from workplace import ROOT

OUTCOMES = ROOT / "docs" / "outcomes.md"


def tables(page: Path) -> list[list[list[str]]]:
    """The tables of a Markdown page, as rows of cells; the second row is the one of dashes."""
    return [
        [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        for block in page.read_text().split("\n\n")
        if block.lstrip().startswith("|")
    ]


def troubles() -> list[tuple[str, str]]:
    """Of each row of the outcomes: what happens, and the tests that show what follows."""
    return [(row[0], row[-1]) for table in tables(OUTCOMES) for row in table[2:]]


def test_outcomes_stand_on_one_page_in_tables_of_one_form() -> None:
    assert len(troubles()) > 80
    for table in tables(OUTCOMES):
        assert table[0] == ["what happens", "the stream", "how you are told", "test"]
        assert {len(row) for row in table} == {4}
    others = [page for page in (ROOT / "docs").glob("*.md") if page != OUTCOMES]
    assert [page.name for page in others if any(table[0][-1] == "test" for table in tables(page))] == []


def test_nothing_happens_twice() -> None:
    happenings = [what for what, _ in troubles()]
    assert sorted(happenings) == sorted(set(happenings))


def test_exit_codes_of_the_outcomes_are_explained() -> None:
    codes = next(table for table in tables(ROOT / "docs" / "operations.md") if table[0][0] == "code")
    explained = {row[0] for row in codes[2:]}
    named = set(re.findall(r"exit code (\d+)(?: or (\d+))?", OUTCOMES.read_text()))
    assert {code for pair in named for code in pair if code} <= explained


@pytest.mark.parametrize(("trouble", "told"), troubles(), ids=lambda cell: str(cell))
def test_every_trouble_names_a_test_that_provokes_it(trouble: str, told: str, here: Path) -> None:
    sources = "".join(
        file.read_text()
        for file in (
            *here.glob("test_*.py"),
            *(ROOT / "python" / "tests").glob("test_*.py"),
            *(ROOT / "Tests" / "Metrics").glob("test_*.py"),
            *(ROOT / "Tests" / "Page").glob("test_*.py"),
            *(ROOT / "Tests").rglob("*Tests.swift"),
        )
    )
    tests = re.findall(r"^(?:@Suite )?(?:def|struct|final class) (\w*[Tt]est\w*)", sources, re.MULTILINE)
    tests += re.findall(r"^  func (\w+)\(", sources, re.MULTILINE)
    keys = re.findall(r"`(\w+)`", told)
    assert keys, trouble
    for key in keys:
        assert any(key in test for test in tests), key


def without_code(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a link to a heading of this page may end with, by the forge's rule."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(root: Path, pages: list[Path]) -> list[str]:
    """Relative links and pictures of Markdown pages that lead nowhere, to no heading, or out of the folder."""
    broken = []
    for page in pages:
        for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", without_code(page)):
            target, _, anchor = (link[0] or link[1]).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            place = (page.parent / target).resolve() if target else page
            there = place.exists() and place.is_relative_to(root.resolve())
            if not there or (anchor and anchor not in anchors(place)):
                broken.append(f"{page.relative_to(root)}: {link[0] or link[1]}")
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
