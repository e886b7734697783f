"""Manual pages and completions: they are what the programs accept, no more and no less, and their readers take them."""

from __future__ import annotations

import json
import pathlib
import re
import string
import subprocess
import sys

import pytest

from workplace import PROGRAMS, ROOT, control

COMMANDS = re.findall(r"^  (\w+) +\S", control("--help").stdout.split("commands:")[1], re.MULTILINE)


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The `share` of an installation."""
    out = tmp_path_factory.mktemp("out")
    generator = ROOT / "packaging" / "manuals.py"
    subprocess.run([sys.executable, generator, PROGRAMS, ROOT / "Config" / "sassld.toml", out], check=True)
    return out / "share"


def test_every_page_is_well_formed(share: pathlib.Path) -> None:
    pages = sorted((share / "man").rglob("*.*"))
    assert {"sassld.8", "sasslctl.1", "sassld.toml.5"} | {f"sasslctl-{name}.1" for name in COMMANDS} == {
        page.name for page in pages
    }
    for page in pages:
        lint = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
        )
        complaints = [line for line in lint.stdout.splitlines() if "missing date" not in line]
        assert complaints == []


@pytest.mark.parametrize("words", [["sassld"], *(["sasslctl", name] for name in COMMANDS if name not in ("model",))])
def test_a_page_has_the_options_that_the_program_accepts(share: pathlib.Path, words: list[str]) -> None:
    page = next((share / "man").rglob("-".join(words) + ".[18]")).read_text().replace("\\-", "-")
    told = set(re.findall(r"\\fB--([\w-]+)\\fR", page))

    def accepts(option: str) -> bool:
        # The second of the helps is seen where the option takes the first for its value, so that nothing is done.
        words_given = [str(PROGRAMS / words[0]), *words[1:], option, "--help", "--help"]
        answer = subprocess.run(words_given, capture_output=True, text=True, check=False)
        return answer.returncode == 0

    assert all(accepts(f"--{name}") for name in told)
    # getopt takes the beginning of an option for the option, so that one which the page does not have would show here.
    assert {letter for letter in string.ascii_lowercase if accepts(f"--{letter}")} <= {name[0] for name in told}


def test_the_configuration_page_has_every_key_in_its_section(share: pathlib.Path) -> None:
    page = (share / "man" / "man5" / "sassld.toml.5").read_text().replace("\\-", "-")
    told = {
        section.split("]")[0]: re.findall(r"^\\fB(\w+)\\fR =", section, re.MULTILINE)
        for section in page.split(".SH [")[1:]
    }
    known = json.loads(control("config", "show", "--json", "--config", str(ROOT / "Config" / "sassld.toml")).stdout)
    # The tables of single views are told in the text.
    assert {section: sorted(keys) for section, keys in told.items()} == {
        section: sorted(set(keys) - {"view"}) for section, keys in known.items()
    }
    assert all(key in page for view in known["views"]["view"] for key in view)


def test_bash_completes(share: pathlib.Path) -> None:
    def complete(*words: str) -> list[str]:
        script = f"""source {share}/bash-completion/completions/sasslctl
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sassl "$1"; printf '%s\\n' "${{COMPREPLY[@]}}" """
        told = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True)
        return told.stdout.split()

    assert complete("sasslctl", "pre") == ["preview"]
    assert complete("sasslctl", "bench", "--tr") == ["--trainer"]
    assert complete("sassld", "--check") == ["--check-config"]
    assert "--predictor" in complete("sasslctl", "model", "--")


def test_fish_completes(share: pathlib.Path) -> None:
    script = f"source {share}/fish/vendor_completions.d/sasslctl.fish; complete --do-complete $argv[1]"

    def complete(line: str) -> list[str]:
        told = subprocess.run(["fish", "-c", script, line], capture_output=True, text=True, check=True)
        return [row.split("\t")[0] for row in told.stdout.splitlines()]

    assert complete("sasslctl pre") == ["preview"]
    assert complete("sasslctl bench --tr") == ["--trainer"]


def test_zsh_takes_its_completions(share: pathlib.Path) -> None:
    """zsh completes only at a terminal; here it reads the function and asks it for nothing."""
    script = (
        "autoload -Uz compinit && compinit -u -D && autoload +X _sasslctl && print $_comps[sassld] $_comps[sasslctl]"
    )
    told = subprocess.run(
        ["zsh", "-f", "-c", f"fpath=({share}/zsh/site-functions $fpath); {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["_sasslctl", "_sasslctl"]
