"""`sasslctl page` and a browser that looks at it: Debian's Chromium, without a window."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from picture_files import write_good
from workplace import PROGRAMS, Daemon, Size, Workplace, eventually

CHROMIUM = "/usr/bin/chromium"
SMALL = Size(8, 48)
#: A script that says the contrast (WCAG 2.2, relative luminance) of every text with its ground, and its element's name.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => rgba(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const texts = [...document.querySelectorAll("body *")].filter((node) =>
    node.checkVisibility() && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((node) => {
    const style = getComputedStyle(node);
    const colours = [style[node instanceof SVGElement ? "fill" : "color"], ground(node)];
    const [low, high] = colours.map(luminance).sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), node.tagName + "." + node.className];
  });
}"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Root, as containers have it, may not use the browser's own sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def workplace(tmp_path: pathlib.Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A flat folder of 64 small pictures."""
    folder = tmp_path_factory.mktemp("data")
    write_good(folder, 64)
    return folder


@dataclasses.dataclass
class Served:
    """A running `sasslctl page`."""

    address: str
    process: subprocess.Popen[str]

    def state(self) -> dict[str, Any]:
        """What the page would draw now."""
        with urllib.request.urlopen(self.address + "state.json", timeout=30) as answer:
            state: dict[str, Any] = json.load(answer)
        return state

    def picture(self, address: str) -> bytes:
        with urllib.request.urlopen(self.address + address, timeout=30) as answer:
            content: bytes = answer.read()
        return content


@contextlib.contextmanager
def serving(configuration: pathlib.Path, *options: str) -> Iterator[Served]:
    """The page of a configuration; it must end well by SIGTERM."""
    command = [str(PROGRAMS / "sasslctl"), "page", "--config", str(configuration), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Served(process.stdout.readline().strip(), process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")


class Looking:
    """A page in the browser, and everything that it should not do: complain, or ask anybody else."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.add(request.url.split("?")[0]))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_selector("#facts div")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def wait(self, selector: str, text: str) -> None:
        """Waits until an element has a text within its own."""
        self.page.locator(selector, has_text=text).first.wait_for()

    def wait_for_pictures(self, side: int) -> None:
        """Waits until all pictures are there; asked from here, for the page lets nobody evaluate text in it."""
        all_loaded = f"[...document.images].every((image) => image.naturalWidth === {side})"
        eventually(lambda: self.page.evaluate(all_loaded), "every picture is loaded")

    def is_wider_than_the_window(self) -> bool:
        wider: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return wider


@contextlib.contextmanager
def looking(browser: Browser, **options: Any) -> Iterator[Looking]:
    """A page in a context of its own, which must have nothing to complain about when it is closed."""
    context = browser.new_context(**options)
    try:
        seen = Looking(context.new_page())
        yield seen
        assert seen.complaints == []
    finally:
        context.close()


def killed(daemon: Daemon) -> None:
    """Ends a daemon as nothing else does."""
    daemon.process.kill()
    daemon.process.communicate()


def refused(address: str, **headers: str) -> int:
    """The status of a refusal."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30)
    return caught.value.code
