"""Studies as they are written, and data as it is found."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from conftest import STUDY
from evidence.shards import unpack
from evidence.study import StudyError, load

STUDIES = Path(__file__).parents[1] / "studies"


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.toml")), ids=lambda file: file.stem)
def test_the_studies_of_the_project_are_well_formed(file: Path, tmp_path: Path) -> None:
    study = load(file, tmp_path)
    assert len({run.name for run in study.runs}) == len(study.runs)


def test_imagenette_compares_whole_pairs_first(tmp_path: Path) -> None:
    names = [run.name for run in load(STUDIES / "imagenette.toml", tmp_path).runs]
    assert names[:4] == ["simclr-off-0", "simclr-in-batch-0", "simclr-bank-0", "mocov2-off-0"]
    assert all(name.split("-")[-1] in "012" for name in names[:18])
    assert len(names) == 27


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('reference = "off"', 'reference = "none"', "reference: no arm 'none'"),
        ("epochs = 2", "epochs = 0", "training.epochs: 0 is no whole number"),
        ("width = 8", "width = 12", "training.width: 12 is no multiple of 8"),
        ("batch = 32\n", "", "training.batch: missing"),
        ("side = 32", "side = 32\nsides = 3", "training.sides: unknown"),
        ('"resnet10"', '"vgg"', "training.network: 'vgg' is none of"),
        ('["simclr"]', '["dino"]', r"runs \(1\).methods: 'dino' is none of"),
        ('["off", "in-batch"]', '["on"]', r"runs \(1\).arms: 'on' is none of"),
        ("seeds = [0, 1]", "seeds = [-1]", r"runs \(1\).seeds: -1 is no whole number"),
        ("[training]", "[training", "study.toml: "),
    ],
)
def test_what_is_wrong_with_a_study_is_said(before: str, after: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    assert before in STUDY
    file.write_text(STUDY.replace(before, after, 1))
    with pytest.raises(StudyError, match=message):
        load(file, tmp_path)


def test_paths_of_an_arm_start_at_the_studys_folder(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY.replace("[arms.in-batch]", '[arms.in-batch]\nmodel = "lite.safetensors"'))
    folder = tmp_path / "elsewhere"
    assert load(file, folder).style("in-batch") == {"model": str(folder / "lite.safetensors")}


def shard(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


def test_shards_become_a_folder_for_each_class(tmp_path: Path) -> None:
    shards = [
        shard(tmp_path / "0.tar", {"a.cls": b"2", "a.jpg": b"A", "b.jpg": b"B", "b.cls": b"10\n"}),
        shard(tmp_path / "1.tar", {"c.jpg": b"C", "c.json": b"{}", "c.cls": b"2"}),
    ]
    assert unpack(shards, tmp_path / "train") == 3
    found = {str(path.relative_to(tmp_path / "train")): path.read_bytes() for path in (tmp_path / "train").glob("*/*")}
    assert found == {"00002/a.jpg": b"A", "00010/b.jpg": b"B", "00002/c.jpg": b"C"}
    with pytest.raises(StudyError, match="exists"):
        unpack(shards, tmp_path / "train")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.jpg": b"A"}, "a: has no class"),
        ({"a.cls": b"1"}, "a: has no picture"),
        ({"a.jpg": b"A", "a.cls": b"cat"}, "'cat' is no class number"),
        ({"a.jpg": b"A", "a.jpeg": b"B", "a.cls": b"1"}, "a: occurs twice"),
        ({}, "no picture"),
    ],
)
def test_shards_that_are_not_whole_are_refused(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=message):
        unpack([shard(tmp_path / "0.tar", members)], tmp_path / "train")
    assert not (tmp_path / "train").exists()
