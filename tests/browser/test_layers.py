"""The Layers tab: the map of layers and the report."""

from typing import Any

import pytest
from playwright.sync_api import expect

from browser.visits import pictures, tab
from steering.ui import layers

pytestmark = pytest.mark.browser


def test_layers_are_drawn_with_hover_in_words_and_a_report(steered: dict[str, Any]) -> None:
    page = steered["page"]
    tab(page, layers.ROOM.label)
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
    pictures(page, "layers")
    steered["watch"].check()
