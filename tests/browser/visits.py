"""Visits to the app: opening it, and watching what a page must not do. Screenshots go to `tests/artefacts`."""

import os
from pathlib import Path
from timeit import repeat
from urllib.parse import urlsplit

import pytest
import torch
from playwright.sync_api import BrowserContext, Page, ViewportSize

from steering.ui import text

ARTEFACTS = Path(__file__).parent.parent / "artefacts"
SLOW = 420_000
"""Milliseconds for the first run: on a machine that never ran the lab, the models are converted and aligned in it."""

EVIL = '<img src=x onerror="window.hacked=true"><b>bold</b>'
"""Must stay text wherever it is shown."""


def needs_a_free_machine() -> None:
    """Skip a test of speed where other programs keep the processors busy: it would measure those."""
    busy = os.getloadavg()[0]
    if busy > 2 * (os.cpu_count() or 1):
        pytest.skip(f"the machine is busy with other things: {busy:.1f} programs want {os.cpu_count()} processors")


def needs_a_quick_machine() -> None:
    """Skip a test whose limit is for two quick cores, where they cannot multiply matrices at 100 GFLOP/s at this moment."""
    square = torch.ones(1024, 1024)
    speed = 2 * 1024**3 / min(repeat(lambda: square @ square, number=1, repeat=20)) / 1e9
    if speed < 100:
        pytest.skip(f"the machine computes at {speed:.0f} GFLOP/s, and the limit is for 100")


class Watch:
    """What a page must not do: complain in the console, or ask another machine for something."""

    def __init__(self, page: Page, home: str) -> None:
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda said: self._hear(said.text, said.location["url"]) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._hear(str(error), error.stack or ""))
        page.on("request", lambda request: self._look(request.url, home))

    def _hear(self, words: str, where: str) -> None:
        self.complaints.append(f"{words} ({where})")

    def _look(self, url: str, home: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != urlsplit(home).netloc:
            self.strangers.append(url)

    def check(self) -> None:
        assert not self.complaints, self.complaints
        assert not self.strangers, self.strangers


def opened(visitor: BrowserContext, home: str, *, width: int = 1366, theme: str = "light") -> tuple[Page, Watch]:
    """A page of its own, filled."""
    page = visitor.new_page()
    page.set_viewport_size(_window(width))
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    watch = Watch(page, home)
    page.goto(f"{home}?__theme={theme}")
    page.locator("#viewer .chip").first.wait_for(timeout=60_000)
    page.locator("#relation .lab-card").wait_for(timeout=30_000)
    return page, watch


def write_short_texts(page: Page, most_tokens: int = 12) -> None:
    """Have the page write texts of a few tokens."""
    page.get_by_text(text.GENERATION_SETTINGS).click()
    page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}").fill(str(most_tokens))
    page.keyboard.press("Tab")


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def text_of(page: Page, card: str) -> str:
    """The text in a card of the viewer: "baseline" or "steered"."""
    return page.locator(f"#viewer .card.{card} .text").text_content() or ""


def tab(page: Page, name: str) -> None:
    """Go to a tab, also where tabs hide in the menu of a narrow window."""
    wanted = page.get_by_role("tab", name=name, exact=True)
    if not wanted.is_visible():
        page.get_by_role("button", name="More tabs").click()
        wanted = page.locator(".overflow-dropdown button", has_text=name)
    wanted.click()


def resize(page: Page, width: int) -> None:
    """Give the page another width, and open or close the sidebar as a visitor would find it there."""
    page.set_viewport_size(_window(width))
    if bool(page.locator(".sidebar.open").count()) == (width <= 768):
        page.locator(".sidebar .toggle-button").click()
    page.wait_for_timeout(500)


def _window(width: int) -> ViewportSize:
    return {"width": width, "height": 844 if width < 500 else 900}


def dress(page: Page, theme: str) -> None:
    """Make the page light or dark."""
    page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")


def take(page: Page, name: str) -> None:
    """Take a screenshot of the whole page, with everything that moves at its end."""
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True, animations="disabled")


def wait_for_figures_that_fit(page: Page) -> None:
    """Wait until every figure that is shown is as wide as its place."""
    page.wait_for_function(
        """[...document.querySelectorAll(".js-plotly-plot")].every(
            ({ clientWidth, _fullLayout }) => !clientWidth || Math.abs(clientWidth - _fullLayout.width) <= 1)""",
        timeout=5000,
    )


def pictures(page: Page, name: str) -> None:
    """Take the four pictures of a tab (wide and narrow, light and dark): figures fit, and nothing scrolls sideways."""
    for width in (390, 1366):
        resize(page, width)
        wait_for_figures_that_fit(page)
        assert not scrolls_sideways(page), (name, width)
        for theme in ("dark", "light"):
            dress(page, theme)
            take(page, f"{name}-{width}-{theme}")
