"""The ring's batches as JAX arrays: on one device, or divided among several."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ._imagenet import IMAGENET_MEAN, IMAGENET_STD
from .batch import Array, Batch
from .errors import ReaderClosedError
from .reader import Reader, warn_of_another_part


@dataclass(frozen=True)
class DeviceBatch:
    """A batch whose arrays are JAX's own. Unpacks to `(views, labels)`."""

    views: list[jax.Array]
    """The augmented views, [batch, height, width, 3] each, normalized."""
    labels: jax.Array
    """Class of each sample, [batch], -1 where there is none."""
    sample_ids: jax.Array
    """Index of each sample in the dataset, [batch]."""
    number: int
    """Number in the stream."""
    epoch: int
    """Epoch that it belongs to, from 0."""
    step: int
    """Position within the epoch."""

    def __iter__(self) -> Iterator[Any]:
        return iter((self.views, self.labels))


@functools.partial(jax.jit, static_argnames="dtype")
def _normalized(view: jax.Array, mean: jax.Array, std: jax.Array, dtype: Any) -> jax.Array:
    return ((view.astype(jnp.float32) / 255 - mean) / std).astype(dtype)


class DeviceLoader:
    """Iterates over the batches of a reader as normalized JAX arrays, one epoch for each time it is iterated.

    For example:

        with sassl.serve("photos", layout="flat", batch_size=256) as ring:
            for views, labels in sassl.jax.DeviceLoader(ring):
                ...

    Pixels go to the device as they are, 8 bits each, and are normalized there: (x / 255 - mean) / std. What is handed
    out is never changed afterwards, on no platform: a batch's slot of the ring goes back when its arrays are ready, and
    none of them lies in the ring. So they may be kept, donated and read at any time.

    With several devices, `device` is a sharding of the first axis:

        mesh = Mesh(jax.devices(), ("batch",))
        loader = DeviceLoader(ring, NamedSharding(mesh, PartitionSpec("batch")))

    With several processes, each reads the ring of its own rank (`rank=jax.process_index()`,
    `world_size=jax.process_count()`), and the arrays are those of the global batch. A `SharedBatchesWarning` tells of a
    reader of another rank.

    :param reader: of `sassl.serve` or `sassl.attach`.
    :param device: a device or a sharding; by default JAX's default device.
    :param dtype: floating-point type of the views.
    :param mean: of red, green and blue, for pixels from 0 to 1; by default ImageNet's.
    :param std: standard deviations likewise.
    :param endless: iterate over the stream without end instead of one epoch.
    :raises TypeError: `dtype` is no floating-point type.
    :raises ValueError: `mean` or `std` are not three numbers for pixels from 0 to 1.
    """

    def __init__(
        self,
        reader: Reader,
        device: jax.Device | jax.sharding.Sharding | None = None,
        *,
        dtype: Any = jnp.float32,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        endless: bool = False,
    ) -> None:
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"dtype={jnp.dtype(dtype).name}: normalized views are floating-point numbers")
        if len(mean) != 3 or not all(0 <= value <= 1 for value in mean):
            raise ValueError(
                f"mean={mean}: three numbers from 0 to 1, one for each of red, green and blue (not of 255)"
            )
        if len(std) != 3 or not all(0 < value <= 1 for value in std):
            raise ValueError(f"std={std}: three numbers above 0 and up to 1, for red, green and blue (not of 255)")
        self.reader = reader
        """Where the batches come from."""
        self._device, self._dtype, self._endless = device, dtype, endless
        self._mean, self._std = jnp.asarray(mean, jnp.float32), jnp.asarray(std, jnp.float32)

    def __iter__(self) -> Iterator[DeviceBatch]:
        warn_of_another_part(self.reader, jax.process_index(), jax.process_count(), stacklevel=3)
        return map(self._on_device, self.reader if self._endless else self.reader.epoch())

    def __len__(self) -> int:
        """Batches in an epoch."""
        if self._endless:
            raise TypeError("an endless DeviceLoader has no length")
        return self.reader.information.batches_per_epoch

    @property
    def position(self) -> int:
        """Number of the batch that comes next."""
        return self.reader.position

    def state_dict(self) -> dict[str, Any]:
        """Where a resumed training goes on: after the last batch that was handed out."""
        return self.reader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], *, force: bool = False) -> None:
        """Goes on where `state_dict` was taken; see `sassl.Reader.load_state_dict`."""
        self.reader.load_state_dict(state, force=force)

    def _put(self, array: Array) -> jax.Array:
        if isinstance(self._device, jax.sharding.Sharding):
            return jax.make_array_from_process_local_data(self._device, array)
        return jax.device_put(array, self._device)

    def _on_device(self, batch: Batch) -> DeviceBatch:
        try:
            return self._moved(batch)
        except BaseException:
            # Nobody has it: it comes when it is asked for again.
            with contextlib.suppress(ReaderClosedError):
                self.reader.seek(batch.number)
            raise

    def _moved(self, batch: Batch) -> DeviceBatch:
        views = [_normalized(self._put(view), self._mean, self._std, self._dtype) for view in batch.views]
        # On a CPU what was put is the ring's own memory, which JAX reads while it computes; elsewhere it is copied.
        jax.block_until_ready(views)
        labels, sample_ids = self._put(batch.labels), self._put(batch.sample_ids)
        batch.release()
        return DeviceBatch(views, labels, sample_ids, batch.number, batch.epoch, batch.step)


__all__ = ["DeviceBatch", "DeviceLoader"]
