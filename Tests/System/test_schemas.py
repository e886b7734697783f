"""What is printed as JSON fits the schemas in docs/schemas, and these describe all of it."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import sassl
import schemas
from failing_files import Failing
from picture_files import good_picture, write_good
from shard_files import write_shard
from test_manuals import COMMANDS
from workplace import PLAIN, PROGRAMS, ROOT, TINY_MODEL, Size, Workplace, control, eventually

NAMES = sorted(file.stem for file in schemas.FOLDER.glob("*.json"))
#: That of a command of the Python package, whose test needs a cluster.
OF_CLUSTERS = "ray-status"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_describes_every_field_and_names_the_unit_of_every_number(name: str) -> None:
    schema = schemas.schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    def look(part: dict[str, Any], place: str) -> None:
        assert part["description"], place
        if part.get("type") in ("number", "integer"):
            assert part["unit"], place
        if part.get("type") == "object":
            # What the schema does not know is an error, unless it says what it may be.
            assert part["additionalProperties"] is False or part["additionalProperties"]["description"], place
            assert set(part["required"]) <= set(part["properties"]), place
        for field, inner in part.get("properties", {}).items():
            look(inner, f"{place}.{field}")
        if isinstance(part.get("items"), dict):
            look(part["items"], f"{place}[]")

    look(schema, name)


def test_every_command_that_prints_json_has_a_schema() -> None:
    def takes_json(*words: str) -> bool:
        return bool(re.search(r"^ +--json\b", control(*words, "--help").stdout, re.MULTILINE))

    # Those that have commands of their own take one as their first word.
    own = {"model": ["model info", "model import"], "styles": ["styles list"], "config": ["config show"]}
    every = [words for name in COMMANDS for words in own.get(name, [name])]
    assert {words for words in every if takes_json(*words.split())} == set(schemas.OF_COMMANDS)
    listed = subprocess.run(
        ["git", "grep", "-lE", r'add_argument\("--json"', "python/sassl"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ["python/sassl/ray/command.py"]
    assert set(NAMES) == {*schemas.OF_COMMANDS.values(), schemas.ERROR, OF_CLUSTERS}
    sources = "".join(file.read_text() for file in (ROOT / "Sources" / "sasslctl").glob("*.swift"))
    assert set(re.findall(r"schemas/([\w-]+)\.json", sources)) <= set(NAMES)


PAGE = (ROOT / "docs" / "json.md").read_text()


def test_the_page_lists_every_schema_and_its_examples_fit() -> None:
    assert set(re.findall(r"\(schemas/([\w-]+)\.json\)", PAGE)) == set(NAMES)
    examples = re.findall(r"\(schemas/([\w-]+)\.json\)[^\n]*\n\n```json\n(.*?)```", PAGE, re.DOTALL)
    assert {name for name, _ in examples} >= {"status", "doctor", "error"}
    for name, text in examples:
        assert schemas.complaints(name, json.loads(text)) == [], name


@pytest.mark.parametrize(("page", "name"), [("operations", "status"), ("datasets", "dataset"), ("scale", OF_CLUSTERS)])
def test_tables_of_fields_name_those_of_the_schema(page: str, name: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    tables = [block for block in text.split("\n\n") if block.startswith("| field | meaning |")]
    assert tables
    told = {word.rsplit(".", 1)[-1] for table in tables for word in re.findall(r"`([\w.]+)`", table)}
    known = {path.rsplit(".", 1)[-1] for path, _ in schemas.fields(schemas.schema(name))}
    first_cells = [row.split("|")[1] for table in tables for row in table.splitlines()[2:]]
    named = {word.rsplit(".", 1)[-1] for cell in first_cells for word in re.findall(r"`([\w.]+)`", cell)}
    assert named <= known
    # What has a table of its own or stands in the text around them; stages are one row.
    elsewhere = {"rings", "ranks", "stages", "name", "format_version"}
    assert {word for word in known - told if not word.endswith("_microseconds")} <= elsewhere


def run(*arguments: str, code: int = 0) -> Any:
    """The JSON that a command prints; `control` holds it against the schema."""
    done = control(*arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_status_in_every_state(workplace: Workplace, tmp_path: pathlib.Path, here: pathlib.Path, size: Size) -> None:
    data = tmp_path / "data"
    write_good(data / "a", 60)
    write_good(data / "held", 4)
    (data / "a" / "bad.png").write_bytes(b"bad")
    failing = Failing(tmp_path, here / "failing_files.c", "held", 0)
    settings: dict[str, Any] = {
        "dataset__layout": "image-folder",
        "limits__max_bad_fraction": 0.5,
        "ring__drawn": True,
        "ring__slots": 2,
    }
    name, file = workplace.configure(data, size, **settings)
    config = ("--config", str(file))
    assert run("status", *config, code=3)["index"] == "absent"
    with failing.on():
        process = workplace.launch(file, failing.through)
        eventually(lambda: "remaining_seconds" in run_status(*config).get("progress", {}), "it starts")
    with sassl.attach(name, start=0, wait=60) as ring:
        for _ in range(64 // size.batch * 2):
            next(ring)
        assert run("status", *config)["rings"][0]["reader_process"] > 0
        assert eventually(lambda: run("status", *config)["quarantine"], "the bad file is known")[0]["path"].endswith(
            "bad.png"
        )
        eventually(lambda: run("status", *config)["pace"].get("trainer_images_per_second"), "the trainer's speed shows")
        watched = subprocess.Popen(
            [PROGRAMS / "sasslctl", "status", "--json", "--watch", *config], stdout=subprocess.PIPE, text=True
        )
        assert watched.stdout is not None
        schemas.accept("status", json.loads(watched.stdout.readline()))
        watched.stdout.close()
        assert watched.wait(timeout=60) == 0

        def of_a_batch(number: int) -> Any:
            done = control("inspect", str(number), "--json", *config)
            return json.loads(done.stdout) if done.returncode == 0 else None

        batches = 64 // size.batch * 2 - 1
        eventually(lambda: of_a_batch(0) and "consumed_at_seconds" in of_a_batch(0), "its batches are in the index")
        samples = [sample for number in range(batches) for sample in of_a_batch(number)["samples"]]
        assert any("replaced_sample_id" in sample for sample in samples)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert run("status", *config, code=3)["quarantined_files"] == 1


def run_status(*config: str) -> dict[str, Any]:
    """What the status says, whatever the exit code is: before the daemon answers, it is not known to start."""
    report: dict[str, Any] = json.loads(control("status", "--json", *config).stdout)
    return report


def test_status_where_bursts_need_more_slots(workplace: Workplace, data: pathlib.Path, size: Size) -> None:
    settings = {**PLAIN, "workers__count": 1, "ring__slots": 2, "style__views": [0]}
    with workplace.daemon(data, size, **settings) as daemon, sassl.attach(daemon.name, start=0, wait=60) as ring:

        def needed() -> Any:
            began = time.monotonic()
            for _ in range(12):
                next(ring)
            # The trainer's pause: twice what the burst took, so that the workers are fast enough in the mean.
            time.sleep(2 * (time.monotonic() - began))
            return daemon.status()["pace"].get("needed_slots")

        assert eventually(needed, "slots limit") > 2


def test_what_looks_at_data_and_configuration(workplace: Workplace, tmp_path: pathlib.Path, size: Size) -> None:
    pictures = [(f"{number:02}.png", good_picture(number % 30)) for number in range(34)]
    labels = [(f"{number:02}.cls", b"3") for number in range(20)]
    shards = write_shard(tmp_path / "a.tar", sorted(pictures + labels + [("99.png", b"bad")]))
    _, file = workplace.configure(shards, size, **PLAIN, dataset__layout="shards")
    found = run("dataset", "--config", str(file), "--freeze", str(tmp_path / "manifest"), code=1)
    assert (len(found["reading"]["bad"]), len(found["reading"]["copies"])) == (1, 4)
    _, frozen = workplace.configure(
        shards, size, **PLAIN, dataset__layout="shards", dataset__manifest=str(tmp_path / "manifest")
    )
    assert run("dataset", "--count", "--config", str(frozen))["manifest"]["samples_not_in_it"] == 1
    assert run("bench", "--seconds", "1", "--trainer", "100", "--config", str(frozen))["cores_needed"] > 0
    _, large = workplace.configure(shards, size, **PLAIN, dataset__layout="shards", ring__slots=4096, views__side=1024)
    assert any("file_system_bytes" in finding for finding in run("doctor", "--config", str(large), code=1))
    styles = tmp_path / "styles"
    write_good(styles, 3)
    _, styled = workplace.configure(shards, size, dataset__layout="shards")
    config = ("--config", str(styled))
    assert run("styles", "list", *config) == []
    assert control("styles", "add", str(styles), *config).returncode == 0
    assert [folder["styles"] for folder in run("styles", "list", *config)] == [3]
    assert run("model", "info")["model"] == "embedded"
    assert run("model", "info", str(TINY_MODEL))["residual_blocks"] > 0
    run("config", "show", *config)
    sources = tmp_path / "sources.toml"
    sources.write_text(
        f'[dataset]\n[[dataset.source]]\npath = "{shards}"\nlayout = "shards"\nweight = 2.0\n'
        f'[[dataset.source]]\npath = "{styles}"\nlayout = "flat"\n'
    )
    run("config", "show", "--config", str(sources))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["status", "--config", "/nowhere"], 78), (["inspect", "0", "--config", "FILE"], 66),
        (["inspect", "--config", "FILE"], 64), (["status", "--no-such-option"], 64), (["dataset", "x"], 64),
        (["model", "info", "/nowhere"], 66), (["bench", "--config", "EMPTY"], 66), (["doctor", "--name", "a/b"], 64),
        (["config", "hide"], 64), (["dataset", "--config", "EMPTY"], 66), (["styles", "list", "--name", "a"], 69),
    ],
)  # fmt: skip
def test_a_failure_is_an_object_on_standard_output_and_a_sentence_beside_it(
    workplace: Workplace, tmp_path: pathlib.Path, data: pathlib.Path, size: Size, arguments: list[str], code: int
) -> None:
    (tmp_path / "nothing").mkdir()
    files = {"FILE": workplace.configure(data, size)[1], "EMPTY": workplace.configure(tmp_path / "nothing", size)[1]}
    words = [str(files.get(word, word)) for word in arguments]
    assert set(run(*words, code=code)) == {"error"}
    # getopt takes the beginning of the option for it; behind `--`, it is none.
    assert json.loads(control(*words, "--js").stdout)["error"]["exit_code"] == code
    without = control(*words)
    assert (without.returncode, without.stdout) == (code, "")
    assert control(*words, "--", "--json").stdout == ""


@pytest.mark.parametrize("name", [name for name in NAMES if name != OF_CLUSTERS])
def test_every_field_of_a_schema_was_seen_in_a_test_of_this_page(name: str) -> None:
    unseen = {path for path, _ in schemas.fields(schemas.schema(name))} - schemas.seen_so_far[name]
    assert unseen == set()
