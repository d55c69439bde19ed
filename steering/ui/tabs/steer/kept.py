"""The offer to show the texts of the run that was going on, or had ended, before the page was loaded again."""

import re
from dataclasses import replace
from functools import partial

import gradio as gr

from steering.errors import SteeringError
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes
from steering.ui.render import message
from steering.ui.state.kept import KeptRun
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.steer import text
from steering.ui.viewer.texts import ConceptTexts, PageTexts, show

_SHOWN = ("prompt", "concept", "second", "second_lam", "viewer", "kept_offer", "status")


def connect(events: EventBinder) -> None:
    """Connect the offer."""
    page, workspace = events.page, events.workspace
    tab_named = events.js(events.demo.load, _NAME_TAB, outputs=["tab"])
    events.on(tab_named.then, partial(offer, workspace), ["tab"], ["kept_note", "kept_offer"])
    shown = partial(show_kept, workspace)
    events.on(page["kept_show"].click, shown, outputs=_SHOWN, status="status", update_notices=True)


def offer(workspace: Workspace, session: Session, tab: str) -> Changes:
    """Offer the texts of the run before, where this tab had one."""
    session.tab = tab if re.fullmatch(r"[0-9a-f]{32}", tab or "") else ""
    run = workspace.kept_runs.get(session.visitor.name, session.tab)
    if run is None:
        return {}
    words = text.kept_run(run.settings.concept, run.prompt, finished=run.texts.phase == "done")
    return {"kept_note": message(words), "kept_offer": gr.update(visible=True)}


def show_kept(workspace: Workspace, session: Session) -> Changes:
    """Show these texts, with their prompt and concept.

    Raises:
        SteeringError: they are not kept any more.
    """
    run = workspace.kept_runs.get(session.visitor.name, session.tab)
    if run is None:
        raise SteeringError(text.NOT_KEPT)
    session.drafts |= run.drafts
    concept, texts = session.draft(run.settings.concept).concept, session.record(PageTexts)
    # A copy: the run of the page before may still be ending.
    written = replace(run.texts, phase="done" if run.texts.phase == "done" else "stopped")
    texts.written[concept.name], texts.shown = written, concept.name
    return {
        "prompt": run.prompt,
        "concept": gr.update(choices=session.concepts, value=concept.name),
        "second": run.settings.second,
        "second_lam": run.settings.second_lam,
        "viewer": show(written, concept),
        "kept_offer": gr.update(visible=False),
        "status": message(text.KEPT_SHOWN, "good"),
    }


def keep(workspace: Workspace, session: Session, settings: Settings, prompt: str, written: ConceptTexts) -> None:
    """Keep the texts of a run for this tab."""
    names = [name for name in (settings.concept, settings.second) if name in session.drafts]
    drafts = {name: session.drafts[name] for name in names}
    workspace.kept_runs.keep(session.visitor.name, session.tab, KeptRun(settings, prompt, drafts, written))


_NAME_TAB = """() => {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  const fresh = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    const name = sessionStorage.getItem("steering-lab-tab") || fresh;
    sessionStorage.setItem("steering-lab-tab", name);
    return name;
  } catch { return ""; }
}"""
"""A random name of the browser's tab, which a reload leaves as it is; "" in a browser that keeps nothing."""
