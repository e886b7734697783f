"""From tar shards, as WebDataset has them, to one folder for each class."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from .study import StudyError


def unpack(shards: Iterable[Path], folder: Path) -> int:
    """Unpacks the pictures (`KEY.jpg`) of shards into `folder/CLASS/KEY.jpg`, the class from `KEY.cls` beside each.

    The folder appears when it is complete. Returns the number of pictures; raises `StudyError` for a picture without a
    class, a class without a picture, or a key that occurs twice.
    """
    if folder.exists():
        raise StudyError(f"{folder} exists: remove it, or go on with what is there")
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    count = 0
    for shard in shards:
        count += _unpack_one(shard, partial)
    if count == 0:
        raise StudyError(f"no picture for {folder}: are these the right shards?")
    partial.rename(folder)
    return count


def _unpack_one(shard: Path, folder: Path) -> int:
    pictures: dict[str, bytes] = {}
    classes: dict[str, int] = {}
    with tarfile.open(shard) as archive:
        for member in archive:
            key, _, kind = Path(member.name).name.partition(".")
            content = archive.extractfile(member)
            if content is None or kind not in ("jpg", "jpeg", "cls"):
                continue
            if key in pictures and kind != "cls":
                raise StudyError(f"{shard}: {key}: occurs twice")
            if kind == "cls":
                text = content.read().decode(errors="replace").strip()
                if not re.fullmatch("[0-9]{1,9}", text):
                    raise StudyError(f"{shard}: {member.name}: {text!r} is no class number")
                classes[key] = int(text)
            else:
                pictures[key] = content.read()
    for key in sorted(pictures.keys() ^ classes.keys()):
        raise StudyError(f"{shard}: {key}: has {'no class' if key in pictures else 'no picture'}")
    for key, picture in pictures.items():
        # Digits enough that the sorted names are in the order of the numbers.
        place = folder / f"{classes[key]:05d}" / f"{key}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            raise StudyError(f"{shard}: {key}: occurs in another shard too")
        place.write_bytes(picture)
    return len(pictures)
