"""A daemon of one's own: `serve` starts `sassld`, reads from it, and ends it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import tomli_w

from ._daemon import DRAIN_SECONDS, Daemon, new_folder, shown
from ._observing import producer_of
from ._opening import OpeningDisplay
from .batch import Batch
from .errors import DaemonGoneError, NoDaemonError
from .reader import Reader

# Settings that are paths: relative ones start at the working directory, as everywhere in Python.
_PATHS: Final = frozenset(
    {
        "dataset.manifest",
        "dataset.path",
        "ring.directory",
        "state.directory",
        "state.runtime_directory",
        "style.bank",
        "style.folder",
        "style.model",
    }
)
# How often to look whether sassld has made its ring, or has ended.
_LOOK_SECONDS: Final = 0.02


def serve(
    dataset: str | os.PathLike[str] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    rank: int | None = None,
    start: int = 0,
    verify: bool = False,
    progress: bool = True,
    **settings: Any,
) -> ServedReader:
    """Starts a `sassld` for this process, and reads from it.

    For example:

        with sassl.serve("photos", layout="flat", preset="mocov2", batch_size=256) as ring:
            for epoch in range(100):
                for batch in ring.epoch():
                    train(batch.views)

    The settings are the keys of sassld's configuration. Each is named by its section and its key, `batch_size` for
    `size` in `[batch]`, or by the key alone where only one section has it, such as `preset`. sassld checks them, and
    what it does not accept it names as it would in a file. `views={"view": [{...}, {...}]}` gives whole sections.

    The daemon ends when the block ends or the reader is closed, and when this process ends, however that happens. Its
    stream has a name of its own, so that nothing collides when a cell of a notebook runs again; a stream that is named
    by `stream_name` replaces the one of that name that this process had started before.

    Several ranks each make the same call, with `world_size` and `ranks=[rank]`: each has a daemon that makes its slice
    of the same stream. Or one process serves all, `stream_name="photos", world_size=2, ranks=[0, 1]`, and the others
    read with `attach("photos", rank=1, world_size=2)`. `attach` is also what reads from a service that runs already.

    :param dataset: the images, `dataset.path` of the configuration.
    :param config: a configuration file, in place of `dataset` and settings.
    :param rank: whose slice to read; by default the first that the daemon makes.
    :param start: number of the first batch.
    :param verify: check each batch's checksum.
    :param progress: show how far the daemon is where it takes more than a second to start, which a large dataset
        delays for minutes: on a terminal or in a notebook, where tqdm is installed, in a line that is gone at the end,
        and elsewhere in plain lines on standard error, after five seconds and then every thirty.
    :raises DaemonFailedError: sassld did not start, with what it said.
    :raises FileNotFoundError: sassld is not installed.
    """
    folder = new_folder()
    try:
        file = configuration_file(folder, dataset, config, settings)
        return ServedReader(file, folder, rank=rank, start=start, verify=verify, progress=progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def configuration_file(
    folder: Path,
    dataset: str | os.PathLike[str] | None,
    config: str | os.PathLike[str] | None,
    settings: Mapping[str, Any],
) -> Path:
    """The configuration file that the arguments of `serve` mean: `config`, or one that is written into `folder`."""
    if config is not None and (dataset is not None or settings):
        raise TypeError("give a configuration file or settings, not both: what a file says is changed in the file")
    if config is not None:
        return Path(config).absolute()
    if dataset is not None:
        settings = {"dataset_path": dataset, **settings}
    file = folder / "sassld.toml"
    # Nothing set: what it shows is every key there is.
    file.touch()
    file.write_text(tomli_w.dumps(_document(settings, shown(file), folder)), encoding="utf-8")
    return file


class ServedReader(Reader):
    """A reader whose `sassld` lives as long as it does. Made by `serve`."""

    # The living ones of this process, by the stream's name.
    _served: Final[weakref.WeakValueDictionary[str, ServedReader]] = weakref.WeakValueDictionary()

    def __init__(self, file: Path, folder: Path, *, rank: int | None, start: int, verify: bool, progress: bool) -> None:
        configuration = shown(file)
        name = configuration["stream"]["name"]
        rank = configuration["batch"]["ranks"][0] if rank is None else rank
        predecessor = self._served.get(name)
        if predecessor is not None:
            predecessor.close()
        self.configuration: Final = file
        """The daemon's configuration, for `sasslctl --config`."""
        self._daemon = Daemon(file, folder)
        self._process = self._daemon.process
        self._ending = weakref.finalize(self, _end, self._daemon, folder, os.getpid())
        try:
            with OpeningDisplay(file, is_wanted=progress) as display:
                self._attach_to_own(
                    name,
                    rank,
                    start,
                    verify,
                    configuration["ring"]["directory"],
                    configuration["batch"]["world_size"],
                    display,
                )
        except BaseException:
            self._ending()
            raise
        self._served[name] = self

    def _attach_to_own(
        self,
        name: str,
        rank: int,
        start: int,
        verify: bool,
        directory: str,
        world_size: int,
        display: OpeningDisplay,
    ) -> None:
        """Attaches as soon as the daemon has made its ring, which a large dataset delays for minutes."""
        while True:
            with contextlib.suppress(NoDaemonError):
                # Of another daemon that holds the name not even the reader's place may change: ours is about to say
                # that it is taken.
                if producer_of(directory, name, rank) == self._process.pid:
                    super().__init__(
                        name,
                        rank,
                        start=start,
                        world_size=world_size,
                        wait=0.0,
                        # A daemon of one's own does not come back.
                        daemon_timeout=1.0,
                        verify=verify,
                        directory=directory,
                        accept_change=False,
                        owner=None,
                    )
                    return
            if self._process.poll() is not None:
                raise self._daemon.failure()
            display.update()
            time.sleep(_LOOK_SECONDS)

    def _take(self, timeout: float = float("inf")) -> Batch:
        """Where the daemon has ended, raises `DaemonFailedError`, with what it said last."""
        try:
            return super()._take(timeout)
        except DaemonGoneError as error:
            # The kernel tells of its end a moment after its ring does.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(DRAIN_SECONDS)
                raise self._daemon.failure() from error
            raise

    def close(self) -> None:
        """Gives back what is held, detaches, and ends the daemon."""
        try:
            super().close()
        finally:
            self._ending()

    def __enter__(self) -> ServedReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, value, trace)
        finally:
            self._ending()


