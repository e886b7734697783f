"""What `sasslctl` says of a stream, against what a reader of the same stream gets."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sassl
from streams import fnv1a
from workplace import PROGRAMS, Daemon, Size, Workplace, control


def first_batch(name: str) -> dict[str, np.ndarray]:
    """Copies of the arrays of batch 0."""
    with sassl.attach(name, start=0) as ring:
        return {field: array.copy() for field, array in next(ring).arrays.items()}


def inspected(daemon: Daemon) -> dict[str, Any]:
    """What `sasslctl inspect` says of batch 0; the index is written behind the stream."""
    deadline = time.monotonic() + 30
    while (run := daemon.control("inspect", "0", "--json")).returncode != 0:
        assert time.monotonic() < deadline, run.stderr
    batch: dict[str, Any] = json.loads(run.stdout)
    return batch


@pytest.fixture
def styles(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with three pictures and a file that is none."""
    folder = tmp_path / "styles"
    folder.mkdir()
    for index, colour in enumerate([(200, 30, 10), (20, 180, 60), (10, 40, 220)]):
        noise = np.random.default_rng(index).integers(0, 50, (40, 50, 3))
        Image.fromarray((noise + np.array(colour)).clip(0, 255).astype(np.uint8)).save(folder / f"style{index}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_inspect_tells_what_the_batch_holds(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    with workplace.daemon(pictures, size) as daemon:
        arrays = first_batch(daemon.name)
        batch = inspected(daemon)
    assert (batch["batch"], batch["epoch"], batch["step"]) == (0, 0, 0)
    samples = batch["samples"]
    assert [sample["sample_id"] for sample in samples] == arrays["sample_ids"].tolist()
    assert_draws(samples, {0: ""}, arrays)


def assert_draws(samples: list[dict[str, Any]], suffixes: dict[int, str], arrays: dict[str, np.ndarray]) -> None:
    """Whether the index has what the ring's columns say, for each view that may be stylized and its columns' suffix."""
    for sample in samples:
        assert [style["view"] for style in sample["styles"]] == list(suffixes)
    for order, suffix in enumerate(suffixes.values()):
        styles = [sample["styles"][order] for sample in samples]
        assert [style["style_id"] for style in styles] == arrays["style_ids" + suffix].tolist()
        assert [style["applied"] for style in styles] == arrays["applied" + suffix].tolist()
        for name in ("alpha", "beta"):
            assert np.allclose([style[name] for style in styles], arrays[name + suffix], atol=1e-6)


def test_inspect_tells_the_draws_of_every_stylized_view(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(pictures, size, style__views=[0, 1]) as daemon:
        arrays = first_batch(daemon.name)
        samples = inspected(daemon)["samples"]
        shown = daemon.control("inspect", "0").stdout
    assert_draws(samples, {0: "", 1: "_view1"}, arrays)
    assert not np.array_equal(arrays["alpha"], arrays["alpha_view1"])
    assert "view 0" in shown
    assert "view 1" in shown
    number = int(np.flatnonzero(arrays["applied_view1"])[0])
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == [str(number)]]
    assert f"{arrays['alpha_view1'][number]:.3f}" in line


def test_inspect_of_a_stream_without_style_has_samples_alone(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(pictures, size, style__enabled=False) as daemon:
        arrays = first_batch(daemon.name)
        samples = inspected(daemon)["samples"]
    assert samples == [{"sample_id": number, "styles": []} for number in arrays["sample_ids"].tolist()]


def test_a_style_folder_is_embedded_once_and_its_styles_are_used(
    workplace: Workplace, pictures: pathlib.Path, size: Size, styles: pathlib.Path
) -> None:
    _, configuration = workplace.configure(pictures, size, style__source="folder", style__folder=str(styles))
    first = control("styles", "add", str(styles), "--config", str(configuration))
    assert first.returncode == 0, first.stderr
    assert "3 styles, 0 of them known before" in first.stdout
    assert "broken.png" in first.stdout
    again = control("styles", "add", str(styles), "--config", str(configuration))
    assert "3 styles, 3 of them known before" in again.stdout
    listed = control("styles", "list", "--json", "--config", str(configuration))
    assert json.loads(listed.stdout) == [{"folder": str(styles), "styles": 3}]
    with workplace.daemon(pictures, size, style__source="folder", style__folder=str(styles)) as daemon:
        arrays = first_batch(daemon.name)
        assert daemon.status()["style_source"] == "folder"
    applied = arrays["applied"]
    assert set(arrays["style_ids"][applied].tolist()) <= {0, 1, 2}
    assert len(set(arrays["style_ids"][applied].tolist())) > 1
    assert (arrays["style_ids"][~applied] == -1).all()


def test_preview_and_bench_use_the_embeddings_that_the_index_has(
    workplace: Workplace, pictures: pathlib.Path, size: Size, styles: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    name, configuration = workplace.configure(
        pictures, size, style__source="folder", style__folder=str(styles), style__probability=1.0
    )
    assert control("styles", "add", str(styles), "--config", str(configuration)).returncode == 0
    # The style of a file that no decoder would take can only come from the index. SQLite's numbers have a sign.
    broken, taken = (
        int.from_bytes(fnv1a((styles / name).read_bytes()).to_bytes(8, "little"), "little", signed=True)
        for name in ("broken.png", "style0.png")
    )
    (index,) = (tmp_path / name / "state").glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(index)) as database, database:
        database.execute("UPDATE style_embedding SET content_hash = ? WHERE content_hash = ?", (broken, taken))
    for picture in styles.glob("style*.png"):
        picture.unlink()
    for command in (["preview", "--out", str(tmp_path / "x.png"), "--rows", "1"], ["bench", "--seconds", "1"]):
        run = control(*command, "--config", str(configuration))
        assert run.returncode == 0, run.stderr
    index.unlink()
    for command in (["preview", "--out", str(tmp_path / "y.png")], ["bench", "--seconds", "1"]):
        run = control(*command, "--config", str(configuration))
        assert run.returncode == 66, run.stderr
        assert "none of the pictures in the style folder" in run.stderr


def test_the_embedded_bank_needs_no_file(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    with workplace.daemon(pictures, size, style__source="bank") as daemon:
        arrays = first_batch(daemon.name)
    with workplace.daemon(pictures, size) as daemon:
        in_batch = first_batch(daemon.name)
    # The same samples, crops and strengths; only the styles come from elsewhere.
    assert np.array_equal(arrays["view1"], in_batch["view1"])
    assert np.array_equal(arrays["alpha"], in_batch["alpha"])
    stylized = arrays["applied"]
    assert (arrays["view0"][stylized] != in_batch["view0"][stylized]).any(axis=(1, 2, 3)).all()
    assert np.array_equal(arrays["view0"][~stylized], in_batch["view0"][~stylized])


def test_config_show_is_a_whole_configuration_of_the_same_stream(
    workplace: Workplace, pictures: pathlib.Path, size: Size, tmp_path: pathlib.Path
) -> None:
    name, configuration = workplace.configure(pictures, size)
    configuration.write_text(configuration.read_text() + "[[views.view]]\n[[views.view]]\nblur_probability = 0.0\n")
    shown = control("config", "show", "--config", str(configuration))
    assert shown.returncode == 0, shown.stderr
    # What the preset says is in it too: the published values of MoCo v2.
    assert shown.stdout.count("jitter_brightness = 0.4") == 2
    assert shown.stdout.count("crop_scale = [0.2, 1.0]") == 2
    copy = tmp_path / "copy.toml"
    copy.write_text(shown.stdout)
    assert control("config", "show", "--config", str(copy)).stdout == shown.stdout
    views = json.loads(control("config", "show", "--json", "--config", str(configuration)).stdout)["views"]["view"]
    assert [view["blur_probability"] for view in views] == [0.5, 0.0]

    fingerprints = set()
    for file in (configuration, copy):
        with workplace.running(name, file) as daemon:
            # The index would answer for a daemon that has not begun yet.
            first_batch(name)
            fingerprints.add(daemon.status()["fingerprint"])
    assert len(fingerprints) == 1


def test_status_and_journal_tell_the_fingerprint_of_the_ring(
    workplace: Workplace, pictures: pathlib.Path, size: Size, tmp_path: pathlib.Path
) -> None:
    # The same configuration but for its files.
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for picture in sorted(path for path in pictures.rglob("*") if path.is_file())[: size.batch]:
        (fewer / picture.name).symlink_to(picture)
    told = []
    for data in (pictures, fewer):
        with workplace.daemon(data, size) as daemon:
            with sassl.attach(daemon.name, start=0) as reader:
                fingerprint = reader.information.fingerprint
            assert daemon.status()["fingerprint"] == fingerprint
            assert fingerprint in daemon.control("status").stdout
            assert f"fingerprint {fingerprint}" in daemon.stop()
            # Afterwards it is told from the index.
            assert daemon.status()["fingerprint"] == fingerprint
        told.append(fingerprint)
    assert len(set(told)) == 2
    assert all(len(fingerprint) == 64 for fingerprint in told)


def test_bench_measures_without_a_daemon(workplace: Workplace, pictures: pathlib.Path, size: Size) -> None:
    _, configuration = workplace.configure(pictures, size)
    run = control("bench", "--seconds", "1", "--trainer", "1000", "--json", "--config", str(configuration))
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["images"] > 0
    assert result["cores_needed"] == -(-1000 // result["images_per_second_per_core"])


def test_bench_with_more_workers_than_cores_lets_them_all_work_at_once(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    _, configuration = workplace.configure(pictures, size)
    cores = len(os.sched_getaffinity(0))
    # Workers that took turns would take 50 times 3 seconds, and more.
    workers, seconds, patience = 50 * cores, 3, 120
    command = ["bench", "--seconds", str(seconds), "--workers", str(workers), "--trainer", "1000", "--json"]
    run = subprocess.run(
        [PROGRAMS / "sasslctl", *command, "--config", str(configuration)],
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    # Nobody stops earlier than told, so no more can have been made in a second than this.
    assert result["images_per_second"] <= result["images"] / seconds
    # More workers make no more cores busy.
    assert result["images_per_second_per_core"] == pytest.approx(result["images_per_second"] / cores)
    assert result["cores_needed"] == -(-1000 // result["images_per_second_per_core"])


def test_status_by_name_finds_the_daemon_as_a_trainer_does(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(pictures, size) as daemon:
        first_batch(daemon.name)
        environment = os.environ | {"RUNTIME_DIRECTORY": runtime_directory(daemon)}

        def by_name(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [PROGRAMS / "sasslctl", *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )

        status = by_name("status", daemon.name, "--json")
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["process"] == daemon.process.pid
        assert json.loads(status.stdout)["configuration_file"] == str(daemon.configuration)
        assert by_name("status", "--name", daemon.name).returncode == 0
        shown = by_name("config", "show", "--name", daemon.name)
        assert shown.stdout == daemon.control("config", "show").stdout

        unknown = by_name("status", "nobody")
        assert unknown.returncode == 69
        assert f"'{daemon.name}' (--config {daemon.configuration})" in unknown.stderr
        assert by_name("status", "../x").returncode == 64
        assert by_name("status", daemon.name, "--config", str(daemon.configuration)).returncode == 64
    gone = by_name("status", daemon.name)
    assert gone.returncode == 69
    assert "no daemon that this user can ask runs" in gone.stderr


def runtime_directory(daemon: Daemon) -> str:
    """Where a daemon's control socket is."""
    directory: str = json.loads(daemon.control("config", "show", "--json").stdout)["state"]["runtime_directory"]
    return directory


def test_a_watched_status_goes_into_a_pipe_line_by_line_and_ends_with_it(
    workplace: Workplace, pictures: pathlib.Path, size: Size
) -> None:
    with workplace.daemon(pictures, size) as daemon:
        first_batch(daemon.name)
        command = [str(PROGRAMS / "sasslctl"), "status", "--watch", "--config", str(daemon.configuration)]
        for extra in ([], ["--json"]):
            watch = subprocess.Popen(command + extra, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert watch.stdout is not None
            assert watch.stderr is not None
            if extra:
                for _ in range(2):
                    assert json.loads(watch.stdout.readline())["name"] == daemon.name
            else:
                seen = ""
                while seen.count("stream ") < 2:
                    line = watch.stdout.readline()
                    assert line
                    assert "\x1b" not in line
                    seen += line
            watch.stdout.close()
            assert watch.wait(timeout=60) == 0
            assert watch.stderr.read() == ""
            watch.stderr.close()


@pytest.mark.parametrize("program", ["sassld", "sasslctl"])
@pytest.mark.parametrize(
    ("value", "sentence"), [("nonsense", "takes avx512, avx2 or portable"), ("AVX2", "takes avx512, avx2 or portable")]
)
def test_an_unknown_cpu_path_is_refused(
    workplace: Workplace, pictures: pathlib.Path, size: Size, program: str, value: str, sentence: str
) -> None:
    _, configuration = workplace.configure(pictures, size)
    arguments = ["--check-config"] if program == "sassld" else ["config", "show"]
    for cpu, code in ((value, 78), ("portable", 0), ("", 0)):
        run = subprocess.run(
            [PROGRAMS / program, *arguments, "--config", str(configuration)],
            env=os.environ | {"SASSL_CPU": cpu},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == code, run.stderr
        assert (sentence in run.stderr) == (code != 0)


def test_styles_of_an_index_that_is_not_there_yet(
    workplace: Workplace, pictures: pathlib.Path, size: Size, tmp_path: pathlib.Path
) -> None:
    _, configuration = workplace.configure(pictures, size)
    listed = control("styles", "list", "--config", str(configuration))
    assert listed.returncode == 0, listed.stderr
    assert "no style folders are in the index" in listed.stdout
    assert control("styles", "list", "--json", "--config", str(configuration)).stdout.split() == ["[", "]"]

    # The same picture again, long enough after the first that the index has it by then.
    folder = tmp_path / "twins"
    folder.mkdir()
    generator = np.random.default_rng(1)
    for number in range(60):
        pixels = generator.integers(0, 256, (300, 300, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    for name in ("first.png", "second.png", "99.png"):
        (folder / name).write_bytes((folder / "00.png").read_bytes())
    added = control("styles", "add", str(folder), "--config", str(configuration))
    assert "63 styles, 0 of them known before" in added.stdout
    again = control("styles", "add", str(folder), "--config", str(configuration))
    assert "63 styles, 63 of them known before" in again.stdout
