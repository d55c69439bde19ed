"""Export and import of a page: texts as CSV, session as JSON and back, report as HTML, script as Python."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from steering.concepts import Concept, bundled_concepts, load_concept
from steering.errors import SteeringError
from steering.library import SavedSession, parse_session, session_text
from steering.steer import Grid
from steering.ui.events.long_tasks import Changes
from steering.ui.state.drafts import Draft
from steering.ui.state.second import second_of, texts_key
from steering.ui.state.settings import EARLIER, FIELDS, FILE_PREFIX, Settings
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.export import report, script, text
from steering.ui.viewer.texts import ConceptTexts, PageTexts, also_words, show

_NUMBER_FIELDS = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed", "second_lam")

HEADINGS = (
    "lambda", "text", "tokens", "ended", "perplexity", "repeated_3_grams", "commonest_token", "same_as_baseline",
    "falls_apart", "prompt", "child", "second_concept",
)  # fmt: skip
"""Columns of the CSV file."""


def as_csv(grid: Grid) -> str:
    """The texts of a grid and their health as CSV, one row per λ; first the unsteered text where a second concept acts."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADINGS)
    for row in (*([grid.unsteered] if grid.unsteered else []), *grid.rows):
        health, also = row.health, "" if row is grid.unsteered else also_words(grid)
        measured = ("" if health.perplexity is None else f"{health.perplexity:.4g}", f"{health.repeated:.4g}")
        rest = (f"{health.dominant:.4g}", health.same_as_baseline, health.degenerate, grid.prompt, grid.child, also)
        writer.writerow((f"{row.lam:g}", row.text, len(row.token_ids), row.ended, *measured, *rest))
    return buffer.getvalue()


def write_texts(session: Session, settings: Settings) -> str:
    """Write the texts to a CSV file.

    Returns:
        Its path.

    Raises:
        SteeringError: there are no texts.
    """
    return session.files.write(f"{settings.concept} texts", ".csv", as_csv(_concept_texts(session, settings).grid))


def write_session(session: Session, fields: Sequence[Any], prompt: str) -> str:
    """Write the settings, the pairs, the prompt and the texts to a session file.

    Args:
        session: of the page.
        fields: values of the sidebar's fields.
        prompt: on the Steer tab.

    Returns:
        Its path.
    """
    settings = Settings.read(*fields)
    concept = session.draft(settings.concept).concept
    written = session.record(PageTexts).for_concept(concept)
    second = second_of(session, settings)
    saved = SavedSession(
        fields=dict(zip(FIELDS, fields, strict=True)),
        concept=concept,
        prompt=prompt,
        grid=written.grid if written else None,
        moves=written.moves if written else {},
        current=written is not None and written.current(session, settings, prompt),
        second=None if second is None else second.concept,
    )
    return session.files.write(f"{concept.name} session", ".json", session_text(saved))


def write_report(session: Session, workspace: Workspace, settings: Settings, prompt: str) -> str:
    """Write the report to an HTML file; returns its path."""
    return session.files.write(
        f"{settings.concept} report", ".html", report.page_report(session, workspace, settings, prompt)
    )


def current_script(session: Session, workspace: Workspace, settings: Settings, prompt: str) -> tuple[str, bool]:
    """The script that generates the texts of the page.

    Returns:
        The script, and whether the texts on the page were generated with other settings.

    Raises:
        SteeringError: the file of the vector in use was deleted, or replaced by another vector.
    """
    concept = session.draft(settings.concept).concept
    written = session.record(PageTexts).for_concept(concept)
    lambdas = sorted(row.lam for row in written.grid.rows) if written else session.record(Strengths).grid(concept.name)
    file = _vector_file(workspace, session, settings, concept)
    stale = written is not None and not written.current(session, settings, prompt)
    second = second_of(session, settings)
    saved = session.shelf.entry(settings.second.removeprefix(FILE_PREFIX)).path if second and second.saved else None
    return script.python_script(
        settings, concept, prompt, lambdas=lambdas, file=file, second=second, saved=saved
    ), stale


