"""Small pieces of the page as HTML: pure functions of records. Whatever a user or a model wrote is escaped here."""

from collections.abc import Sequence
from html import escape

from steering.ui import text
from steering.ui.background.jobs import Report
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Shape
from steering.vectors import SteeringVector


def progress(report: Report) -> str:
    """What is being done, how far it is, and for about how much longer."""
    if report.stopping:
        return f'<div class="lab-status busy" role="status"><p>{text.STOPPING} …</p></div>'
    percent = round(100 * min(max(report.fraction, 0.0), 1.0))
    left = "" if report.left is None else f" · about {max(1, round(report.left))} s left"
    return (
        f'<div class="lab-status busy" role="status"><p>{escape(report.what)} …</p>'
        f'<progress max="100" value="{percent}" aria-label="Progress"></progress>'
        f'<span class="figures">{percent} %{left}</span></div>'
    )


def message(words: str, kind: str = "info") -> str:
    """One sentence beside the control that it is about.

    Args:
        words: what to say; nothing is shown when empty.
        kind: "info", "good", "warning" or "error".
    """
    if not words:
        return ""
    role = "alert" if kind == "error" else "status"
    mark = {"info": "", "good": "✓ ", "warning": "▲ ", "error": "✕ "}[kind]
    return f'<div class="lab-status {kind}" role="{role}"><p>{mark}{escape(words)}</p></div>'


def note(words: str) -> str:
    """A quiet line that explains."""
    return f'<p class="lab-note">{escape(words)}</p>' if words else ""


def section(title: str, intro: str = "") -> str:
    """A heading within a tab, and a quiet line below it."""
    return f'<div class="lab-heading"><h2>{escape(title)}</h2></div>{note(intro)}'


def relation(settings: Settings, parent: Shape | None, child: Shape | None) -> str:
    """The card that says how parent and child will be joined."""
    models = [_model("Parent", settings.parent, parent), _model("Child", settings.child, child)]
    if settings.parent == settings.child:
        joined = "Same model: the vector is used as it is."
        models = models[:1]
    else:
        joined = f"<b>{escape(settings.layers)}</b> layer map, <b>{escape(settings.width)}</b> width map"
    body = f"{models[0]}<p>{joined}</p>" if len(models) == 1 else f"<p>↓ {joined}</p>".join(models)
    return f'<div class="lab-card relation">{body}</div>'


def vector_state(draft: Draft, vector: SteeringVector | None, earlier: bool, from_file: bool = False) -> str:
    """The card that says whether the vector is ready, stale since an edit, or missing.

    Args:
        draft: the concept as it stands.
        vector: the carried vector for these settings, when there is one.
        earlier: whether this page has made a vector with other settings or pairs.
        from_file: whether the vector was read from a file, and not made from the pairs.
    """
    concept = escape(draft.concept.name) + (f" <i>({text.MODIFIED})</i>" if draft.modified else "")
    if vector is not None:
        steered = sum(vector.signal)
        origin = f" {text.FROM_FILE}" if from_file else ""
        words = f"{concept}, steers {steered} of {len(vector.signal)} layers.{origin}"
        return _state("ready", "✓", words)
    if earlier:
        return _state("stale", "▲", f"{concept}: models, pairs or method changed. Generate makes it anew.")
    return _state("missing", "○", f"{concept}: Generate makes it.")


def verdict(sentences: Sequence[str]) -> str:
    """The transfer report in words: the verdict first, then what it rests on."""
    first, *rest = sentences
    return f'<div class="lab-card verdict"><p>{escape(first)}</p>{"".join(map(note, rest))}</div>'


def _state(kind: str, mark: str, words: str) -> str:
    return f'<div class="lab-card state {kind}"><p><b>{mark} Vector {kind}</b></p><p>{words}</p></div>'


def _model(role: str, name: str, shape: Shape | None) -> str:
    size = f"{shape.layers} layers of width {shape.width}" if shape else "its size is known once it is loaded"
    return f'<div><span class="role">{role}</span> {escape(_short(name))}<small>{size}</small></div>'


def _short(name: str) -> str:
    return name if len(name) <= 36 else "…" + name[-35:]
