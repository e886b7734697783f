#!/usr/bin/env python3
"""Writes the figures of the documents from results of `make bench`, between their marks `<!-- measured: NAME -->`.

There are two results: one of everything but the trainer, and one of `make bench-trainer`. Where one is not named, it is
the one that docs/performance.md was made from: after an edit of this program, say. A test compares the documents with
the results, so no figure in them is written by hand.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import trainer_figure

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "Benchmarks" / "results"
#: The pages with figures; the first names the result.
PAGES = (ROOT / "docs" / "performance.md", ROOT / "README.md", ROOT / "docs" / "scale.md")
FORMAT = 1
#: Of all cores: when more is in use by others, figures are not worth publishing.
BUSY_PERCENT = 10
#: Of the pipeline, in the order in which a sample passes them.
STAGES = ("read", "decode", "crop", "embed", "stylize", "augment")

#: Images a second that trainers take, for which cores are counted.
TRAINERS = (500, 1_000, 2_500, 10_000)

Result = Mapping[str, Any]


def number(value: float | None, digits: int | None = None) -> str:
    """Three digits that count, or as many after the point as are asked for."""
    if value is None:
        return "not measured"
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the columns after the first are figures."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def doubt(result: Result) -> str | None:
    """Why the figures of a result say little, in a sentence; None where they can be published."""
    facts = result["machine"]
    if result["quick"]:
        return "These figures were only measured for a moment, to try whether everything runs."
    if max(facts["busy_percent_before_and_after"]) > BUSY_PERCENT:
        return "The machine was busy with other work. These figures are too low."
    return None


def machine(result: Result) -> str:
    facts, data, versions = result["machine"], result["data"], result["versions"]
    before, after = facts["busy_percent_before_and_after"]
    peers = ", ".join(f"{name} {version}" for name, version in versions.items() if name not in ("sassl", "python"))
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['kernels']} instructions, {facts['system']}; "
        f"{before} % busy with other work before and {after} % after.\n"
        f"sassl {versions['sassl']}, commit {result['commit'] or 'unknown'}, Python {versions['python']}; "
        f"{peers or 'no peers'}.\n"
        f"{data['pictures']} pictures of {data['mean_width']} x {data['mean_height']} pixels and "
        f"{round(data['mean_bytes'] / 1000)} KB in the mean. {result['date']}."
        + (f"\n\n**{doubt(result)}**" if doubt(result) else "")
    )


def rates(result: Result) -> dict[str, float | None]:
    return {row["key"]: row["images_per_second"] for row in result["pipeline"]["rows"]}


def headline(result: Result) -> str:
    """The README's claim, which is made of good figures or not at all."""
    if doubt(result):
        return "It is measured beside PyTorch's DataLoader, DALI, ONNX Runtime and OpenVINO"
    ratios = {row["key"]: row.get("ratio") for row in result["pipeline"]["rows"]}

    def times(key: str) -> str:
        return f"{number(ratios[key], 1)} times" if ratios[key] else "(not measured)"

    cores = result["machine"]["cores"]
    return (
        f"{cores} cores turn JPEG files into {number(rates(result)['styled'])} stylized two-view images a second. On "
        f"the same cores that is\n{times('dataloader-same')} what a PyTorch DataLoader makes with OpenVINO running the "
        f"same style networks, and {times('dataloader-plain')}\nwhat it makes with no style at all"
    )


def pipeline(result: Result) -> str:
    rows = [
        [row["pipeline"], number(row["images_per_second"]), number(row["ratio"]) if row.get("ratio") else ""]
        for row in result["pipeline"]["rows"]
    ]
    return table(["pipeline", "images/s", "sassld with style is faster by"], rows)


def cores(result: Result) -> str:
    """How many cores trainers need, where each makes as many images as one of those that were measured."""
    of_a_core = [rates(result)[key] / result["machine"]["cores"] for key in ("styled", "plain")]
    rows = [[f"{images:,} images/s", *(f"{math.ceil(images / made)}" for made in of_a_core)] for images in TRAINERS]
    return (
        f"A core makes about {number(of_a_core[0])} stylized two-view images of 224 x 224 in a second, or "
        f"{number(of_a_core[1])} without style.\n\n"
        + table(["the trainers of the machine take together", "cores with style", "without"], rows)
    )


def stages(result: Result) -> str:
    spent = next(row["stages"] for row in result["pipeline"]["rows"] if row["key"] == "styled")
    rows = [[stage, number(spent[f"{stage}_microseconds"] / 1000)] for stage in STAGES]
    return table(["stage", "core time per image, ms"], rows)


