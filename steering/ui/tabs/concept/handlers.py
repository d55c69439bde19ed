"""Handlers of the Concept tab. Every handler gets the whole table, so calling it twice has the same effect as once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr

from steering.concepts import Concept, ContrastPair, bundled_concepts, format_concept, lint, read_concept
from steering.errors import SteeringError
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, toast
from steering.ui.render import message
from steering.ui.state.drafts import Draft, new_draft
from steering.ui.state.pasted import read_pasted
from steering.ui.state.workspace import Session
from steering.ui.tabs.concept import checking, comparing, from_task, gaining, render, text

Rows = Sequence[Sequence[object]]

_STATUS = "pairs_message"
_LABELS = ("positive_label", "negative_label")
_EDITED = ("concept", "pairs", *_LABELS)
"""What every handler of an edit gets: all that can be edited, so that nothing depends on which event came first."""

_TABLE_OUTPUTS = (
    "heading", "problems", "undo", "reset", "delete_pair", "pairs", "positive_label", "negative_label", _STATUS,
)  # fmt: skip


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page = events.page
    for trigger in (events.demo.load, page["concept"].change):
        events.on(trigger, write_table, ["concept"], _TABLE_OUTPUTS, status=_STATUS, update_notices=True)
    # A single listener for table and labels: of edits in quick succession, the newest must be handled last.
    edited = partial(gr.on, [page[name].input for name in ("pairs", *_LABELS)])
    events.on(edited, edit_table, _EDITED, _TABLE_OUTPUTS, status=_STATUS, update_notices=True, latest=True)
    for label in _LABELS:
        left = partial(leave_label, label)
        events.on(page[label].blur, left, [*_EDITED, label], [label], status=_STATUS, update_notices=True)
    for name, handler in (("add_pair", add), ("delete_pair", delete), ("undo", undo), ("reset", reset)):
        events.on(page[name].click, handler, _EDITED, _TABLE_OUTPUTS, status=_STATUS, update_notices=True)
    pasting = (*_TABLE_OUTPUTS, "pasted", "paste")
    events.on(page["add_pasted"].click, paste, [*_EDITED, "pasted"], pasting, status=_STATUS, update_notices=True)
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


def edit_table(session: Session, name: str, rows: Rows, *labels: str) -> Changes:
    """Update the draft after a cell of the table or a label was edited."""
    return _edit(session, name, rows, labels, lambda draft: draft, table=False)


def leave_label(field: str, session: Session, name: str, rows: Rows, *labels: str) -> Changes:
    """End the edit of a label, and show the label as it is kept: without outer spaces, and the old one for an empty one.

    Args:
        field: name of the component.
        session: of the page.
        name: of the concept.
        rows: of the table.
        labels: in the fields: positive, negative, and that of `field` again.
    """
    *both, shown = labels
    _edit(session, name, rows, both, Draft.typed, table=False)
    concept = session.draft(name).concept
    kept = concept.positive_label if field == _LABELS[0] else concept.negative_label
    return {} if kept == shown else {field: kept}


def add(session: Session, name: str, rows: Rows, *labels: str) -> Changes:
    """Add an empty pair at the end."""
    return _edit(session, name, rows, labels, Draft.with_empty_pair)


def delete(session: Session, name: str, rows: Rows, *labels: str) -> Changes:
    """Delete the pair whose cell was clicked last."""
    row = session.record(SelectedRow).row
    if row is None or row >= len(rows):
        toast(text.SELECT_FIRST)
        return {}
    session.record(SelectedRow).row = None
    return _edit(session, name, rows, labels, lambda draft: draft.without(row))


def undo(session: Session, name: str, rows: Rows, *labels: str) -> Changes:
    """Undo the last edit."""
    return _edit(session, name, rows, labels, Draft.undone)


def reset(session: Session, name: str, rows: Rows, *labels: str) -> Changes:
    """Restore the original pairs and labels."""
    return _edit(session, name, rows, labels, Draft.reset)


def paste(session: Session, name: str, rows: Rows, *labels_and_pasted: str) -> Changes:
    """Add the pasted pairs at the end."""
    *labels, pasted = labels_and_pasted
    try:
        read = read_pasted(pasted)
        if read is None:
            raise SteeringError(text.NOTHING_PASTED)
    except SteeringError as error:
        return {"pairs_message": message(_on_the_page(error), "error")}
    pairs = read.concept.pairs
    return _edit(session, name, rows, labels, lambda draft: draft.with_pairs(pairs)) | {
        "pasted": "",
        "paste": gr.update(open=False),
        "pairs_message": message(" ".join([text.ADDED.format(n=len(pairs)), *read.notes]), "good"),
    }


def start_concept(session: Session, pasted: str, name: str) -> Changes:
    """Create a concept with the pasted pairs, or with an empty one, and choose it in the sidebar."""
    if not name.strip():
        return {"pairs_message": message(text.NO_NAME, "error")}
    try:
        read = read_pasted(pasted)
        draft = new_draft(name, read.concept if read else None, session.concepts)
    except SteeringError as error:
        return {"pairs_message": message(_on_the_page(error), "error")}
    concept_name = draft.concept.name
    session.drafts[concept_name] = draft
    return {
        "concept": gr.update(choices=session.concepts, value=concept_name),
        "pasted": "",
        "new_name": text.FIRST_NAME,
        "paste": gr.update(open=not pasted.strip()),
        "pairs_message": message(" ".join(read.notes) if read else ""),
    }


def upload(session: Session, name: str, path: str | None) -> Changes:
    """Replace the pairs by those of a file, and show the notes of its reader."""
    if not path:
        return {}
    try:
        file = read_concept(Path(path))
    except SteeringError as error:
        words = _on_the_page(error)
        toast(words)
        return {"pairs_message": message(words, "error")}
    changes = _changed(session, name, session.draft(name).with_concept(file.concept), table=True)
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


def _edit(
    session: Session,
    name: str,
    rows: Rows,
    labels: Sequence[str],
    edit: Callable[[Draft], Draft],
    *,
    table: bool = True,
) -> Changes:
    """Take over what stands in the table and in the labels, and then edit the draft."""
    return _changed(session, name, edit(session.draft(name).with_rows(rows).with_labels(*labels)), table=table)


def _changed(session: Session, name: str, draft: Draft, *, table: bool) -> Changes:
    session.drafts[name] = draft
    return draft_changes(session, name, table=table) | {"pairs_message": ""}


def _on_the_page(error: SteeringError) -> str:
    """The sentence of an error, without help that only the command line can follow."""
    words = str(error)
    return f"{words}. {text.NAME_COLUMNS}" if "--columns" in words else words


_SCROLL_TO_LAST_PAIR = """() => setTimeout(() => {
  const table = document.querySelector("#pairs .virtual-table-viewport");
  if (table) table.scrollTop = table.scrollHeight;
}, 200)"""
