"""What CUDA is asked for, where there is none: PyTorch's functions are noted down, and the tensors lie in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from sassl import _drivers  # noqa: E402
from sassl._transfers import PageLockRefusedError  # noqa: E402


class Cuda:
    """Stands in for `torch.cuda`."""

    def __init__(self, refused: int = 0) -> None:
        self.log: list[Any] = []
        self.result = refused
        self.streams = ["the trainer's"]
        log = self.log

        class Event:
            def __init__(self, blocking: bool) -> None:
                self.blocking = blocking

            def record(self, stream: Stream) -> None:
                log.append(("record", stream.name))

        class Stream:
            def __init__(self, name: Any) -> None:
                self.name = name

            def wait_event(self, event: Event) -> None:
                log.append(("wait", self.name, event.blocking))

        self.Event, self.Stream = Event, Stream

    @contextlib.contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        self.streams.append(stream.name)
        yield
        self.streams.pop()

    @contextlib.contextmanager
    def device(self, device: Any) -> Iterator[None]:
        self.log.append(("device", str(device)))
        yield

    def current_stream(self, device: Any) -> Any:
        return self.Stream(self.streams[-1])

    def cudart(self) -> Any:
        def register(address: int, size: int, flags: int) -> int:
            self.log.append(("cudaHostRegister", address, size, flags))
            return self.result

        def unregister(address: int) -> int:
            self.log.append(("cudaHostUnregister", address))
            return self.result

        return SimpleNamespace(
            cudaError=SimpleNamespace(success=0),
            cudaGetErrorString=lambda code: f"error {code}",
            cudaHostRegister=register,
            cudaHostUnregister=unregister,
        )


def driver(monkeypatch: pytest.MonkeyPatch, cuda: Cuda) -> _drivers.CudaDriver:
    monkeypatch.setattr(_drivers, "cuda", cuda)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: cuda.log.append(("used on", stream.name)))
    return _drivers.CudaDriver(torch.device("cpu"))


def test_pages_are_locked_for_every_device_and_for_reading_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda()
    tested = driver(monkeypatch, cuda)
    tested.register(4096, 100, read_only=True)
    tested.register(8192, 200, read_only=False)
    tested.unregister(4096)
    portable, read_only = 1, 8  # cudaHostRegisterPortable, cudaHostRegisterReadOnly
    assert cuda.log == [
        ("device", "cpu"),
        ("cudaHostRegister", 4096, 100, portable | read_only),
        ("device", "cpu"),
        ("cudaHostRegister", 8192, 200, portable),
        ("cudaHostUnregister", 4096),
    ]


def test_a_refusal_is_told_and_not_left_for_the_next_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(refused=801)
    tested = driver(monkeypatch, cuda)
    started = []

    def kernel(*_: Any, **__: Any) -> None:
        started.append("kernel")
        raise RuntimeError("CUDA error: what was refused before")

    monkeypatch.setattr(torch, "ones", kernel)
    with pytest.raises(PageLockRefusedError, match="error 801"):
        tested.register(4096, 100, read_only=True)
    assert started == ["kernel"]
    with pytest.raises(RuntimeError, match="error 801"):
        tested.unregister(4096)


def test_a_copy_has_a_stream_of_its_own_and_the_trainers_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda()
    tested = driver(monkeypatch, cuda)
    source = torch.arange(10, dtype=torch.uint8)
    copied, event = tested.copy(source)
    assert cuda.log == [("record", torch.device("cpu"))]
    assert copied.tolist() == source.tolist()
    assert copied.data_ptr() != source.data_ptr()
    tested.adopt(copied, event)
    # Whoever waits for the event in this process sleeps meanwhile.
    assert cuda.log[1:] == [("wait", "the trainer's", True), ("used on", "the trainer's")]
