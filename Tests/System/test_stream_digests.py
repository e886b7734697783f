"""Streams stay what they were: nobody's checkpoint continues with other pictures after an update."""

from __future__ import annotations

import json
import pathlib

import pytest

from stream_digests import FILE, STREAMS, digests, write_data
from workplace import Workplace


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("digests") / "data"
    write_data(folder)
    return folder


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_what_it_was(workplace: Workplace, data: pathlib.Path, name: str) -> None:
    assert digests(workplace, data, STREAMS[name]) == json.loads(FILE.read_text())[name]


def test_no_two_of_these_streams_are_alike() -> None:
    kept = [json.dumps(columns) for columns in json.loads(FILE.read_text()).values()]
    assert len(set(kept)) == len(STREAMS)
