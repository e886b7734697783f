"""Ranks of torchrun that read real rings get parts of each global batch that join to the stream of one rank."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import sassl
from running import pictures as pictures
from running import surroundings as surroundings
from running import workplace as workplace
from surroundings import directory as directory
from workplace import Size, Workplace

RANK = """
import sys
import torch
from sassl.torch import RingDataset

torch.distributed.init_process_group("gloo")
dataset = RingDataset(sys.argv[1], directory=sys.argv[2])
batches = [(batch.sample_ids, batch.views[0].clone(), batch.views[1].clone()) for batch in dataset]
torch.save([torch.stack(column) for column in zip(*batches)], f"{sys.argv[3]}/{torch.distributed.get_rank()}.pt")
# Who leaves early takes the connection from one that still looks for it.
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def test_the_parts_of_two_ranks_are_disjoint_and_join_to_one_stream(
    pictures: Path, workplace: Workplace, directory: str, tmp_path: Path
) -> None:
    places: dict[str, Any] = {"ring__directory": directory, "state__runtime_directory": directory, "workers__count": 1}
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with workplace.daemon(pictures, Size(16, 32), batch__world_size=2, batch__ranks=[0, 1], **places) as daemon:
        subprocess.run([*torchrun, script, daemon.name, directory, tmp_path], check=True, timeout=300)
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    with (
        workplace.daemon(pictures, Size(32, 32), **places) as daemon,
        sassl.attach(daemon.name, directory=directory, start=0) as reader,
    ):
        whole = [(batch.sample_ids.copy(), *(view.copy() for view in batch.views)) for batch in reader.epoch()]
    for column, of_first, of_second in zip(zip(*whole, strict=True), *halves, strict=True):
        np.testing.assert_array_equal(np.stack(column), torch.cat([of_first, of_second], dim=1).numpy())
    samples = [int(sample) for half in halves for sample in half[0].flatten()]
    assert sorted(samples) == list(range(96))
