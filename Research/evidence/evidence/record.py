"""What a run leaves on disk: tables as CSV, and what it was made with as JSON."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from .study import StudyError

Row = Mapping[str, Any]


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A name to write to, which takes the file's place at the end: a crash leaves the old one or the new one whole."""
    partial = file.with_name(file.name + ".part")
    yield partial
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(file)


def write_table(file: Path, rows: Sequence[Row]) -> None:
    """Writes rows that all have the same columns, at least one."""
    with replacing(file) as partial, partial.open("w", newline="") as output:
        writer = csv.DictWriter(output, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(file: Path) -> list[dict[str, str]]:
    """The rows of a table; none where there is no such file."""
    if not file.exists():
        return []
    with file.open(newline="") as source:
        return list(csv.DictReader(source))


def write_facts(file: Path, facts: Mapping[str, Any]) -> None:
    """Writes what a run was made with."""
    with replacing(file) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n")


def read_facts(file: Path) -> dict[str, Any]:
    """What `write_facts` wrote; nothing where there is no such file."""
    return dict(json.loads(file.read_text())) if file.exists() else {}


def require_same(file: Path, facts: Mapping[str, Any]) -> None:
    """Raises `StudyError` where a run was begun with other facts; those that its file does not have are not asked."""
    before = read_facts(file)
    changed = [key for key, value in facts.items() if before.get(key, value) != value]
    if changed:
        raise StudyError(f"{file.parent}: was begun with another {', '.join(changed)}: remove it, or restore those")


def digest(files: Iterable[Path]) -> str:
    """The first 16 digits of the SHA-256 of the files' contents, one after the other."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def surroundings(device: str, program: Path) -> dict[str, Any]:
    """Versions and machine, and the digests of this tool and of `program`, the `sassld` with its embedded networks."""
    packages = ("sassl", "torch", "numpy", "scikit-learn", "pillow")
    return {
        "device": device,
        "processor": _processor(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
        "sassld": digest([program]),
        "evidence": digest(sorted(Path(__file__).parent.glob("*.py"))),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()
