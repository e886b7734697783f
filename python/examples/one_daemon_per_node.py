#!/usr/bin/env python3
"""One daemon on each node of a job of torchrun, for the ranks of that node, and nothing to start beside it.

    torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
        one_daemon_per_node.py /data/imagenet/train --batches 1000

The nodes do not talk to each other about batches: every rank's part of each global batch follows from the
configuration. The pictures have to lie on every node, or on a file system that all of them see.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from torch import distributed

import sassl


def ring_of_this_rank(pictures: str, **settings: Any) -> sassl.Reader:
    """Starts the node's daemon in the first process of the node, which it ends with; the others attach to it."""
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    local_rank, on_this_node = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    # The same for all processes of a job, and another for the next job.
    name = f"torchrun-{os.environ['MASTER_PORT']}-{rank - local_rank}"
    if local_rank > 0:
        # A large dataset is catalogued for minutes before there is a ring.
        return sassl.attach(name, rank, start=0, world_size=world_size, wait=600)
    ranks = list(range(rank, rank + on_this_node))
    return sassl.serve(pictures, stream_name=name, world_size=world_size, ranks=ranks, rank=rank, **settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", help="folder of pictures")
    parser.add_argument("--batches", type=int, default=100, help="how many to read")
    parser.add_argument("--batch-size", type=int, default=256, help="of each rank")
    options = parser.parse_args()
    distributed.init_process_group("gloo")
    with ring_of_this_rank(options.pictures, layout="flat", batch_size=options.batch_size) as ring:
        for _, batch in zip(range(options.batches), ring, strict=False):
            # Here a trainer would train.
            shown = ", ".join(map(str, batch.sample_ids[:8]))
            print(f"rank {ring.information.rank} batch {batch.number}: samples {shown}, ...", flush=True)
        # The daemon ends with the first process of the node, which therefore waits for the others.
        distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
