"""The page when it opens, on every width and in both themes; and what is said when something is wrong."""

import gradio as gr
import pytest
from playwright.sync_api import Browser, expect

from browser.visits import ARTEFACTS, EVIL, Watch, opened, scrolls_sideways, tab
from steering.generation import Grid, Health, Row
from steering.ui.app import ROOMS, Lab
from steering.ui.steer import viewer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 768, 1366])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_first_page_is_filled_and_fits(browser: Browser, home: str, width: int, theme: str) -> None:
    page, watch = opened(browser, home, width=width, height=844 if width < 500 else 900, theme=theme)
    page.wait_for_timeout(500)
    expect(page.locator("#viewer .card.baseline .text")).to_contain_text("The first Generate loads gemma-3-270m")
    expect(page.locator("#viewer .chip")).to_have_count(13)
    expect(page.locator(".sidebar.open")).to_have_count(0 if width <= 768 else 1)
    page.screenshot(path=ARTEFACTS / f"first-{width}-{theme}.png", full_page=True)
    for room in (*ROOMS[1:], ROOMS[0]):
        tab(page, room.label)
        page.wait_for_timeout(300)
        assert not scrolls_sideways(page), room.id
        page.screenshot(path=ARTEFACTS / f"{room.id}-empty-{width}-{theme}.png")
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


def test_a_mistake_is_said_beside_the_button(browser: Browser, home: str) -> None:
    page, watch = opened(browser, home)
    page.fill("#child input", "no-such-model")
    page.keyboard.press("Enter")
    page.locator("#child input").blur()
    expect(page.locator("#relation")).to_contain_text("no-such-model")
    page.click("#generate")
    expect(page.locator("#status")).to_contain_text("Unknown model 'no-such-model'", timeout=60_000)
    expect(page.locator("#generate")).to_be_enabled()
    watch.check()
    page.context.close()
