"""Whose rings are read: one's own, root's, the service's, and those of a user who was named; nobody else's."""

from __future__ import annotations

import os
import pathlib
import pwd
import subprocess
import sys

import pytest

import sassl
from producing import Producer
from surroundings import MOUNTING, may_mount

NOBODY = pwd.getpwnam("nobody")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def attach(directory: str, **options: object) -> sassl.Reader:
    return sassl.attach("test", directory=directory, **{"start": 0, "wait": 0, "daemon_timeout": 0, **options})  # type: ignore[arg-type]


def give_away(directory: str) -> None:
    os.chown(f"{directory}/sassl.test.0", NOBODY.pw_uid, NOBODY.pw_gid)


@only_root
def test_a_strangers_ring_is_refused_by_name_before_anything_in_it_is_believed(directory: str) -> None:
    with Producer(directory) as producer:
        producer.produce()
        give_away(directory)
        with pytest.raises(sassl.RingOwnerError, match=rf"'nobody' \({NOBODY.pw_uid}\).*stream\.name.*owner="):
            attach(directory)
    rubbish = pathlib.Path(directory, "sassl.test.0")
    rubbish.write_bytes(b"no ring at all")
    rubbish.chmod(0o600)
    give_away(directory)
    with pytest.raises(sassl.RingOwnerError):
        attach(directory)


@only_root
@pytest.mark.parametrize("owner", ["nobody", NOBODY.pw_uid])
def test_the_ring_of_a_user_who_was_named_is_read(directory: str, owner: str | int) -> None:
    with Producer(directory) as producer:
        producer.produce()
        give_away(directory)
        with attach(directory, owner=owner) as reader:
            assert reader.next(0).number == 0


@pytest.mark.parametrize("owner", ["no-such-user-here", -1, 2**32])
def test_an_owner_who_cannot_be_is_refused(directory: str, owner: str | int) -> None:
    with Producer(directory), pytest.raises(ValueError, match="owner="):
        attach(directory, owner=owner)


def test_a_ring_that_everybody_may_write_to_is_refused(directory: str) -> None:
    with Producer(directory):
        os.chmod(f"{directory}/sassl.test.0", 0o666)
        with pytest.raises(sassl.RingOwnerError, match="everybody may write"):
            attach(directory)
        os.chmod(f"{directory}/sassl.test.0", 0o660)
        attach(directory).close()


@only_root
def test_a_successor_has_its_predecessors_owner(directory: str) -> None:
    first = Producer(directory)
    first.produce()
    with attach(directory, owner="nobody") as reader:
        reader.next(0).release()
        first.close()
        with Producer(directory, start=1) as second:
            second.produce()
            give_away(directory)
            with pytest.raises(sassl.RingOwnerError, match=r"came back as another user.*'nobody'.*'root'"):
                reader.next(0)
            os.chown(f"{directory}/sassl.test.0", 0, 0)
            assert reader.next(1).number == 1


LOOK = """
import os, subprocess, sassl
from producing import Producer
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777,size=8m", "tmpfs", "/dev/shm"], check=True)
with Producer("/dev/shm", start=3) as common:
    common.produce()
    os.mkdir("/dev/shm/sassl", 0o755)
    with sassl.attach("test", start="continue", wait=0) as reader:
        print(reader.next(0).number)
    with Producer("/dev/shm/sassl", start=5) as service:
        service.produce()
        with sassl.attach("test", start="continue", wait=0) as reader:
            print(reader.next(0).number)
        os.chmod("/dev/shm/sassl", 0o777)
        common.produce()
        with sassl.attach("test", start="continue", wait=0) as reader:
            print(reader.next(0).number)
"""


@pytest.mark.skipif(not may_mount(), reason="needs a /dev/shm of its own")
def test_readers_look_in_the_services_directory_first_unless_everybody_may_make_names_there() -> None:
    ended = subprocess.run(
        [*MOUNTING, sys.executable, "-c", LOOK],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parent,
        check=False,
    )
    assert (ended.stdout.split(), ended.stderr) == (["3", "5", "4"], "")
