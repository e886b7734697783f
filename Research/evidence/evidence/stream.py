"""A `sassld` of one's own, for as long as a `with` lasts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sassl

from .study import StudyError

#: A view that shows the largest square in the middle of the picture, and nothing else done to it.
PLAIN: Final[Mapping[str, Any]] = {
    "crop_scale": [1.0, 1.0],
    "crop_aspect": [1.0, 1.0],
    "flip_probability": 0.0,
    "jitter_probability": 0.0,
    "grayscale_probability": 0.0,
    "blur_probability": 0.0,
    "solarize_probability": 0.0,
}
_BUILT: Final = Path(__file__).parents[3] / ".build" / "release" / "sassld"


@dataclasses.dataclass(frozen=True)
class StreamSettings:
    """What determines a stream; the rest of sassld's configuration is the same for all of them."""

    dataset: Path
    seed: int
    side: int
    batch: int
    preset: str
    style: Mapping[str, Any]
    last_batch: str = "drop"
    #: Of the steps; nothing for the usual one.
    order: Sequence[str] = ()
    #: Tables `[[views.view]]`, where the preset's views are not what is wanted.
    views: Sequence[Mapping[str, Any]] = ()

    def configuration(self, name: str, directory: Path) -> str:
        """As sassld reads it."""
        tables: dict[str, Mapping[str, Any]] = {
            "stream": {"name": name, "seed": self.seed},
            "dataset": {"path": str(self.dataset.resolve()), "layout": "image-folder"},
            "batch": {"size": self.batch, "last_batch": self.last_batch},
            "views": {"preset": self.preset, "side": self.side, "order": list(self.order)},
            "style": self.style,
            "ring": {"slots": 4},
            "state": {"directory": str(directory), "runtime_directory": str(directory)},
        }
        texts = [_table(f"[{name}]", table) for name, table in tables.items()]
        return "\n".join([*texts, *(_table("[[views.view]]", view) for view in self.views)])


def _table(heading: str, values: Mapping[str, Any]) -> str:
    # What JSON writes for text, numbers, truth values and lists of them is TOML too.
    return "\n".join([heading, *(f"{key} = {json.dumps(value)}" for key, value in values.items())]) + "\n"


def daemon_program() -> Path:
    """The `sassld` that `make build` made, or else the installed one. Raises `StudyError` where there is none."""
    program = _BUILT if _BUILT.exists() else shutil.which("sassld")
    if program is None:
        raise StudyError("there is no sassld: run `make build`, or install it")
    return Path(program)


@contextlib.contextmanager
def reading(settings: StreamSettings, start: int = 0) -> Iterator[sassl.Reader]:
    """Starts a `sassld` for the stream and attaches to it; `start` is the number of the first batch.

    It ends with the `with`, and also when this process is killed. Raises `StudyError` with what it said where it does
    not start.
    """
    name = f"evidence-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix="sassl-evidence-") as folder, contextlib.ExitStack() as stack:
        directory = Path(folder)
        configuration, messages = directory / "sassld.toml", directory / "messages"
        configuration.write_text(settings.configuration(name, directory))
        with messages.open("wb") as output:
            command = ["setpriv", "--pdeathsig", "TERM", str(daemon_program()), "--config", str(configuration)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        stack.callback(_end, process)
        yield stack.enter_context(_attached(name, start, process, messages))


def _attached(name: str, start: int, process: subprocess.Popen[bytes], messages: Path) -> sassl.Reader:
    while True:
        try:
            return sassl.attach(name, start=start, wait=1.0)
        except sassl.NoDaemonError as error:
            if process.poll() is not None:
                said = messages.read_text(errors="replace").strip()
                raise StudyError(f"sassld ended with exit code {process.returncode}:\n{said}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
