"""Variables of TensorFlow by name: from a checkpoint, a SavedModel's variables, or a safetensors file of them.

A checkpoint is a table of names (`.index`, in the form of LevelDB's tables) and files of numbers
(`.data-00000-of-00001`). Only these are read: no graph is loaded and nothing of it is run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from network_file import Array, refused, required

TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_BYTES = 48
# A block is followed by its compression and its checksum.
TRAILER_BYTES = 5
# Those of TensorFlow's DataType that weights have; other variables, such as counters, are left out.
TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 19: np.dtype("<f2")}


def varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of variable length, and where what follows it begins."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield numbers and contents of a protocol buffer's fields."""
    place = 0
    while place < len(message):
        tag, place = varint(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = varint(message, place)
            yield tag >> 3, value
        elif kind == 2:
            length, place = varint(message, place)
            yield tag >> 3, message[place : place + length]
            place += length
        elif kind == 5:
            yield tag >> 3, message[place : place + 4]
            place += 4
        else:
            raise refused("its table has an entry of a form that checkpoints do not have")


def block(table: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block of a table."""
    offset, place = varint(handle, 0)
    size, _ = varint(handle, place)
    if offset + size + TRAILER_BYTES > len(table):
        raise refused("its table is cut off")
    if table[offset + size] != 0:
        raise refused("its table is compressed, which TensorFlow does not do")
    data = table[offset : offset + size]
    end = size - 4 * (1 + struct.unpack("<I", data[-4:])[0])
    key = b""
    place = 0
    while place < end:
        shared, place = varint(data, place)
        fresh, place = varint(data, place)
        length, place = varint(data, place)
        key = key[:shared] + data[place : place + fresh]
        yield key, data[place + fresh : place + fresh + length]
        place += fresh + length


def checkpoint_prefix(path: Path) -> Path | None:
    """Return the name of a checkpoint or SavedModel in front of `.index`; None for any other file."""
    if (path / "variables" / "variables.index").is_file():
        return path / "variables" / "variables"
    if path.name.endswith(".index"):
        return path.with_name(path.name.removesuffix(".index"))
    if ".data-" in path.name and path.with_name(path.name.partition(".data-")[0] + ".index").is_file():
        return path.with_name(path.name.partition(".data-")[0])
    return path if path.with_name(path.name + ".index").is_file() else None


def checkpoint_variables(prefix: Path) -> dict[str, Array]:
    """Return every variable of floating-point numbers, as it lies in the checkpoint."""
    table = prefix.with_name(prefix.name + ".index").read_bytes()
    if len(table) < FOOTER_BYTES or table[-8:] != TABLE_MAGIC:
        raise refused("it is no TensorFlow checkpoint: its index is no table")
    footer = table[-FOOTER_BYTES:]
    _, place = varint(footer, 0)
    _, place = varint(footer, place)
    entries = [entry for _, handle in block(table, footer[place:]) for entry in block(table, handle)]
    shards = dict(fields(dict(entries).get(b"", b""))).get(1, 1)
    files: dict[int, bytes] = {}
    variables: dict[str, Array] = {}
    for key, message in entries:
        entry: dict[int, Any] = dict(fields(message))
        if key == b"" or entry.get(1) not in TYPES:
            continue
        shape = tuple(dict(fields(dimension)).get(1, 0) for field, dimension in fields(entry.get(2, b"")) if field == 2)
        shard = entry.get(3, 0)
        if shard not in files:
            name = f"{prefix.name}.data-{shard:05d}-of-{shards:05d}"
            files[shard] = prefix.with_name(name).read_bytes()
        offset, size = entry.get(4, 0), entry.get(5, 0)
        values = np.frombuffer(files[shard][offset : offset + size], TYPES[entry[1]])
        if values.nbytes != size or values.size != int(np.prod(shape)):
            raise refused(f"variable {key.decode(errors='replace')} is cut off")
        variables[variable_name(key.decode(errors="replace"))] = values.reshape(shape).astype(np.float32)
    return variables


def variable_name(key: str) -> str:
    """Return a variable's own name, which a SavedModel of TensorFlow 2 puts among attributes."""
    return key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")


def tensorflow_variables(path: Path) -> dict[str, Array]:
    """Return variables with convolution kernels as [out][in][rows][columns]."""
    prefix = checkpoint_prefix(path)
    if prefix is not None:
        stored = checkpoint_variables(prefix)
    else:
        safetensors = required("safetensors.numpy", "safetensors files", "safetensors")
        try:
            stored = safetensors.load_file(path)
        except required("safetensors", "safetensors files").SafetensorError as error:
            raise refused(f"it is no safetensors file ({error})") from error
    return {
        name: np.ascontiguousarray(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value).astype(np.float32)
        for name, value in stored.items()
    }
