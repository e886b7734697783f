"""What `sassl.log` writes, as TensorBoard itself reads it back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sassl
from producing import BATCH_SIZE, HEIGHT, WIDTH, expected, stream

ALWAYS = {"sassl/ready_batches", "sassl/batch_age_seconds", "sassl/stylized_share"}
SINCE_THE_LAST = {"sassl/images_per_second", "sassl/trainer_waited_share", "sassl/daemon_waited_share"}


class Notebook:
    """Anything with the two methods."""

    def __init__(self) -> None:
        self.scalars: dict[tuple[str, int], float] = {}
        self.images: dict[tuple[str, int], np.ndarray[Any, Any]] = {}

    def add_scalar(self, tag: str, scalar_value: Any, global_step: int) -> None:
        self.scalars[tag, global_step] = scalar_value

    def add_image(self, tag: str, img_tensor: Any, global_step: int, *, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.images[tag, global_step] = img_tensor


def test_tensorboard_shows_the_views_and_the_rates(directory: str, tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with (
        stream(directory),
        sassl.attach("test", directory=directory) as reader,
        tensorboard.SummaryWriter(tmp_path) as writer,
    ):
        for _ in range(2):
            sassl.log(writer, reader, next(reader), samples=3)
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()
    assert set(events.Tags()["scalars"]) == ALWAYS | SINCE_THE_LAST
    assert [event.step for event in events.Scalars("sassl/stylized_share")] == [0, 1]
    for number, event in enumerate(events.Images("sassl/views")):
        content = expected(number)
        shown = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
        assert shown.shape == (2 * HEIGHT, 3 * WIDTH, 3)
        for view in (0, 1):
            for sample in range(3):
                cell = shown[view * HEIGHT : (view + 1) * HEIGHT, sample * WIDTH : (sample + 1) * WIDTH]
                np.testing.assert_array_equal(cell, content[f"view{view}"][sample])


def test_rates_are_those_since_the_last_call_of_the_same_reader(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook()
    with stream(directory), sassl.attach("test", directory=directory) as reader:
        monkeypatch.setattr("sassl.training_log.time.monotonic", lambda: 100.0)
        sassl.log(notebook, reader, next(reader))
        before = reader.status.reader_waited_seconds
        assert {tag for tag, _ in notebook.scalars} == ALWAYS
        for _ in range(5):
            batch = next(reader)
        monkeypatch.setattr("sassl.training_log.time.monotonic", lambda: 104.0)
        sassl.log(notebook, reader, batch, step=77)
        assert notebook.scalars["sassl/images_per_second", 77] == 5 * BATCH_SIZE / 4
        assert notebook.scalars["sassl/stylized_share", 77] == pytest.approx(expected(5)["applied"].mean())
        waited = reader.status.reader_waited_seconds - before
        assert notebook.scalars["sassl/trainer_waited_share", 77] == pytest.approx(waited / 4, abs=1e-3)
        assert 0 <= notebook.scalars["sassl/daemon_waited_share", 77] <= 1
        assert ("sassl/views", 77) in notebook.images


def test_there_is_no_rate_over_a_jump_backwards(directory: str) -> None:
    notebook = Notebook()
    with stream(directory), sassl.attach("test", directory=directory) as reader:
        reader.seek(30)
        sassl.log(notebook, reader, next(reader))
        reader.seek(2)
        sassl.log(notebook, reader, next(reader))
        assert ("sassl/images_per_second", 2) not in notebook.scalars
        assert ("sassl/daemon_waited_share", 2) in notebook.scalars


def test_normalized_views_are_shown_from_their_least_value_to_their_greatest(directory: str) -> None:
    pytest.importorskip("torch")
    import sassl.torch

    notebook = Notebook()
    with stream(directory):
        dataset = sassl.torch.RingDataset("test", directory=directory)
        loader = sassl.torch.DeviceLoader(dataset, device="cpu", mean=(0, 0, 0), std=(1, 1, 1))
        for batch in loader:
            sassl.log(notebook, dataset.reader, batch)
            break
        dataset.close()
    shown = notebook.images["sassl/views", 0].astype(float)
    for view in (0, 1):
        pixels = np.concatenate(list(expected(0)[f"view{view}"]), axis=1).astype(float)
        stretched = (pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255
        assert np.abs(shown[view * HEIGHT : (view + 1) * HEIGHT] - stretched).max() <= 1
