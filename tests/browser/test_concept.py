"""The Concept tab: editing pairs, what is said about them, and testing a design by hand."""

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from browser.visits import EVIL, opened, pictures, tab, write_short_texts
from steering.ui.tabs import concept, steer
from steering.ui.tabs.concept import text as words
from steering.ui.tabs.steer.text import STALE_GRID
from steering.ui.text import MODIFIED

pytestmark = pytest.mark.browser


def test_pairs_are_edited_linted_kept_and_taken_back(steered: dict[str, Any]) -> None:
    page = steered["page"]
    tab(page, concept.TAB.label)
    cell = page.get_by_test_id("cell-0-1")
    cell.dblclick()
    page.keyboard.press("Control+A")
    page.keyboard.type(EVIL)
    page.keyboard.press("Enter")
    expect(page.locator("#heading")).to_contain_text(MODIFIED)
    expect(page.locator("#problems")).to_contain_text("row 1")
    page.click("#add-pair")
    expect(page.locator("#problems")).to_contain_text("row 33")
    expect(page.get_by_test_id("cell-32-0")).to_be_visible()
    tab(page, steer.TAB.label)
    expect(page.locator("#vector")).to_contain_text("Vector stale")
    expect(page.locator("#stale")).to_contain_text(STALE_GRID)
    tab(page, concept.TAB.label)
    expect(page.locator("#heading")).to_contain_text(MODIFIED)
    with page.expect_download() as download:
        page.click("#download")
    assert "onerror" in download.value.path().read_text("utf-8")
    page.click("#undo")
    expect(page.locator("#heading")).to_contain_text("32 pairs")
    page.click("#undo")
    expect(page.locator("#heading")).not_to_contain_text(MODIFIED)
    expect(page.locator("#undo")).to_be_disabled()
    with page.expect_file_chooser() as chooser:
        page.click("#upload")
    mine = {"name": "mine.csv", "mimeType": "text/csv", "buffer": b"positive,negative\nup,down\n"}
    chooser.value.set_files(mine)  # type: ignore[arg-type]
    expect(page.locator("#problems")).to_contain_text("at least 4")
    page.click("#reset")
    expect(page.locator("#heading")).not_to_contain_text(MODIFIED)
    tab(page, steer.TAB.label)
    expect(page.locator("#vector")).to_contain_text("Vector ready")
    assert page.evaluate("window.hacked") is None
    steered["watch"].check()


PASTED = f"""The soup was a joy to eat | The soup was a pain to eat
We won the match by a mile | We lost the match by a mile
The holiday was wonderful | The holiday was dreadful
My new job makes me glad | My new job makes me gloomy
He hates his dull grey room | He loves his bright new room
Spring has come and I feel great | Winter has come and I feel awful
The film had a happy ending | The film had a tragic ending
Our neighbours are kind {EVIL} | Our neighbours are cold {EVIL}"""
"""A design of eight pairs; the fifth has its sides exchanged."""


def test_a_design_is_tested_by_hand_in_six_clicks(visitor: BrowserContext, home: str) -> None:
    page, watch = opened(visitor, home)
    write_short_texts(page, 24)
    tab(page, concept.TAB.label)
    page.click("#paste button")
    page.fill("#pasted textarea", PASTED)
    page.click("#new-concept")
    expect(page.locator("#heading")).to_contain_text("my concept 8 pairs")
    page.click("#check-pairs")
    expect(page.locator("#check-status")).to_contain_text("One pair fights the others")
    rows = page.locator("#votes .row")
    expect(rows).to_have_count(8)
    rows.first.click()
    expect(page.locator("#vote-detail h3")).to_contain_text("Row 5")
    expect(page.locator("#vote-detail")).to_contain_text("n = 7 pairs")
    page.click("#leave-out")
    expect(page.locator("#heading")).to_contain_text("7 pairs")
    expect(page.locator("#check-stale")).to_contain_text(words.STALE_VOTES)
    expect(page.locator("#votes .row.gone .number")).to_have_text("5")
    page.click("#undo")
    expect(page.locator("#check-stale .lab-status")).to_have_count(0)
    rows.first.focus()
    page.keyboard.press("End")
    expect(rows.last).to_have_attribute("aria-checked", "true")
    number = rows.last.locator(".number").text_content()
    expect(page.locator("#vote-detail h3")).to_contain_text(f"Row {number}")

    page.click("#compare-designs > button")
    page.click("#keep-a")
    expect(page.locator("#design-a")).to_contain_text("my concept, 8 pairs")
    page.click("#load-b input")
    page.get_by_role("option", name="sentiment", exact=True).click()
    expect(page.locator("#design-b")).to_contain_text("sentiment, 32 pairs")
    page.click("#compare")
    expect(page.locator("#compare-status")).to_contain_text(words.WRITTEN)
    texts = [text.inner_text() for text in page.locator("#design-texts .text p").all()]
    assert len(set(texts)) == 3, texts
    expect(page.locator("#design-verdict")).to_contain_text("Median cosine")
    page.locator("#design-cosines .scatterlayer").wait_for()
    page.locator("#design-quality .scatterlayer").wait_for()
    pictures(page, "concept")
    page.fill("#design-lam input", "0.2")
    expect(page.locator("#compare-stale")).to_contain_text(words.STALE_COMPARISON)
    assert page.evaluate("window.hacked") is None
    watch.check()
    page.close()