def hand_over(result: Result) -> str:
    rows = [
        [
            {"ring": "the ring"}.get(row["hand_over"], f"`{row['hand_over']}`"),
            number(row["median_microseconds"], 0),
            number(row["p99_microseconds"], 0),
            number(row["copied_bytes_per_batch"] / 1e6, 1),
        ]
        for row in result["hand_over"]["rows"]
    ]
    return table(["hand-over", "median, us", "99 %, us", "copied, MB"], rows)


def scaling(result: Result) -> str:
    rows = [
        [row["measure"], f"{number(row['value'])} {row['unit']}", number(row["ratio"]) if row["ratio"] else ""]
        for row in result["scaling"]["rows"]
    ]
    return table(["measured", "value", "to the first of its kind"], rows)


def name_of(row: Mapping[str, Any]) -> str:
    shape = "embedded" if row["shape"] == "model" else str(row["shape"]).replace("-", " ")
    return f"{row['network']}, {shape}, {row['side']}"


def networks(result: Result) -> str:
    measured = result["networks"]
    single = {name_of(row): row["images_per_second"] for row in measured["one_thread"]}
    reference = {name_of(row): row["images_per_second"] for row in measured["reference_engine"]}
    rows = [
        [
            name_of(row),
            number(row["images_per_second"]),
            number(single[name_of(row)]),
            number(reference[name_of(row)]),
            number(row.get("best_peer_images_per_second")),
            number(row.get("ratio")),
        ]
        for row in measured["beside_peers"]
    ]
    threads = measured["beside_peers"][0]["threads"]
    return table(
        ["network, side", f"{threads} threads", "1 thread", "reference engine", "best peer", "ratio to it"], rows
    )


def instructions(result: Result) -> str:
    measured = result["networks"]
    every = [*measured["beside_peers"], *measured["other_instructions"]]
    paths = list(dict.fromkeys(row["path"] for row in every))
    by_name: dict[str, dict[str, float]] = {}
    for row in every:
        by_name.setdefault(name_of(row), {})[row["path"]] = row["images_per_second"]
    return table(
        ["network, side", *paths], [[name, *(number(on[path]) for path in paths)] for name, on in by_name.items()]
    )


def sides(result: Result) -> str:
    rows = [
        [
            str(row["side"]),
            number(row["images_per_second"]),
            number(1e9 / row["images_per_core_second"] / row["side"] ** 2, 0),
            number(row["scratch_bytes_per_thread"] / 2**20, 0),
        ]
        for row in result["networks"]["sides"]
    ]
    return table(["side", "images/s", "ns per pixel and core", "scratch memory per worker, MiB"], rows)


def operations(result: Result) -> str:
    rows = [[row["operation"], number(row["microseconds"], 0)] for row in result["operations"]]
    return table([f"operation, side {result['operations'][0]['side']}", "core time, us"], rows)


def layers(result: Result) -> str:
    parts = []
    for times in result["networks"]["layers"]:
        rows = [
            [
                stage["stage"],
                number(stage["milliseconds"]),
                number(100 * stage["milliseconds"] / times["milliseconds"], 1),
                *(
                    [
                        number(stage["defined_mega_macs"], 1),
                        number(stage["done_mega_macs"], 1),
                        number(stage["peak_percent"], 0),
                        number(stage["megabytes"], 1),
                        number(stage["least_milliseconds"]),
                    ]
                    if "done_mega_macs" in stage
                    else [""] * 5
                ),
            ]
            for stage in times["stages"]
        ]
        head = ["stage", "ms", "% of all", "MMAC defined", "MMAC done", "% of peak", "MB", "at least, ms"]
        parts.append(
            f"The {times['network']} at {times['side']}: {number(times['milliseconds'])} ms. One core multiplies "
            f"matrices at {number(times['peak_giga_flops_per_second'], 0)} GFLOP/s\nand moves "
            f"{number(times['moved_gigabytes_per_second'], 0)} GB/s.\n\n{table(head, rows)}"
        )
    return "\n\n".join(parts)


#: What a trainer reads in `trainer/measure.py`, as tables call it.
TRAINER_SOURCES = {
    "style": "`sassld` with style",
    "plain": "`sassld` without style",
    "dataloader": "DataLoader without style",
}


def trainer_machine(result: Result) -> str:
    cores = result["data_cores"]
    return (
        f"{machine(result)}\n\nBatches of {result['batch']}, side {result['side']}; the trainer has one core, and "
        f"{'one other is' if cores == 1 else f'{cores} others are'} for the data."
    )


def load(result: Result, row: Mapping[str, Any]) -> float:
    """The cores that a trainer needs, as a share of those that the data has."""
    return float(row["needed_cores"]) / float(result["data_cores"])


