"""What `sassld` and `sasslctl` refuse: one clear sentence on standard error, and the right exit code."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import sassl
from picture_files import write_good
from streams import read
from surroundings import MOUNTING, may_mount
from test_broken_files import AS_ANYBODY
from workplace import PLAIN, PROGRAMS, ROOT, control, eventually

if TYPE_CHECKING:
    from workplace import Size, Workplace


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    write_good(folder, 40)
    return folder


def assert_one_sentence(errors: str, *patterns: str) -> None:
    """One line, from the program, in which every pattern is found."""
    assert errors.count("\n") == 1, errors
    assert re.match(r"sass(ld|lctl)( \w+)?: ", errors)
    for pattern in patterns:
        assert re.search(pattern, errors), (pattern, errors)


@pytest.mark.skipif(not may_mount(), reason="this user may not mount a file system")
def test_too_little_shared_memory_names_need_and_room(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    small = tmp_path / "shm"
    small.mkdir()
    _, file = workplace.configure(data, size, **PLAIN, ring__slots=64, ring__directory=str(small))
    mounting = f'mount -t tmpfs -o size=1m tmpfs {small} && exec "$@"'
    code, errors = workplace.end(file, [*MOUNTING, "sh", "-c", mounting, "sh"])
    assert code == 71, errors
    # 64 slots of 16 samples with two views of 64 x 64 x 3 bytes are 24 MiB.
    needed = 64 * size.batch * 2 * size.side**2 * 3
    assert_one_sentence(errors, str(small), r"ring\.slots")
    told = [int(number) for number in re.findall(r"(\d+)(?: bytes| are available)", errors)]
    assert any(needed <= number <= needed * 1.1 for number in told), errors
    assert any(number <= 1 << 20 for number in told), errors


@pytest.mark.skipif(not may_mount(), reason="this user may not mount a file system")
def test_doctor_says_how_large_the_file_system_of_the_rings_must_be_and_exactly_that_is_enough(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    small = tmp_path / "shm"
    small.mkdir()
    name, file = workplace.configure(data, size, **PLAIN, ring__slots=64, ring__directory=str(small))

    def examined(room: str) -> tuple[int, dict[str, Any]]:
        mounting = f'mount -t tmpfs -o size={room} tmpfs {small} && exec "$@"'
        doctor = [str(PROGRAMS / "sasslctl"), "doctor", "--json", "--config", str(file)]
        done = subprocess.run([*MOUNTING, "sh", "-c", mounting, "sh", *doctor], stdout=subprocess.PIPE, check=False)
        (finding,) = [finding for finding in json.loads(done.stdout) if finding["subject"] == "shared memory"]
        return done.returncode, finding

    code, finding = examined("1m")
    assert code == 1
    told = re.search(r"--shm-size=(\d+m)", finding["remedy"])
    assert told
    whole = told[1]
    assert f"sizeLimit: {whole[:-1]}Mi" in finding["remedy"]
    # 64 slots of 16 samples with two views of 64 x 64 x 3 bytes are 24 MiB.
    assert 64 * size.batch * 2 * size.side**2 * 3 < finding["file_system_bytes"] <= int(whole[:-1]) << 20

    code, finding = examined(whole)
    assert (code, finding["verdict"]) == (0, "ok")
    assert "file_system_bytes" not in finding
    assert examined(f"{int(whole[:-1]) - 1}m")[1]["verdict"] == "problem"
    # And the daemon finds the same.
    mounting = f'mount -t tmpfs -o size={whole} tmpfs {small} && exec "$@"'
    with workplace.running(name, file, [*MOUNTING, "sh", "-c", mounting, "sh"]) as daemon:
        eventually(lambda: '"rank"' in daemon.control("status", "--json").stdout, "the daemon has made its ring")


@pytest.mark.parametrize("request_", ["written:0", "written:1:1", "nowhere", ""])
def test_a_failpoint_that_there_is_not(workplace: Workplace, data: pathlib.Path, size: Size, request_: str) -> None:
    _, file = workplace.configure(data, size, **PLAIN)
    code, errors = workplace.end(file, ["env", f"SASSL_FAILPOINT={request_}"])
    assert code == 64, errors
    assert_one_sentence(errors, "SASSL_FAILPOINT", "slotChosen, picturesHalfWritten, halfWritten, written, published")


def test_a_model_that_is_not_there(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    _, file = workplace.configure(data, size, style__model="/nowhere/model.safetensors")
    code, errors = workplace.end(file)
    assert code == 66, errors
    assert_one_sentence(errors, "/nowhere/model.safetensors")


def test_a_model_that_is_none(workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size) -> None:
    model = tmp_path / "model.safetensors"
    model.write_text("This is no model.\n" * 10)
    _, file = workplace.configure(data, size, style__model=str(model))
    code, errors = workplace.end(file)
    assert code == 65, errors
    assert_one_sentence(errors, re.escape(str(model)), "safetensors")


def without_predictor(model: pathlib.Path) -> None:
    """Writes the embedded model's transformer alone."""
    with safe_open(ROOT / "Sources" / "CEmbeddedModel" / "model.safetensors", "numpy") as whole:
        metadata = whole.metadata()
        architecture = json.loads(metadata["architecture"])
        del architecture["predictor"]
        tensors = {name: whole.get_tensor(name) for name in whole.keys() if not name.startswith("predictor.")}  # noqa: SIM118
    save_file(tensors, model, metadata | {"architecture": json.dumps(architecture)})


