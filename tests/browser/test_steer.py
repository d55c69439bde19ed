"""The Steer tab: writing at every λ, and moving among the texts. The tests share a page, and run in their order."""

from typing import Any

import pytest
from playwright.sync_api import expect

from browser.visits import pictures, tab, text_of
from steering.ui import text
from steering.ui.state.gallery import opening
from steering.ui.state.presets import PROMPTS
from steering.ui.tabs import concept, steer
from steering.ui.tabs.steer import text as words
from steering.ui.viewer.texts import LIVE

pytestmark = pytest.mark.browser


def test_generate_streams_both_cards_and_says_what_it_does(steered: dict[str, Any]) -> None:
    said = " ".join(steered["status"])
    assert "%" in said
    assert words.WRITING in said
    for card, (*growing, whole) in steered["lengths"].items():
        assert any(0 < length < whole for length in growing), (card, growing, whole)
    page = steered["page"]
    expect(page.locator("#vector")).to_contain_text("Vector ready")
    for card in ("baseline", "steered"):
        expect(page.locator(f"#viewer .card.{card} .badges")).to_contain_text("perplexity")
    pictures(page, "steer")
    steered["watch"].check()


def test_steering_changes_the_text_and_zero_does_not(steered: dict[str, Any]) -> None:
    page = steered["page"]
    texts = {}
    for lam in ("−0.6", "0", "+0.6"):
        page.locator("#viewer .chip", has_text=lam if lam != "0" else "◆").click()
        texts[lam] = text_of(page, "steered")
    assert texts["0"] == text_of(page, "baseline")
    assert len(set(texts.values())) == 3
    assert all(words.strip() for words in texts.values())


def test_dragging_paints_in_the_next_frame_and_asks_the_server_for_nothing(steered: dict[str, Any]) -> None:
    page = steered["page"]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    painted, moved = page.evaluate(
        """async () => {
          const slider = document.querySelector("#viewer .slider");
          const body = document.querySelector("#viewer .card.steered .lam");
          let [painted, moved] = [0, 0];
          for (let step = 0; step < 39; step += 1) {
            const [text, place] = [body.textContent, slider.value];
            slider.value = String(-0.6 + 0.1 * ((step * 5) % 13));
            moved += slider.value !== place;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            await new Promise(requestAnimationFrame);
            painted += body.textContent !== text;
          }
          return [painted, moved];
        }"""
    )
    assert painted == moved > 20
    assert asked == []


def test_keyboard_alone_moves_the_strength(steered: dict[str, Any]) -> None:
    page = steered["page"]
    steered_at = page.locator("#viewer .card.steered .lam")
    page.locator("#viewer .number").focus()
    page.keyboard.type("0.25")
    expect(page.locator("#viewer .near")).to_contain_text("nearest λ shown")
    page.keyboard.press("Enter")
    page.locator("#viewer .number").focus()
    page.keyboard.type("much")
    expect(page.locator("#viewer .near")).to_contain_text("“much” is not a number")
    page.locator("#viewer .number").fill("1.5")
    expect(page.locator("#viewer .near")).to_contain_text("λ = +1.5 lies outside the strengths that were written")
    expect(steered_at).to_have_text("λ = +0.6")
    page.locator("#viewer .number").fill("0.25")
    page.locator("#viewer .slider").focus()
    page.keyboard.press("ArrowRight")
    expect(steered_at).to_have_text("λ = +0.3")
    expect(page.locator("#viewer .near p")).to_be_empty()
    page.keyboard.press("ArrowLeft")
    expect(steered_at).to_have_text("λ = +0.2")
    page.keyboard.press("Home")
    expect(steered_at).to_have_text("λ = −0.6")
    page.keyboard.press("End")
    expect(steered_at).to_have_text("λ = +0.6")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect(steered_at).to_have_text("λ = +0.5")
    assert page.evaluate('document.activeElement.matches("#viewer .chip[aria-checked=true]")')


