"""Events of the Concept tab: every one takes the table as it stands, so that doing it twice does no harm."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from steering.concepts import Concept, ContrastPair, format_concept
from steering.errors import SteeringError
from steering.ui import render, text
from steering.ui.drafts import Draft
from steering.ui.handlers import Changes, Handlers, concept_changes, toast
from steering.ui.workspace import Workspace

Rows = Sequence[Sequence[object]]


class Editing:
    """The events of the pairs table."""

    def __init__(self, workspace: Workspace, handlers: Handlers) -> None:
        self.workspace = workspace
        self.handlers = handlers

    def typed(
        self, page: str, rows: Rows, positive: str, negative: str, prompt: str, metric: str, *fields: Any
    ) -> Changes:
        """Take in the table and the labels after a cell or a label was edited."""
        return self._change(
            page, fields, (prompt, metric), lambda draft: draft.with_rows(rows).with_labels(positive, negative)
        )

    def add(self, page: str, rows: Rows, prompt: str, metric: str, *fields: Any) -> Changes:
        """Add an empty pair at the end."""
        return self._change(page, fields, (prompt, metric), lambda draft: draft.with_rows(rows).added(), table=True)

    def delete(self, page: str, rows: Rows, prompt: str, metric: str, *fields: Any) -> Changes:
        """Delete the pair whose cell was clicked last."""
        session = self.workspace.session(page)
        row = session.selected
        if row is None or row >= len(rows):
            toast(text.SELECT_FIRST)
            return {}
        session.selected = None
        return self._change(
            page, fields, (prompt, metric), lambda draft: draft.with_rows(rows).without(row), table=True
        )

    def undo(self, page: str, rows: Rows, prompt: str, metric: str, *fields: Any) -> Changes:
        """Take the last edit back."""
        return self._change(page, fields, (prompt, metric), lambda draft: draft.with_rows(rows).undone(), table=True)

    def reset(self, page: str, rows: Rows, prompt: str, metric: str, *fields: Any) -> Changes:
        """Go back to the bundled pairs and labels."""
        return self._change(page, fields, (prompt, metric), lambda draft: draft.with_rows(rows).reset(), table=True)

    def upload(self, page: str, path: str | None, prompt: str, metric: str, *fields: Any) -> Changes:
        """Replace the pairs by those of a CSV, JSON or JSONL file."""
        if not path:
            return {}
        file = Path(path)
        try:
            contents = file.read_text("utf-8-sig")
            layout = file.suffix.removeprefix(".").lower()
            self.workspace.session(page).selected = None
            return self._change(
                page, fields, (prompt, metric), lambda draft: draft.with_file(contents, layout, file.stem), table=True
            )
        except (OSError, UnicodeDecodeError):
            words = text.UNREADABLE_UPLOAD.format(name=file.name)
        except SteeringError as error:
            words = str(error)
        toast(words)
        return {"pairs_message": render.message(words, "error")}

    def select(self, page: str, row: int, concept: str) -> Changes:
        """Remember which row was clicked."""
        session = self.workspace.session(page)
        session.selected = row
        return {"delete_pair": concept_changes(session, concept, table=False)["delete_pair"]}

    def _change(
        self,
        page: str,
        fields: Sequence[Any],
        context: tuple[str, str],
        edit: Callable[[Draft], Draft],
        *,
        table: bool = False,
    ) -> Changes:
        session = self.workspace.session(page)
        name = str(fields[2])
        session.drafts[name] = edit(session.draft(name))
        changes = self.handlers.changed(page, *context, *fields) | concept_changes(session, name, table=table)
        return changes | {"pairs_message": ""}


def download(rows: Rows, concept: str) -> str:
    """Write the table to a CSV file.

    Returns:
        Its path, in a temporary folder.
    """
    pairs = tuple(ContrastPair(*(str(cell or "") for cell in row[:2])) for row in rows)
    path = Path(tempfile.mkdtemp(prefix="steering-lab-")) / f"{concept}.csv"
    path.write_text(format_concept(Concept(concept, "positive", "negative", pairs), "csv"), "utf-8")
    return str(path)
