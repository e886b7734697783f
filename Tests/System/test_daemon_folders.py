"""The folder of a daemon of one's own: what cleans temporary directories spares it as long as the daemon is needed."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

import sassl
from workplace import PROGRAMS

SMALL: dict[str, Any] = {
    "layout": "flat",
    "batch_size": 8,
    "side": 32,
    "slots": 2,
    "workers_count": 1,
    "style_enabled": False,
}


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A place for temporary files that is none of pytest's, and short enough for sockets."""
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield pathlib.Path(folder)


def test_the_last_words_are_told_although_the_log_was_removed(data: pathlib.Path, directory: str) -> None:
    with sassl.serve(data, **SMALL, ring_directory=directory) as ring:
        (ring.configuration.parent / "sassld.log").unlink()
        os.kill(ring.information.producer_pid, signal.SIGKILL)
        with pytest.raises(sassl.DaemonFailedError, match="signal 9"):
            for _ in ring:
                pass


SCRIPT = """
import json, signal, sys, sassl
ring = sassl.serve(sys.argv[1], **json.loads(sys.argv[2]))
print(ring.configuration.parent, flush=True)
signal.pause()
"""


def test_what_ages_temporary_files_takes_the_folder_of_a_killed_process_only(
    data: pathlib.Path, directory: str, temporary: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    rules = tmp_path / "rules.conf"
    # Whatever its age.
    rules.write_text(f"e {temporary} - - - 0\n")

    def clean() -> None:
        subprocess.run(["systemd-tmpfiles", "--clean", rules], check=True)

    settings = {**SMALL, "ring_directory": directory}
    killed = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, data, json.dumps(settings)], stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    abandoned = pathlib.Path(killed.stdout.readline().strip())
    with sassl.serve(data, **settings) as ring:
        folder = ring.configuration.parent
        content = set(folder.iterdir())
        assert folder / "sassld.log" in content
        clean()
        assert set(folder.iterdir()) == content
        assert (abandoned / "sassld.log").exists()
        killed.kill()
        killed.wait()
        clean()
        assert set(folder.iterdir()) == content
        assert not (abandoned / "sassld.log").exists()
