"""The two cards of the sidebar: how parent and child are joined, and whether the vector is at hand."""

from functools import partial

from steering.ui import render
from steering.ui.events.long_tasks import Changes
from steering.ui.events.wiring import Wire
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace


def connect(wire: Wire) -> None:
    """Keep both cards up to date."""
    wire.mark(partial(cards, wire.workspace), outputs=["relation", "vector"])
    wire.js(wire.demo.load, _CLOSE_SIDEBAR_ON_PHONE)


def cards(workspace: Workspace, session: Session, settings: Settings) -> Changes:
    """Both cards for these settings."""
    draft = session.draft(settings.concept)
    vector = workspace.ready(settings, draft.concept)
    shapes = [workspace.shape(name) for name in (settings.parent, settings.child)]
    return {
        "relation": render.relation(settings, *shapes),
        "vector": render.vector_state(
            draft, vector, session.vector_key is not None, workspace.from_file(settings, draft.concept)
        ),
    }


_CLOSE_SIDEBAR_ON_PHONE = """() => {
  const open = document.querySelector(".sidebar.open .toggle-button");
  if (window.innerWidth <= 768 && open) open.click();
}"""