def trainer(result: Result) -> str:
    present = [name for name in TRAINER_SOURCES if name in result["trainers"][0]["sources"]]
    rows = []
    for row in sorted(result["trainers"], key=lambda row: load(result, row)):
        cells = [
            f"{source['ratio']:.3f} ({source['low']:.3f} to {source['high']:.3f}), "
            f"waits {source['waited_percent']:.1f} %"
            for source in (row["sources"][name] for name in present)
        ]
        rows.append([row["trainer"], number(row["images_per_second"]), number(row["needed_cores"], 2), *cells])
    return table(["trainer", "images/s", "cores needed", *(TRAINER_SOURCES[name] for name in present)], rows)


def trainer_verdict(result: Result) -> str:
    """What the table says, in a sentence for each side of the limit; nothing where its figures say little."""
    if doubt(result):
        return "The figures below say nothing yet: see what they were measured on."

    def worst(rows: list[Mapping[str, Any]], choose: Callable[[Sequence[float]], float]) -> str:
        return f"{choose([row['sources']['style']['ratio'] for row in rows]):.3f}"

    enough = [row for row in result["trainers"] if load(result, row) <= 1]
    short = [row for row in result["trainers"] if load(result, row) > 1]
    lines = []
    if enough:
        waits = max(row["sources"]["style"]["waited_percent"] for row in enough)
        lines.append(
            f"Where the data has enough cores by computation, a step with style takes at most {worst(enough, max)} "
            f"times as long\nas one with batches in memory, and the trainer waits at most {waits:.1f} % of the time."
        )
    if short:
        most = max(short, key=lambda row: load(result, row))
        lines.append(
            f"Where they do not, it takes at least {worst(short, min)} times as long: the trainer that needs "
            f"{load(result, most):.2f} times\nthe cores that there are takes "
            f"{most['sources']['style']['ratio']:.2f} times as long."
        )
    return "\n".join(lines)


#: What can stand between marks, by name: from the result of everything but the trainer.
BLOCKS: dict[str, Callable[[Result], str]] = {
    "machine": machine,
    "headline": headline,
    "pipeline": pipeline,
    "cores": cores,
    "stages": stages,
    "hand-over": hand_over,
    "scaling": scaling,
    "networks": networks,
    "instructions": instructions,
    "sides": sides,
    "operations": operations,
    "layers": layers,
}

#: The same, from the result of `trainer/measure.py`.
TRAINER_BLOCKS: dict[str, Callable[[Result], str]] = {
    "trainer-machine": trainer_machine,
    "trainer": trainer,
    "trainer-verdict": trainer_verdict,
}

MARKED = re.compile(r"^( *)<!-- measured: ([\w-]+) -->\n(.*?)^ *<!-- end -->$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(\.\./Benchmarks/results/)([\w.-]+\.json)")
TRAINER_LINK = re.compile(r"(\.\./Benchmarks/results/trainer/)([\w.-]+\.json)")


def written(page: str, result: Result, of_trainer: Result) -> str:
    """A page with every marked block as the results have it."""

    def block(found: re.Match[str]) -> str:
        name = found[2]
        text = TRAINER_BLOCKS[name](of_trainer) if name in TRAINER_BLOCKS else BLOCKS[name](result)
        lines = [f"<!-- measured: {name} -->", *text.splitlines(), "<!-- end -->"]
        return "\n".join(found[1] + line if line else "" for line in lines)

    return MARKED.sub(block, page)


def chosen(pattern: re.Pattern[str] = LINK) -> pathlib.Path:
    """The result that the documents are made from: the one that they link to."""
    link = pattern.search(PAGES[0].read_text())
    if link is None:
        raise SystemExit(f"{PAGES[0]} does not link to its results")
    return (PAGES[0].parent / link[0]).resolve()


def loaded(file: pathlib.Path) -> Result:
    result: Result = json.loads(file.read_text())
    if result["format"] != FORMAT:
        raise SystemExit(
            f"{file} has format {result['format']}, this program reads {FORMAT}: measure anew (make bench)"
        )
    return result


def kept(file: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A result that lies where everybody can look it up."""
    if file.resolve().parent != folder:
        sys.exit(f"{file} is not in {folder}: what the documents say must be there for everybody to look up")
    return file.resolve()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=pathlib.Path, nargs="?", help="a file of Benchmarks/results")
    parser.add_argument("--trainer", type=pathlib.Path, help="a file of Benchmarks/results/trainer")
    options = parser.parse_args()
    file = kept(options.result or chosen(), RESULTS)
    of_trainer = kept(options.trainer or chosen(TRAINER_LINK), RESULTS / "trainer")
    for page in PAGES:
        text = LINK.sub(rf"\g<1>{file.name}", written(page.read_text(), loaded(file), loaded(of_trainer)))
        page.write_text(TRAINER_LINK.sub(rf"\g<1>{of_trainer.name}", text))
    trainer_figure.FILE.write_text(trainer_figure.drawn(loaded(of_trainer)))


if __name__ == "__main__":
    main()
