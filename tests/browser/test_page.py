"""The page when it opens, on every width and in both themes; and what is said when something is wrong."""

import threading
from urllib.parse import parse_qs, quote, urlsplit

import gradio as gr
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from browser.visits import (
    EVIL,
    PATIENT,
    SLOW,
    Watch,
    dress,
    opened,
    resize,
    scrolls_sideways,
    settle,
    tab,
    take,
    text_of,
)
from steering.steer.grid import Grid, Health, Row
from steering.ui.app import TABS, Lab
from steering.ui.state.gallery import gallery, opening
from steering.ui.state.presets import PROMPTS, preset
from steering.ui.viewer import component as viewer
from steering.ui.viewer.texts import LIVE

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (768, "light"), (1366, "dark")])
def test_first_page_is_filled_and_fits(visitor: BrowserContext, home: str, width: int, theme: str) -> None:
    page, watch = opened(visitor, home, width=width, theme=theme)
    found, strongest = preset(opening()), gallery()[opening()]
    assert found is not None
    assert text_of(page, "baseline") == found.grid.at(0.0).text
    assert text_of(page, "steered") == found.grid.at(strongest.high).text
    expect(page.locator("#viewer .source")).to_contain_text("Precomputed with gemma-3-270m")
    expect(page.locator("#viewer .moves tbody tr")).to_have_count(8)
    expect(page.locator("#viewer .chip")).to_have_count(13)
    expect(page.locator(".sidebar.open")).to_have_count(0 if width <= 768 else 1)
    expect(page.locator("#first-paint")).to_have_count(0)
    for look in (theme, "light" if theme == "dark" else "dark"):
        dress(page, look)
        take(page, f"first-{width}-{look}")
    assert not scrolls_sideways(page)
    watch.check()
    page.close()


def test_the_viewer_works_before_the_pages_scripts_have_come(browser: Browser, home: str) -> None:
    found, strongest = preset(opening()), gallery()[opening()]
    assert found is not None
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.set_default_timeout(PATIENT)
    watch = Watch(page, home)
    held: list[Route] = []
    holding = threading.Event()
    holding.set()
    page.route("**/*.js", lambda route: held.append(route) if holding.is_set() else route.continue_())
    page.goto(home, wait_until="commit")
    expect(page.locator("#first-paint .card.steered .text")).to_have_text(found.grid.at(strongest.high).text)
    page.locator("#first-paint .slider").focus()
    page.keyboard.press("Home")
    expect(page.locator("#first-paint .card.steered .text")).to_have_text(found.grid.at(-0.6).text)
    assert held
    assert page.locator("#viewer").count() == 0
    holding.clear()
    for route in held:
        route.continue_()
    page.locator("#viewer .chip").first.wait_for()
    expect(page.locator("#first-paint")).to_have_count(0)
    watch.check()
    page.context.close()


@pytest.mark.parametrize("width", [390, 768, 1366, 1920])
def test_fields_fill_their_place(visitor: BrowserContext, home: str, width: int) -> None:
    """Gradio shows the ground of a form: where fields leave a part of it free, there is a grey box."""
    page, watch = opened(visitor, home, width=width)
    free = page.evaluate(
        """() => [...document.querySelectorAll(".lab-tools > .form")].filter((form) => form.offsetWidth).map((form) => {
          const area = (node) => node.clientWidth * node.clientHeight;
          return 1 - [...form.children].reduce((sum, field) => sum + area(field), 0) / area(form);
        })"""
    )
    assert free
    assert max(free) < 0.05
    watch.check()
    page.close()


def test_a_study_says_what_it_asks_and_what_it_takes(visitor: BrowserContext, home: str) -> None:
    page, watch = opened(visitor, home)
    tab(page, "Studies")
    page.click("#studies-name input")
    page.get_by_role("option", name="layer-maps").click()
    expect(page.locator("#studies-question")).to_contain_text("Question 1: which parent layer")
    page.click("#studies-plan")
    expect(page.locator("#studies-takes pre")).to_be_visible()
    watch.check()
    page.close()


def too_wide(page: Page, name: str) -> bool:
    """Whether a tab is wider than the window."""
    tab(page, name)
    settle(page)
    return scrolls_sideways(page)