def _end(daemon: Daemon, folder: Path, owner: int) -> None:
    """Ends the daemon and removes its folder; in a child of the process that started it, does nothing."""
    if os.getpid() == owner:
        daemon.end()
        shutil.rmtree(folder, ignore_errors=True)


def _document(settings: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Any]:
    """Settings as the tables of a configuration file, whose sections and keys are `known`."""
    document: dict[str, Any] = {
        "stream": {"name": f"python-{os.getpid()}-{uuid.uuid4().hex[:8]}"},
        "state": {"directory": str(folder), "runtime_directory": str(folder)},
    }
    for section, key, value in _entries(settings, known):
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if f"{section}.{key}" in _PATHS and value:
            value = os.path.abspath(value)
        if (section, key) == ("dataset", "source"):
            value = [
                {
                    name: os.path.abspath(inner) if f"dataset.{name}" in _PATHS and inner else inner
                    for name, inner in source.items()
                }
                for source in value
            ]
        if section:
            document.setdefault(section, {})[key] = value
        else:
            # Not one of sassld's: it is the one to say so.
            document[key] = value
    return document


def _entries(settings: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """Section, key and value of each setting; without a section where there is none for it."""
    for name, value in settings.items():
        if name in known and isinstance(value, Mapping):
            yield from ((name, key, inner) for key, inner in value.items())
            continue
        section, _, key = name.partition("_")
        having = [section for section, keys in known.items() if name in keys]
        if len(having) == 1:
            yield having[0], name, value
        elif section in known:
            yield section, key, value
        else:
            yield "", name, value
