"""The page about the architecture describes the package that is built, and the files that are there."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from workplace import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
SOURCE_FILE = re.compile(r"`([\w+-]+(?:/[\w+-]+)*/[\w+-]+\.(?:swift|c|cpp|h|inc|py))`")

Graph = dict[str, set[str]]


@pytest.fixture(scope="module")
def package() -> Graph:
    """What each target of Package.swift that is no test depends on, as SwiftPM understands the file."""
    environment = {key: value for key, value in os.environ.items() if key != "SASSL_FUZZ"}
    command = ["swift", "package", "dump-package"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=120)
    return {
        target["name"]: {dependency["byName"][0] for dependency in target["dependencies"]}
        for target in json.loads(run.stdout)["targets"]
        if target["type"] != "test"
    }


def table() -> Graph:
    """The rows of the page's table of targets, in their order."""
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| ?(.*) ?\|$", PAGE, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return {name: set(re.findall(r"`(\w+)`", built_on)) for name, built_on in rows}


def diagram() -> Graph:
    """The arrows of the page's diagram."""
    drawing = re.search(r"```mermaid\nflowchart TD\n(.*?)```", PAGE, re.DOTALL)
    assert drawing is not None
    arrows = [line.strip().split(" --> ") for line in drawing[1].splitlines()]
    assert len(arrows) == len({source for source, _ in arrows})
    return {source: set(targets.split(" & ")) for source, targets in arrows}


def everything_below(graph: Graph, name: str) -> set[str]:
    return set().union(*({below} | everything_below(graph, below) for below in graph[name]))


def test_the_table_has_every_target_and_every_dependency(package: Graph) -> None:
    assert table() == package


def test_no_target_is_built_on_one_below_it() -> None:
    above: set[str] = set()
    for name, built_on in table().items():
        assert built_on <= above, name
        above.add(name)


def test_the_diagram_has_every_arrow_that_does_not_follow_from_others(package: Graph) -> None:
    needed = {
        name: {
            one for one in built_on if not any(one in everything_below(package, other) for other in built_on - {one})
        }
        for name, built_on in package.items()
    }
    drawn = diagram()
    assert drawn == {name: arrows for name, arrows in needed.items() if arrows}
    assert set(drawn).union(*drawn.values()) == {
        name for name in package if needed[name] or any(name in arrows for arrows in needed.values())
    }


def test_the_walk_names_files_that_exist_and_each_once() -> None:
    files = SOURCE_FILE.findall(PAGE)
    assert len(files) > 50
    assert sorted(files) == sorted(set(files))
    places = [ROOT / file if file.startswith("python/") else ROOT / "Sources" / file for file in files]
    assert [str(place) for place in places if not place.is_file()] == []


def test_the_walk_enters_every_folder_with_sources() -> None:
    folders = {
        folder.name
        for folder in (ROOT / "Sources").iterdir()
        if any(file.suffix in {".swift", ".c", ".cpp"} for file in folder.iterdir())
    }
    assert {file.split("/")[0] for file in SOURCE_FILE.findall(PAGE)} == folders | {"python"}