def foreign_bank(bank: pathlib.Path, styles: int, length: int) -> None:
    """Writes a style bank as another model would have it."""
    names = json.dumps([f"style {number}" for number in range(styles)])
    metadata = {"names": names, "provenance": "a test", "licence": "none"}
    tensors = {
        "embeddings": np.zeros((styles, length), np.float32),
        "mean": np.zeros(length, np.float32),
        "factor": np.eye(length, dtype=np.float32),
    }
    save_file(tensors, bank, metadata)


@pytest.mark.parametrize("source", ["in-batch", "bank"])
def test_a_model_without_a_predictor(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, source: str
) -> None:
    model = tmp_path / "model.safetensors"
    without_predictor(model)
    _, file = workplace.configure(data, size, style__model=str(model), style__source=source)
    code, errors = workplace.end(file)
    assert code == 65, errors
    assert_one_sentence(errors, re.escape(str(model)), "no predictor", "both networks")
    examined = control("doctor", "--config", str(file))
    assert examined.returncode == 1
    assert re.search(f"problem +model +{re.escape(str(model))}: .*no predictor", examined.stdout), examined.stdout


@pytest.mark.parametrize(
    ("styles", "length", "words"),
    [(3, 7, "its embeddings have 7 numbers, and those of the model 100"), (0, 100, "it holds no styles")],
)
def test_a_style_bank_that_does_not_fit(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, styles: int, length: int, words: str
) -> None:
    bank = tmp_path / "bank.safetensors"
    foreign_bank(bank, styles, length)
    _, file = workplace.configure(data, size, style__source="bank", style__bank=str(bank))
    code, errors = workplace.end(file)
    assert code == 65, errors
    assert_one_sentence(errors, re.escape(str(bank)), words)
    examined = control("doctor", "--config", str(file))
    assert examined.returncode == 1
    assert re.search(f"problem +styles +{re.escape(str(bank))}.*{words}", examined.stdout), examined.stdout


def test_a_style_folder_that_is_not_there(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    _, file = workplace.configure(data, size, style__source="folder", style__folder="/nowhere/styles")
    code, errors = workplace.end(file)
    assert code == 66, errors
    assert_one_sentence(errors, "/nowhere/styles")
    examined = control("doctor", "--config", str(file))
    assert examined.returncode == 1
    assert re.search("problem +styles +There is no /nowhere/styles", examined.stdout), examined.stdout


@pytest.mark.parametrize("key", ["directory", "runtime_directory"])
def test_a_directory_that_cannot_be_written(workplace: Workplace, data: pathlib.Path, size: Size, key: str) -> None:
    _, file = workplace.configure(data, size, **PLAIN | {f"state__{key}": "/proc/sassl"})
    code, errors = workplace.end(file)
    assert code == 73, errors
    assert_one_sentence(errors, "directory /proc/sassl: No such file or directory; ", rf"state\.{key}")


@pytest.mark.parametrize("key", ["directory", "runtime_directory"])
def test_a_directory_in_which_everybody_can_make_names(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, key: str
) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o1777)
    _, file = workplace.configure(data, size, **PLAIN | {f"state__{key}": str(folder)})
    code, errors = workplace.end(file)
    assert code == 73, errors
    assert_one_sentence(errors, re.escape(str(folder)), "written by everybody", rf"state\.{key}")
    assert list(folder.iterdir()) == []
    assert "may be written by everybody" in control("doctor", "--config", str(file)).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")
