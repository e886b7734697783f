"""docs/frameworks.md shows lines that are in the examples."""

from __future__ import annotations

import re

import pytest

from workplace import ROOT

PAGE = (ROOT / "docs" / "frameworks.md").read_text()


def sections() -> list[tuple[str, str]]:
    """Of each section that shows changes: the example that it links to, and the lines that come."""
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        shown = re.findall(r"^```diff\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        if shown:
            (example,) = set(re.findall(r"\]\((\.\./python/examples/\w+\.py)\)", section))
            found.append((example, "".join(shown)))
    return found


def test_every_framework_has_a_section_with_changes() -> None:
    assert len(sections()) == 7


@pytest.mark.parametrize(("example", "shown"), sections(), ids=lambda cell: cell.rpartition("/")[2][:20])
def test_the_lines_that_come_are_in_the_example(example: str, shown: str) -> None:
    lines = {line.strip() for line in (ROOT / "docs" / example).read_text().splitlines()}
    added = [line[1:].strip() for line in shown.splitlines() if line.startswith("+")]
    assert added
    assert [line for line in added if line not in lines] == []
    removed = [line[1:].strip() for line in shown.splitlines() if line.startswith("-")]
    assert [line for line in removed if line in lines] == []
