"""The report: one HTML file with the results of the page. It needs no network and follows the reader's colour scheme.

Text of users and models is escaped, and the file's content security policy forbids all requests to other servers.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import plotly.graph_objects as go
import torch
import transformers

from steering.concepts import Concept
from steering.formatting import strength
from steering.measure import Similarity
from steering.plots import plot_report, plot_similarity
from steering.transfer import describe
from steering.ui import text as words
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.export import report_text as text
from steering.ui.tabs.layers.pairs import PairState
from steering.ui.viewer import component as viewer
from steering.ui.viewer.texts import ConceptTexts, PageTexts, also_words, labels

_STYLE = files("steering.ui.tabs.export") / "report.css"

_CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:"
)
"""Content security policy: the file may load nothing but its own inline scripts, styles and images."""

_CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "responsive": True,
    "modeBarButtonsToRemove": ["sendDataToCloud", "lasso2d", "select2d"],
}


def page_report(session: Session, workspace: Workspace, settings: Settings, prompt: str) -> str:
    """The report of the current results of a session; results that were never computed are left out.

    Args:
        session: of the page.
        workspace: holds the vector.
        settings: of the sidebar.
        prompt: on the Steer tab.

    Returns:
        HTML.
    """
    concept = session.draft(settings.concept).concept
    written = session.record(PageTexts).for_concept(concept)
    stale = written is not None and not written.current(session, settings, prompt)
    vector = workspace.vectors.get(settings, concept)
    transfer_report = (
        vector.report if vector else (written.grid.provenance.get("vector", {}).get("transfer") if written else None)
    )
    return report_html(settings, concept, prompt, written, stale, transfer_report, layer_similarities(session))


def layer_similarities(session: Session) -> list[Similarity]:
    """The map of layers on the page, where there is one."""
    comparison = session.record(PairState).comparison
    return [] if comparison is None else [comparison.similarity]


def report_html(
    settings: Settings,
    concept: Concept,
    prompt: str,
    written: ConceptTexts | None,
    stale: bool,
    transfer_report: Mapping[str, Any] | None,
    similarities: Sequence[Similarity],
) -> str:
    """The HTML of the report.

    Args:
        settings: of the sidebar.
        concept: with the edited pairs.
        prompt: on the Steer tab.
        written: the texts; None if there are none.
        stale: whether the texts were generated with other settings.
        transfer_report: of the vector; None if there is none.
        similarities: comparisons of layers.
    """
    figures = _FigureWriter()
    parts = [
        _section(text.TEXTS, _texts(written, concept, stale)) if written else "",
        _section(text.SETTINGS, _settings(settings, concept)),
        _section(text.TRANSFER, _transfer(transfer_report, figures)) if transfer_report else "",
        *(_section(text.layers(similarity), _similarity(similarity, figures)) for similarity in similarities),
        _section(text.pairs(concept), _pairs(concept)),
        _section(text.VERSIONS, _versions(written)),
    ]
    title = escape(text.title(concept.name, settings.child))
    shown_prompt = written.grid.prompt if written else prompt
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_CONTENT_POLICY}"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE.read_text('utf-8')}</style></head><body><header><h1>{title}</h1>"
        f'<p class="prompt"><span>{text.PROMPT}</span>{escape(shown_prompt)}</p></header>'
        f"<main>{''.join(parts)}</main></body></html>\n"
    )


class _FigureWriter:
    """Converts figures to HTML; only the first one contains plotly.js."""

    def __init__(self) -> None:
        self.first = True

    def html(self, figure: go.Figure) -> str:
        html: str = figure.to_html(full_html=False, include_plotlyjs=self.first, config=_CONFIG, default_width="100%")
        self.first = False
        return f'<div class="figure">{html}</div>'


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{body}</section>"


def _texts(written: ConceptTexts, concept: Concept, stale: bool) -> str:
    data, also = viewer.show(written.grid, labels(concept), written.max_tokens, written.phase), also_words(written.grid)
    poles = f"<p>{escape(text.poles(*labels(concept), also))}</p>"
    note = f'<p class="stale">▲ {escape(text.STALE)}</p>' if stale else ""
    unsteered = _row(data["baseline"], "") if "baseline" in data else ""
    return poles + note + unsteered + "".join(_row(row, also) for row in data["rows"])


def _row(row: Mapping[str, Any], also: str) -> str:
    badges = "".join(
        f'<span class="badge {badge["tone"]}" title="{escape(badge["title"])}">{escape(badge["words"])}</span>'
        for badge in row["badges"]
    )
    lam = strength(row["lam"]) + (f" and {also}" if also else "")
    return (
        f'<article class="{row["state"]}"><h3>λ = {escape(lam)} <small>{row["mark"]} {escape(row["word"])}</small></h3>'
        f'<p class="text">{escape(row["text"])}</p><p class="badges">{badges}</p></article>'
    )


def _settings(settings: Settings, concept: Concept) -> str:
    sampling = settings.sampling
    profile = settings.profile if isinstance(settings.profile, str) else " ".join(f"{w:g}" for w in settings.profile)
    return _table(
        {
            words.PARENT: settings.parent,
            words.CHILD: settings.child,
            words.CONCEPT: concept.name,
            words.DIRECTION: settings.method,
            words.LAYER_MAP: str(settings.layers),
            words.WIDTH_MAP: settings.width,
            words.SCALE: settings.scale,
            words.PROFILE: profile,
            words.POSITIONS: settings.positions,
            words.OPERATOR: settings.operator,
            words.MAX_NEW_TOKENS: str(sampling.max_new_tokens),
            words.TEMPERATURE: f"{sampling.temperature:g}",
            words.TOP_P: f"{sampling.top_p:g}",
            words.TOP_K: str(sampling.top_k),
            words.REPETITION_PENALTY: f"{sampling.repetition_penalty:g}",
            words.SEED: str(sampling.seed),
            words.CHAT: "yes" if settings.chat else "no",
            **({words.SYSTEM: settings.system} if settings.system else {}),
            **({words.SECOND: f"{settings.second}, λ = {settings.second_lam:g}"} if settings.second else {}),
        }
    )


def _transfer(report: Mapping[str, Any], figures: _FigureWriter) -> str:
    description = "".join(f"<p>{escape(line)}</p>" for line in describe(report))
    figure = plot_report(report)
    return description + (figures.html(figure) if figure is not None else "")


def _similarity(similarity: Similarity, figures: _FigureWriter) -> str:
    return f"<p>{escape(text.rests_on(similarity))}</p>" + figures.html(plot_similarity(similarity))


def _pairs(concept: Concept) -> str:
    poles = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels(concept))
    body = "".join(
        f"<tr><td>{number}</td><td>{escape(pair.positive)}</td><td>{escape(pair.negative)}</td></tr>"
        for number, pair in enumerate(concept.pairs, start=1)
    )
    head = f"<thead><tr><th></th>{poles}</tr></thead>"
    return f'<div class="scroll"><table class="pairs">{head}<tbody>{body}</tbody></table></div>'


def _versions(written: ConceptTexts | None) -> str:
    provenance = written.grid.provenance if written else {}
    versions = dict(provenance.get("versions", {})) or {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    provenance_json = escape(json.dumps(provenance, ensure_ascii=False, indent=1, default=str))
    folded = (
        f"<details><summary>{text.PROVENANCE}</summary><pre>{provenance_json}</pre></details>" if provenance else ""
    )
    return _table({name: str(value) for name, value in versions.items()}) + folded


def _table(lines: Mapping[str, str]) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in lines.items()
    )
    return f"<table><tbody>{body}</tbody></table>"
