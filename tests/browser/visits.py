"""Visits to the app: opening it, and watching what a page must not do. Screenshots go to `tests/artefacts`."""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, TimeoutError, ViewportSize

from steering.ui import text

ARTEFACTS = Path(__file__).parent.parent / "artefacts"
SLOW = 420_000
"""Milliseconds for the first run: on a machine that never ran the lab, the models are converted and aligned in it."""

PATIENT = 180_000
"""Milliseconds after which something will never come. No test asserts that a thing is quick: the machine may be busy."""

EVIL = '<img src=x onerror="window.hacked=true"><b>bold</b>'
"""Must stay text wherever it is shown."""


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
    page.locator("#viewer .chip").first.wait_for()
    page.locator("#relation .lab-card").wait_for()
    return page, watch


def write_short_texts(page: Page, most_tokens: int = 12) -> None:
    """Have the page write texts of a few tokens."""
    page.get_by_text(text.GENERATION_SETTINGS).click()
    page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}").fill(str(most_tokens))
    page.keyboard.press("Tab")


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than its window, and stays so."""
    try:
        page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth", timeout=20_000)
    except TimeoutError:
        return True
    return False


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
    settle(page)


def settle(page: Page) -> None:
    """Wait until the page has taken up its last change, and what moves is at its end."""
    page.evaluate(
        """async () => {
          const frame = () => new Promise(requestAnimationFrame);
          await frame();
          await frame();
          const moving = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity);
          await Promise.allSettled(moving.map((one) => one.finished));
          await frame();
        }"""
    )


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
            ({ clientWidth, _fullLayout }) => !clientWidth || Math.abs(clientWidth - _fullLayout.width) <= 1)"""
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
