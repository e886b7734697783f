"""Has the programs on PATH serve the page of a stream that nobody runs, and reads it: no library is missing."""

from __future__ import annotations

import pathlib
import subprocess
import urllib.request


def main() -> None:
    pathlib.Path("page.toml").write_text('stream.name = "nobody-runs-this"\n')
    command = ["sasslctl", "page", "--config", "page.toml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        with urllib.request.urlopen(served.stdout.readline().strip() + "state.json", timeout=30) as answer:
            assert b'"state":"stopped"' in answer.read()
        served.terminate()
    assert served.returncode == 0
    print("page: served")


if __name__ == "__main__":
    main()
