"""The ring from outside Python: through the C library, and by reading the memory that docs/ring-format.md describes."""

from __future__ import annotations

import importlib.util
import mmap
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from producing import Producer, expected, stream
from workplace import ROOT


def run(*command: object) -> str:
    return subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, text=True, timeout=120
    ).stdout


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_plain_c_program_reads_the_ring(directory: str, here: Path, tmp_path: Path) -> None:
    ring = ROOT / "python" / "ring"
    program = tmp_path / "consumer"
    flags = ["-std=gnu17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run("cc", *flags, "-I", ring / "include", here / "consumer.c", *ring.glob("*.c"), "-o", program, "-pthread")
    with stream(directory):
        lines = run(program, directory, "test", 25).splitlines()
    assert lines == [f"{n} {n // 10} {n % 10} {expected(n)['sample_ids'].sum()}" for n in range(25)]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_program_may_have_functions_of_any_name(tmp_path: Path) -> None:
    """The library's own functions have plain names, such as `fail`, and are not replaced by those of the program."""
    spec = importlib.util.find_spec("sassl._ring")
    assert spec is not None
    assert spec.origin is not None
    source = tmp_path / "program.c"
    source.write_text("""
        #include "sassl_ring.h"
        #include <stdio.h>
        int fail(void) { return puts("the program's"); }
        int monotonic_ns(void) { return puts("the program's"); }
        int main(void) {
          struct sassl_ring_error error;
          char path[64];
          int result = sassl_ring_path(NULL, "no/name", 0, path, sizeof path, &error);
          return printf("%d: %s\\n", result, error.message) < 0;
        }
    """)
    program = tmp_path / "program"
    include = ROOT / "python" / "ring" / "include"
    run("cc", "-rdynamic", "-I", include, source, spec.origin, f"-Wl,-rpath,{Path(spec.origin).parent}", "-o", program)
    assert run(program) == "-1: a ring's name is 1 to 63 letters, digits, '-' or '_'; 'no/name' is not\n"


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_header_is_valid_cxx() -> None:
    header = ROOT / "python" / "ring" / "include" / "sassl_ring.h"
    run("c++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-x", "c++", header)


def test_the_documented_layout_is_enough_to_read_a_batch(directory: str) -> None:
    """No library here: numbers from docs/ring-format.md only."""
    with Producer(directory, start=41, settings="seed = 7\nside = 6\n") as producer:
        producer.produce()
        with open(Path(directory, "sassl.test.0"), "rb") as file:
            memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        assert memory[:8] == b"SASSLRNG"
        assert struct.unpack_from("<II", memory, 8) == (1, 0x01020304)
        page, slot_count, field_count, _ = struct.unpack_from("<4I", memory, 64)
        slots, payload, slot_bytes, payload_bytes, file_bytes = struct.unpack_from("<5Q", memory, 80)
        published, next_batch = struct.unpack_from("<QQ", memory, 256)
        assert (published, next_batch, file_bytes) == (1, 42, len(memory))
        settings, settings_bytes = struct.unpack_from("<QQ", memory, 232)
        assert memory[settings : settings + settings_bytes] == b"seed = 7\nside = 6\n"
        number, epoch, step, sequence, generation, count, _checksum = struct.unpack_from("<5QII", memory, slots)
        assert (number, epoch, step, sequence, generation, count) == (41, 4, 1, 0, 0, 4)
        start = payload + (sequence % slot_count) * slot_bytes
        types = {1: "u1", 8: "<i8", 11: "<f4", 13: "b1"}
        content = expected(41)
        for index in range(field_count):
            at = page + 128 * index
            name = memory[at : at + 32].rstrip(b"\0").decode()
            dtype, dimensions = struct.unpack_from("<II", memory, at + 32)
            shape = struct.unpack_from(f"<{dimensions}Q", memory, at + 40)
            offset, size = struct.unpack_from("<QQ", memory, at + 104)
            array = np.frombuffer(memory, types[dtype], int(np.prod(shape)), start + offset).reshape(shape)
            np.testing.assert_array_equal(array, content.pop(name))
            assert offset + size <= payload_bytes
        assert content == {}
