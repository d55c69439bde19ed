"""The Library tab: a vector is saved, checked and used, and a page is taken away and brought back."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from browser.visits import EVIL, SLOW, Watch, opened, pictures, scrolls_sideways, tab
from steering.ui.state.gallery import opening
from steering.ui.tabs import library, steer
from steering.ui.tabs.export import text as export_text
from steering.ui.tabs.library import text

pytestmark = pytest.mark.browser


def fetched(page: Page, button: str) -> tuple[str, str]:
    """Name and contents of the file that a button hands out."""
    with page.expect_download() as download:
        page.click(button)
    return download.value.suggested_filename, Path(download.value.path()).read_text("utf-8")


def test_a_vector_is_saved_checked_used_and_deleted(visitor: BrowserContext, home: str) -> None:
    page, watch = opened(visitor, home)
    tab(page, library.TAB.label)
    expect(page.locator("#lib-table")).to_contain_text(text.NOTHING_SAVED)
    page.get_by_label(text.NAME).fill("first of mine")
    page.click("#lib-save")
    expect(page.locator("#lib-status")).to_contain_text("Saved as first-of-mine", timeout=SLOW)
    expect(page.locator("#lib-details")).to_contain_text("R²")
    expect(page.locator("#lib-use")).to_be_disabled()
    page.click("#lib-check")
    expect(page.locator("#lib-card")).to_contain_text(text.FITS)
    pictures(page, "library")
    page.click("#lib-use")
    expect(page.locator("#vector")).to_contain_text("Read from a file")
    with page.expect_file_chooser() as chooser:
        page.click("#lib-upload")
    pickled = {"name": "steer.pt", "mimeType": "application/octet-stream", "buffer": b"x"}
    chooser.value.set_files(pickled)  # type: ignore[arg-type]
    expect(page.locator("#lib-status")).to_contain_text("pickle")
    page.click("#lib-delete")
    expect(page.locator("#lib-table")).to_contain_text(text.NOTHING_SAVED)
    page.click("#lib-undo")
    expect(page.locator("#lib-table")).to_contain_text("first-of-mine")
    watch.check()
    page.close()


def opens_alone(browser: Browser, report: Path) -> None:
    """Make sure that a report needs neither the app nor a network, on a phone in the dark."""
    page = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", offline=True).new_page()
    watch = Watch(page, "")
    page.goto(report.as_uri())
    expect(page.locator("article")).to_have_count(13)
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    assert not scrolls_sideways(page)
    watch.check()
    page.context.close()


def test_a_page_is_taken_away_and_brought_back(
    browser: Browser, visitor: BrowserContext, home: str, tmp_path: Path
) -> None:
    page, watch = opened(visitor, home)
    page.locator("#prompt textarea").fill(EVIL)
    tab(page, library.TAB.label)
    page.get_by_text(export_text.PYTHON, exact=True).click()
    expect(page.locator("#take-script")).to_contain_text("from steering import")
    expect(page.locator("#take-stale")).to_contain_text(export_text.PYTHON_STALE)
    name, csv = fetched(page, "#take-csv")
    assert name == f"{opening()}-texts.csv"
    assert csv.startswith("lambda,text")
    name, session = fetched(page, "#take-session")
    assert json.loads(session)["prompt"] == EVIL
    report, html = fetched(page, "#take-report")
    assert report == f"{opening()}-report.html"
    (tmp_path / report).write_text(html, "utf-8")
    opens_alone(browser, tmp_path / report)
    fresh, other = opened(visitor, home)
    tab(fresh, library.TAB.label)
    changed = session.replace('"seed": 0', '"seed": 11')
    with fresh.expect_file_chooser() as chooser:
        fresh.click("#take-load")
    chooser.value.set_files({"name": name, "mimeType": "application/json", "buffer": changed.encode()})  # type: ignore[arg-type]
    expect(fresh.locator("#take-status")).to_contain_text("The session is back")
    tab(fresh, steer.TAB.label)
    expect(fresh.locator("#prompt textarea")).to_have_value(EVIL)
    expect(fresh.locator("#viewer .source")).to_contain_text("From a session file")
    watch.check()
    other.check()
    page.close()
    fresh.close()
