"""One server and one browser for all tests here, and one page on which Generate was pressed."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from browser.programs import chromium, has_chromium, served
from browser.visits import PATIENT, SLOW, opened, tab, text_of, write_short_texts
from steering.ui.tabs import steer

expect.set_options(timeout=PATIENT)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        if not has_chromium(playwright):
            words = "NO CHROMIUM WAS FOUND: the browser tests are left out. Install chromium."
            warnings.warn(words, stacklevel=1)
            pytest.skip(words)
        with chromium(playwright) as started:
            yield started


@pytest.fixture(scope="session")
def visitor(browser: Browser) -> BrowserContext:
    """Somebody who was here before: the files of the page lie in the browser's cache."""
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    context.set_default_timeout(PATIENT)
    return context


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the real app, in a process of its own, with an empty library."""
    with served(tmp_path_factory.mktemp("data")) as address:
        yield address


RECORD = """() => {
  const seen = (window.seen = { status: [], lengths: { baseline: [], steered: [] } });
  new MutationObserver(() => {
    const status = document.querySelector("#status").textContent;
    if (status !== seen.status.at(-1)) seen.status.push(status);
    if (!document.querySelector('#viewer .viewer[data-phase="running"]')) return;
    for (const card of ["baseline", "steered"])
      seen.lengths[card].push(document.querySelector(`#viewer .card.${card} .text`).textContent.length);
  }).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
}"""
"""Writes down every status, and how long the texts are whenever the page changes while they are written."""


@pytest.fixture(scope="session")
def generated(visitor: BrowserContext, home: str) -> Iterator[dict[str, Any]]:
    """A page on which Generate was pressed once, and what was seen on the way."""
    page, watch = opened(visitor, home)
    write_short_texts(page)
    page.evaluate(RECORD)
    page.click("#generate")
    expect(page.locator("#status")).to_contain_text("side by side", timeout=SLOW)
    seen: dict[str, Any] = {"page": page, "watch": watch, **page.evaluate("window.seen")}
    for card, lengths in seen["lengths"].items():
        lengths.append(len(text_of(page, card)))
    yield seen
    page.close()


@pytest.fixture
def steered(generated: dict[str, Any]) -> dict[str, Any]:
    """The page of `generated` on its first tab, in front of all others: a page behind them is not drawn."""
    generated["page"].bring_to_front()
    tab(generated["page"], steer.TAB.label)
    return generated
