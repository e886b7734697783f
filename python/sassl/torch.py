"""The ring as a PyTorch dataset."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from .errors import WorkerProcessError
from .reader import Array, Batch, Reader, attach


def _tensor(array: Array) -> torch.Tensor:
    with warnings.catch_warnings():
        # PyTorch has no read-only tensors and warns of each; the documentation of TensorBatch says what it means.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


class TensorBatch:
    """A `sassl.Batch` whose arrays are tensors on the same memory, not copied.

    The memory is mapped read-only: an in-place operation on these tensors ends the process. Go through `.to(device)`,
    `.float()` or `.clone()` first, and be done with the tensors when the batch is released (by asking for the next).
    """

    def __init__(self, batch: Batch, tensors: dict[str, torch.Tensor]) -> None:
        self.batch = batch
        #: Every array by name.
        self.tensors: Mapping[str, torch.Tensor] = tensors
        self.number, self.epoch, self.step, self.count = batch.number, batch.epoch, batch.step, batch.count

    @property
    def views(self) -> tuple[torch.Tensor, ...]:
        """The augmented views, uint8 [batch, height, width, 3] each."""
        return tuple(self.tensors[f"view{index}"] for index in range(len(self.batch.views)))

    @property
    def labels(self) -> torch.Tensor:
        """Class of each sample, int64, -1 where there is none."""
        return self.tensors["labels"]

    @property
    def sample_ids(self) -> torch.Tensor:
        """Index of each sample in the dataset."""
        return self.tensors["sample_ids"]

    @property
    def style_ids(self) -> torch.Tensor:
        """Which style each sample was given."""
        return self.tensors["style_ids"]

    @property
    def applied(self) -> torch.Tensor:
        """Whether each sample was stylized."""
        return self.tensors["applied"]

    @property
    def alpha(self) -> torch.Tensor:
        """How far the style is the other image's, 0 to 1, for each sample."""
        return self.tensors["alpha"]

    @property
    def beta(self) -> torch.Tensor:
        """How much of the stylized image was blended in, 0 to 1, for each sample."""
        return self.tensors["beta"]

    def pin_memory(self) -> TensorBatch:
        """Copies everything to page-locked memory, as a DataLoader with `pin_memory=True` asks for.

        The copies are independent of the ring, so the batch is released.
        """
        pinned = TensorBatch(self.batch, {name: tensor.pin_memory() for name, tensor in self.tensors.items()})
        self.release()
        return pinned

    def release(self) -> None:
        """Gives the batch back before the next one is asked for."""
        self.batch.release()


class RingDataset(IterableDataset[TensorBatch]):
    """An endless dataset of whole batches.

    For example::

        dataset = RingDataset("photos")
        for batch in dataset:
            views = [view.to(device).permute(0, 3, 1, 2).float() / 255 for view in batch.views]

    It attaches when it is first iterated. It works inside `DataLoader(dataset, batch_size=None)`, but gains nothing
    there except `pin_memory=True`. The arguments are those of `sassl.attach`.
    """

    def __init__(
        self,
        name: str,
        rank: int = 0,
        *,
        start: int | None = None,
        wait: float = 30.0,
        daemon_timeout: float = 60.0,
        verify: bool = False,
        directory: str | os.PathLike[str] | None = None,
        accept_change: bool = False,
        owner: str | int | None = None,
    ) -> None:
        super().__init__()
        self._name, self._rank, self._start = name, rank, start
        self._wait, self._daemon_timeout, self._verify, self._directory = wait, daemon_timeout, verify, directory
        self._accept_change, self._owner = accept_change, owner
        self._attached: Reader | None = None
        self._state: tuple[Mapping[str, Any], bool] | None = None

    @property
    def reader(self) -> Reader:
        """The attached reader. Attaches where that was not done yet."""
        if get_worker_info() is not None:
            raise WorkerProcessError(
                "a ring has one reader and cannot be read in worker processes: use num_workers=0 "
                "(the work is done in sassld)"
            )
        if self._attached is None:
            self._attached = attach(
                self._name,
                self._rank,
                start=self._start,
                wait=self._wait,
                daemon_timeout=self._daemon_timeout,
                verify=self._verify,
                directory=self._directory,
                accept_change=self._accept_change,
                owner=self._owner,
            )
            if self._state is not None:
                self._attached.load_state_dict(self._state[0], force=self._state[1])
                self._state = None
        return self._attached

    def __iter__(self) -> Iterator[TensorBatch]:
        for batch in self.reader:
            yield TensorBatch(batch, {name: _tensor(array) for name, array in batch.arrays.items()})

    def state_dict(self) -> dict[str, Any]:
        """Where a resumed training goes on: after the last batch that was handed out."""
        return self.reader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], *, force: bool = False) -> None:
        """Goes on where `state_dict` was taken, now or when the ring is attached; see `Reader.load_state_dict`."""
        if self._attached is None:
            self._state = (dict(state), force)
        else:
            self._attached.load_state_dict(state, force=force)

    def close(self) -> None:
        """Gives back what is held and detaches."""
        if self._attached is not None:
            self._attached.close()
            self._attached = None

    def __getstate__(self) -> dict[str, Any]:
        if self._attached is not None:
            raise WorkerProcessError("an attached ring cannot be sent to another process: use num_workers=0")
        return self.__dict__
