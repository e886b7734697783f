"""The ring as a PyTorch dataset."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch.utils.data import IterableDataset, get_worker_info

from .device_loader import DeviceLoader
from .errors import ReaderClosedError, WorkerProcessError
from .reader import Reader, attach, warn_of_another_part
from .tensor_batch import TensorBatch


def _process_group() -> tuple[int, int] | None:
    """Rank and size of the process group of `torch.distributed`; nothing where none is initialized."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return None


def _place(rank: int | None, world_size: int | None) -> tuple[int, int | None]:
    """Rank and world size as given, or else as the process group says."""
    group = _process_group()
    if rank is None and world_size is None and group is not None:
        return group
    return rank or 0, world_size


class RingDataset(IterableDataset[TensorBatch]):
    """A dataset of whole batches, one epoch for each time it is iterated.

    For example:

        dataset = RingDataset("photos")
        for epoch in range(100):
            for batch in dataset:
                views = [view.to(device).permute(0, 3, 1, 2).float() / 255 for view in batch.views]

    It works inside `DataLoader(dataset, batch_size=None)` too, but gains nothing there except `pin_memory=True`. It
    attaches when it is first iterated or asked for its length. Where an epoch was left early, or a state was loaded in
    the middle of one, the next iteration goes on there.

    :param name: of the ring, as for `sassl.attach`; or a reader that is attached already, such as that of
        `sassl.serve`, which is read from where it stands and closed with the dataset. Where several processes train
        together, it has to be one for this process's rank: a `SharedBatchesWarning` says so where it is not.
    :param rank: of this process; with `world_size`, by default that of `torch.distributed` where it is initialized,
        else the only one.
    :param start: number of the first batch: 0 for a fresh run (a resumed one loads its state), or "continue" for the
        first that no reader has released.
    :param endless: iterate over the stream without end instead of one epoch.

    The other arguments are those of `sassl.attach`. None but `endless` goes with a reader.

    :raises TypeError: arguments of `sassl.attach` were given beside a reader.
    """

    def __init__(
        self,
        name: str | Reader,
        rank: int | None = None,
        *,
        start: int | Literal["continue"] = 0,
        world_size: int | None = None,
        endless: bool = False,
        wait: float = 30.0,
        daemon_timeout: float = 60.0,
        verify: bool = False,
        directory: str | os.PathLike[str] | None = None,
        accept_change: bool = False,
        owner: str | int | None = None,
    ) -> None:
        super().__init__()
        self._endless = endless
        options: dict[str, Any] = {
            "rank": rank,
            "start": start,
            "world_size": world_size,
            "wait": wait,
            "daemon_timeout": daemon_timeout,
            "verify": verify,
            "directory": directory,
            "accept_change": accept_change,
            "owner": owner,
        }
        if isinstance(name, Reader):
            defaults = inspect.signature(RingDataset).parameters
            surplus = [option for option, value in options.items() if value != defaults[option].default]
            if surplus:
                raise TypeError(f"{', '.join(surplus)}: cannot be chosen here, because the reader is attached already")
        self._name, self._options = name, options
        self._attached = name if isinstance(name, Reader) else None
        self._state: tuple[Mapping[str, Any], bool] | None = None
        # Whether the place in the process group, which may be initialized later, was held against the reader's.
        self._is_compared = False

    @property
    def reader(self) -> Reader:
        """The attached reader. Attaches where that was not done yet."""
        if get_worker_info() is not None:
            raise WorkerProcessError(
                "a ring has one reader and cannot be read in worker processes: use num_workers=0 "
                "(the work is done in sassld)"
            )
        if self._attached is None:
            self._attached, self._state = self._newly_attached(), None
        group = None if self._is_compared else _process_group()
        if group is not None:
            # Who says both means them.
            if None in (self._options["rank"], self._options["world_size"]):
                warn_of_another_part(self._attached, *group, stacklevel=4)
            self._is_compared = True
        return self._attached

    def _newly_attached(self) -> Reader:
        assert isinstance(self._name, str)
        rank, world_size = _place(self._options["rank"], self._options["world_size"])
        # A state says where to go on: no detour over another batch.
        start = self._options["start"] if self._state is None else "continue"
        attached = attach(self._name, **self._options | {"rank": rank, "world_size": world_size, "start": start})
        try:
            if self._state is not None:
                attached.load_state_dict(self._state[0], force=self._state[1])
        except BaseException:
            # The state stays to be loaded: asked again, this refuses again, and reads nothing from another place.
            attached.close()
            raise
        return attached

    def __iter__(self) -> Iterator[TensorBatch]:
        # A map and not a generator, whose variable would keep the batch before.
        return map(TensorBatch, self.reader if self._endless else self.reader.epoch())

    def __len__(self) -> int:
        """Batches in an epoch."""
        if self._endless:
            raise TypeError("an endless RingDataset has no length")
        return self.reader.information.batches_per_epoch

    @property
    def is_endless(self) -> bool:
        """Whether an iteration goes on without end."""
        return self._endless

    @property
    def position(self) -> int:
        """Number of the batch that comes next."""
        return self.reader.position if self._state is None else int(self._state[0]["batch"])

    def state_dict(self) -> dict[str, Any]:
        """Where a resumed training goes on: after the last batch that was handed out, also once this is closed."""
        return self.reader.state_dict() if self._state is None else dict(self._state[0])

    def load_state_dict(self, state: Mapping[str, Any], *, force: bool = False) -> None:
        """Goes on where `state_dict` was taken, now or when the ring is attached; see `Reader.load_state_dict`."""
        if self._attached is None:
            self._state = (dict(state), force)
        else:
            self._attached.load_state_dict(state, force=force)

    def close(self) -> None:
        """Gives back what is held and detaches. Iterated again, it attaches anew and goes on where it was.

        One that was made with a reader cannot be iterated any more.
        """
        if self._attached is not None and self._state is None:
            with contextlib.suppress(ReaderClosedError):
                self._state = self._attached.state_dict(), False
            self._attached.close()
            # A ring that is named may be attached anew.
            self._attached = self._attached if self._attached is self._name else None

    def __getstate__(self) -> dict[str, Any]:
        if self._attached is not None:
            raise WorkerProcessError("an attached ring cannot be sent to another process: use num_workers=0")
        return self.__dict__


__all__ = ["DeviceLoader", "RingDataset", "TensorBatch"]
