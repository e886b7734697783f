"""What tests of the package share. They need no sassld: `producing` fills rings in its place."""

from __future__ import annotations

import pathlib

import pytest

from surroundings import directory

__all__ = ["directory", "here"]


@pytest.fixture
def here() -> pathlib.Path:
    """Where the tests are."""
    return pathlib.Path(__file__).parent
