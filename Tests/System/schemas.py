"""The schemas of what commands print as JSON, and which of their fields were seen."""

from __future__ import annotations

import functools
import itertools
import json
import pathlib
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from jsonschema import Draft202012Validator

FOLDER: Final = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas"

#: The schema of each command that takes `--json`, by the words of the command.
OF_COMMANDS: Final = {
    "status": "status",
    "doctor": "doctor",
    "inspect": "inspect",
    "styles list": "styles",
    "model info": "model",
    "dataset": "dataset",
    "bench": "bench",
    "config show": "config",
}
#: The schema of what commands print that fail.
ERROR: Final = "error"
#: Exit codes with which a command reports that something is not as it should be, and has not failed.
REPORTING: Final = {0, 1, 3, 4}

#: By schema, the fields that documents had so far.
seen_so_far: Final[dict[str, set[str]]] = defaultdict(set)


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """The schema of that name."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def complaints(name: str, document: object) -> list[str]:
    """What a schema finds wrong with a document."""
    found = Draft202012Validator(schema(name)).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def fields(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field that a schema describes: its path, as in `rings[].rank`, and what the schema says of it."""
    for name, inner in part.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        yield place, inner
        yield from fields(inner, place)
    if isinstance(part.get("items"), dict):
        yield from fields(part["items"], f"{path}[]")


def fields_of(document: object, path: str = "") -> set[str]:
    """The paths of all fields of a document, as `fields` writes them."""
    found: set[str] = set()
    if isinstance(document, dict):
        for name, value in document.items():
            place = f"{path}.{name}" if path else name
            found |= {place} | fields_of(value, place)
    elif isinstance(document, list):
        for value in document:
            found |= fields_of(value, f"{path}[]")
    return found


def accept(name: str, document: object) -> None:
    """Fails where a document does not fit a schema; notes which fields it has."""
    found = complaints(name, document)
    assert not found, found
    seen_so_far[name] |= fields_of(document)


def check(arguments: Sequence[str], run: subprocess.CompletedProcess[str]) -> None:
    """Fails where a command that was asked for JSON has printed what neither its schema nor that of errors allows."""
    options = list(itertools.takewhile(lambda word: word != "--", arguments))
    if "--json" not in options or run.returncode < 0:
        return
    words = " ".join(arguments)
    if run.returncode not in REPORTING:
        name = ERROR
    else:
        name = next(schema for command, schema in OF_COMMANDS.items() if words.startswith(command))
    document = json.loads(run.stdout)
    accept(name, document)
    if name == ERROR:
        assert document["error"]["exit_code"] == run.returncode
        # The sentence is for people too.
        assert document["error"]["message"] in run.stderr
