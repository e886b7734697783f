"""Tar shards for the tests, and what a table of shards says."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import struct
import tarfile
from collections.abc import Iterable

Member = tuple[str, bytes]


def write_shard(path: pathlib.Path, members: Iterable[Member], form: int = tarfile.PAX_FORMAT) -> pathlib.Path:
    """An archive of members in the given order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a table says that a picture lies."""

    name: str
    offset: int
    size: int
    label: int


def tables(file: pathlib.Path) -> dict[str, list[Place]]:
    """What a daemon keeps of shards: by the path of each, its pictures in order."""
    content = file.read_bytes()
    assert content[:8] == b"SASSLTAR"
    found: dict[str, list[Place]] = {}
    start = 16
    while start < len(content):
        (record_size,) = struct.unpack_from("<q", content, start)
        record = content[start + 16 : start + 16 + record_size]
        start += 16 + record_size
        path_bytes, count, name_bytes = struct.unpack_from("<3q", record, 16)
        path = record[41 : 41 + path_bytes]
        names = record[41 + path_bytes : 41 + path_bytes + name_bytes].split(b"\0")[:-1]
        assert len(names) == count
        members = [struct.unpack_from("<qqqIB", record, 41 + path_bytes + name_bytes + 29 * i) for i in range(count)]
        found[path.decode()] = [
            Place(name.decode(errors="surrogateescape"), *member[:3])
            for name, member in zip(names, members, strict=True)
        ]
    return found
