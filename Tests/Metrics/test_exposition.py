"""What `sasslctl metrics` prints, against status, index, ring, and what the trainer itself has measured."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client import Metric

import sassl
from scraping import PAGE, RANKS, SMALL, Scrape, is_full, scrape, scrape_when
from scraping import data as data
from scraping import workplace as workplace
from serving import get, listening
from workplace import PLAIN, PROGRAMS, ROOT, Daemon, Workplace, control, eventually, rows

MODEL = ROOT / "Sources" / "CEmbeddedModel" / "model.safetensors"


def test_what_is_counted_is_what_status_index_and_trainer_say(workplace: Workplace, data: Path) -> None:
    lowest, highest = 0.0, 0.0
    with workplace.daemon(data, SMALL, style__probability=0.5) as daemon:
        with sassl.attach(daemon.name) as reader:
            for _ in range(12):
                batch = next(reader)
                lowest += (time.monotonic_ns() - batch.published_ns) / 1e9
                highest -= batch.published_ns / 1e9
                batch.release()
            # An age is known when the batch's slot is filled again.
            given_back = scrape_when(
                daemon, lambda now: now.value("sassl_batch_age_seconds_count") == 12, "all ages are counted"
            )
            highest += 12 * time.monotonic_ns() / 1e9
            assert lowest <= given_back.value("sassl_batch_age_seconds_sum") <= highest
            waited = reader.status.reader_waited_seconds
        full = scrape_when(daemon, is_full, "the ring is full")
        status = daemon.status()
        assert full.value("sassl_ring_waited_seconds_total", side="trainer") == pytest.approx(waited)
        assert full.value("sassl_ring_released_batches_total") == 12
        assert full.value("sassl_ring_published_batches_total") == 16 == full.value("sassl_ring_next_batch")
        assert full.value("sassl_images_total") == 16 * SMALL.batch == status["images"]
        assert full.value("sassl_batch_production_seconds_count") == 16
        assert full.value("sassl_resident_memory_bytes") > 1e6
        assert full.value("sassl_start_time_seconds") == pytest.approx(status["started_at_seconds"])
        assert full.value("sassl_ring_slots") == status["rings"][0]["slots"]
        assert full.value("sassl_limited_by", sassl_limited_by="no-trainer") == 1
        (index,) = (workplace.folder / daemon.name / "state").glob("*.sqlite")
        eventually(lambda: rows(index, "SELECT count(*) FROM batch") == [(16,)], "the index has every batch")
        ((styled,),) = rows(index, "SELECT sum(is_styled) FROM style_draw")
        images = {stage: full.value("sassl_stage_seconds_count", stage=stage) for stage in ("read", "crop", "augment")}
        assert images == dict.fromkeys(images, 16 * SMALL.batch)
        assert full.value("sassl_stage_seconds_count", stage="stylize") == styled
        assert 0 < styled < 16 * SMALL.batch
        for stage in ("read", "decode", "crop", "embed", "stylize", "augment"):
            each = status["stages"][f"{stage}_microseconds"]
            total = full.value("sassl_stage_seconds_sum", stage=stage)
            assert total == pytest.approx(each * status["images"] / 1e6, rel=1e-6)
            buckets = full.values("sassl_stage_seconds_bucket", stage=stage)
            by_bound = sorted((float(dict(labels)["le"]), count) for labels, count in buckets.items())
            assert [count for _, count in by_bound] == sorted(count for _, count in by_bound)
            assert by_bound[-1] == (float("inf"), full.value("sassl_stage_seconds_count", stage=stage))
        assert scrape(daemon).value("sassl_index_latest_batch", rank=0) == 15


def test_ranks_are_told_apart(workplace: Workplace, data: Path) -> None:
    with workplace.daemon(data, SMALL, **PLAIN, **RANKS) as daemon:
        with sassl.attach(daemon.name, rank=1, world_size=2) as reader:
            for _ in range(3):
                next(reader).release()
            attached = {rank: scrape(daemon).value("sassl_ring_reader_attached", rank=rank) for rank in (0, 1)}
            assert attached == {0: 0, 1: 1}
        now = scrape(daemon)
        assert {rank: now.value("sassl_ring_released_batches_total", rank=rank) > 0 for rank in (0, 1)} == {
            0: False,
            1: True,
        }


def test_bad_files_are_counted_and_outlive_the_daemon(workplace: Workplace, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some bad"
    shutil.copytree(data, folder)
    for number in (5, 9, 11):
        (folder / f"good {number:04}.png").write_bytes(b"no picture")
    name, configuration = workplace.configure(folder, SMALL, **PLAIN, limits__max_bad_fraction=0.25)
    with workplace.running(name, configuration) as daemon, sassl.attach(name) as reader:
        for batch in reader.epoch():
            batch.release()
        now = scrape(daemon)
        assert now.value("sassl_bad_files") == 3
        assert now.value("sassl_allowed_bad_files") == 12
        assert now.value("sassl_replaced_samples_total") >= 3
        scrape_when(daemon, lambda now: now.value("sassl_quarantined_files") == 3, "the index has them")
    gone = scrape(daemon)
    assert gone.value("sassl_up") == 0
    assert gone.value("sassl_quarantined_files") == 3
    assert gone.values("sassl_bad_files") == {}


def test_an_index_that_cannot_be_written_is_told_and_heals(workplace: Workplace, data: Path) -> None:
    with workplace.daemon(data, SMALL, **PLAIN) as daemon, sassl.attach(daemon.name) as reader:
        next(reader).release()
        well = scrape_when(daemon, lambda now: now.value("sassl_index_written_records_total") > 0, "it is written")
        assert well.value("sassl_index_degraded") == 0
        (index,) = (workplace.folder / daemon.name / "state").glob("*.sqlite")
        with contextlib.closing(sqlite3.connect(index, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            for _ in range(8):
                next(reader).release()
            ill = scrape_when(daemon, lambda now: now.value("sassl_index_degraded") == 1, "it is degraded")
            assert ill.value("sassl_index_waiting_records") > 0
            # What it has can be read all the same.
            assert ill.values("sassl_index_latest_batch")
            database.execute("ROLLBACK")
        healed = scrape_when(daemon, lambda now: now.value("sassl_index_degraded") == 0, "it heals")
        written = "sassl_index_written_records_total"
        assert healed.value(written) >= ill.value(written) + ill.value("sassl_index_waiting_records")
        assert healed.value("sassl_index_lost_records_total") == 0


def test_a_stream_that_does_not_run_has_its_ring_and_index_measured(workplace: Workplace, data: Path) -> None:
    with workplace.daemon(data, SMALL, **PLAIN) as daemon:
        before = scrape_when(daemon, is_full, "the ring is full")
        daemon.process.kill()
        daemon.process.wait()
        after = scrape(daemon)
        for killed, expected in ((before, 1), (after, 0)):
            assert killed.value("sassl_up") == expected
        assert after.value("sassl_state", sassl_state="stopped") == 1
        assert after.value("sassl_ring_next_batch") == before.value("sassl_ring_next_batch")
        assert after.values("sassl_images_total") == {}


def test_a_daemon_that_does_not_answer_is_not_up(workplace: Workplace, data: Path) -> None:
    with workplace.daemon(data, SMALL, **PLAIN) as daemon:
        daemon.status()
        daemon.process.send_signal(19)
        try:
            stopped = scrape(daemon)
        finally:
            daemon.process.send_signal(18)
        assert stopped.value("sassl_up") == 0
        assert stopped.value("sassl_state", sassl_state="unknown") == 1
        assert stopped.value("sassl_ring_slots") == 4


def test_any_text_is_a_label(workplace: Workplace, data: Path, tmp_path: Path) -> None:
    model = tmp_path / 'a "b"\\n\nc' / "model.safetensors"
    model.parent.mkdir()
    shutil.copyfile(MODEL, model)
    with workplace.daemon(data, SMALL, style__model=str(model)) as daemon:
        status = daemon.status()
        assert status["model"] == str(model)
        for options in ([], ["--text"]):
            ((labels, _),) = scrape(daemon, *options).values("sassl_info").items()
            assert dict(labels)["model"] == str(model)
            assert dict(labels)["fingerprint"] == status["fingerprint"]


def promtool(*arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def test_promtool_finds_no_fault_and_both_formats_say_the_same(workplace: Workplace, data: Path) -> None:
    with workplace.daemon(data, SMALL, **PLAIN) as daemon:
        daemon.status()
        running = daemon.control("metrics", "--text").stdout
    stopped = daemon.control("metrics", "--text").stdout
    for text in (running, stopped):
        check = promtool("check", "metrics", given=text)
        assert (check.returncode, check.stdout, check.stderr) == (0, "", "")
    assert scrape(daemon).samples == scrape(daemon, "--text").samples
    assert promtool("check", "metrics", given=stopped.replace("# HELP sassl_up", "# sassl_up")).returncode != 0


def described(family: Metric) -> list[str]:
    """A metric's row of the page's tables: its name, type, labels beside that of the stream, and meaning."""
    ends = {"counter": "_total", "info": "_info"}
    labels = [label for label in family.samples[0].labels if label not in ("stream", "le")]
    return [
        f"`{family.name}{ends.get(family.type, '')}`",
        family.type,
        ", ".join(f"`{label}`" for label in labels),
        family.documentation.removesuffix("."),
    ]


def test_the_page_lists_every_metric(workplace: Workplace, data: Path) -> None:
    listed = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `sassl_")
    ]
    with workplace.daemon(data, SMALL) as daemon, sassl.attach(daemon.name) as reader:

        def is_complete(now: Scrape) -> bool:
            # The trainer's speed shows while it reads.
            next(reader).release()
            return all(family.samples for family in now.families)

        families = scrape_when(daemon, is_complete, "every metric has a value").families
    assert all("stream" in sample.labels for family in families for sample in family.samples)
    assert listed == [described(family) for family in families]


@pytest.fixture
def collector(tmp_path: Path) -> Path:
    folder = tmp_path / "textfile"
    folder.mkdir()
    return folder


def written(daemon: Daemon, file: Path) -> subprocess.CompletedProcess[str]:
    """Has a file written by somebody whose files nobody else may read."""
    command = [str(PROGRAMS / "sasslctl"), "metrics", "--config", str(daemon.configuration), "--out", str(file)]
    return subprocess.run(command, umask=0o077, capture_output=True, text=True, check=False)


def test_node_exporter_takes_the_file(workplace: Workplace, data: Path, collector: Path) -> None:
    file = collector / "sassl.prom"
    with workplace.daemon(data, SMALL, **PLAIN) as daemon:
        daemon.status()
        assert written(daemon, file).returncode == 0
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        before = file.stat().st_ino
        with file.open() as reading:
            first = reading.readline()
            assert written(daemon, file).returncode == 0
            # Whoever reads goes on in the file that was there.
            assert (first + reading.read()).count("# TYPE sassl_up gauge\n") == 1
        assert file.stat().st_ino != before
        assert os.listdir(collector) == ["sassl.prom"]
    command = ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile"]
    places = [f"--collector.textfile.directory={collector}", "--web.listen-address=127.0.0.1:0"]
    with listening([*command, *places], r"Listening on.*address=(127\.0\.0\.1:\d+)") as address:
        _, shown = get(f"http://{address}/metrics")
    assert "node_textfile_scrape_error 0\n" in shown
    assert f'sassl_up{{stream="{daemon.name}"}} 1\n' in shown


def test_a_file_that_cannot_be_written_is_told(workplace: Workplace, data: Path, tmp_path: Path) -> None:
    _, configuration = workplace.configure(data, SMALL)
    run = control("metrics", "--config", str(configuration), "--out", str(tmp_path / "none" / "x.prom"))
    assert run.returncode == 73
    assert "x.prom" in run.stderr


def test_a_stream_is_told_once(workplace: Workplace, data: Path) -> None:
    _, configuration = workplace.configure(data, SMALL)
    for wrong in (["--all"], ["other"], ["--name", "other"]):
        assert control("metrics", "--config", str(configuration), *wrong).returncode == 64
