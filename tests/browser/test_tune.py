"""The tabs Tune λ and Vote: a grid, its λ on the slider, the report, and one question put to the vote."""

import pytest
from playwright.sync_api import BrowserContext, expect

from browser.visits import SLOW, opened, pictures, tab
from steering.ui.tabs import steer, tune, vote
from steering.ui.tabs.vote import text as voting

pytestmark = pytest.mark.browser


def test_a_strength_is_tuned_reported_used_and_voted_on(visitor: BrowserContext, home: str) -> None:
    page, watch = opened(visitor, home)
    tab(page, tune.TAB.label)
    page.fill("#tune-questions input", "5")
    page.fill("#tune-lambdas input, #tune-lambdas textarea", "0.2")
    page.click("#tune-preview")
    expect(page.locator("#tune-prompt .lab-pre")).to_contain_text("Question:", timeout=SLOW)
    page.click("#tune-run")
    expect(page.locator("#tune-status")).to_contain_text("10 rows", timeout=SLOW)
    expect(page.locator("#tune-table tbody tr")).to_have_count(2)
    page.locator("#tune-plot .scatterlayer").wait_for(timeout=SLOW)
    expect(page.locator("#tune-verdict")).to_contain_text("validation split, n = 5")
    expect(page.locator("#tune-report-note")).to_contain_text("On 5 questions of the test split")

    page.click("#tune-report")
    expect(page.locator("#tune-report-status")).to_contain_text("Report on 5 questions made", timeout=SLOW)
    expect(page.locator("#tune-study")).to_contain_text("vote over λ")
    with page.expect_download() as download:
        page.click("#tune-download-md")
    assert download.value.suggested_filename == "steering-questions.md"
    pictures(page, "tune")
    page.fill("#tune-lambdas input, #tune-lambdas textarea", "0.2 much")
    expect(page.locator("#tune-stale")).to_contain_text("is not a number", timeout=SLOW)
    page.fill("#tune-lambdas input, #tune-lambdas textarea", "0.2")
    expect(page.locator("#tune-stale")).to_be_hidden(timeout=SLOW)

    tab(page, vote.TAB.label)
    page.click("#vote-take")
    expect(page.locator("#vote-status")).to_contain_text("number 1 of 120", timeout=SLOW)
    page.click("#vote-ask")
    expect(page.locator("#vote-status")).to_contain_text("Done in", timeout=SLOW)
    expect(page.locator("#vote-answers tbody tr")).to_have_count(2)
    expect(page.locator("#vote-verdict")).to_contain_text(voting.SAMPLED.capitalize())
    page.click("#vote-count")
    expect(page.locator("#vote-counted")).to_contain_text("of 5 questions", timeout=SLOW)
    page.locator("#vote-plot .heatmaplayer").wait_for(timeout=SLOW)
    pictures(page, "vote")

    tab(page, tune.TAB.label)
    wanted = (page.locator("#tune-use").text_content() or "").split("λ = ")[1].split(" ")[0]
    page.click("#tune-use")
    expect(page.get_by_role("tab", name=steer.TAB.label, exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#viewer .number")).to_have_value(wanted, timeout=SLOW)
    watch.check()
    page.close()
