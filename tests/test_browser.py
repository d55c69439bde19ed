"""The real app with the two bundled models in a real Chromium: what a visitor sees, does and must not suffer.

The tests share one server and, from Generate on, one page; they run in the order in which they stand. Screenshots go to
`tests/artefacts`.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from steering.generation import Grid, Health, Row
from steering.ui import text, viewer
from steering.ui.app import Lab

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
ARTEFACTS = Path(__file__).parent / "artefacts"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLOW = 420_000
"""Milliseconds for the first run: on a machine that never ran the lab, the models are converted and aligned in it."""

EVIL = '<img src=x onerror="window.hacked=true"><b>bold</b>'


class Watch:
    """What a page must not do: complain in the console, or ask another machine for something."""

    def __init__(self, page: Page, home: str) -> None:
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._look(request.url, home))

    def _look(self, url: str, home: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != urlsplit(home).netloc:
            self.strangers.append(url)

    def check(self) -> None:
        assert self.complaints == []
        assert self.strangers == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if found is None and not Path(playwright.chromium.executable_path).exists():
            words = "NO CHROMIUM WAS FOUND: the browser tests are left out. Install chromium."
            warnings.warn(words, stacklevel=1)
            pytest.skip(words)
        made = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    """Address of the real app, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ARTEFACTS.mkdir(exist_ok=True)
    with (ARTEFACTS / "app.log").open("w+") as log:
        command = [sys.executable, "app.py", "--port", str(port)]
        # The server must not need a network either.
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            deadline = time.monotonic() + 120
            while "Steering Lab is at" not in Path(log.name).read_text():
                assert process.poll() is None, Path(log.name).read_text()
                assert time.monotonic() < deadline, "the app did not start"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(30)


def opened(
    browser: Browser, address: str, *, width: int = 1366, height: int = 900, theme: str = "light"
) -> tuple[Page, Watch]:
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme).new_page()  # type: ignore[arg-type]
    watch = Watch(page, address)
    page.goto(f"{address}?__theme={theme}")
    page.locator("#viewer .chip").first.wait_for(timeout=60_000)
    page.locator("#relation .lab-card").wait_for(timeout=30_000)
    return page, watch


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def text_of(page: Page, card: str) -> str:
    return page.locator(f"#viewer .card.{card} .text").text_content() or ""


@pytest.fixture(scope="module")
def steered(browser: Browser, home: str) -> Iterator[dict[str, Any]]:
    """A page on which Generate was pressed once, and what was seen on the way."""
    page, watch = opened(browser, home)
    page.get_by_text(text.GENERATION_SETTINGS).click()
    page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}").fill("24")
    page.keyboard.press("Tab")
    page.click("#generate")
    seen: dict[str, Any] = {"page": page, "watch": watch, "lengths": [], "status": []}
    deadline = time.monotonic() + SLOW / 1000
    while "side by side" not in (page.locator("#status").text_content() or ""):
        assert time.monotonic() < deadline, seen["status"][-3:]
        status = page.locator("#status").text_content() or ""
        if not seen["status"] or seen["status"][-1] != status:
            seen["status"].append(status)
        if page.locator('#viewer .viewer[data-phase="running"]').count():
            seen["lengths"].append((len(text_of(page, "baseline")), len(text_of(page, "steered"))))
        page.wait_for_timeout(100)
    yield seen
    page.context.close()


@pytest.mark.parametrize("width", [390, 768, 1366])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_first_page_is_filled_and_fits(browser: Browser, home: str, width: int, theme: str) -> None:
    page, watch = opened(browser, home, width=width, height=844 if width < 500 else 900, theme=theme)
    page.wait_for_timeout(500)
    expect(page.locator("#viewer .card.baseline .text")).to_contain_text("The first Generate loads gemma-3-270m")
    expect(page.locator("#viewer .chip")).to_have_count(13)
    expect(page.locator(".sidebar.open")).to_have_count(0 if width <= 768 else 1)
    page.screenshot(path=ARTEFACTS / f"first-{width}-{theme}.png", full_page=True)
    for tab in (text.CONCEPT_TAB, text.LAYERS_TAB, text.STEER_TAB):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        assert not scrolls_sideways(page), tab
        page.screenshot(path=ARTEFACTS / f"{tab.lower()}-{width}-{theme}.png")
    watch.check()
    page.context.close()