def test_the_strength_and_the_texts_survive_another_tab(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.locator("#viewer .chip", has_text="−0.4").click()
    before = text_of(page, "steered")
    tab(page, concept.TAB.label)
    expect(page.locator("#heading")).to_be_visible()
    tab(page, steer.TAB.label)
    expect(page.locator("#viewer .card.steered .text")).to_be_visible()
    assert text_of(page, "steered") == before


def test_a_changed_prompt_marks_the_texts_stale_and_keeps_them(steered: dict[str, Any]) -> None:
    page = steered["page"]
    before = text_of(page, "baseline")
    page.fill("#prompt textarea", "Tell me about <i>your</i> morning.")
    expect(page.locator("#stale")).to_contain_text(words.STALE_GRID)
    assert text_of(page, "baseline") == before
    page.fill("#prompt textarea", PROMPTS[opening()])
    expect(page.locator("#stale .lab-status")).to_have_count(0)


def test_a_strength_between_those_of_the_grid_is_written_on_demand(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.locator("#viewer .number").fill("0.25")
    page.locator("#viewer .number").press("Enter")
    expect(page.locator("#viewer .near")).to_contain_text("nearest λ shown")
    page.click("#viewer .here")
    expect(page.locator("#status")).to_contain_text("λ = +0.25 was added")
    expect(page.locator("#viewer .chip")).to_have_count(14)
    expect(page.locator("#viewer .card.steered .lam")).to_have_text("λ = +0.25")
    expect(page.locator("#viewer .card.steered .badges")).to_contain_text("perplexity")
    expect(page.locator("#viewer .here")).to_be_hidden()
    expect(page.locator("#viewer .source")).to_have_text(LIVE)


def test_next_tokens_move_with_the_strength(steered: dict[str, Any]) -> None:
    page = steered["page"]
    moves = page.locator("#viewer .moves tbody tr")
    page.locator("#viewer .chip", has_text="+0.5").click()
    expect(moves).to_have_count(8)
    strong = moves.all_text_contents()
    page.locator("#viewer .chip", has_text="−0.5").click()
    assert moves.all_text_contents() != strong
    page.locator("#viewer .chip", has_text="◆").click()
    assert all("+0.0" in line or "−0.0" in line for line in moves.all_text_contents())


def test_stop_stops_and_the_page_stays_usable(steered: dict[str, Any]) -> None:
    page = steered["page"]
    page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}").fill("200")
    page.fill("#prompt textarea", "Write a long story about the sea.")
    page.locator("#prompt textarea").press("Tab")
    page.keyboard.press("Enter")
    page.locator('#viewer .viewer[data-phase="running"]').wait_for()
    page.click("#stop")
    expect(page.locator("#status")).to_contain_text("Stopped")
    expect(page.locator("#generate")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()
    expect(page.locator("#viewer .card.baseline .badges")).to_contain_text("stopped at")
    assert text_of(page, "baseline").strip()
    page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}").fill("8")
    page.fill("#prompt textarea", PROMPTS[opening()])
    page.locator("#prompt textarea").press("Shift+Enter")
    expect(page.locator("#status")).to_contain_text("side by side")
    steered["watch"].check()


def test_a_start_in_the_middle_of_a_run_of_the_same_button_replaces_it(steered: dict[str, Any]) -> None:
    page = steered["page"]
    limit = page.get_by_label(f"number input for {text.MAX_NEW_TOKENS}")
    limit.fill("200")
    page.fill("#prompt textarea", "Write a long story about the sea.")
    page.locator("#prompt textarea").press("Shift+Enter")
    page.locator('#viewer .viewer[data-phase="running"]').wait_for()
    limit.fill("8")
    page.fill("#prompt textarea", PROMPTS[opening()])
    page.locator("#prompt textarea").press("Shift+Enter")
    expect(page.locator("#status")).to_contain_text("side by side")
    expect(page.locator("#generate")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()
    expect(page.locator("#stale .lab-status")).to_have_count(0)
    steered["watch"].check()
