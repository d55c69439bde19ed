"""Handlers of the Concept tab. Every handler gets the whole table, so calling it twice has the same effect as once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from steering.concepts import Concept, ContrastPair, bundled_concepts, format_concept, lint, read_concept
from steering.errors import SteeringError
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, toast
from steering.ui.render import message
from steering.ui.state.drafts import Draft, new_draft, read_pairs
from steering.ui.state.workspace import Session
from steering.ui.tabs.concept import checking, comparing, from_task, gaining, render, text

Rows = Sequence[Sequence[object]]

_STATUS = "pairs_message"
_TABLE_OUTPUTS = (
    "heading", "problems", "undo", "reset", "delete_pair", "pairs", "positive_label", "negative_label", _STATUS,
)  # fmt: skip


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page = events.page
    for trigger in (events.demo.load, page["concept"].change):
        events.on(trigger, write_table, ["concept"], _TABLE_OUTPUTS, status=_STATUS, update_notices=True)
    for trigger in (page["pairs"].input, page["positive_label"].input, page["negative_label"].input):
        inputs = ["concept", "pairs", "positive_label", "negative_label"]
        events.on(trigger, edit_table, inputs, _TABLE_OUTPUTS, status=_STATUS, update_notices=True)
    for name, handler in (("add_pair", add), ("delete_pair", delete), ("undo", undo), ("reset", reset)):
        events.on(page[name].click, handler, ["concept", "pairs"], _TABLE_OUTPUTS, status=_STATUS, update_notices=True)
    pasting = (*_TABLE_OUTPUTS, "pasted", "paste")
    events.on(
        page["add_pasted"].click, paste, ["concept", "pairs", "pasted"], pasting, status=_STATUS, update_notices=True
    )
    events.on(
        page["new_concept"].click,
        start_concept,
        ["pasted", "new_name"],
        ["concept", "pasted", "new_name", "paste"],
        status=_STATUS,
    )
    for button in ("add_pair", "add_pasted"):
        events.js(page[button].click, _SCROLL_TO_LAST_PAIR)
    events.on(page["upload"].upload, upload, ["concept", "upload"], _TABLE_OUTPUTS, status=_STATUS, update_notices=True)
    # The file is written whenever the table changes, so that a click on the button downloads the current table.
    events.on(page["pairs"].change, download, ["pairs", "concept"], ["download"], status=_STATUS)

    def clicked(session: Session, event: gr.EventData, concept: str) -> Changes:
        return select(session, concept, int(event.index[0]))

    events.on(page["pairs"].select, clicked, ["concept"], ["delete_pair"], status=_STATUS, event=True)
    from_task.connect(events, _TABLE_OUTPUTS, write_table)
    gaining.connect(events)
    checking.connect(events, _TABLE_OUTPUTS, write_table)
    comparing.connect(events)


@dataclass
class SelectedRow:
    """The row of the table that was clicked last.

    Attributes:
        row: from 0; None if no row was clicked.
    """

    row: int | None = None


def write_table(session: Session, name: str) -> Changes:
    """Update the tab and its table from the draft, with no row selected."""
    session.record(SelectedRow).row = None
    return draft_changes(session, name, table=True) | {"pairs_message": ""}


def draft_changes(session: Session, name: str, *, table: bool) -> Changes:
    """Update the tab from a draft.

    Args:
        session: of the page.
        name: of the concept.
        table: whether the table and the labels are updated too; not after an edit in them.
    """
    draft = session.draft(name)
    row = session.record(SelectedRow).row
    changes: Changes = {
        "heading": render.pairs_heading(draft),
        "problems": render.problem_list(lint(draft.concept.pairs)),
        "undo": gr.update(interactive=bool(draft.history)),
        "reset": gr.update(
            value=text.RESET if draft.original.name in bundled_concepts() else text.RESET_OWN,
            interactive=draft.modified,
        ),
        "delete_pair": text.DELETE_PAIR if row is None else f"{text.DELETE_PAIR} {row + 1}",
    }
    if table:
        changes |= {
            "pairs": draft.rows,
            "positive_label": draft.concept.positive_label,
            "negative_label": draft.concept.negative_label,
        }
    return changes


def edit_table(session: Session, name: str, rows: Rows, positive: str, negative: str) -> Changes:
    """Update the draft after a cell of the table or a label was edited."""
    return _edit(session, name, lambda draft: draft.with_rows(rows).with_labels(positive, negative), table=False)


def add(session: Session, name: str, rows: Rows) -> Changes:
    """Add an empty pair at the end."""
    return _edit(session, name, lambda draft: draft.with_rows(rows).with_empty_pair())


def delete(session: Session, name: str, rows: Rows) -> Changes:
    """Delete the pair whose cell was clicked last."""
    row = session.record(SelectedRow).row
    if row is None or row >= len(rows):
        toast(text.SELECT_FIRST)
        return {}
    session.record(SelectedRow).row = None
    return _edit(session, name, lambda draft: draft.with_rows(rows).without(row))


def undo(session: Session, name: str, rows: Rows) -> Changes:
    """Undo the last edit."""
    return _edit(session, name, lambda draft: draft.with_rows(rows).undone())


def reset(session: Session, name: str, rows: Rows) -> Changes:
    """Restore the original pairs and labels."""
    return _edit(session, name, lambda draft: draft.with_rows(rows).reset())


def paste(session: Session, name: str, rows: Rows, pasted: str) -> Changes:
    """Add the pasted pairs at the end."""
    try:
        pairs = read_pairs(pasted)
        if not pairs:
            raise SteeringError(text.NOTHING_PASTED)
    except SteeringError as error:
        return {"pairs_message": message(str(error), "error")}
    return _edit(session, name, lambda draft: draft.with_rows(rows).with_pairs(pairs)) | {
        "pasted": "",
        "paste": gr.update(open=False),
    }


def start_concept(session: Session, pasted: str, name: str) -> Changes:
    """Create a concept with the pasted pairs, or with an empty one, and choose it in the sidebar."""
    if not name.strip():
        return {"pairs_message": message(text.NO_NAME, "error")}
    try:
        draft = new_draft(name, read_pairs(pasted), session.concepts)
    except SteeringError as error:
        return {"pairs_message": message(str(error), "error")}
    concept_name = draft.concept.name
    session.drafts[concept_name] = draft
    return {
        "concept": gr.update(choices=session.concepts, value=concept_name),
        "pasted": "",
        "new_name": text.FIRST_NAME,
        "paste": gr.update(open=not pasted.strip()),
        "pairs_message": "",
    }


def upload(session: Session, name: str, path: str | None) -> Changes:
    """Replace the pairs by those of a file, and show the notes of its reader."""
    if not path:
        return {}
    try:
        file = read_concept(Path(path))
    except SteeringError as error:
        words = str(error)
        if "--columns" in words:  # An option of the command line, which the page does not have.
            words = f"{words}. {text.NAME_COLUMNS}"
        toast(words)
        return {"pairs_message": message(words, "error")}
    changes = _edit(session, name, lambda draft: draft.with_concept(file.concept))
    session.record(SelectedRow).row = None
    return changes | {"pairs_message": message(" ".join(file.notes))}


def select(session: Session, name: str, row: int) -> Changes:
    """Remember which row was clicked."""
    session.record(SelectedRow).row = row
    return {"delete_pair": draft_changes(session, name, table=False)["delete_pair"]}


def download(session: Session, rows: Rows, concept: str) -> Changes:
    """Write the table to a CSV file, which the button downloads."""
    pairs = tuple(ContrastPair(*(str(cell or "") for cell in row[:2])) for row in rows)
    contents = format_concept(Concept(concept, "positive", "negative", pairs), "csv")
    return {"download": session.files.write(concept, ".csv", contents)}


def _edit(session: Session, name: str, edit: Callable[[Draft], Draft], *, table: bool = True) -> Changes:
    session.drafts[name] = edit(session.draft(name))
    return draft_changes(session, name, table=table) | {"pairs_message": ""}


_SCROLL_TO_LAST_PAIR = """() => setTimeout(() => {
  const table = document.querySelector("#pairs .virtual-table-viewport");
  if (table) table.scrollTop = table.scrollHeight;
}, 200)"""
