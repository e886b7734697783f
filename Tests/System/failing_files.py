"""A disk or a network that fails, or does not answer, as failing_files.c makes a daemon see it."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
from collections.abc import Iterator


class Failing:
    """Makes opening files fail in a daemon that is started `through` it, while it is switched on."""

    def __init__(self, folder: pathlib.Path, source: pathlib.Path, files: str, error: int) -> None:
        library, self.switch = folder / "failing_files.so", folder / "failing"
        subprocess.run(
            ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", library, source], check=True
        )
        settings = {"LD_PRELOAD": library, "FAILING_FILES": files, "FAILING_WHILE": self.switch, "FAILING_ERRNO": error}
        self.through = ["env", *(f"{name}={value}" for name, value in settings.items())]

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        self.switch.touch()
        try:
            yield
        finally:
            self.switch.unlink()
