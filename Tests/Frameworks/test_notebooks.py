"""The notebooks of docs/notebooks run from top to bottom, and are kept without what came out."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

from running import surroundings as surroundings
from workplace import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None and cell.outputs == [] for cell in cells), "clear the outputs"
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": file.parent}}).execute()
    assert all(cell.outputs or "print" not in cell.source for cell in cells)
