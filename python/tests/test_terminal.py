"""Colours follow the environment by the rules of the programs, which are those of Python's own."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

from sassl import _terminal
from sassl._terminal import Colour, PassingLine, coloured, has_colour

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM")


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    """A terminal that is there for the test alone."""
    outer, inner = os.openpty()
    with open(inner, "w", encoding="utf-8") as stream:
        yield stream
    os.close(outer)


# The same as in Tests/TerminalTests/TerminalTests.swift.
@pytest.mark.parametrize(
    ("environment", "on_terminal", "in_pipe"),
    [
        ({}, True, False), ({"TERM": "dumb"}, False, False), ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False), ({"FORCE_COLOR": "1"}, True, True), ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False), ({"FORCE_COLOR": "", "CLICOLOR": "1"}, True, False),
        ({"CLICOLOR": "0"}, False, False), ({"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False), ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)  # fmt: skip
def test_colours_are_where_people_expect_them(
    monkeypatch: pytest.MonkeyPatch, terminal: TextIO, environment: dict[str, str], on_terminal: bool, in_pipe: bool
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_colour(terminal) == on_terminal
    assert has_colour(io.StringIO()) == in_pipe
    assert coloured("bad", Colour.PROBLEM, terminal) == ("\x1b[31mbad\x1b[0m" if on_terminal else "bad")


def test_where_nobody_looks_there_are_lines_and_not_too_many(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    soon = PassingLine()
    soon.show("what is soon done")
    soon.close()
    monkeypatch.setattr(_terminal, "_FIRST_LINE", 0.0)
    line = PassingLine()
    for number in range(1000):
        line.show(f"line {number}")
    line.close()
    assert capsys.readouterr() == ("", "line 0\n")
