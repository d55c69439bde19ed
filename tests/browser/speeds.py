"""How quick the page is, in a real Chromium: part of `make bench`. Nothing else should run meanwhile.

Other programs only ever add to a time, so each is measured several times and the smallest counts.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, expect, sync_playwright

from browser.programs import chromium, has_chromium, served
from browser.visits import PATIENT, opened, write_short_texts
from steering import extract, load_concept, load_model, stream, transfer
from steering.ui import CHILD, PARENT
from steering.ui.state.settings import CONCEPT, LAMBDAS
from steering.ui.tabs.steer.text import FIRST_PROMPT

REPEATS = 5
WINDOW = {"width": 1366, "height": 900}


def first_paint(browser: Browser, home: str) -> tuple[float, float]:
    """Milliseconds until a new visitor can read a steered text, and until the whole page is there."""
    page = browser.new_context(viewport=WINDOW).new_page()  # type: ignore[arg-type]
    page.goto(home, wait_until="commit")
    page.wait_for_function("document.querySelector('.card.steered .text')?.textContent.length > 20")
    text = page.evaluate("performance.now()")
    page.locator("#viewer .chip").first.wait_for()
    whole = page.evaluate("performance.now()")
    page.context.close()
    return text, whole


def drag(page: Page) -> float:
    """Milliseconds from a move of the slider to the frame that shows another text, the median of many."""
    times = page.evaluate(
        """async () => {
          const slider = document.querySelector("#viewer .slider");
          const times = [];
          for (let step = 0; step < 39; step += 1) {
            slider.value = String(-0.6 + 0.1 * ((step * 5) % 13));
            const start = performance.now();
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
            times.push(performance.now() - start);
          }
          return times;
        }"""
    )
    return median(times)


def first_words(page: Page) -> float:
    """Milliseconds from Generate to the first words, with models and vector at hand."""
    expect(page.locator("#generate")).to_be_enabled()
    found = page.evaluate(
        """() => new Promise((done) => {
          const viewer = document.querySelector("#viewer .viewer"), start = performance.now();
          new MutationObserver((_, observer) => {
            if (viewer.dataset.phase !== "running") return;
            observer.disconnect();
            done(performance.now() - start);
          }).observe(viewer, { attributeFilter: ["data-phase"] });
          document.querySelector("#generate").click();
        })"""
    )
    expect(page.locator("#status")).to_contain_text("side by side")
    return float(found)


def library() -> Callable[[], float]:
    """What takes the library as long as `first_words` takes the page: milliseconds to the first token of every text."""
    parent, child = load_model(PARENT), load_model(CHILD)
    vector = transfer(extract(parent, load_concept(CONCEPT)), parent, child)

    def run() -> float:
        started = time.perf_counter()
        next(iter(stream(child, FIRST_PROMPT, vector, LAMBDAS)))
        return 1000 * (time.perf_counter() - started)

    return run


def say(name: str, milliseconds: float, ratio: float, over: str) -> None:
    print(f"{name:28} {milliseconds:6.0f} ms, {ratio:.2f} x {over}", flush=True)


def main() -> None:
    expect.set_options(timeout=PATIENT)
    with sync_playwright() as playwright:
        if not has_chromium(playwright):
            print("No Chromium was found: the speeds of the page are left out.")
            return
        with tempfile.TemporaryDirectory() as data, chromium(playwright) as browser, served(Path(data)) as home:
            paints = [first_paint(browser, home) for _ in range(REPEATS)]
            text, whole = (min(times) for times in zip(*paints, strict=True))
            say("first_text_on_the_page", text, text / whole, "the whole page")

            page, _ = opened(browser.new_context(), home)
            write_short_texts(page)
            page.click("#generate")
            expect(page.locator("#status")).to_contain_text("side by side", timeout=600_000)
            moved = min(drag(page) for _ in range(REPEATS))
            say("a_drag_of_the_slider", moved, moved / (1000 / 60), "a frame of 60 a second")
            words = min(first_words(page) for _ in range(REPEATS))
        alone = library()
        tokens = min(alone() for _ in range(REPEATS))
        say("first_words_after_generate", words, words / tokens, "the library's first tokens")


if __name__ == "__main__":
    main()
