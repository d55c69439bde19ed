"""HTML of the Library tab, as pure functions. Text of users, files and models is escaped here."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from steering.formatting import ranges
from steering.interop import Card, Finding
from steering.library import Entry, carried_from
from steering.transfer import describe
from steering.ui.tabs.library import text
from steering.ui.text import JOINED
from steering.vectors import SteeringVector


def rows(entries: Sequence[Entry], chosen: str) -> dict[str, Any]:
    """The data of the table of saved vectors."""
    return {
        "columns": list(text.COLUMNS),
        "rows": [{"name": entry.name, "cells": _cells(entry)} for entry in entries],
        "chosen": chosen,
        "empty": text.NOTHING_SAVED,
    }


def details(entry: Entry) -> str:
    """A card with the transfer report and the provenance of a saved vector."""
    if entry.vector is None:
        return f'<div class="lab-card"><p><b>{escape(entry.name)}</b></p><p>✕ {escape(entry.problem)}</p></div>'
    vector = entry.vector
    parents = carried_from(vector)
    joined = vector.report is None and parents
    sentences = [JOINED.format(parents=" + ".join(parents))] if joined else describe(vector.report or {})
    description = "".join(f"<p>{escape(line)}</p>" for line in sentences)
    lines = _table(provenance(vector).items())
    return (
        f'<div class="lab-card lib-details"><p><b>{escape(entry.name)}</b></p>{description}'
        f"<details><summary>Provenance</summary>{lines}</details></div>"
    )


def fit_card(card: Card) -> str:
    """The check card: what matches the child, what differs, and what is unknown."""
    head = text.FITS if card.fits else text.STOPS.format(model=card.model)
    body = "".join(
        f'<tr class="{finding.status}"><th scope="row">{escape(finding.what)}</th><td class="mark">{_status(finding)}</td>'
        f'<td class="long">{escape(finding.expected)}</td>'
        f'<td class="long">{escape(finding.found)}{_advice(finding)}</td></tr>'
        for finding in sorted(card.findings, key=lambda finding: not finding.stops)
    )
    return (
        f'<div class="lab-card lib-card {"fits" if card.fits else "stops"}"><p><b>{escape(card.file)}</b></p>'
        f"<p>{'✓' if card.fits else '✕'} {escape(head)}</p>"
        f'<div class="lib-words"><table><thead><tr><th></th><th></th><th scope="col">{text.EXPECTED}</th>'
        f'<th scope="col">{text.FOUND}</th></tr></thead><tbody>{body}</tbody></table></div></div>'
    )


def _advice(finding: Finding) -> str:
    return f"<br>{escape(finding.advice)}" if finding.advice else ""


def side_by_side(first: Entry, second: Entry) -> str:
    """The provenance of two vectors side by side; rows that differ are marked."""
    assert first.vector is not None
    assert second.vector is not None
    left, right = provenance(first.vector), provenance(second.vector)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="mark">{"" if left.get(name) == right.get(name) else "≠"}</td>'
        f'<td class="long">{escape(left.get(name, "–"))}</td><td class="long">{escape(right.get(name, "–"))}</td></tr>'
        for name in dict.fromkeys([*left, *right])
    )
    return (
        f'<div class="lib-words"><table><thead><tr><th></th><th></th>'
        f'<th scope="col">A: {escape(first.name)}</th><th scope="col">B: {escape(second.name)}</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def provenance(vector: SteeringVector) -> dict[str, str]:
    """The provenance of a vector in words: names and values."""
    steered = [layer for layer, carries in enumerate(vector.signal) if carries]
    lengths = sorted(float(vector.lengths[layer]) for layer in steered)
    message: dict[str, str] = {
        "concept": vector.concept,
        "λ > 0": vector.labels[0],
        "λ < 0": vector.labels[1],
        "for the model": f"{vector.model_name}, {vector.directions.shape[0]} layers of width {vector.directions.shape[1]}",
        "method": vector.method,
        "layers with signal": ranges(steered),
        "length of a layer": " to ".join(dict.fromkeys(f"{length:.3g}" for length in (lengths[0], lengths[-1])))
        if lengths
        else "–",
        "pairs": str(len(vector.pairs)) if vector.pairs else "unknown",
    }
    report: Mapping[str, Any] = vector.report or {}
    for name in ("parent", "layers", "width"):
        if name in report:
            message[{"layers": "layer map", "width": "width map"}.get(name, name)] = str(report[name])
    for name, value in vector.provenance.items():
        if name not in ("transfer", "parent", "pairs", "sizes") and value != "":
            message[name.replace("_", " ")] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return message


def _cells(entry: Entry) -> list[str]:
    saved, size = f"{entry.saved:%Y-%m-%d %H:%M}", f"{entry.size / 1024:,.0f} kB"
    if entry.vector is None:
        return [entry.name, text.UNREADABLE, "", "", "", saved, size]
    vector = entry.vector
    parents = " + ".join(map(_short, carried_from(vector))) or text.OWN_SPACE
    models = f"{parents} → {_short(vector.model_name)}"
    return [
        entry.name,
        vector.concept,
        models,
        vector.method,
        f"{sum(vector.signal)} of {len(vector.signal)}",
        saved,
        size,
    ]


def _status(finding: Finding) -> str:
    return text.MAYBE if finding.status == "differs" and not finding.stops else text.STATUS[finding.status]


def _table(lines: Any) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="long">{escape(words)}</td></tr>' for name, words in lines
    )
    return f'<div class="lib-words"><table><tbody>{body}</tbody></table></div>'


def _short(name: str) -> str:
    return name if len(name) <= 28 else "…" + name[-27:]
