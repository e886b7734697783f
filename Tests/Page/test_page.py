"""The page in a browser: it shows what ring, index and status have, to everybody, whatever happens to the daemon."""

from __future__ import annotations

import io
import os
import pathlib
import re
import urllib.request
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

import sassl
from browsing import CONTRASTS, SMALL, killed, looking, refused, serving
from browsing import browser as browser
from browsing import data as data
from browsing import workplace as workplace
from picture_files import good_picture
from workplace import PLAIN, Workplace, eventually, rows

HOSTILE = [
    b"<img src=x onerror=window.hacked=1>.png",
    b"<script>window.hacked=1<!--.png",
    b"\"'><svg onload=window.hacked=1>.png",
    b"line\nfeed {{state}} &lt;b&gt;.png",
    b"not \xff\xfe UTF-8.png",
    "\u202egnp.turned\u2066.png".encode(),
]

#: What has the focus, and how wide its outline is.
FOCUSED = """() => {
  const node = document.activeElement;
  return [`${node.id || node.tagName}|${node.textContent.trim().slice(0, 20)}`, getComputedStyle(node).outlineWidth];
}"""


def hostile_folder(folder: pathlib.Path) -> pathlib.Path:
    """Good pictures beside bad ones whose names try to be something else."""
    folder.mkdir(parents=True)
    for number in range(40):
        (folder / f"good {number}.png").write_bytes(good_picture(number))
    for name in HOSTILE:
        pathlib.Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"no picture")
    return folder


def test_what_is_shown_is_what_the_trainer_reads(workplace: Workplace, data: pathlib.Path, browser: Browser) -> None:
    shown: dict[int, tuple[dict[str, Any], list[list[bytes]]]] = {}
    with (
        workplace.daemon(data, SMALL, ring__drawn=True, style__probability=0.6) as daemon,
        serving(daemon.configuration, "--samples", "5") as served,
        looking(browser) as seen,
    ):
        seen.open(served.address)
        # Everybody asks as fast as they can while a trainer takes batch after batch.
        with sassl.attach(daemon.name) as reader:
            batches = {}
            while len(shown) < 3:
                for _ in range(2):
                    batch = next(reader)
                    batches[batch.number] = {name: np.array(array) for name, array in batch.arrays.items()}
                    batch.release()
                kept = served.state()["rings"][0].get("shown")
                if kept is not None and kept["batch"] not in shown:
                    pictures = [[served.picture(one) for one in sample["pictures"]] for sample in kept["samples"]]
                    shown[kept["batch"]] = kept, pictures
            while max(batches) < max(shown):
                batch = next(reader)
                batches[batch.number] = {name: np.array(array) for name, array in batch.arrays.items()}
                batch.release()
    for number, (kept, pictures) in shown.items():
        arrays = batches[number]
        assert kept["count"] == SMALL.batch and len(kept["samples"]) == 5
        for position, sample in enumerate(kept["samples"]):
            assert sample["sample_id"] == arrays["sample_ids"][position]
            assert sample["label"] == arrays["labels"][position]
            (style,) = sample["styles"]
            assert style["applied"] == arrays["applied"][position]
            assert style["style_id"] == arrays["style_ids"][position]
            assert style["alpha"] == pytest.approx(arrays["alpha"][position])
            assert style["beta"] == pytest.approx(arrays["beta"][position])
            for view in (0, 1):
                assert sample["drawn"][view]["crop"] == arrays[f"view{view}_crop"][position].tolist()
                decoded = np.asarray(Image.open(io.BytesIO(pictures[position][view])), np.float64)
                # JPEG leaves a little; another sample, or half of one, would leave much.
                assert np.abs(decoded - arrays[f"view{view}"][position]).mean() < 6


