"""A study in one table: baseline, tuned λ, vote and controls on questions that λ was not tuned on.

As Markdown, HTML or JSON.
"""

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.evaluation.columns import Column
from steering.evaluation.controls import Control, controls_json
from steering.evaluation.protocol import Study
from steering.evaluation.voting import Vote
from steering.formatting import signed, strength
from steering.stats import Comparison
from steering.storage import atomic

HEADINGS = (
    "what", "λ", "accuracy", "95 % interval", "strict", "change", "its 95 % interval", "p", "no answer", "degenerate",
    "mean tokens",
)  # fmt: skip


_FORMS: Mapping[str, str] = {
    "choice": "the letter at the beginning",
    "number": "the number behind ####, or alone in the first line",
    "math": "the formula in \\boxed{}",
    "text": "the words behind ####, or alone in the first line",
    "line": "the first line",
}
"""The form that a written answer is asked for in, by the kind of task; see `tasks.STRICT`."""


def table(study: Study) -> list[tuple[str, ...]]:
    """The rows of the report's table, in words; the columns are `HEADINGS`."""
    evaluation = study.evaluation
    places = {column.lam: place for place, column in enumerate(evaluation.columns)}
    against = evaluation.comparisons
    rows = [_column("baseline", evaluation.baseline, None)]
    if study.tuning is not None:
        rows.append(_column("tuned", evaluation.at(study.lam), against[places[study.lam]]))
    if study.vote is not None:
        rows.append(_vote("vote over λ", study.vote))
    rows += [row for several in (study.controls or {}).values() for row in _controls(several, evaluation.seed)]
    rows += [
        _column("exploration", column, comparison)
        for column, comparison in zip(evaluation.columns, against, strict=True)
        if column.lam != 0
    ]
    return rows


def notes(study: Study) -> list[str]:
    """What must be known to read the table, a sentence each."""
    evaluation, origin = study.evaluation, study.evaluation.provenance
    sentences = [
        f"Task {evaluation.task}, split {evaluation.split}, n = {evaluation.n}; {origin['task']['about']}.",
        f"Child {origin['child']['name']} ({origin['child']['fingerprint']}, {origin['dtype']}); "
        f"concept {origin['vector']['concept']}, vector {origin['vector']['digest'][:12]} by {origin['vector']['method']}.",
        f"Operator {origin['operator']}, scale {origin['scale']}, profile {origin['profile']}, positions "
        f"{origin['positions']}; mode {evaluation.mode}, "
        f"{origin['style']['shots']} shots, {'plain' if origin['style']['plain'] else 'chat template'}; seed {origin['seed']}; "
        + ", ".join(f"{name} {version}" for name, version in origin["versions"].items())
        + ".",
    ]
    if study.tuning is not None:
        n, split = study.tuning.evaluation.n, study.tuning.evaluation.split
        sentences.append(
            f"λ = {strength(study.lam)} was chosen on {n} questions of the {split} split. {study.tuning.verdict}"
        )
        if study.controls:
            sentences.append(
                "Every random vector and the flipped one are shown at the λ that was chosen for it on the same questions; "
                "the flipped one's is 0 or on the side of the tuned λ, because on the other side it is the vector itself."
            )
    else:
        sentences.append(f"No λ was tuned; controls are shown at λ = {strength(study.lam)}.")
    if study.vote is not None:
        data = study.vote.as_json()
        sentences.append(
            f"The vote has {len(study.vote.voters)} voters, {data['ties']} ties, and an agreement of {data['agreement']:.2f}."
        )
    if evaluation.mode == "generate":
        sentences.append(
            "Accuracy, vote and p read answers flexibly, wherever they stand in the text. Strict counts "
            f"an answer in the asked-for form alone: {_FORMS[evaluation.kind]}. A thought in <think> is no answer in either."
        )
    sentences.append(
        "Intervals: Wilson's for accuracies, paired bootstrap for changes and for means over controls; p: exact McNemar "
        "against the baseline, not corrected for the number of rows. Rows called exploration show the reported questions "
        "at every λ: choosing among them would be tuning on the test."
    )
    return sentences


