"""The Concept tab: editing pairs, and what is said about them."""

from typing import Any

import pytest
from playwright.sync_api import expect

from browser.visits import EVIL, tab
from steering.ui import concept, steer
from steering.ui.steer.text import STALE_GRID
from steering.ui.text import MODIFIED

pytestmark = pytest.mark.browser


def test_pairs_are_edited_linted_kept_and_taken_back(steered: dict[str, Any]) -> None:
    page = steered["page"]
    tab(page, concept.ROOM.label)
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
    tab(page, steer.ROOM.label)
    expect(page.locator("#vector")).to_contain_text("Vector stale")
    expect(page.locator("#stale")).to_contain_text(STALE_GRID)
    tab(page, concept.ROOM.label)
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
    tab(page, steer.ROOM.label)
    expect(page.locator("#vector")).to_contain_text("Vector ready")
    assert page.evaluate("window.hacked") is None
    steered["watch"].check()
