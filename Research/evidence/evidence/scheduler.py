"""Carries out the runs of a study, side by side, in their order."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from .measuring import measure
from .pretraining import pretrain
from .record import require_same
from .study import Run, Study

#: Exit code of a run that another process has in hand.
BUSY: Final = 75
Say = Callable[[str], None]


def is_finished(study: Study, run: Run) -> bool:
    """Whether the run was trained to its end and measured.

    Raises `StudyError` where that was with other settings than the study has now.
    """
    folder = study.run_folder(run)
    if not (folder / "measurements.csv").exists():
        return False
    require_same(folder / "run.json", study.facts(run))
    return True


def carry_out(study: Study, run: Run, say: Say) -> bool:
    """Trains and measures one run; does nothing where that is done. Returns whether it is done now.

    It is not where another process is at it.
    """
    folder = study.run_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    with _claimed(folder) as is_ours:
        if not is_ours:
            say(f"{run.name}: another process is at it")
            return False
        if not is_finished(study, run):
            measure(study, run, pretrain(study, run, say), say)
    return True


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def carry_out_all(file: Path, study: Study, processes: int, say: Say) -> list[Run]:
    """Carries out all runs, as many at a time as `processes`, and returns those that failed.

    Each has a share of the cores to itself, and one thread to train with: two threads of one process are slower here
    than two processes. Runs end with this process, and go on with the next.
    """
    cores = sorted(os.sched_getaffinity(0))
    shares: SimpleQueue[str] = SimpleQueue()
    for position in range(processes):
        shares.put(",".join(map(str, cores[position::processes] or cores)))

    def one(run: Run) -> bool:
        if is_finished(study, run):
            return True
        share = shares.get()
        say(f"{run.name}: begins on core {share}")
        command = ["setpriv", "--pdeathsig", "TERM", "taskset", "--cpu-list", share]
        command += [sys.executable, "-m", "evidence", "run", str(file), str(study.folder), run.name]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        code = subprocess.run(command, env=environment, check=False, cwd=Path(__file__).parents[1]).returncode
        shares.put(share)
        say(f"{run.name}: {'done' if code == 0 else f'ended with exit code {code}'}")
        return code in (0, BUSY)

    with ThreadPoolExecutor(processes) as executor:
        done = list(executor.map(one, study.runs))
    return [run for run, is_done in zip(study.runs, done, strict=True) if not is_done]
