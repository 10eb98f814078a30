"""A real browser on a real service; what it logs, what it asks for, and where it asks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.api.routes.pages import VIEWER, VIEWER_PAGE
from tests.helpers.repository import ROOT
from tests.helpers.system_packages import require

PICTURES: Final = ROOT / "browser-pictures"
AXE: Final = ROOT / "app/viewer/source/node_modules/axe-core/axe.min.js"
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESKTOP: Final = (1440, 900)
PHONE: Final = (360, 780)
SCHEMES: Final = ("light", "dark")
PATIENCE_MS: Final = 240_000
AXE_RUN: Final = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => `${found.id}: ${found.nodes.map((node) => node.target.join(" ") + " " + node.failureSummary)}`)"""
PAINT: Final = """() => new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime));
    observer.observe({type: "paint", buffered: true});
})"""
TWO_FRAMES: Final = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
STEADY: Final = 3
"""So many looks in a row show the same where nothing is drawn any more."""
LOOKS: Final = 100
DROP: Final = """([bytes, name]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], name));
    const zone = document.querySelector(".drop");
    for (const kind of ["dragover", "drop"])
        zone.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


Scheme = Literal["light", "dark"]


@dataclass
class Visit:
    """One page and everything that went wrong on it."""

    page: Page
    base: str
    size: tuple[int, int]
    scheme: Scheme
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.base + path)
        self.page.wait_for_selector("h1")

    def picture(self, name: str, whole: bool = False) -> None:
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=whole)

    def look(self, name: str, whole: bool = False) -> None:
        """The page as it stands, as a picture; in light and in dark nobody is shut out, and a phone shows all of it."""
        self.picture(name, whole)
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)
            found = self.violations()
            assert found == [], f"{name}, {scheme}: {found}"
        self.page.emulate_media(color_scheme=self.scheme)
        width, height = self.size
        self.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        for _ in range(50):  # the planes follow the frame's new size a moment later
            excess = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if excess <= 0:
                break
            self.page.wait_for_timeout(100)
        assert excess <= 0, f"{name} is wider than a phone by {excess} px"
        self.page.set_viewport_size({"width": width, "height": height})

    def violations(self) -> list[str]:
        """Serious violations of accessibility that axe finds."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[str] = self.page.evaluate(AXE_RUN)
        return found

    def settle(self) -> bytes:
        """Wait until the planes no longer change; what they show then, as PNG."""
        shown: list[bytes] = []
        while len(shown) < STEADY or len(set(shown[-STEADY:])) > 1:
            assert len(shown) < LOOKS, "the planes do not come to rest"
            self.page.evaluate(TWO_FRAMES)
            shown.append(self.planes())
        return shown[-1]

    def planes(self) -> bytes:
        """What the planes' canvas shows, as PNG."""
        return self.page.locator(".tile.planes").screenshot()


@contextmanager
def running_browser() -> Iterator[Browser]:
    chromium = require("chromium", package="chromium")
    _require_bundle()
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser,
    base: str,
    size: tuple[int, int] = DESKTOP,
    expected: tuple[str, ...] = (),
    scheme: Scheme = "light",
    **options: Any,
) -> Iterator[Visit]:
    """A page of a fresh profile; afterwards nothing was complained of but what was `expected`, and no host but ours."""
    width, height = size
    viewport: Any = {"width": width, "height": height}
    with browser.new_context(viewport=viewport, color_scheme=scheme, **options) as context:
        context.set_default_timeout(PATIENCE_MS)
        visit = Visit(context.new_page(), base, size, scheme)
        visit.page.on("console", lambda message: _note(visit, message.type, message.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        context.on("request", lambda request: visit.hosts.add(urlsplit(request.url).hostname or request.url[:5]))
        yield visit
    unexpected = [text for text in visit.complaints if not any(part in text for part in expected)]
    assert unexpected == [], unexpected
    assert visit.hosts <= {"127.0.0.1", "blob:", "data:"}


def _note(visit: Visit, kind: str, text: str) -> None:
    if kind == "error" or "Content Security Policy" in text:
        visit.complaints.append(text)


def require_npm() -> str:
    """Return npm's path; where Node.js is missing the test is skipped with the remedy, and fails in CI."""
    return shutil.which("npm") or _lack()


def _require_bundle() -> None:
    if not ((VIEWER / VIEWER_PAGE).is_file() and AXE.is_file()):
        _lack()


def _lack() -> NoReturn:
    text = "needs the viewer, which needs Node.js 18 or newer with npm: make viewer"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)
