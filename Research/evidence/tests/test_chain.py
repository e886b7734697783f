"""The whole chain at toy size: streams, training, probes, report."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from conftest import STUDY
from evidence.comparison import values_of
from evidence.pictures import conflicts
from evidence.pretraining import pretrain
from evidence.record import read_facts, read_table
from evidence.report import MAIN, write_report
from evidence.scheduler import BUSY, carry_out_all
from evidence.stream import daemon_program
from evidence.study import Run, Study, StudyError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def carried_out(study_file: Path, study: Study) -> Study:
    """The study with its two arms of one seed carried out, by the scheduler."""
    pair = dataclasses.replace(study, runs=study.runs[:2])
    assert [run.name for run in pair.runs] == ["simclr-off-0", "simclr-in-batch-0"]
    assert carry_out_all(study_file, pair, 2, print) == []
    return study


def test_a_run_leaves_what_it_was_made_with_and_what_was_measured(carried_out: Study) -> None:
    folder = carried_out.run_folder(carried_out.runs[1])
    facts = read_facts(folder / "run.json")
    assert (facts["method"], facts["arm"], facts["seed"]) == ("simclr", "in-batch", 0)
    assert len(facts["fingerprint"]) == 64
    assert facts["fingerprint"] != read_facts(carried_out.run_folder(carried_out.runs[0]) / "run.json")["fingerprint"]
    assert facts["machines"][0]["torch"] == torch.__version__
    assert facts["machines"][0].items() <= facts["measured"].items()
    program = hashlib.sha256(daemon_program().read_bytes()).hexdigest()
    assert program.startswith(facts["measured"]["sassld"]) and len(facts["measured"]["sassld"]) == 16
    rows = read_table(folder / "training.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [bool(row["neighbour_accuracy"]) for row in rows] == [False, True]
    measured = {
        (row["measure"], row["pictures"], row["severity"]): row for row in read_table(folder / "measurements.csv")
    }
    assert {pictures for _, pictures, _ in measured} == {
        *("clean", "grey", "blur", "noise", "jpeg", "stylized", "conflict", "transfer to drawings")
    }
    assert all(0 <= float(row["value"]) <= 1 for row in measured.values())
    assert measured["linear", "clean", "0"]["count"] == measured["linear", "stylized", "3"]["count"] == "75"
    # In the folder's order there are 25 pictures of each class.
    pairs = [zip(some.samples // 25, some.styles // 25, strict=True) for some in conflicts(carried_out.test, 32)]
    apart = sum(content != style for pair in pairs for content, style in pair)
    assert measured["decided for the style's class", "conflict", "0"]["count"] == str(apart)
    # Both looked with the same network at the same pictures.
    assert float(measured["neighbours", "clean", "0"]["value"]) == pytest.approx(
        float(rows[1]["neighbour_accuracy"]), abs=1e-4
    )


def test_what_is_finished_is_not_done_again(carried_out: Study, study_file: Path) -> None:
    file = carried_out.run_folder(carried_out.runs[0]) / "measurements.csv"
    before = file.stat().st_mtime_ns
    assert carry_out_all(study_file, dataclasses.replace(carried_out, runs=carried_out.runs[:1]), 1, print) == []
    assert file.stat().st_mtime_ns == before


def test_the_report_shows_what_there_is_and_names_what_is_missing(carried_out: Study, tmp_path: Path) -> None:
    text = write_report(carried_out, tmp_path / "report").read_text()
    assert "**The main comparison is not complete: 2 of its 6 runs are.**" in text
    assert "- not finished: simclr-off-1, simclr-in-batch-1, mocov2-in-batch-0, byol-in-batch-0" in text
    values = values_of(carried_out)
    off, within = (values[MAIN, "simclr", arm][0] for arm in ("off", "in-batch"))
    assert f"| linear: clean | {100 * (within - off):+.1f} (1) |" in text
    assert f"| linear: clean | {100 * off:.1f} (1) | {100 * within:.1f} (1) |" in text
    for figure in ("differences", "shifts", "training"):
        assert (tmp_path / "report" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    assert len(read_table(tmp_path / "report" / "training.csv")) == 4


def test_a_report_of_nothing_says_so(study: Study, tmp_path: Path) -> None:
    empty = dataclasses.replace(study, folder=tmp_path)
    assert (
        "**The main comparison is not complete: 0 of its 6 runs are.**"
        in write_report(empty, tmp_path / "report").read_text()
    )


@pytest.mark.parametrize("method", ["simclr", "mocov2", "byol"])
def test_a_training_stopped_and_resumed_ends_with_the_same_weights(
    method: str, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(method, "in-batch", 0)
    whole, parts = (dataclasses.replace(study, folder=tmp_path / name) for name in ("whole", "parts"))
    for folder in (whole.folder, parts.folder):
        folder.mkdir()
        (folder / "data").symlink_to(study.folder / "data")

    class StoppedError(Exception):
        pass

    def stop(text: str) -> None:
        if "epoch 1," in text:
            raise StoppedError

    undisturbed = pretrain(whole, run, print).state_dict()
    with pytest.raises(StoppedError):
        pretrain(parts, run, stop)
    said: list[str] = []
    resumed = pretrain(parts, run, said.append).state_dict()
    assert said[0] == f"{run.name}: goes on after epoch 1 of 2"
    for name, weights in undisturbed.items():
        assert torch.equal(weights, resumed[name]), name
    columns = ("epoch", "loss", "neighbour_accuracy")
    histories = [read_table(there.run_folder(run) / "training.csv") for there in (whole, parts)]
    once, twice = ([[row[column] for column in columns] for row in rows] for rows in histories)
    assert once == twice


def test_a_run_that_was_begun_otherwise_is_not_mixed_with(carried_out: Study) -> None:
    run = carried_out.runs[0]
    longer = dataclasses.replace(carried_out, training=dataclasses.replace(carried_out.training, epochs=3))
    with pytest.raises(StudyError, match="was begun with another training"):
        pretrain(longer, run, print)


def test_slow_arithmetic_is_refused(study: Study, tmp_path: Path) -> None:
    if torch.cuda.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this machine computes bfloat16")
    halved = dataclasses.replace(study.training, precision="bfloat16")
    with pytest.raises(StudyError, match=r"training\.precision: .*bfloat16"):
        pretrain(dataclasses.replace(study, folder=tmp_path, training=halved), study.runs[0], print)


def test_a_killed_queue_lets_go_of_everything_and_what_it_did_stays(study: Study, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(study.folder / "data")
    file = tmp_path / "study.toml"
    file.write_text(STUDY.replace("epochs = 2", "epochs = 1000"))
    with started("queue", file, "--processes", "1") as queue:
        assert "begins on core" in next_line(queue)
        assert "epoch 1," in next_line(queue)
        (run,) = children(queue.pid)
        os.kill(run, signal.SIGSTOP)
        daemons = children(run)
        assert daemons
        with started("run", file, "simclr-off-0") as second:
            assert "another process is at it" in next_line(second)
            assert second.wait() == BUSY
        os.kill(run, signal.SIGCONT)
    deadline = time.monotonic() + 60
    while any(state(process) != "Z" for process in (run, *daemons)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with started("run", file, "simclr-off-0") as third:
        assert "goes on after epoch" in next_line(third)


@contextlib.contextmanager
def started(command: str, study_file: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program in a process of its own, which is killed in the end."""
    words = [sys.executable, "-m", "evidence", command, str(study_file), str(study_file.parent), *arguments]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    """What it says next."""
    assert process.stdout is not None
    return process.stdout.readline()


def children(process: int) -> list[int]:
    """The child processes that a process has now."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def state(process: int) -> str:
    """The letter by which the kernel names a process's state; Z where it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def test_a_failing_run_is_named_with_the_reason(
    study_file: Path, study: Study, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    empty = dataclasses.replace(study, folder=tmp_path, runs=study.runs[:1])
    said: list[str] = []
    assert carry_out_all(study_file, empty, 1, said.append) == list(empty.runs)
    assert said[-1] == "simclr-off-0: ended with exit code 1"
    reason = capfd.readouterr().err
    assert reason.startswith("evidence: sassld ended with exit code 66:")
    assert str(tmp_path / "data" / "train") in reason