def as_markdown(study: Study) -> str:
    """The report as Markdown."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *table(study)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        f"# Steering on {study.evaluation.task}\n\n{rows}\n\n" + "\n".join(f"* {note}" for note in notes(study)) + "\n"
    )


def as_html(study: Study) -> str:
    """The report as a page of its own."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    title = html.escape(f"Steering on {study.evaluation.task}")
    body = "".join(row(cells, "td") for cells in table(study))
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes(study))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><table><thead>{row(HEADINGS, 'th')}</thead><tbody>{body}</tbody></table>"
        f"<ul>{listed}</ul></body></html>\n"
    )


_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 sans-serif;margin:2rem}table{border-collapse:collapse}"
    "td,th{padding:.25rem .75rem;text-align:right;border-bottom:1px solid #8886}td:first-child,th:first-child{text-align:left}"
)

FORMATS: Mapping[str, Callable[[Study], str]] = {
    ".md": as_markdown,
    ".html": as_html,
    ".json": lambda study: json.dumps(study.as_json(), ensure_ascii=False, indent=1),
}
"""How a report is written, by the ending of its file."""


def check_report(path: Path) -> None:
    """Make sure, before hours of work, that a report can be written under this name.

    Raises:
        SteeringError: no such format.
    """
    if path.suffix not in FORMATS:
        raise SteeringError(f"{path} must end in {', '.join(FORMATS)}.")


def write_report(study: Study, path: Path) -> None:
    """Write a report in the format of the file's ending.

    Raises:
        SteeringError: no such format.
    """
    check_report(path)
    with atomic(path) as temporary:
        temporary.write_text(FORMATS[path.suffix](study), "utf-8")


def _column(what: str, column: Column, comparison: Comparison | None) -> tuple[str, ...]:
    data = column.as_json()
    return (
        what,
        strength(column.lam),
        *_accuracy(data),
        "" if column.strict_accuracy is None else f"{column.strict_accuracy:.3f}",
        *(_change(comparison) if comparison else ("", "", "")),
        f"{data['no_answer']:.2f}",
        f"{data['degenerate']:.2f}",
        f"{data['mean_tokens']:.0f}",
    )


def _vote(what: str, vote: Vote) -> tuple[str, ...]:
    data = vote.as_json()
    return (what, "", *_accuracy(data), "", *_change(vote.comparison), f"{data['no_answer']:.2f}", "", "")


def _controls(several: Sequence[Control], seed: int) -> Iterator[tuple[str, ...]]:
    if len(several) > 1:
        mean = controls_json({"": several}, seed)[""]
        kind = several[0].name.rsplit(" ", 1)[0]
        lambdas = ", ".join(strength(lam) for lam in dict.fromkeys(control.column.lam for control in several))
        yield (f"{kind}, mean of {len(several)}", lambdas, *_accuracy(mean), *[""] * 7)
        if "vote" in mean:
            yield (f"{kind}, mean vote of {len(several)}", "", *_accuracy(mean["vote"]), *[""] * 7)
    for control in several:
        name = f"{control.name}, one sample" if control.name == "self-consistency" else control.name
        yield _column(name, control.column, control.comparison)
        if control.vote is not None:
            yield _vote(f"{control.name}, vote", control.vote)


def _accuracy(data: Mapping[str, Any]) -> tuple[str, str]:
    return f"{data['accuracy']:.3f}", f"{data['low']:.3f} to {data['high']:.3f}"


def _change(comparison: Comparison) -> tuple[str, str, str]:
    interval = (
        f"{signed(comparison.low, 3)} to {signed(comparison.high, 3)}"
        if comparison.low == comparison.low
        else "unknown"
    )
    return signed(comparison.change, 3), interval, f"{comparison.p:.3f}"
