"""What is shown of a study in the repository."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from evidence.__main__ import RESULTS
from evidence.comparison import values_of
from evidence.publishing import LOGS, publish, with_sections
from evidence.record import read_facts, write_facts, write_table
from evidence.scheduler import is_finished
from evidence.study import Run, Study, StudyError, load

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def measured(study: Study, tmp_path: Path) -> Study:
    """Two seeds of two arms, with made-up accuracies: the second arm is 2 and 4 points better."""
    measured = dataclasses.replace(study, folder=tmp_path / "folder")
    for run in measured.runs[:4]:
        finish(measured, run, 0.5 + 0.1 * run.seed + (0.02 * (1 + run.seed) if run.arm == "in-batch" else 0))
    return measured


def finish(study: Study, run: Run, value: float) -> None:
    """As if the run had been trained and measured."""
    folder = study.run_folder(run)
    folder.mkdir(parents=True)
    row = {"measure": "linear", "pictures": "clean", "severity": 0, "value": round(value, 5), "count": 75}
    write_table(folder / "measurements.csv", [row])
    write_table(folder / "training.csv", [{"epoch": 1, "loss": 1.0, "neighbour_accuracy": 0.5, "seconds": 1.0}])
    stream = [f'style.model = hash 0, "{study.folder.absolute()}/other.safetensors"']
    write_facts(folder / "run.json", {**study.facts(run), "fingerprint": "0" * 64, "stream": stream, "machines": []})
    (folder / "checkpoint.pt").write_bytes(b"large")


def test_logs_are_kept_and_the_page_is_made_from_them(measured: Study, tmp_path: Path) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results"
    (tmp_path / "images").mkdir()
    sections = "\n".join(f"<!-- evidence: {name} -->\nold\n<!-- end -->" for name in ("main", "differences"))
    page.write_text(f"# Words\n\n{sections}\n\nMore words.\n")
    publish(measured, results, page)
    # Student's t with one degree of freedom: 12.71 times the standard error, 1 point.
    assert "| linear: clean | +3.0 ± 12.7 (2) |" in page.read_text()
    assert "Intervals that leave out zero: 0 of 1; by chance it would be 0.05 on average" in page.read_text()
    assert "| simclr | 55.0 ± 7.1 (2) | +3.0 ± 12.7 (2) |" in page.read_text()
    assert page.read_text().startswith("# Words\n") and page.read_text().endswith("\nMore words.\n")
    assert sorted(path.name for path in (results / "runs" / "simclr-off-0").iterdir()) == sorted(LOGS)
    assert {path.name for path in (tmp_path / "images").iterdir()} == {
        *("evidence-differences.png", "evidence-training.png")
    }
    kept = read_facts(results / "runs" / "simclr-off-0" / "run.json")
    assert kept["stream"] == ['style.model = hash 0, "other.safetensors"']
    # The logs that are kept say all that is needed.
    shutil.rmtree(measured.folder)
    before = page.read_text()
    publish(dataclasses.replace(measured, folder=results), results, page)
    assert page.read_text() == before


def test_arms_of_later_groups_stand_by_themselves(measured: Study) -> None:
    assert measured.main_arms == ("off", "in-batch")
    closer = Run("simclr", "style-last", 1)
    study = dataclasses.replace(measured, runs=(*measured.runs, closer))
    page = "\n".join(f"<!-- evidence: {name} -->\n<!-- end -->" for name in ("main", "differences", "levels"))
    before = with_sections(study, page)
    finish(study, closer, 0.55)
    assert with_sections(study, page) == before
    # With seed 1 the reference has 0.6, and 'in-batch' 2 points more with seed 0 and 4 with seed 1.
    table = with_sections(study, "<!-- evidence: ablations -->\n<!-- end -->")
    assert "|  | simclr, in-batch: seed 0, 1 | simclr, style-last: seed 1 |\n" in table
    assert "| linear: clean | +2.0, +4.0 | -5.0 |\n" in table


def test_a_section_that_is_not_known_is_named(measured: Study) -> None:
    with pytest.raises(StudyError, match="section 'levls'; it may have state, main, differences, levels, ablations"):
        with_sections(measured, "<!-- evidence: levls -->\n<!-- end -->")


def test_a_section_that_does_not_end_takes_nothing_with_it(measured: Study) -> None:
    page = "<!-- evidence: main -->\nWords.\n<!-- evidence: levels -->\n<!-- end -->\n"
    with pytest.raises(StudyError, match="without <!-- end -->"):
        with_sections(measured, page)


def test_runs_of_other_settings_are_not_mixed_in(measured: Study) -> None:
    longer = dataclasses.replace(measured, training=dataclasses.replace(measured.training, epochs=3))
    with pytest.raises(StudyError, match="simclr-off-0: was begun with another training: remove it"):
        values_of(longer)
    arms = {**measured.arms, "in-batch": {"alpha": [0.5, 0.5]}}
    with pytest.raises(StudyError, match="simclr-in-batch-0: was begun with another style"):
        values_of(dataclasses.replace(measured, arms=arms))


def test_a_study_with_a_model_may_be_moved(measured: Study, tmp_path: Path) -> None:
    arms = {**measured.arms, "style-last": {"model": "lite.safetensors"}}
    closer = Run("simclr", "style-last", 1)
    study = dataclasses.replace(measured, arms=arms, runs=(*measured.runs, closer))
    finish(study, closer, 0.55)
    moved = dataclasses.replace(study, folder=study.folder.rename(tmp_path / "moved"))
    assert is_finished(moved, closer)


def test_the_page_of_the_repository_says_what_its_logs_say() -> None:
    study = load(ROOT / "Research" / "evidence" / "studies" / "imagenette.toml", RESULTS / "imagenette")
    page = (ROOT / "docs" / "evidence.md").read_text()
    assert page.count("<!-- evidence:") >= 2
    assert with_sections(study, page) == page