def test_it_updates_and_survives_the_daemon(workplace: Workplace, data: pathlib.Path, browser: Browser) -> None:
    name, configuration = workplace.configure(data, SMALL, ring__drawn=True)
    with serving(configuration) as served, looking(browser) as seen:
        # The page may be there first.
        seen.open(served.address)
        seen.wait("#state", "stopped")
        with workplace.running(name, configuration) as daemon:
            seen.wait("#state", "running")
            seen.wait("#advice", "no trainer reads")
            seen.wait("#batches p", "Batch 3, epoch 0, step 3")
            seen.wait_for_pictures(SMALL.side)
            assert seen.page.locator("#batches img").count() == 2 * SMALL.batch
            status = daemon.status()
            assert seen.text("#name") == name and status["fingerprint"] in seen.text("#stream")
            assert seen.text("#facts").count("no-trainer") == 1
            with sassl.attach(name) as reader:
                batch = next(reader)
                seen.wait("#rings", f"read by process {os.getpid()}")
                seen.page.wait_for_selector(".slots .leased")
                batch.release()
                for _ in range(3):
                    next(reader).release()
                seen.wait("#batches p", "Batch 7, epoch 0, step 7")
            # What the index has of it.
            seen.wait("#histories figcaption", "Ring fill")
            seen.wait("#distributions figcaption", "alpha of view 0")
            killed(daemon)
            seen.wait("#state", "stopped")
            seen.wait("#news", "The daemon is stopped")
            # Its ring is still there, and so is what is in it.
            seen.wait("#batches p", "Batch 7, epoch 0, step 7")
        with workplace.running(name, configuration) as daemon:
            seen.wait("#state", "running")
            assert seen.text("#news") == ""
            seen.wait("#since", f"process {daemon.process.pid}")
        host = served.address
        assert seen.asked == {host, host + "state.json", host + "picture"}


def test_draws_are_counted_as_the_index_has_them(workplace: Workplace, data: pathlib.Path) -> None:
    with workplace.daemon(data, SMALL, style__probability=0.5) as daemon, serving(daemon.configuration) as served:
        daemon.status()
        (index,) = (workplace.folder / daemon.name / "state").glob("*.sqlite")
        eventually(lambda: rows(index, "SELECT count(*) FROM batch") == [(4,)], "the index has every batch")
        (history,) = served.state()["history"]
        (strength,) = history["strengths"]
        ((samples, stylized),) = rows(index, "SELECT count(*), sum(is_styled) FROM style_draw")
        assert (strength["samples"], strength["stylized"]) == (samples, stylized)
        assert samples == 4 * SMALL.batch > stylized > 0
        assert (
            sum(one["count"] for one in strength["alpha"]) == sum(one["count"] for one in strength["beta"]) == stylized
        )
        drawn = [alpha for (alpha,) in rows(index, "SELECT alpha FROM style_draw WHERE is_styled")]
        counted = {one["hundredths"]: one["count"] for one in strength["alpha"]}
        assert counted == {
            bin: sum(int(alpha * 100) == bin for alpha in drawn) for bin in {int(a * 100) for a in drawn}
        }
        ((different,),) = rows(index, "SELECT count(DISTINCT style_id) FROM style_draw WHERE is_styled")
        assert history["different_styles"] == different
        assert [one["batch"] for one in history["batches"]] == [0, 1, 2, 3]


@pytest.mark.parametrize("way", ["served", "file"])
def test_hostile_names_are_text(workplace: Workplace, tmp_path: pathlib.Path, browser: Browser, way: str) -> None:
    # Two folders, whose path would end the element that the state stands in.
    folder = hostile_folder(tmp_path / "<b> & 'more'</script><script>window.hacked=1")
    with workplace.daemon(folder, SMALL, limits__max_bad_fraction=0.9, **PLAIN) as daemon:
        with sassl.attach(daemon.name) as reader:
            for batch in reader.epoch():
                batch.release()
        bad = len(daemon.status()["quarantine"])
        assert bad >= len(HOSTILE) - 1
        with serving(daemon.configuration) as served, looking(browser) as seen:
            address = served.address
            if way == "file":
                out = tmp_path / "page.html"
                assert daemon.control("page", "--out", str(out)).returncode == 0
                address = out.as_uri()
            seen.open(address)
            seen.wait("#quarantine", "<img src=x onerror=window.hacked=1>.png")
            seen.wait("#quarantine", r"not \xff\xfe UTF-8.png")
            seen.wait("#quarantine", r"line\nfeed {{state}} &lt;b&gt;.png")
            assert seen.page.locator("#quarantine tbody tr").count() == bad
            seen.wait("#stream", "<b> & 'more'</script><script>window.hacked=1")
            assert seen.page.evaluate("window.hacked") is None
            assert seen.page.locator("#quarantine img, #quarantine svg, #quarantine script, #stream b").count() == 0


