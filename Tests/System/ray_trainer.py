"""A driver that serves a stream on a Ray cluster and reads it until it is ended, as a log of digests.

python ray_trainer.py ADDRESS DATA SETTINGS LOG
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import ray

import sassl.ray
from ray_cluster import BATCHES
from streams import digest_of


def main() -> None:
    address, data, settings, log = sys.argv[1:]
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    ray.init(address=address, log_to_driver=False)
    # Ray has put a handler of its own there.
    signal.signal(signal.SIGTERM, stop)
    with (
        sassl.ray.serve(data, makers=2, cpus=1, **json.loads(settings)) as serving,
        serving.attach(start=0, verify=True) as reader,
        Path(log).open("w", buffering=1) as lines,
    ):
        while not stopped:
            if reader.position == BATCHES:
                reader.seek(0)
            with reader.next(timeout=120) as batch:
                lines.write(f"{batch.number} {digest_of(batch).hex()}\n")


if __name__ == "__main__":
    main()
