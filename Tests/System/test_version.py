"""The version stands in VERSION. What must repeat it says the same, and the programs and the package tell it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import sassl
from workplace import PROGRAMS, ROOT

VERSION = (ROOT / "VERSION").read_text().strip()


def test_it_is_a_semantic_version() -> None:
    number = r"(0|[1-9]\d*)"
    label = r"(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
    assert re.fullmatch(rf"{number}\.{number}\.{number}{label}", VERSION)


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("debian/changelog", r"\Asassl \(([^)]+)\)"),
        ("CHANGELOG.md", r"^## \[(.+?)\]"),
        ("docs/install.md", r"sassl-(.+?)-py3"),
        ("docs/install.md", r"sassl-([^-]+)\.tar\.gz"),
        ("docs/install.md", r"sassl_(.+?)_amd64\.deb"),
    ],
)
def test_whoever_repeats_it_says_the_same(file: str, pattern: str) -> None:
    found = re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)
    assert found and found[1] == VERSION


def test_the_swift_sources_repeat_it_once() -> None:
    sources: list[Path] = list((ROOT / "Sources").rglob("*.swift"))
    found = [version for file in sources for version in re.findall(r'programVersion = "(.+)"', file.read_text())]
    assert found == [VERSION]


@pytest.mark.parametrize("program", ["sassld", "sasslctl"])
def test_the_programs_tell_it(program: str) -> None:
    told = subprocess.run([PROGRAMS / program, "--version"], capture_output=True, text=True, check=True).stdout
    assert told == f"{program} {VERSION}\n"


def test_the_package_tells_it() -> None:
    assert sassl.__version__ == VERSION
