"""Writes manual pages and completions, from what the programs themselves say of their options and commands.

usage: manuals.py PROGRAMS CONFIGURATION OUT

PROGRAMS is the folder of sassld and sasslctl, whose --help is laid out from the tables that they parse their arguments
with; CONFIGURATION is the commented file with every key. Below OUT come share/man and the completions of bash, zsh and
fish, where each looks for them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Option:
    """An option of a command, as its help has it."""

    letter: str | None
    name: str
    value: str | None
    summary: str


@dataclass
class Help:
    """The help text of a command, taken apart."""

    words: list[str]
    usage: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)
    closing: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return "-".join(self.words)


def read_help(programs: Path, words: list[str]) -> Help:
    """Asks a command for its help. Fails where the text is not laid out as expected, so that nothing goes missing."""
    text = subprocess.run(
        [programs / words[0], *words[1:], "--help"], check=True, capture_output=True, text=True
    ).stdout
    result = Help(words)
    lines = text.rstrip("\n").split("\n")
    if not lines[0].startswith("usage: "):
        raise SystemExit(f"manuals: '{' '.join(words)} --help' does not begin with its usage")
    while lines and lines[0]:
        result.usage.append(re.sub(r"^(usage: |\s+)", "", lines.pop(0)))
    part = "about"
    for line in lines:
        if line in ("options:", "commands:"):
            part = line[:-1]
        elif part == "options" and (
            match := re.fullmatch(r"  (?:-(\w), |    )--([\w-]+)(?: (\S+))?(?:  +(\S.*))?", line)
        ):
            result.options.append(Option(match[1], match[2], match[3], match[4] or ""))
        elif part == "commands" and (match := re.fullmatch(r"  (\w+) +(\S.*)", line)):
            result.commands[match[1]] = match[2]
        elif part in ("options", "commands") and line.startswith("  "):
            result.options[-1].summary += " " + line.strip()
        elif part in ("options", "commands") and not line:
            part = "closing"
        elif part == "about":
            result.about.append(line)
        else:
            part = "closing"
            result.closing.append(line)
    return result


# MARK: manual pages


def roff(text: str) -> str:
    """Text as roff takes it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def paragraphs(lines: list[str]) -> list[str]:
    """Lines as they are, with their breaks; lists in help texts are laid out by hand."""
    stripped = "\n".join(lines).strip("\n").split("\n")
    return [".nf", *(roff(line) if line else "" for line in stripped), ".fi"] if any(stripped) else []


def manual(page: Help, section: int, summary: str, version: str, others: list[str]) -> str:
    name = page.title
    out = [
        f'.TH {roff(name.upper())} {section} "" "sassl {version}" "SASSL"',
        ".SH NAME",
        f"{roff(name)} \\- {roff(summary)}",
    ]
    out += [".SH SYNOPSIS", "\n.br\n".join(f".B {roff(line)}" for line in page.usage)]
    if any(page.about):
        out += [".SH DESCRIPTION", *paragraphs(page.about)]
    if page.commands:
        out.append(".SH COMMANDS")
        for command, what in page.commands.items():
            out += [".TP", f".B {roff(command)}", roff(what)]
    if page.options:
        out.append(".SH OPTIONS")
        for option in page.options:
            forms = ([f"\\-{option.letter}"] if option.letter else []) + [roff("--" + option.name)]
            value = f" \\fI{roff(option.value)}\\fR" if option.value else ""
            out += [".TP", ", ".join(f"\\fB{form}\\fR" for form in forms) + value, roff(option.summary)]
    if any(page.closing):
        out += [".SH NOTES", *paragraphs(page.closing)]
    out += [".SH SEE ALSO", ",\n".join(f".BR {roff(other)}" for other in others).replace(",\n.BR", " ,\n.BR")]
    return "\n".join(out) + "\n"


def configuration_manual(text: str, version: str) -> str:
    """The commented configuration as a page: its comments are the words, its keys the headings."""
    out = [f'.TH SASSLD.TOML 5 "" "sassl {version}" "SASSL"', ".SH NAME"]
    out += ["sassld.toml \\- the configuration of sassld", ".SH DESCRIPTION"]
    comment: list[str] = []

    def words() -> list[str]:
        joined = paragraphs([re.sub(r"^# ?", "", line) for line in comment])
        comment.clear()
        return joined

    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line)
        elif match := re.fullmatch(r"\[(\w+)\]", line):
            out += [*words(), f".SH [{match[1]}]"]
        elif match := re.fullmatch(r"(\w+) = (.*)", line):
            out += [".TP", f"\\fB{roff(match[1])}\\fR = {roff(match[2])}", *words()]
        elif not line and comment:
            out += words()
    out += [*words(), ".SH SEE ALSO", ".BR sassld (8) ,", ".BR sasslctl\\-config (1)"]
    return "\n".join(out) + "\n"


# MARK: completions


