"""A trainer that logs every batch that it is done with: number, digest, and when.

Runs until it is stopped or killed.

With the policy `checkpoint` the log is its checkpoint, from which it resumes; with `continue` it trusts the ring.
SIGUSR1 makes it seek a thousand batches ahead and back.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path

import sassl
from producing import failpoint_hook
from sassl import _library as c
from streams import digest_of


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("name")
    parser.add_argument("log")
    parser.add_argument("--policy", choices=["checkpoint", "continue"], required=True)
    parser.add_argument("--failpoint")
    arguments = parser.parse_args()
    stopped = seek_wanted = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    def want_seek(*_: object) -> None:
        nonlocal seek_wanted
        seek_wanted = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, want_seek)
    start = None
    if arguments.policy == "checkpoint":
        start = len(Path(arguments.log).read_text().splitlines())
    if arguments.failpoint:
        # The package has no way to set a hook, so it goes in where the options are made.
        failpoint = failpoint_hook(arguments.failpoint)
        hook = c.Hook(lambda step, _: int(failpoint(step)))
        plain = c.ConsumerOptions

        def with_hook(**options: object) -> c.ConsumerOptions:
            return plain(hook=hook, **options)

        c.ConsumerOptions = with_hook  # type: ignore[assignment,misc]
    log = os.open(arguments.log, os.O_WRONLY | os.O_APPEND)
    parent = os.getppid()
    reader = sassl.attach(
        arguments.name, directory=arguments.directory, start=start, wait=60, daemon_timeout=60, verify=True
    )
    while not stopped and os.getppid() == parent:
        if seek_wanted:
            seek_wanted = False
            here = reader.position
            reader.seek(here + 1000)
            with reader.next(timeout=60) as far:
                assert far.number == here + 1000
            reader.seek(here)
        try:
            batch = reader.next(timeout=0.05)
        except sassl.BatchTimeoutError:
            continue
        os.write(log, f"{batch.number} {digest_of(batch).hex()} {time.monotonic_ns()}\n".encode())
        batch.release()
    reader.close()


if __name__ == "__main__":
    main()