def test_every_tab_fits_and_has_no_serious_barrier_that_is_ours(visitor: BrowserContext, home: str) -> None:
    """Axe's rules for our pieces of HTML; the rest is Gradio's own widgets. In the dark, contrast alone can differ."""
    axe, ours = Axe(), {"include": [[".html-container"]]}
    page, watch = opened(visitor, home)
    resize(page, 768)
    assert [one_tab.id for one_tab in TABS if too_wide(page, one_tab.label)] == []
    for width, theme, rules in ((1366, "light", {}), (390, "dark", {"runOnly": ["color-contrast"]})):
        resize(page, width)
        dress(page, theme)
        for one_tab in TABS:
            assert not too_wide(page, one_tab.label), (one_tab.id, width)
            options = {"resultTypes": ["violations"], **rules}
            found = axe.run(page, context=ours, options=options).response["violations"]
            serious = [
                (violation["id"], node["html"][:160])
                for violation in found
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"]
            ]
            assert serious == [], (one_tab.id, theme)
    watch.check()
    page.close()


def test_an_address_opens_the_page_as_it_says(visitor: BrowserContext, home: str) -> None:
    page = visitor.new_page()
    watch = Watch(page, home)
    prompt = PROMPTS["honesty"]  # another concept's example, and asked for all the same
    page.goto(f"{home}?concept=courage&lam=-0.4&prompt={quote(prompt)}&width=nonsense&temperature=0.5")
    page.locator("#prompt textarea").wait_for()
    expect(page.locator("#concept input")).to_have_value("courage")
    expect(page.locator("#viewer .card.steered .lam")).to_have_text("λ = −0.4")
    expect(page.locator("#viewer .pole.positive")).to_contain_text("brave")
    expect(page.locator("#relation")).to_contain_text("ridge")
    expect(page.locator("#address-note")).to_contain_text("“nonsense” for width, which is none of")
    page.click("#copy-link")
    page.wait_for_function("location.search.includes('courage')")
    again = parse_qs(urlsplit(page.url).query)
    assert again == {"concept": ["courage"], "lam": ["-0.4"], "prompt": [prompt], "temperature": ["0.5"]}
    expect(page.locator("#prompt textarea")).to_have_value(prompt)
    watch.check()
    page.close()


def test_another_concept_brings_its_texts_and_its_prompt_and_a_mistake_is_said(
    visitor: BrowserContext, home: str
) -> None:
    page, watch = opened(visitor, home)
    page.click("#concept input")
    page.get_by_role("option", name="courage").click()
    expect(page.locator("#viewer .pole.positive")).to_contain_text("brave")
    expect(page.locator("#prompt textarea")).to_have_value(PROMPTS["courage"])
    found = preset("courage")
    assert found is not None
    assert text_of(page, "steered") == found.grid.at(gallery()[opening()].high).text
    expect(page.locator("#stale .lab-status")).to_have_count(0)

    page.fill("#child input", "no-such-model")
    page.keyboard.press("Enter")
    page.locator("#child input").blur()
    expect(page.locator("#relation")).to_contain_text("no-such-model")
    page.click("#generate")
    expect(page.locator("#status")).to_contain_text("Unknown model 'no-such-model'")
    toast, button = (page.locator(each).first.bounding_box() for each in (".toast-wrap .toast-body", "#generate"))
    assert toast
    assert button
    assert toast["y"] > button["y"] + button["height"], "a toast covers no button that starts a run"
    expect(page.locator("#generate")).to_be_enabled()
    watch.check()
    page.close()


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


def test_what_an_address_says_and_is_not_understood_is_named(visitor: BrowserContext, home: str) -> None:
    page = visitor.new_page()
    watch = Watch(page, home)
    page.goto(f"{home}?lam=much&temperature=99&colour=red&chat=maybe&seed={quote(EVIL)}&__theme=light")
    note = page.locator("#address-note")
    for words in (
        "“much” for lam",
        "“99” for temperature, which is outside 0 to 2",
        "a setting colour",
        "“maybe” for chat",
        f"“{EVIL}” for seed",
    ):
        expect(note).to_contain_text(words)
    assert page.evaluate("window.hacked") is None
    watch.check()
    page.goto(f"{home}?lam=0.2&seed=3&chat=false")
    page.locator("#viewer .chip").first.wait_for()
    expect(page.locator("#address-note .lab-status")).to_have_count(0)
    page.close()


