"""docs/datasets.md: every example on the page runs, and reads what the page says."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

import sassl
from picture_files import good_picture
from shard_files import write_shard
from workplace import PLAIN, PROGRAMS, ROOT

if TYPE_CHECKING:
    from workplace import Size, Workplace

PAGE = (ROOT / "docs" / "datasets.md").read_text()
#: The examples of each section that has some: the language and the text of each block.
EXAMPLES = {
    section.partition("\n")[0]: blocks
    for section in PAGE.split("\n## ")[1:]
    if (blocks := re.findall(r"```(toml|sh)\n(.*?)```", section, re.S))
}
#: How many samples each reads of what `examples_folder` holds.
SAMPLES = {
    "A folder": 40,
    "A list": 30,
    "Shards": 40,
    "Leaving out": 39,
    "Freezing": 40,
    "Looking before a long run": 40,
    "Several sources": 80,
}


@pytest.fixture(scope="module")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    for number in range(40):
        file = folder / "pictures" / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(good_picture(number))
    files = sorted((folder / "pictures").rglob("*.png"))
    (folder / "list.txt").write_text("".join(f"{file}\t{index % 2}\n" for index, file in enumerate(files[:30])))
    members = [
        (str(file.relative_to(folder / "pictures")).replace("17.png", "17.jpg"), file.read_bytes()) for file in files
    ]
    # The one that an example leaves out.
    members.sort(key=lambda member: member[0] != "dog/17.jpg")
    for shard in range(4):
        labels = [(name.rsplit(".", 1)[0] + ".cls", b"1") for name, _ in members[shard::4]]
        write_shard(folder / "shards" / f"train-{(shard + 2) % 4:06}.tar", [*members[shard::4], *labels])
    return folder


def test_every_example_is_tried() -> None:
    assert set(EXAMPLES) == set(SAMPLES)


@pytest.mark.parametrize("heading", SAMPLES)
def test_an_example_runs(workplace: Workplace, examples_folder: pathlib.Path, size: Size, heading: str) -> None:
    _, configuration = workplace.configure(examples_folder, size, **PLAIN, stream__name="examples")
    text = re.sub(r"\[dataset\].*?(?=^\[)", "", configuration.read_text(), flags=re.M | re.S)
    file = examples_folder / "sassld.toml"
    file.write_text(EXAMPLES["A folder"][0][1] + text)
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    for language, example in EXAMPLES[heading]:
        if language == "toml":
            file.write_text(example + text)
        else:
            subprocess.run(["sh", "-ec", example], cwd=examples_folder, env=os.environ | {"PATH": path}, check=True)
    with workplace.running("examples", file) as daemon, sassl.attach("examples", start=0) as ring:
        ring.next(timeout=60)
        status = daemon.status()
        assert (status["samples"], status["quarantined_files"]) == (SAMPLES[heading], 0)
