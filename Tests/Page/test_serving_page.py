"""How the page is served: who may ask, where it listens, and how it ends."""

from __future__ import annotations

import pathlib
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from browsing import SMALL, refused, serving
from browsing import data as data
from browsing import workplace as workplace
from workplace import PROGRAMS, Workplace, control


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def test_a_token_file_is_asked_for_on_this_machine_too(
    workplace: Workplace, data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-0123456789abcdef\n")
    _, configuration = workplace.configure(data, SMALL)
    with serving(configuration, "--token-file", str(file)) as served:
        assert served.address.endswith("/?token=" + file.read_text().strip())
        assert refused(served.address.split("?")[0]) == 401


def test_other_names_and_methods_are_refused(workplace: Workplace, data: pathlib.Path) -> None:
    _, configuration = workplace.configure(data, SMALL)
    with serving(configuration) as served:
        assert refused(served.address, Host="evil.example") == 421
        assert refused(served.address + "favicon.ico") == 404
        assert refused(served.address + "picture?rank=0&instance=00&batch=0&sample=0&view=0") == 404
        request = urllib.request.Request(served.address, data=b"x", method="POST")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        assert caught.value.code == 405


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_when_told_to(workplace: Workplace, data: pathlib.Path, ending: signal.Signals) -> None:
    _, configuration = workplace.configure(data, SMALL)
    with serving(configuration) as served:
        served.process.send_signal(ending)
        assert served.process.wait(timeout=30) == 0


def test_it_takes_a_socket_from_systemd(workplace: Workplace, data: pathlib.Path) -> None:
    _, configuration = workplace.configure(data, SMALL)
    port = free_port()
    page = [str(PROGRAMS / "sasslctl"), "page", "--listen", "systemd", "--config", str(configuration)]
    process = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", *page], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        assert b"Listening on" in process.stderr.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert answer.status == 200
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_what_cannot_be_served_is_one_sentence(
    workplace: Workplace, data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    _, configuration = workplace.configure(data, SMALL)
    (tmp_path / "short").write_text("short\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cases = [
            (["--listen", "8080"], 64, "HOST:PORT"),
            (["--listen", f"127.0.0.1:{taken.getsockname()[1]}"], 69, "Address already in use"),
            (["--listen", "systemd"], 69, "systemd has handed over no"),
            (["--token-file", str(tmp_path / "short")], 66, "holds no token"),
            (["--token-file", "/no/token"], 66, "No such file"),
            (["--out", "page.html", "--listen", "127.0.0.1:0"], 64, "not both"),
            (["--out", "/no/page.html"], 73, "cannot write /no/page.html"),
            (["--samples", "65"], 64, "1 to 64"),
            (["more"], 64, "takes no 'more'"),
        ]
        for options, code, words in cases:
            told = control("page", "--config", str(configuration), *options)
            assert (told.returncode, told.stderr.count("\n")) == (code, 1), told.stderr
            assert words in told.stderr
    told = control("page", "--config", "/no/such.toml")
    assert told.returncode == 78 and told.stderr.startswith("sasslctl page: ")