def test_a_file_has_everything_inside(
    workplace: Workplace, data: pathlib.Path, browser: Browser, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "page.html"
    with workplace.daemon(data, SMALL, ring__drawn=True) as daemon:
        daemon.status()
        assert daemon.control("page", "--out", str(out), "--samples", "3").returncode == 0
    with looking(browser, offline=True) as seen:
        seen.open(out.as_uri())
        seen.wait_for_pictures(SMALL.side)
        assert seen.page.locator("#batches img").count() == 6
        assert seen.text("#state") == "running"
        assert not seen.page.locator("#pause").is_visible()
        assert {one for one in seen.asked if not one.startswith("data:")} == {out.as_uri()}
    assert re.findall(rb"https?://(?!www\.w3\.org/2000/svg)", out.read_bytes()) == []


def test_it_is_walked_by_keyboard(workplace: Workplace, data: pathlib.Path, browser: Browser) -> None:
    with (
        workplace.daemon(data, SMALL, ring__drawn=True) as daemon,
        serving(daemon.configuration, "--samples", "2") as served,
        looking(browser) as seen,
    ):
        seen.open(served.address)
        seen.page.wait_for_selector("#batches img")
        seen.wait("#distributions figcaption", "alpha of view 0")
        keyboard = seen.page.keyboard
        visited: list[str] = []
        while True:
            keyboard.press("Tab")
            what, outline = seen.page.evaluate(FOCUSED)
            if what.startswith("BODY") or what in visited[:1]:
                break
            assert outline == "3px", what
            visited.append(what)
            assert len(visited) < 60
        words = " ".join(visited)
        for expected in (
            "Skip to the pictures",
            "pause|Pause",
            "Who waits",
            "BUTTON|",
            "SUMMARY|Numbers",
            "SUMMARY|Every key",
        ):
            assert expected in words
        # Held, so that nothing moves; the first sample opens, and gives the focus back.
        seen.page.locator("#pause").focus()
        keyboard.press("Enter")
        assert seen.text("#pause") == "Go on"
        first = seen.page.locator("#batches button").first
        first.focus()
        keyboard.press("Enter")
        seen.page.wait_for_selector("dialog[open]")
        assert seen.page.evaluate("document.activeElement.closest('dialog') !== null")
        seen.wait("#sample-draws th", "view 1")
        seen.wait("#sample-draws td", "crop")
        keyboard.press("Escape")
        seen.page.wait_for_selector("dialog[open]", state="hidden")
        assert seen.page.evaluate("document.activeElement.dataset.key") == "0/0"


def test_pausing_holds_the_page(workplace: Workplace, data: pathlib.Path, browser: Browser) -> None:
    with workplace.daemon(data, SMALL) as daemon, serving(daemon.configuration) as served, looking(browser) as seen:
        seen.open(served.address)
        seen.wait("#batches p", "Batch 3,")
        pause = seen.page.locator("#pause")
        pause.click()
        with sassl.attach(daemon.name) as reader:
            for _ in range(2):
                next(reader).release()
        eventually(lambda: served.state()["rings"][0]["shown"]["batch"] == 5, "the ring has moved on")
        assert "Batch 3," in seen.text("#batches")
        pause.click()
        seen.wait("#batches p", "Batch 5,")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_read_on_a_phone_in_the_light_and_in_the_dark(
    workplace: Workplace, data: pathlib.Path, browser: Browser, scheme: str
) -> None:
    with (
        workplace.daemon(data, SMALL, ring__drawn=True) as daemon,
        serving(daemon.configuration) as served,
        looking(
            browser,
            viewport={"width": 360, "height": 740},
            color_scheme=scheme,
            has_touch=True,
            reduced_motion="reduce",
        ) as seen,
    ):
        seen.open(served.address)
        seen.page.wait_for_selector("#batches img")
        seen.wait("#distributions figcaption", "alpha of view 0")
        for details in seen.page.locator("summary").all():
            details.click()
        assert not seen.is_wider_than_the_window()
        dark = seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        assert dark == (scheme == "dark")
        contrasts = seen.page.evaluate(CONTRASTS)
        assert len(contrasts) > 100
        assert [what for what in contrasts if what[0] < 4.5] == []
        assert seen.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
        # Landmarks, one heading of the first order, and a name for every picture and chart.
        counts = {name: seen.page.locator(name).count() for name in ("main", "header", "nav", "footer", "h1")}
        assert counts == dict.fromkeys(counts, 1)
        assert seen.page.locator("img:not([alt]), svg:not([aria-hidden]):not([role=img][aria-label])").count() == 0
        assert seen.page.locator("section:not([aria-labelledby])").count() == 0
        seen.page.locator("#batches button").first.tap()
        seen.page.wait_for_selector("dialog[open]")
        assert not seen.is_wider_than_the_window()


def test_a_wrong_configuration_is_told_and_the_last_one_kept(
    workplace: Workplace, data: pathlib.Path, browser: Browser
) -> None:
    with workplace.daemon(data, SMALL) as daemon, serving(daemon.configuration) as served, looking(browser) as seen:
        seen.open(served.address)
        text = daemon.configuration.read_text()
        daemon.configuration.write_text(text + "[nonsense]\n")
        seen.wait("#configuration-problem", "nonsense")
        assert 'preset = "mocov2"' in (seen.page.locator("#keys").text_content() or "")
        daemon.configuration.write_text(text)
        seen.page.wait_for_selector("#configuration-problem", state="hidden")


def test_others_need_the_token_that_its_address_has(workplace: Workplace, data: pathlib.Path, browser: Browser) -> None:
    with (
        workplace.daemon(data, SMALL) as daemon,
        serving(daemon.configuration, "--listen", "0.0.0.0:0") as served,
        looking(browser) as seen,
    ):
        place, _, token = served.address.rpartition("/?token=")
        here = f"http://127.0.0.1:{place.rpartition(':')[2]}/"
        assert len(token) == 32
        for path in ("", "state.json", "picture"):
            assert refused(here + path) == 401
        assert refused(here, Authorization="Bearer " + "0" * 32) == 401
        assert b"<!doctype html>" in urllib.request.urlopen(
            urllib.request.Request(here, headers={"Authorization": f"Bearer {token}"}), timeout=30
        ).read(20)
        seen.open(f"{here}?token={token}")
        seen.page.wait_for_selector("#batches img")
        # It does not stay where people look, or in the history.
        assert seen.page.url == here
        assert seen.page.evaluate("document.cookie") == ""


def test_a_damaged_batch_is_told_and_not_shown(workplace: Workplace, data: pathlib.Path, browser: Browser) -> None:
    with workplace.daemon(data, SMALL, ring__drawn=True) as daemon:
        eventually(lambda: daemon.status()["rings"][0]["ready_batches"] == 4, "the ring is full")
        # In the last slot, three pages from the end: within the pictures of batch 3.
        with pathlib.Path(f"/dev/shm/sassl.{daemon.name}.0").open("r+b") as ring:
            ring.seek(-3 * 4096, os.SEEK_END)
            byte = ring.read(1)[0]
            ring.seek(-3 * 4096, os.SEEK_END)
            ring.write(bytes([byte ^ 1]))
        with serving(daemon.configuration) as served, looking(browser) as seen:
            seen.open(served.address)
            seen.wait("#rings .problem", "batch 3 does not match its checksum")
            assert seen.page.locator("#batches img").count() == 0
            # The trainer takes what is whole, and the next batch is shown.
            with sassl.attach(daemon.name) as reader:
                next(reader).release()
                seen.wait("#batches p", "Batch 4,")


def test_every_rank_has_its_part(workplace: Workplace, data: pathlib.Path, browser: Browser) -> None:
    ranks: dict[str, Any] = {"batch__world_size": 2, "batch__ranks": [0, 1]}
    with (
        workplace.daemon(data, SMALL, **ranks, style__views=[0, 1]) as daemon,
        serving(daemon.configuration, "--samples", "2") as served,
        looking(browser) as seen,
    ):
        seen.open(served.address)
        for rank in (0, 1):
            for part in ("#rings", "#batches", "#histories", "#distributions"):
                seen.wait(f"{part} h3", f"Rank {rank}")
        seen.wait("#distributions figcaption", "beta of view 1")
        (first, second) = served.state()["rings"]
        assert {one["sample_id"] for one in first["shown"]["samples"]}.isdisjoint(
            one["sample_id"] for one in second["shown"]["samples"]
        )
        assert [[style["view"] for style in one["styles"]] for one in first["shown"]["samples"]] == [[0, 1], [0, 1]]
        assert (
            len(
                {address for ring in (first, second) for one in ring["shown"]["samples"] for address in one["pictures"]}
            )
            == 8
        )
