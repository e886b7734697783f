"""What comes out of the ring, written where a training writes its curves: TensorBoard, or what is used like it."""

from __future__ import annotations

import dataclasses
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from .batch import Batch
from .reader import Reader

if TYPE_CHECKING:
    from .torch import TensorBatch


class Writer(Protocol):
    """What `torch.utils.tensorboard.SummaryWriter` has, and others by the same names."""

    def add_scalar(self, tag: str, scalar_value: Any, global_step: int) -> Any:
        """Adds a point to a curve."""

    def add_image(self, tag: str, img_tensor: Any, global_step: int, *, dataformats: str) -> Any:
        """Adds a picture."""


@dataclasses.dataclass(frozen=True)
class _Moment:
    """Where a reader was when it was last looked at."""

    seconds: float
    batch: int
    reader_waited_seconds: float
    daemon_waited_seconds: float


_last: weakref.WeakKeyDictionary[Reader, _Moment] = weakref.WeakKeyDictionary()


def log(
    writer: Writer, reader: Reader, batch: Batch | TensorBatch, step: int | None = None, *, samples: int = 8
) -> None:
    """Logs the batch's views as a picture, and how the stream has been since the last call for this reader.

    For example:

        writer = torch.utils.tensorboard.SummaryWriter()
        for batch in reader.epoch():
            ...
            if batch.number % 100 == 0:
                sassl.log(writer, reader, batch)

    ===============================  ==========================================================================
    tag                              value
    ===============================  ==========================================================================
    `sassl/views`                    uint8 picture: a row for each view, a column for each of the first samples;
                                     normalized views, as a `DeviceLoader` has them, from their least value to their
                                     greatest
    `sassl/ready_batches`            batches that are ready
    `sassl/batch_age_seconds`        since this batch was published
    `sassl/stylized_share`           part of the first stylized view's samples that were stylized, 0 to 1
    `sassl/images_per_second`        samples that the trainer took, since the last call
    `sassl/trainer_waited_share`     part of the time since then in which the trainer waited, 0 to 1
    `sassl/daemon_waited_share`      part of the time since then in which the daemon waited for room, 0 to 1
    ===============================  ==========================================================================

    The last three come from the second call on.

    :param writer: TensorBoard's `SummaryWriter`, or anything with `add_scalar` and `add_image`.
    :param reader: that the batch is from; `RingDataset.reader` for a dataset.
    :param batch: not released yet.
    :param step: on the curves' axis; by default the batch's number in the stream.
    :param samples: how many are shown.
    """
    step = batch.number if step is None else step
    status = reader.status
    published = (batch if isinstance(batch, Batch) else batch.batch).published_ns
    now = _Moment(time.monotonic(), batch.number, status.reader_waited_seconds, status.daemon_waited_seconds)
    writer.add_image("sassl/views", _grid([_pixels(view[:samples]) for view in batch.views]), step, dataformats="HWC")
    values = {
        "ready_batches": status.ready,
        "batch_age_seconds": (time.monotonic_ns() - published) / 1e9,
        "stylized_share": float(_array(batch.applied).mean()),
    }
    before = _last.get(reader)
    _last[reader] = now
    if before is not None and now.seconds > before.seconds:
        seconds = now.seconds - before.seconds
        taken = (now.batch - before.batch) * reader.information.batch_size
        # After a seek backwards there is no rate to speak of.
        if taken >= 0:
            values["images_per_second"] = taken / seconds
        trainer = now.reader_waited_seconds - before.reader_waited_seconds
        daemon = now.daemon_waited_seconds - before.daemon_waited_seconds
        # Both counters begin anew with a new daemon.
        values["trainer_waited_share"] = min(max(trainer / seconds, 0.0), 1.0)
        values["daemon_waited_share"] = min(max(daemon / seconds, 0.0), 1.0)
    for name, value in values.items():
        writer.add_scalar(f"sassl/{name}", value, step)


def _array(values: Any) -> npt.NDArray[Any]:
    """What is an array already, or a tensor wherever it lies."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.cpu())


def _pixels(view: Any) -> npt.NDArray[np.uint8]:
    """Pixels of a view [samples, height, width, 3], also of a normalized one [samples, 3, height, width]."""
    if not isinstance(view, np.ndarray) and view.is_floating_point():
        values = _array(view.float()).transpose(0, 2, 3, 1)
        least, greatest = float(values.min()), float(values.max())
        values = (values - least) / max(greatest - least, 1e-6) * 255
        return values.round().astype(np.uint8)
    pixels: npt.NDArray[np.uint8] = _array(view)
    return pixels


def _grid(views: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Rows of views [rows, columns, 3]; smaller views have black to their right."""
    rows = [np.concatenate(list(view), axis=1) for view in views]
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