def restore_session(session: Session, path: Path, choices: Mapping[str, Sequence[str] | None]) -> tuple[Changes, str]:
    """Restore a session from its file.

    Args:
        session: of the page.
        path: the session file.
        choices: the values that each field of the sidebar accepts; None for any.

    Returns:
        Changes of the sidebar, the prompt and the viewer; and a sentence that says what was restored.

    Raises:
        SteeringError: the file is not a session file, or has settings that this page does not know. Then nothing has
            changed.
    """
    try:
        saved = parse_session(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SteeringError(text.UNREADABLE_FILE.format(name=path.name)) from error
    fields = validated_fields({**EARLIER, **saved.fields}, choices)
    if saved.grid is not None:
        sampling = saved.grid.provenance.get("sampling")
        if not isinstance(sampling, Mapping) or type(sampling.get("max_new_tokens")) is not int:
            raise SteeringError(text.NO_SAMPLING)
    concept = replace(saved.concept, name=str(fields["concept"]))
    settings = Settings.read(*(fields[name] for name in FIELDS))
    bundled = concept.name in bundled_concepts()
    session.drafts[concept.name] = Draft(concept, load_concept(concept.name) if bundled else concept)
    if saved.second is not None and settings.second and settings.second != concept.name:
        other = replace(saved.second, name=settings.second)
        original = load_concept(other.name) if other.name in bundled_concepts() else other
        session.drafts[other.name] = Draft(other, original)
    texts = session.record(PageTexts)
    changes: Changes = {
        **fields,
        "concept": gr.update(choices=session.concepts, value=concept.name),
        "prompt": saved.prompt,
    }
    if saved.grid is not None:
        versions = ", ".join(f"{name} {version}" for name, version in saved.versions.items())
        source = text.FROM_SESSION.format(child=saved.grid.child)
        # A session file does not contain the vector file, so texts that depend on one count as out of date.
        current = saved.current and not any(name.startswith(FILE_PREFIX) for name in (concept.name, settings.second))
        key = texts_key(session, settings, saved.prompt) if current else ()
        written = ConceptTexts(saved.grid, key, saved.moves, source, versions)
        texts.written[concept.name], texts.shown = written, concept.name
        changes["viewer"] = show(written, concept)
    return changes, text.restored(concept.name, saved.prompt, len(saved.grid.rows) if saved.grid else 0)


def validated_fields(fields: Mapping[str, Any], choices: Mapping[str, Sequence[str] | None]) -> dict[str, Any]:
    """The values of the sidebar's fields, with their types checked.

    Args:
        fields: values by the name of the field.
        choices: the values that each field accepts; None for any.

    Raises:
        SteeringError: a value is missing, has another type, or is not accepted.
    """
    for name in FIELDS:
        if name not in fields:
            raise SteeringError(text.MISSING_SETTING.format(name=name))
        value, accepted = fields[name], choices.get(name)
        kind, valid = ("text", isinstance(value, str))
        if name == "chat":
            kind, valid = ("yes or no", isinstance(value, bool))
        elif name in _NUMBER_FIELDS:
            kind, valid = ("a number", isinstance(value, int | float) and not isinstance(value, bool))
        if not valid:
            raise SteeringError(text.WRONG_KIND.format(name=name, value=str(value)[:40], kind=kind))
        if accepted is not None and value not in accepted:
            raise SteeringError(
                text.UNKNOWN_SETTING.format(name=name, value=str(value)[:40], choices=", ".join(accepted))
            )
    return {name: fields[name] for name in FIELDS}


def _vector_file(workspace: Workspace, session: Session, settings: Settings, concept: Concept) -> Path | None:
    """The file of the vector in use; None if the vector is extracted from pairs."""
    vector = workspace.vectors.get(settings, concept)
    if vector is None or not workspace.vectors.from_file(settings, concept):
        return None
    entry = session.shelf.entry(settings.concept.removeprefix(FILE_PREFIX))
    if entry.vector is None or entry.vector.digest != vector.digest:
        raise SteeringError(text.FILE_CHANGED.format(name=entry.name))
    return entry.path


def _concept_texts(session: Session, settings: Settings) -> ConceptTexts:
    concept = session.draft(settings.concept).concept
    written = session.record(PageTexts).for_concept(concept)
    if written is None:
        raise SteeringError(text.NO_TEXTS.format(concept=concept.name))
    return written
