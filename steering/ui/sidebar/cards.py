"""The two cards of the sidebar: the maps between parent and child, and whether the vector is ready."""

from functools import partial

from steering.ui import render
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace


def connect(events: EventBinder) -> None:
    """Keep both cards up to date."""
    events.notice(partial(update_cards, events.workspace), outputs=["relation", "vector"])
    events.js(events.demo.load, _CLOSE_SIDEBAR_ON_PHONE)


def update_cards(workspace: Workspace, session: Session, settings: Settings) -> Changes:
    """Both cards for these settings."""
    draft = session.draft(settings.concept)
    vector = workspace.vectors.get(settings, draft.concept)
    shapes = [workspace.shape(name) for name in (settings.parent, settings.child)]
    return {
        "relation": render.relation(settings, *shapes),
        "vector": render.vector_state(
            draft, vector, session.vector_key is not None, workspace.vectors.from_file(settings, draft.concept)
        ),
    }


_CLOSE_SIDEBAR_ON_PHONE = """() => {
  const open = document.querySelector(".sidebar.open .toggle-button");
  if (window.innerWidth <= 768 && open) open.click();
}"""