@pytest.mark.parametrize("key", ["directory", "runtime_directory"])
def test_a_directory_of_somebody_else(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, key: str
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(0o755)
    os.chown(folder, 65534, 65534)
    # Also where a link of one's own leads there.
    link = tmp_path / "link"
    link.symlink_to(folder)
    for path in (folder, link):
        _, file = workplace.configure(data, size, **PLAIN | {f"state__{key}": str(path)})
        code, errors = workplace.end(file)
        assert code == 73, errors
        assert_one_sentence(errors, re.escape(str(path)), r"belongs to user 'nobody' \(65534\)", rf"state\.{key}")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("key", "ending"), [("directory", "sqlite"), ("runtime_directory", "control")])
def test_a_link_in_the_place_of_index_or_socket(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, key: str, ending: str
) -> None:
    name, file = workplace.configure(data, size, **PLAIN | {f"state__{key}": str(tmp_path)})
    link, target = tmp_path / f"{name}.{ending}", tmp_path / "elsewhere"
    link.symlink_to(target)
    code, errors = workplace.end(file)
    assert code == 73, errors
    assert_one_sentence(errors, re.escape(str(link)), "symbolic link")
    assert link.is_symlink() and not target.exists()


def test_directories_that_are_made_are_not_for_everybody(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    made = {"state__directory": str(tmp_path / "a" / "state"), "state__runtime_directory": str(tmp_path / "b" / "run")}
    with workplace.daemon(data, size, **PLAIN | made) as daemon:
        eventually(lambda: daemon.status()["state"] == "running", "the daemon runs")
        assert [oct(pathlib.Path(path).stat().st_mode & 0o777) for path in made.values()] == ["0o750", "0o750"]


def test_a_runtime_directory_whose_path_is_too_long(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size
) -> None:
    _, file = workplace.configure(data, size, **PLAIN, state__runtime_directory=str(tmp_path / ("long" * 30)))
    code, errors = workplace.end(file)
    assert code == 78, errors
    assert_one_sentence(errors, "longer than 107 bytes", "shorten state.runtime_directory or stream.name")


def test_a_name_that_a_running_instance_holds(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    with workplace.daemon(data, size, **PLAIN) as first:
        before = read(first.name, 0, 4)
        _, file = workplace.configure(data, size, **PLAIN, stream__name=first.name)
        code, errors = workplace.end(file)
        assert code == 69, errors
        assert_one_sentence(errors, first.name, rf"process {first.process.pid}\b")
        # The same again with the first one's own index and control socket in its reach.
        code, errors = workplace.end(first.configuration)
        assert code == 69, errors
        assert_one_sentence(errors, first.name, rf"process {first.process.pid}\b")
        status = first.status()
        assert (status["state"], status["process"], status["index"]) == ("running", first.process.pid, "ok")
        assert read(first.name, 0, 4) == before


def test_a_second_reader_is_told_who_reads(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    program = "import sassl, sys; sassl.attach(sys.argv[1])"
    with workplace.daemon(data, size, **PLAIN) as daemon, sassl.attach(daemon.name, start=0) as first:
        assert first.next().number == 0
        second = subprocess.run(
            [sys.executable, "-c", program, daemon.name], capture_output=True, text=True, check=False
        )
        assert re.search(rf"ReaderBusyError: .* is being read by process {os.getpid()}\b", second.stderr)
        assert first.next().number == 1


def test_a_reader_without_a_daemon_is_told_so() -> None:
    with pytest.raises(sassl.NoDaemonError, match="start sassld"):
        sassl.attach("nobody-fills-this", wait=0)


def test_a_bad_configuration_names_file_line_and_key(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    _, file = workplace.configure(data, size, **PLAIN)
    text = file.read_text().replace("slots = 4", 'slots = "four"') + "[limits]\nmax_bad_fracton = 2\n"
    file.write_text(text)
    lines = text.splitlines()
    line_of_slots = 1 + lines.index('slots = "four"')
    for arguments in ([], ["--check-config"]):
        done = subprocess.run(
            [PROGRAMS / "sassld", "--config", file, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 78
        slots, typing_error = done.stderr.removeprefix("sassld: ").splitlines()
        assert slots.startswith(f"{file}:{line_of_slots}: ring.slots: ")
        assert typing_error.startswith(f"{file}:{len(lines)}: limits.max_bad_fracton: ")
        assert "max_bad_fraction" in typing_error


def test_a_configuration_that_is_not_there(tmp_path: pathlib.Path) -> None:
    for program in ([PROGRAMS / "sassld"], [PROGRAMS / "sasslctl", "status"]):
        done = subprocess.run(
            [*program, "--config", tmp_path / "none.toml"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 78
        assert_one_sentence(done.stderr, "none.toml", "no such file")


def test_a_dataset_that_is_not_there(workplace: Workplace, size: Size) -> None:
    _, file = workplace.configure(pathlib.Path("/nowhere/images"), size, **PLAIN)
    code, errors = workplace.end(file)
    assert code == 66, errors
    assert_one_sentence(errors, "/nowhere/images")


def test_a_dataset_without_images(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing")
    _, file = workplace.configure(folder, size, **PLAIN)
    code, errors = workplace.end(file)
    assert code == 66, errors
    assert_one_sentence(errors, re.escape(str(folder)), "No image was found")


def labels_of(name: str, batches: int) -> set[int]:
    """The labels of the first batches."""
    labels: set[int] = set()
    with sassl.attach(name, start=0) as ring:
        for batch in ring:
            labels.update(batch.labels.tolist())
            if batch.number == batches - 1:
                break
    return labels


def test_folders_beside_the_classes_are_told_and_classes_without_images_refused(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size
) -> None:
    folder = tmp_path / "data"
    for label, name in enumerate(("ant", "bee", "cow")):
        write_good(folder / name, size.batch * (label + 1))
    for name in (".ipynb_checkpoints", "lost+found"):
        write_good(folder / name, 2)
    keys = {**PLAIN, "dataset__layout": "image-folder"}
    with workplace.daemon(folder, size, **keys) as daemon:
        assert labels_of(daemon.name, batches=6) == {0, 1, 2}
        told = "1 hidden folder (.ipynb_checkpoints), 1 folder of the system (lost+found)"
        assert f"left out: {told}" in daemon.control("doctor").stdout
        journal = daemon.stop()
    assert journal.count(f"left out of the dataset {folder}: {told}") == 1
    (folder / "dog").mkdir()
    _, file = workplace.configure(folder, size, **keys)
    code, errors = workplace.end(file)
    assert code == 66, errors
    assert_one_sentence(errors, r"class directories without images \(dog\)", r"dataset\.exclude")
    # What is excluded is neither a class nor opened.
    with workplace.daemon(folder, size, **keys, dataset__exclude=["d*", "cow"]) as daemon:
        assert labels_of(daemon.name, batches=3) == {0, 1}


@pytest.mark.parametrize("layout", ["image-folder", "flat"])
def test_a_class_that_may_not_be_looked_at_is_not_left_out_in_silence(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, layout: str
) -> None:
    folder, private = tmp_path / "data", tmp_path / "private"
    for pictures in (folder / "ant", private / "bee", folder / "cow"):
        write_good(pictures, size.batch)
    (folder / "bee").symlink_to(private / "bee")
    keys = {**PLAIN, "dataset__layout": layout}
    private.chmod(0)
    try:
        _, file = workplace.configure(folder, size, **keys)
        code, errors = workplace.end(file, AS_ANYBODY)
        assert code == 66, errors
        assert_one_sentence(errors, re.escape(str(folder / "bee")), os.strerror(errno.EACCES), r"dataset\.exclude")
        with workplace.daemon(folder, size, AS_ANYBODY, **keys, dataset__exclude=["bee"]) as daemon:
            assert labels_of(daemon.name, batches=2) == ({0, 1} if layout == "image-folder" else {-1})
    finally:
        private.chmod(0o700)
    with workplace.daemon(folder, size, AS_ANYBODY, **keys) as daemon:
        assert labels_of(daemon.name, batches=3) == ({0, 1, 2} if layout == "image-folder" else {-1})


@pytest.mark.parametrize("layout", ["image-folder", "flat", "list", "shards"])
def test_a_dataset_that_may_not_be_looked_at_is_not_said_to_be_missing(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, layout: str
) -> None:
    private = tmp_path / "private"
    private.mkdir(0)
    _, file = workplace.configure(private / "data", size, **PLAIN, dataset__layout=layout)
    code, errors = workplace.end(file, AS_ANYBODY)
    assert code == 66, errors
    assert_one_sentence(errors, re.escape(str(private / "data")), os.strerror(errno.EACCES))


def test_a_list_with_blanks_for_tabs(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    write_good(tmp_path, 2)
    listing = tmp_path / "train.txt"
    listing.write_text("".join("good 0000.png 3\n" for _ in range(40)))
    (tmp_path / "good 0000.png").write_bytes((tmp_path / "good\n0.png").read_bytes())
    _, file = workplace.configure(listing, size, **PLAIN, dataset__layout="list")
    code, errors = workplace.end(file)
    assert code == 66, errors
    assert_one_sentence(errors, r"train\.txt, line 1: a blank stands before the label\. Write a tab there")


def test_a_batch_that_is_larger_than_the_dataset(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    _, file = workplace.configure(data, size, **PLAIN, batch__size=64)
    code, errors = workplace.end(file)
    assert code == 78, errors
    assert_one_sentence(errors, "40 samples do not fill one batch of 64", "wrap")


def test_a_file_in_the_place_of_the_ring(workplace: Workplace, directory: str, data: pathlib.Path, size: Size) -> None:
    name, file = workplace.configure(data, size, **PLAIN, ring__directory=directory)
    os.symlink("/etc/passwd", f"{directory}/sassl.{name}.0")
    before = pathlib.Path("/etc/passwd").read_bytes()
    code, errors = workplace.end(file)
    assert code != 0
    assert_one_sentence(errors, re.escape(f"{directory}/sassl.{name}.0"))
    assert pathlib.Path("/etc/passwd").read_bytes() == before


def test_status_of_a_stream_that_nobody_serves(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    _, file = workplace.configure(data, size, **PLAIN)
    done = control("status", "--config", str(file))
    assert done.returncode == 3
    assert "stopped: not running" in done.stdout


@pytest.mark.parametrize("command", [["preview", "--out", "never.png"], ["inspect", "0"]])
def test_commands_that_need_what_is_not_there(
    workplace: Workplace, tmp_path: pathlib.Path, size: Size, command: list[str]
) -> None:
    _, file = workplace.configure(tmp_path / "none", size, **PLAIN)
    done = control(*command, "--config", str(file))
    assert done.returncode in (66, 69)
    assert_one_sentence(done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sassld", "--frobnicate"],
        ["sassld", "surplus"],
        ["sassld", "--config"],
        ["sasslctl", "frobnicate"],
        ["sasslctl", "status", "--frobnicate"],
        ["sasslctl", "status", "one", "surplus"],
        ["sasslctl", "inspect", "nonsense"],
        ["sasslctl", "model", "frobnicate"],
        ["sasslctl", "styles", "frobnicate"],
        ["sasslctl", "config", "frobnicate"],
    ],
)
def test_a_wrong_command_line(arguments: list[str]) -> None:
    done = subprocess.run(
        [PROGRAMS / arguments[0], *arguments[1:]], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 64, done.stderr
    assert_one_sentence(done.stderr)


def test_sasslctl_alone_shows_what_there_is() -> None:
    done = control()
    assert done.returncode == 64
    assert "commands:" in done.stderr
