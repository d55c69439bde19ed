"""What stands in a field a second after typing is what the server has: a law over every text and number field of the page."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.visits import PATIENT, Watch, settle, tab
from steering.ui.app import TABS, build_app
from steering.ui.events import binder
from steering.ui.state.workspace import Session, Workspace

pytestmark = pytest.mark.browser

SETTLED = 1000
"""Milliseconds after typing."""


class Spy:
    """The app in this process: its fields, its only session, and what a probe of all fields got last."""

    def __init__(self, address: str, names: dict[str, str], workspace: Workspace, probed: dict[str, Any]) -> None:
        self.address, self.names, self.workspace, self.probed = address, names, workspace, probed

    @property
    def session(self) -> Session:
        return list(self.workspace._sessions.values())[-1]


@pytest.fixture(scope="module")
def spied() -> Iterator[Spy]:
    kept: list[binder.EventBinder] = []
    begin = binder.EventBinder.__init__

    def keep(self: binder.EventBinder, *values: Any) -> None:
        begin(self, *values)
        kept.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binder.EventBinder, "__init__", keep)
        demo = build_app("no/parent", "no/child")  # Models that are not here are not loaded.
    page, probed = kept[0].page, dict[str, Any]()
    fields = {name: part for name, part in page.items() if isinstance(part, gr.Textbox | gr.Number)}
    fields = {name: part for name, part in fields.items() if part.visible is True and part.interactive is not False}

    def probe(*values: Any) -> None:
        probed.update(zip(fields, values, strict=True))

    with demo:
        button = gr.Button("probe", elem_id="probe")
        button.click(probe, [*fields.values()], api_visibility="private")
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_port=None)
    try:
        places = {part.elem_id or f"component-{part._id}": name for name, part in fields.items()}
        yield Spy(address, places, kept[0].workspace, probed)
    finally:
        demo.close()


def open_everything(page: Page) -> None:
    """Unfold every accordion of what is shown."""
    for fold in page.locator("button.label-wrap:not(.open)").all():
        if fold.is_visible():
            fold.click()
    settle(page)


def test_what_stands_in_a_field_a_second_after_typing_is_what_the_server_has(browser: Browser, spied: Spy) -> None:
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.set_default_timeout(PATIENT)
    watch = Watch(page, spied.address)
    page.goto(spied.address)
    page.locator("#relation .lab-card, #relation .lab-status").first.wait_for()
    typed: dict[str, Any] = {}
    for one_tab in TABS:
        tab(page, one_tab.label)
        settle(page)
        open_everything(page)
        for place, name in spied.names.items():
            field = page.locator(f"#{place}").locator("input, textarea").first
            if name in typed or not field.count() or not field.is_visible():
                continue
            numeric = field.get_attribute("type") == "number"
            field.click()
            page.keyboard.press("Control+A")
            page.keyboard.type("27" if numeric else "gloomy and so on")  # As fast as the browser takes it.
            typed[name] = 27 if numeric else "gloomy and so on"
    page.wait_for_timeout(SETTLED)
    page.evaluate("document.querySelector('#probe').click()")
    for _ in range(PATIENT // SETTLED):
        page.wait_for_timeout(SETTLED)
        if spied.probed:
            break
    assert len(typed) > 12, sorted(typed)
    assert {name: spied.probed[name] for name in typed} == typed
    watch.check()
    page.context.close()


def test_a_label_typed_fast_reaches_the_server_and_is_one_undo_step(browser: Browser, spied: Spy) -> None:
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.set_default_timeout(PATIENT)
    page.goto(spied.address)
    page.locator("#relation .lab-card, #relation .lab-status").first.wait_for()
    tab(page, "Concept")
    page.locator("#heading", has_text="pairs").wait_for()
    before = spied.session.drafts[(name := next(iter(spied.session.drafts)))]
    for label in ("#positive-label", "#negative-label"):
        page.locator(f"{label} input, {label} textarea").click()
        page.keyboard.press("Control+A")
        page.keyboard.type("a rather gloomy pole")
    wanted = ("a rather gloomy pole",) * 2
    for _ in range(PATIENT // SETTLED):  # A busy machine takes its time; a lost letter never comes.
        page.wait_for_timeout(SETTLED)
        draft = spied.session.drafts[name]
        if (labels := (draft.concept.positive_label, draft.concept.negative_label)) == wanted:
            break
    assert labels == wanted
    assert len(draft.history) == 2
    for _ in range(2):
        page.click("#undo")
        settle(page)
    expect(page.locator("#undo")).to_be_disabled()
    assert spied.session.drafts[name].concept == before.concept
    page.context.close()