def test_a_reload_brings_back_what_was_set(browser: Browser, home: str) -> None:
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.set_default_timeout(PATIENT)
    watch = Watch(page, home)
    page.goto(home)
    page.locator("#viewer .chip").first.wait_for()
    page.locator("#relation .lab-card").wait_for()
    page.fill("#prompt textarea", "Tell me about the harbour.")
    page.locator("#viewer .chip").first.click()
    page.wait_for_function("(sessionStorage.getItem('steering-lab') || '').includes('harbour')")
    # Leaving a page in the middle of a request makes the browser complain of the request.
    expect(page.locator("#status")).to_contain_text("are loaded")
    page.reload()
    page.locator("#relation .lab-card").wait_for()
    expect(page.locator("#prompt textarea")).to_have_value("Tell me about the harbour.")
    expect(page.locator("#viewer .card.steered .lam")).to_have_text("λ = −0.6")
    expect(page.locator("#address-note .lab-status")).to_have_count(0)
    watch.check()
    page.context.close()


def test_tokens_are_coloured_by_what_changed_or_by_where_the_concept_is_read(
    visitor: BrowserContext, home: str
) -> None:
    page, watch = opened(visitor, home)
    steered = page.locator("#viewer .card.steered .text")
    changed = steered.locator(".likelier, .rarer").all_text_contents()
    assert "without λ" in (steered.locator("span").first.get_attribute("title") or "")
    page.select_option("#viewer .colour", "along")
    expect(page.locator("#viewer .key.along")).to_contain_text("further towards “formal” or “casual”")
    expect(page.locator("#viewer .key.change")).to_be_hidden()
    read = steered.locator(".likelier, .rarer").all_text_contents()
    assert read
    assert read != changed
    assert "further towards “formal”" in (steered.locator(".likelier").first.get_attribute("title") or "")
    expect(page.locator("#viewer .card.baseline .text .rarer").first).to_be_visible()
    for theme in ("light", "dark"):
        dress(page, theme)
        take(page, f"read-1366-{theme}")
    page.select_option("#viewer .colour", "")
    expect(page.locator("#viewer .text :is(.likelier, .rarer)")).to_have_count(0)
    assert text_of(page, "steered").strip()
    watch.check()
    page.close()


def test_an_address_opens_the_second_concept(visitor: BrowserContext, home: str) -> None:
    page = visitor.new_page()
    watch = Watch(page, home)
    page.goto(f"{home}?second=calmness&second_lam=0.25")
    expect(page.locator("#second input")).to_have_value("calmness")
    # No other test makes a vector of calmness, which all pages of the app would have.
    expect(page.locator("#second-note")).to_contain_text("Press Generate")
    expect(page.locator("#stale")).to_contain_text("made with other settings")
    page.click("#second input")
    expect(page.get_by_role("option", name="none", exact=True)).to_be_visible()
    page.get_by_role("option", name="courage").click()
    page.click("#copy-link")
    page.wait_for_function("location.search.includes('courage')")
    assert parse_qs(urlsplit(page.url).query)["second_lam"] == ["0.25"]
    watch.check()
    page.close()


def test_a_reload_in_the_middle_of_a_run_offers_its_texts(browser: Browser, home: str) -> None:
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.set_default_timeout(PATIENT)
    page.goto(home)
    page.locator("#relation .lab-card").wait_for()
    expect(page.locator("#kept")).to_have_count(0)
    page.fill("#prompt textarea", "Write a long story about the harbour.")
    page.click("#generate")
    page.locator('#viewer .viewer[data-phase="running"]').wait_for(timeout=SLOW)
    page.reload()
    expect(page.locator("#kept-note")).to_contain_text("The reload stopped a run of “formality”")
    take(page, "reload-1366-light")
    page.click("#kept-show")
    expect(page.locator("#viewer .source")).to_have_text(LIVE)
    expect(page.locator("#viewer .card.baseline .badges")).to_contain_text("stopped at")
    assert text_of(page, "baseline").strip()
    expect(page.locator("#kept")).to_have_count(0)
    expect(page.locator("#stale .lab-status")).to_have_count(0)
    page.context.close()
