"""Where tests of the ring take place: a directory on tmpfs, and who may mount a file system of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

# Only someone who may mount can have a small /dev/shm; a user namespace makes one of anybody, where that is permitted.
MOUNTING = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]


def may_mount() -> bool:
    """Whether a program started through `MOUNTING` can mount a file system of its own."""
    tried = subprocess.run([*MOUNTING, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.fixture
def directory() -> Iterator[str]:
    """A directory of its own on tmpfs, for rings."""
    path = tempfile.mkdtemp(prefix="sassl-tests-", dir="/dev/shm")
    yield path
    shutil.rmtree(path)