def quoted(text: str) -> str:
    """Text as a word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def takes_file(option: Option) -> bool:
    return option.value in ("FILE", "FOLDER")


def words_of(page: Help) -> str:
    """Every option of a command, in both forms, as words."""
    return " ".join(
        form
        for option in page.options
        for form in ([f"-{option.letter}"] if option.letter else []) + [f"--{option.name}"]
    )


def bash(daemon: Help, control: Help, pages: dict[str, Help]) -> str:
    cases = "\n".join(f"    {command}) words={quoted(words_of(page))} ;;" for command, page in pages.items())
    return f"""# bash completion of sassld and sasslctl
_sassl() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} words= command=${{COMP_WORDS[1]}}
  case ${{1##*/}} in
  sassld) words={quoted(words_of(daemon))} ;;
  *)
    case $command in
{cases}
    *) words={quoted(" ".join([*control.commands, "--help", "--version"]))} ;;
    esac
    [ "$COMP_CWORD" -gt 1 ] || words={quoted(" ".join([*control.commands, "--help", "--version"]))} ;;
  esac
  if [[ $current == -* || ( ${{1##*/}} == sasslctl && $COMP_CWORD -eq 1 ) ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}}
complete -o filenames -F _sassl sassld sasslctl
"""


def zsh_options(page: Help) -> str:
    lines = []
    for option in page.options:
        summary = re.sub(r"([\[\]:\\])", r"\\\1", option.summary)
        value = f":{option.value}:{'_files' if takes_file(option) else ' '}" if option.value else ""
        forms = [f"--{option.name}"] + ([f"-{option.letter}"] if option.letter else [])
        excluded = f"({' '.join(forms)})"
        lines += [quoted(f"{excluded}{form}[{summary}]{value}") for form in forms]
    return " \\\n      ".join([*lines, quoted("*:file:_files")])


def zsh(daemon: Help, control: Help, pages: dict[str, Help]) -> str:
    commands = "\n".join(
        f"    {quoted(name + ':' + what.replace(':', ' -'))}" for name, what in control.commands.items()
    )
    cases = "\n".join(f"    {command}) _arguments {zsh_options(page)} ;;" for command, page in pages.items())
    return f"""#compdef sassld sasslctl
# zsh completion of sassld and sasslctl
local -a commands
if [[ $service == sassld ]]; then
  _arguments {zsh_options(daemon)}
elif (( CURRENT == 2 )); then
  commands=(
{commands}
  )
  _describe command commands
else
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{cases}
  esac
fi
"""


def fish(daemon: Help, control: Help, pages: dict[str, Help]) -> str:
    def line(program: str, option: Option, condition: str) -> str:
        letter = f" -s {option.letter}" if option.letter else ""
        value = "" if option.value is None else " -r" if takes_file(option) else " -x"
        return f"complete -c {program}{condition} -l {option.name}{letter}{value} -d {quoted(option.summary)}"

    lines = ["# fish completion of sassld and sasslctl"]
    lines += [line("sassld", option, "") for option in daemon.options]
    for name, what in control.commands.items():
        lines.append(f"complete -c sasslctl -n __fish_use_subcommand -f -a {name} -d {quoted(what)}")
    for command, page in pages.items():
        condition = f" -n '__fish_seen_subcommand_from {command}'"
        lines += [line("sasslctl", option, condition) for option in page.options]
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    programs, configuration, out = (Path(argument) for argument in sys.argv[1:])
    daemon, control = read_help(programs, ["sassld"]), read_help(programs, ["sasslctl"])
    version = subprocess.run(
        [programs / "sassld", "--version"], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    pages = {command: read_help(programs, ["sasslctl", command]) for command in control.commands}
    for command, page in pages.items():
        if page.options:
            continue
        # A command of several, each with options of its own: `sasslctl model import` for example.
        for inner in [line.split()[2] for line in page.usage]:
            known = {option.name for option in page.options}
            more = read_help(programs, ["sasslctl", command, inner]).options
            page.options += [option for option in more if option.name not in known]
    manuals = out / "share" / "man"
    see = ["sassld (8)", "sasslctl (1)", "sassld.toml (5)"]
    write(
        manuals / "man8" / "sassld.8",
        manual(daemon, 8, "prepares stylized batches ahead of a trainer", version, see[1:]),
    )
    write(
        manuals / "man1" / "sasslctl.1",
        manual(
            control, 1, "looks after sassld", version, [see[0], see[2], *(f"sasslctl-{name} (1)" for name in pages)]
        ),
    )
    for command, page in pages.items():
        write(manuals / "man1" / f"sasslctl-{command}.1", manual(page, 1, control.commands[command], version, see))
    write(manuals / "man5" / "sassld.toml.5", configuration_manual(configuration.read_text(encoding="utf-8"), version))
    completions = out / "share"
    write(completions / "bash-completion" / "completions" / "sasslctl", bash(daemon, control, pages))
    write(completions / "bash-completion" / "completions" / "sassld", bash(daemon, control, pages))
    write(completions / "zsh" / "site-functions" / "_sasslctl", zsh(daemon, control, pages))
    write(completions / "fish" / "vendor_completions.d" / "sasslctl.fish", fish(daemon, control, pages))
    # fish looks for completions by the program's name.
    write(completions / "fish" / "vendor_completions.d" / "sassld.fish", fish(daemon, control, pages))


if __name__ == "__main__":
    main()
