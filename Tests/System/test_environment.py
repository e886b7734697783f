"""docs/environment.md names every environment variable that the sources read, and no other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from workplace import ROOT

PAGE = ROOT / "docs" / "environment.md"
NAME = r"([A-Z][A-Z_]+)"
#: How a variable is read, by the kind of source.
READING = {
    ".swift": [rf'nvironment\["{NAME}"\]', rf'static let variable = "{NAME}"'],
    ".c": [rf'getenv\("{NAME}"\)'],
    ".cpp": [rf'getenv\("{NAME}"\)'],
    ".py": [rf'environ(?:\.get\(|\[|\.pop\()"{NAME}"', rf'getenv\("{NAME}"', r'^[A-Z_]+ = "(SASSL_[A-Z_]+)"'],
    "": [rf"\$\{{{NAME}:?[-?=]", rf"^{NAME} +\?=", rf"\$\((?:or|if) \$\({NAME}\)"],
}


def documented() -> dict[str, set[str]]:
    """The names in the first column of the page's tables, by section."""
    sections = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {
        title: {
            name for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
        }
        for title, text in zip(sections[::2], sections[1::2], strict=True)
    }


def read_by_sources() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: set[str] = set()
    for file in map(Path, listed.splitlines()):
        # Shell scripts and Makefiles have no suffix, and are the only such files that use these patterns.
        for pattern in READING.get(file.suffix, []):
            try:
                text = (ROOT / file).read_text()
            except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                continue
            found |= set(re.findall(pattern, text, re.MULTILINE))
    return found


def test_every_variable_that_is_read_is_on_the_page_and_every_one_on_the_page_is_read() -> None:
    sections = documented()
    of_libraries = sections.pop("Libraries")
    of_the_project = set().union(*sections.values())
    assert read_by_sources() - of_libraries == of_the_project
    assert {"SASSL_CPU", "SASSL_PYTHON", "SASSL_SHARED"} <= of_the_project


def test_names_of_the_project_stand_in_no_source_without_being_on_the_page() -> None:
    """Whatever the way in which it is read: what begins as the project's variables do is one, or a constant of C."""
    listed = subprocess.run(
        ["git", "grep", "-hoIE", r"\b(SASSL|SASSLD)_[A-Z_]+\b"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    constants = re.compile(r"SASSL_(RING|TOML)_")
    names = {name for name in listed.split() if not constants.match(name)}
    assert names <= set().union(*documented().values())
