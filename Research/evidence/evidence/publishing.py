"""What is shown of a study: the logs of its finished runs in the repository, and a page that is made from them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Final

from .comparison import values_of
from .figures import draw_differences, draw_shifts, draw_training
from .report import ablations, differences, levels, main, state
from .scheduler import is_finished
from .study import Study, StudyError

#: What a run leaves behind that is small.
LOGS: Final = ("run.json", "training.csv", "measurements.csv")
_SECTION: Final = re.compile(r"(<!-- evidence: (\w+) -->\n)(?:(?!<!-- evidence:).)*?(<!-- end -->)", re.DOTALL)


def keep_logs(study: Study, results: Path) -> Study:
    """Copies the logs of all finished runs, and returns the study with `results` as its folder.

    Paths in them start at the study's folder: where that was is nobody's business.
    """
    kept = dataclasses.replace(study, folder=results)
    if study.folder == results:
        return kept
    for run in study.runs:
        if is_finished(study, run):
            kept.run_folder(run).mkdir(parents=True, exist_ok=True)
            for name in LOGS:
                text = (study.run_folder(run) / name).read_text(encoding="utf-8")
                (kept.run_folder(run) / name).write_text(
                    text.replace(f"{study.folder.absolute()}/", ""), encoding="utf-8"
                )
    return kept


def with_sections(study: Study, page: str) -> str:
    """The page with each `<!-- evidence: NAME -->` section made from the study's logs.

    Raises `StudyError` for a name that is not known, and for a section that has no `<!-- end -->`.
    """
    if len(_SECTION.findall(page)) != page.count("<!-- evidence:"):
        raise StudyError("the page has a section without <!-- end -->")
    values = values_of(study)
    sections = {
        "state": state(study),
        "main": main(study, values),
        "differences": differences(study, values),
        "levels": levels(study, values),
        "ablations": ablations(study, values),
    }

    def section(found: re.Match[str]) -> str:
        opening, name, end = found.groups()
        if name not in sections:
            raise StudyError(f"the page has a section {name!r}; it may have {', '.join(sections)}")
        return f"{opening}{sections[name]}\n{end}"

    return _SECTION.sub(section, page)


def publish(study: Study, results: Path, page: Path) -> None:
    """Keeps the logs in `results`, and writes the sections of a page and, into `images` beside it, its figures."""
    kept = keep_logs(study, results)
    page.write_text(with_sections(kept, page.read_text()))
    values, images = values_of(kept), page.parent / "images"
    draw_differences(kept, values, images / "evidence-differences.png")
    draw_shifts(kept, values, images / "evidence-shifts.png")
    draw_training(kept, images / "evidence-training.png")