def test_markup_from_a_model_stays_text(browser: Browser) -> None:
    fine = Health(0.0, 0.1, 8.0, same_as_baseline=False, degenerate=False)
    rows = tuple(Row(lam, f"{EVIL} at {lam}", (1, 2, 3), "length", fine) for lam in (-0.3, 0.0, 0.3))
    with Lab(analytics_enabled=False) as demo:
        shown = viewer.component()
        button = gr.Button("Show", elem_id="show")
        button.click(
            lambda: viewer.show(Grid("child", EVIL, (1,), rows), (EVIL, EVIL), 12),
            None,
            shown,
            api_visibility="private",
        )
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_port=None)
    try:
        page = browser.new_page()
        watch = Watch(page, address)
        page.goto(address)
        page.click("#show")
        expect(page.locator("#viewer .card.steered .text")).to_have_text(f"{EVIL} at 0.3")
        expect(page.locator("#viewer .pole.positive")).to_contain_text(EVIL)
        assert page.locator("#viewer img, #viewer .cards b").count() == 0
        assert page.evaluate("window.hacked") is None
        watch.check()
        page.close()
    finally:
        demo.close()


def test_generate_streams_both_cards_and_says_what_it_does(steered: dict[str, Any]) -> None:
    words = " ".join(steered["status"])
    assert "%" in words
    assert text.WRITING in words
    lengths = steered["lengths"]
    assert len({one for one, _ in lengths}) > 2, lengths
    assert len({other for _, other in lengths}) > 2, lengths
    page = steered["page"]
    expect(page.locator("#vector")).to_contain_text("Vector ready")
    for card in ("baseline", "steered"):
        expect(page.locator(f"#viewer .card.{card} .badges")).to_contain_text("perplexity")
    for width, theme in ((390, "dark"), (768, "light"), (1366, "dark"), (1366, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        if bool(page.locator(".sidebar.open").count()) == (width <= 768):
            page.locator(".sidebar .toggle-button").click()
        page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
        page.wait_for_timeout(400)
        assert not scrolls_sideways(page)
        page.screenshot(path=ARTEFACTS / f"steered-{width}-{theme}.png", full_page=width < 500)
    steered["watch"].check()


def test_steering_changes_the_text_and_zero_does_not(steered: dict[str, Any]) -> None:
    page = steered["page"]
    texts = {}
    for lam in ("−0.6", "0", "+0.6"):
        page.locator("#viewer .chip", has_text=lam if lam != "0" else "◆").click()
        texts[lam] = text_of(page, "steered")
    assert texts["0"] == text_of(page, "baseline")
    assert len(set(texts.values())) == 3
    assert all(words.strip() for words in texts.values())


def test_dragging_paints_within_fifty_milliseconds(steered: dict[str, Any]) -> None:
    page = steered["page"]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    times = page.evaluate(
        """async () => {
          const slider = document.querySelector("#viewer .slider");
          const body = document.querySelector("#viewer .card.steered .lam");
          const times = [];
          for (let step = 0; step < 39; step += 1) {
            const before = body.textContent;
            slider.value = String(-0.6 + 0.1 * ((step * 5) % 13));
            const start = performance.now();
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
            if (body.textContent !== before) times.push(performance.now() - start);
          }
          return times;
        }"""
    )
    assert len(times) > 20
    assert median(times) < 50, times
    assert asked == []


def test_keyboard_alone_moves_the_strength(steered: dict[str, Any]) -> None:
    page = steered["page"]
    steered_at = page.locator("#viewer .card.steered .lam")
    page.locator("#viewer .number").focus()
    page.keyboard.type("0.25")
    expect(page.locator("#viewer .near")).to_contain_text("nearest λ shown")
    page.keyboard.press("Enter")
    page.locator("#viewer .slider").focus()
    page.keyboard.press("ArrowRight")
    expect(steered_at).to_have_text("λ = +0.3")
    expect(page.locator("#viewer .near")).to_be_empty()
    page.keyboard.press("ArrowLeft")
    expect(steered_at).to_have_text("λ = +0.2")
    page.keyboard.press("Home")
    expect(steered_at).to_have_text("λ = −0.6")
    page.keyboard.press("End")
    expect(steered_at).to_have_text("λ = +0.6")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect(steered_at).to_have_text("λ = +0.5")
    assert page.evaluate('document.activeElement.matches("#viewer .chip[aria-checked=true]")')


def test_the_strength_and_the_texts_survive_another_tab(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.locator("#viewer .chip", has_text="−0.4").click()
    before = text_of(page, "steered")
    page.get_by_role("tab", name=text.CONCEPT_TAB).click()
    page.wait_for_timeout(500)
    page.get_by_role("tab", name=text.STEER_TAB).click()
    page.wait_for_timeout(500)
    assert text_of(page, "steered") == before


def test_a_changed_prompt_marks_the_texts_stale_and_keeps_them(steered: dict[str, Any]) -> None:
    page = steered["page"]
    before = text_of(page, "baseline")
    page.fill("#prompt textarea", "Tell me about <i>your</i> morning.")
    expect(page.locator("#stale")).to_contain_text(text.STALE_GRID)
    assert text_of(page, "baseline") == before
    page.fill("#prompt textarea", text.FIRST_PROMPT)
    expect(page.locator("#stale .lab-status")).to_have_count(0)


def test_stop_stops_and_the_page_stays_usable(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}").fill("200")
    page.fill("#prompt textarea", "Write a long story about the sea.")
    page.locator("#prompt textarea").press("Tab")
    page.keyboard.press("Enter")
    page.locator('#viewer .viewer[data-phase="running"]').wait_for(timeout=90_000)
    page.click("#stop")
    expect(page.locator("#status")).to_contain_text("Stopped", timeout=30_000)
    expect(page.locator("#generate")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()
    expect(page.locator("#viewer .card.baseline .badges")).to_contain_text("stopped at")
    assert text_of(page, "baseline").strip()
    page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}").fill("8")
    page.fill("#prompt textarea", text.FIRST_PROMPT)
    page.locator("#prompt textarea").press("Shift+Enter")
    expect(page.locator("#status")).to_contain_text("side by side", timeout=90_000)
    steered["watch"].check()


def test_layers_are_drawn_with_hover_in_words_and_a_report(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.get_by_role("tab", name=text.LAYERS_TAB).click()
    expect(page.locator("#verdict")).to_contain_text("R²")
    page.click("#compute")
    expect(page.locator("#layers-status")).to_contain_text("64 texts", timeout=90_000)
    page.locator("#plot .heatmaplayer image").wait_for()
    place = page.locator("#plot .heatmaplayer image").bounding_box()
    assert place is not None
    assert place["width"] > 300
    page.mouse.move(place["x"] + place["width"] * 0.41, place["y"] + place["height"] * 0.37)
    expect(page.locator("#plot .hovertext")).to_contain_text("child layer")
    expect(page.locator("#plot .hovertext")).to_contain_text("r = ")
    page.locator("#report-plot .scatterlayer").wait_for()
    assert not scrolls_sideways(page)
    page.screenshot(path=ARTEFACTS / "compared-1366-light.png", full_page=True)
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.body.classList.add('dark')")
    page.screenshot(path=ARTEFACTS / "compared-1366-dark.png", full_page=True)
    page.evaluate("document.body.classList.remove('dark')")
    steered["watch"].check()


def test_pairs_are_edited_linted_kept_and_taken_back(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.get_by_role("tab", name=text.CONCEPT_TAB).click()
    cell = page.get_by_test_id("cell-0-1")
    cell.dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type(EVIL)
    page.keyboard.press("Enter")
    expect(page.locator("#heading")).to_contain_text(text.MODIFIED)
    expect(page.locator("#problems")).to_contain_text("row 1")
    page.click("#add-pair")
    expect(page.locator("#problems")).to_contain_text("row 33")
    expect(page.get_by_test_id("cell-32-0")).to_be_visible()
    page.get_by_role("tab", name=text.STEER_TAB).click()
    expect(page.locator("#vector")).to_contain_text("Vector stale")
    expect(page.locator("#stale")).to_contain_text(text.STALE_GRID)
    page.get_by_role("tab", name=text.CONCEPT_TAB).click()
    expect(page.locator("#heading")).to_contain_text(text.MODIFIED)
    with page.expect_download() as download:
        page.click("#download")
    assert "onerror" in download.value.path().read_text("utf-8")
    page.click("#undo")
    expect(page.locator("#heading")).to_contain_text("32 pairs")
    page.click("#undo")
    expect(page.locator("#heading")).not_to_contain_text(text.MODIFIED)
    expect(page.locator("#undo")).to_be_disabled()
    with page.expect_file_chooser() as chooser:
        page.click("#upload")
    mine = {"name": "mine.csv", "mimeType": "text/csv", "buffer": b"positive,negative\nup,down\n"}
    chooser.value.set_files(mine)  # type: ignore[arg-type]
    expect(page.locator("#problems")).to_contain_text("at least 4")
    page.click("#reset")
    expect(page.locator("#heading")).not_to_contain_text(text.MODIFIED)
    page.get_by_role("tab", name=text.STEER_TAB).click()
    expect(page.locator("#vector")).to_contain_text("Vector ready")
    assert page.evaluate("window.hacked") is None
    steered["watch"].check()


def test_a_mistake_is_said_beside_the_button(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.fill("#child input", "no-such-model")
    page.keyboard.press("Enter")
    page.locator("#child input").blur()
    expect(page.locator("#relation")).to_contain_text("no-such-model")
    page.click("#generate")
    expect(page.locator("#status")).to_contain_text("Unknown model 'no-such-model'", timeout=60_000)
    expect(page.locator("#generate")).to_be_enabled()
    steered["watch"].check()
