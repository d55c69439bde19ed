"""HTML that several parts of the page use, as pure functions. Text of users and models is escaped here."""

from collections.abc import Sequence
from html import escape

from steering.ui import text
from steering.ui.background.jobs import ProgressReport
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import Settings
from steering.ui.state.shapes import Shape
from steering.vectors import SteeringVector

_SILENT_SECONDS = 2
"""Seconds after which a step says for how long it has been running: a sentence that stays the same looks like a halt."""


def progress(report: ProgressReport) -> str:
    """A progress bar with the current step and the estimated time that is left."""
    if report.stopping:
        return f'<div class="lab-status busy" role="status"><p>{text.STOPPING} …</p></div>'
    percent = round(100 * min(max(report.fraction, 0.0), 1.0))
    so_far = report.seconds + report.age
    remaining = f" · {so_far:.0f} s so far" if so_far >= _SILENT_SECONDS else ""
    if report.seconds_left is not None:
        remaining = f" · about {max(1, round(report.seconds_left))} s left"
    return (
        f'<div class="lab-status busy" role="status"><p>{escape(report.what or text.STARTING)} …</p>'
        f'<progress max="100" value="{percent}" aria-label="Progress"></progress>'
        f'<span class="figures">{percent} %{remaining}</span></div>'
    )


def message(words: str, kind: str = "info") -> str:
    """One sentence that is shown beside a control.

    Args:
        words: the sentence; nothing is shown when it is empty.
        kind: "info", "good", "warning" or "error".
    """
    if not words:
        return ""
    role = "alert" if kind == "error" else "status"
    symbol = {"info": "", "good": "✓ ", "warning": "▲ ", "error": "✕ "}[kind]
    return f'<div class="lab-status {kind}" role="{role}"><p>{symbol}{escape(words)}</p></div>'


def note(words: str) -> str:
    """An explanation in subdued colour."""
    return f'<p class="lab-note">{escape(words)}</p>' if words else ""


def section(title: str, intro: str = "") -> str:
    """A heading within a tab, with an explanation below it."""
    return f'<div class="lab-heading"><h2>{escape(title)}</h2></div>{note(intro)}'


def relation(settings: Settings, parent: Shape | None, child: Shape | None) -> str:
    """The card that names both models and the maps between them."""
    models = [_model("Parent", settings.parent, parent), _model("Child", settings.child, child)]
    if settings.parent == settings.child:
        relation_text = "Same model: the vector is used as it is."
        models = models[:1]
    else:
        layers = text.LAYER_WORDS.get(settings.layers, text.ONE_PAIR)
        width = text.WIDTH_WORDS.get(settings.width, "")
        relation_text = f"{layers} (<b>{escape(settings.layers)}</b> layer map); "
        relation_text += f"{width} (<b>{escape(settings.width)}</b> width map)"
    body = f"{models[0]}<p>{relation_text}</p>" if len(models) == 1 else f"<p>↓ {relation_text}</p>".join(models)
    return f'<div class="lab-card relation">{body}</div>'


def vector_state(draft: Draft, vector: SteeringVector | None, made_before: bool, from_file: bool = False) -> str:
    """The card that says whether the vector is ready, stale since an edit, or missing.

    Args:
        draft: the current draft of the concept.
        vector: the transferred vector for the current settings; None where there is none.
        made_before: whether this session has made a vector with other settings or pairs.
        from_file: whether the vector was read from a file, and not made from the pairs.
    """
    concept = escape(draft.concept.name) + (f" <i>({text.MODIFIED})</i>" if draft.modified else "")
    if vector is not None:
        steered = sum(vector.signal)
        origin = f" {text.FROM_FILE}" if from_file else ""
        words = f"{concept}, steers {steered} of {len(vector.signal)} layers.{origin}"
        return _state("ready", "✓", words)
    if made_before:
        return _state("stale", "▲", f"{concept}: models, pairs or method changed. Generate makes it anew.")
    return _state("missing", "○", f"{concept}: Generate makes it.")


def verdict(sentences: Sequence[str]) -> str:
    """The transfer report in words: the verdict first, then its evidence."""
    first, *rest = sentences
    return f'<div class="lab-card verdict"><p>{escape(first)}</p>{"".join(map(note, rest))}</div>'


def rows_as_table(headings: Sequence[str], rows: Sequence[Sequence[str]], tones: Sequence[str] = ()) -> str:
    """A table that scrolls in its own box; the first cell of a row is its heading.

    Args:
        headings: of the columns.
        rows: text of the cells.
        tones: CSS class of every row.
    """
    head = "".join(f'<th scope="col">{escape(words)}</th>' for words in headings)
    body = "".join(
        f'<tr class="{tone}"><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(words)}</td>" for words in rest)
        + "</tr>"
        for (first, *rest), tone in zip(rows, tones or [""] * len(rows), strict=True)
    )
    return (
        f'<div class="lab-table" tabindex="0" role="region" aria-label="{escape(headings[0])}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _state(kind: str, symbol: str, words: str) -> str:
    state = text.NOT_MADE if kind == "missing" else kind
    return f'<div class="lab-card state {kind}"><p><b>{symbol} Vector {state}</b></p><p>{words}</p></div>'


def _model(role: str, name: str, shape: Shape | None) -> str:
    size = f"{shape.layers} layers of width {shape.width}" if shape else "its size is known once it is loaded"
    return f'<div><span class="role">{role}</span> {escape(_short(name))}<small>{size}</small></div>'


def _short(name: str) -> str:
    return name if len(name) <= 36 else "…" + name[-35:]
