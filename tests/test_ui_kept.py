"""A reload in the middle of a run: its texts are offered to the same tab of the same visitor, and to nobody else."""

from dataclasses import replace
from typing import Any

import pytest
from pages import fields, press

from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.ui.state.drafts import Draft
from steering.ui.state.kept import SECONDS, KeptRun, KeptRuns
from steering.ui.state.settings import DEFAULT, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.steer import text
from steering.ui.tabs.steer.handlers import LONG_TASK, Steering
from steering.ui.tabs.steer.kept import offer, show_kept

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:gradio"),  # without a page, a toast is a warning
    pytest.mark.usefixtures("own_cache"),
]

TAB, OTHER_TAB, PROMPT = "0" * 32, "1" * 32, "The weather"


def opened(workspace: Workspace, name: str, visitor: str = "", tab: str = TAB) -> tuple[Session, dict[str, Any]]:
    """A page of a visitor, and what it is offered."""
    session = workspace.session(name, visitor)
    return session, offer(workspace, session, tab)


def run(workspace: Workspace, session: Session, values: list[Any], *, reload: bool) -> None:
    """A run that ends, or whose page is loaded again once texts grow."""
    changes = press(LONG_TASK, Steering(workspace).steer, session, values, PROMPT)
    for change in changes:
        if reload and change.get("viewer", {}).get("phase") == "running":
            workspace.close("before")
    list(changes)


@pytest.mark.parametrize("reload", [True, False])
def test_a_reload_offers_the_texts_of_the_run(folders: tuple[str, str], reload: bool) -> None:
    workspace, values = Workspace(), fields(*folders, concept="mine", max_new_tokens=40)
    before, offered = opened(workspace, "before")
    assert offered == {}
    own = replace(load_concept("sentiment"), name="mine")
    before.drafts["mine"] = Draft(own, own)
    run(workspace, before, values, reload=reload)
    workspace.close("before")

    after, offered = opened(workspace, "after")
    assert offered["kept_offer"]["visible"]
    assert "“mine”" in offered["kept_note"]
    assert f"“{PROMPT}”" in offered["kept_note"]
    assert ("The reload stopped" in offered["kept_note"]) == reload
    changes = show_kept(workspace, after)
    assert changes["prompt"] == PROMPT
    assert changes["concept"]["value"] == "mine"
    assert after.draft("mine").concept == own
    assert changes["viewer"]["phase"] == ("stopped" if reload else "done")
    assert any(row["text"] for row in changes["viewer"]["rows"])
    assert not changes["kept_offer"]["visible"]
    notice = Steering(workspace).notices(after, Settings.read(*values), PROMPT)
    assert notice["stale"] == "", "these are the texts of the settings that the browser kept"


def test_nobody_else_is_offered_them(folders: tuple[str, str]) -> None:
    workspace = Workspace([*folders], shared=True)
    before, _ = opened(workspace, "before", "ann")
    run(workspace, before, fields(*folders), reload=False)
    for name, visitor, tab in (("1", "ben", TAB), ("2", "ann", OTHER_TAB), ("3", "ann", ""), ("4", "ann", "../" + TAB)):
        session, offered = opened(workspace, name, visitor, tab)
        assert offered == {}
        with pytest.raises(SteeringError, match=text.NOT_KEPT):
            show_kept(workspace, session)
    assert opened(workspace, "5", "ann")[1]["kept_offer"]["visible"]


def test_runs_are_kept_for_a_while_and_not_without_a_tab() -> None:
    now = [0.0]
    runs, kept = KeptRuns(lambda: now[0]), KeptRun(DEFAULT, PROMPT, {}, None)
    runs.keep("ann", TAB, kept)
    runs.keep("ann", "", kept)
    assert runs.get("ann", "") is None
    now[0] = SECONDS - 1
    assert runs.get("ann", TAB) is kept
    now[0] = SECONDS + 1
    assert runs.get("ann", TAB) is None
    runs.keep("ben", TAB, kept)
    assert len(runs._runs) == 1, "what is too old leaves"
    for number in range(100):
        runs.keep("ben", str(number), kept)
    assert len(runs._runs) == 64
