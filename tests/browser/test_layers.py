"""The Layers tab: the map, a pair of its layers, the profile's bars with their preview, and the report."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.visits import pictures, tab, wait_for_figures_that_fit
from steering.ui import text
from steering.ui.tabs import layers
from steering.ui.tabs.layers import text as words

pytestmark = pytest.mark.browser


def cell(page: Page, parent: int, child: int) -> tuple[float, float]:
    """Where a cell of the map of the bundled pair lies in the window."""
    plot = page.locator("#plot .heatmaplayer image")
    plot.scroll_into_view_if_needed()
    place = plot.bounding_box()
    assert place is not None
    return place["x"] + place["width"] * (child + 0.5) / 30, place["y"] + place["height"] * (1 - (parent + 0.5) / 18)


def menu(page: Page, label: str) -> Any:
    return page.get_by_role("combobox", name=label, exact=True)


def test_a_pair_of_layers_is_found_on_the_map_looked_at_and_used(steered: dict[str, Any]) -> None:
    page = steered["page"]
    tab(page, layers.TAB.label)
    expect(page.locator("#verdict")).to_contain_text("R²")
    page.click("#compute")
    expect(page.locator("#layers-status")).to_contain_text("64 texts")
    page.locator("#plot .heatmaplayer image").wait_for()
    page.locator("#report-plot .scatterlayer").wait_for()
    wait_for_figures_that_fit(page)
    page.mouse.move(*cell(page, 12, 16))
    expect(page.locator("#plot .hovertext")).to_contain_text("parent layer 12, child layer 16, r = ")
    page.mouse.click(*cell(page, 12, 16))
    expect(page.locator("#pair-words")).to_contain_text("Parent layer 12 → child layer 16")
    expect(page.locator("#pair-words")).to_contain_text("64 held-out texts")
    expect(page.locator("#pair .child")).to_have_value("16")
    expect(page.locator("#pair-plot .xtitle")).to_have_text("projection in parent layer 12")
    page.locator("#pair .child").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#pair-words")).to_contain_text("child layer 17")
    frames = page.evaluate("document.querySelector('#plot .js-plotly-plot').layout.shapes.map((shape) => shape.x0)")
    assert frames == [16.5, 16.5], "the frame goes with the fields"
    pictures(page, "layers")

    page.click("#use-pair")
    expect(page.locator("#relation")).to_contain_text("12-to-17")
    expect(page.locator("#vector")).to_contain_text("Vector stale")
    expect(page.locator('#bars [role="slider"][aria-valuenow="1.00"]')).to_have_count(1)
    page.click("#all-layers")
    expect(page.locator("#relation")).to_contain_text("relative")
    expect(page.locator("#vector")).to_contain_text("Vector ready")
    steered["watch"].check()


def test_a_click_counts_although_the_map_is_redrawn_in_the_middle_of_it(steered: dict[str, Any]) -> None:
    page = steered["page"]
    tab(page, layers.TAB.label)
    page.click("#compute")
    expect(page.locator("#layers-status")).to_contain_text("64 texts")
    page.locator("#plot .heatmaplayer image").wait_for()
    wait_for_figures_that_fit(page)
    page.mouse.move(*cell(page, 3, 7))
    page.mouse.down()
    page.evaluate(
        """async () => {
          const plot = document.querySelector("#plot .js-plotly-plot");
          await window.Plotly.newPlot(plot, plot.data, plot.layout, { responsive: true });
        }"""
    )
    page.mouse.up()
    expect(page.locator("#pair-words")).to_contain_text("Parent layer 3 → child layer 7")
    page.mouse.move(*cell(page, 5, 5))
    page.mouse.down()
    page.mouse.move(*cell(page, 9, 14))
    page.mouse.up()
    expect(page.locator("#pair .child")).to_have_value("7")  # A drag zooms in, and chooses nothing.
    page.mouse.dblclick(*cell(page, 3, 7))
    steered["watch"].check()


def test_an_edit_of_the_bars_is_previewed_by_itself(steered: dict[str, Any]) -> None:
    page = steered["page"]
    tab(page, layers.TAB.label)
    bars = page.locator('#bars [role="slider"]')
    expect(bars).to_have_count(30)
    # While a run uses the models, an edit asks for no preview; that of the test before may not have ended.
    expect(page.locator("#compute")).to_be_enabled()
    page.get_by_role("button", name="late", exact=True).click()
    expect(page.locator("#preview-texts article")).to_have_count(2)
    expect(page.locator("#preview-status")).to_contain_text("written in")
    late = page.locator("#preview-texts article").nth(1).text_content()
    bars.nth(15).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    expect(bars.nth(16)).to_have_attribute("aria-valuenow", "0.00")
    place = page.locator("#bars .bars").bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + place["width"] * 0.02, place["y"] + place["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.45, place["y"] + place["height"] * 0.5)
    page.mouse.up()
    expect(bars.nth(6)).to_have_attribute("aria-valuenow", "0.50")
    page.get_by_text(text.METHOD_SETTINGS).click()
    expect(menu(page, text.PROFILE)).to_have_value(text.OWN_PROFILE)
    expect(page.locator("#preview-texts article").nth(1)).not_to_have_text(late or "")
    expect(page.locator("#preview-status")).to_contain_text("written in")
    expect(page.locator("#preview-stale .lab-status")).to_have_count(0)
    pictures(page, "layers-profile")
    page.get_by_role("button", name="all", exact=True).click()
    expect(menu(page, text.PROFILE)).to_have_value("all")
    assert words.PREVIEW_EMPTY not in (page.locator("#preview-texts").text_content() or "")
    steered["watch"].check()
