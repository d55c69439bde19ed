"""One table of everything: baseline, tuned λ, vote and controls on questions that λ was not tuned on.

`study` runs it; the rest writes the record as Markdown, HTML or JSON.
"""

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steering.errors import Progress, SteeringError, part_of, silent
from steering.evaluation.columns import Column
from steering.evaluation.controls import RANDOM_SEEDS, Context, Control, controls_json, run_controls
from steering.evaluation.evaluation import Evaluation, Tuning, evaluation_of, tuned
from steering.evaluation.scorer import Scorer, Setup, strengths
from steering.evaluation.store import Store
from steering.evaluation.voting import Vote, vote
from steering.formatting import signed, strength
from steering.models import LanguageModel
from steering.stats import Comparison
from steering.storage import atomic
from steering.tasks import load_task
from steering.vectors import SteeringVector


@dataclass(frozen=True)
class Study:
    """A λ grid with all that it has to be compared with.

    Attributes:
        evaluation: the grid on the reported part.
        tuning: the grid on the validation part; None where nothing was tuned.
        lam: the tuned λ, or the one at which controls are shown.
        vote: the vote over λ; None where it was not asked for.
        controls: the controls by kind; empty where they were not asked for.
    """

    evaluation: Evaluation
    tuning: Tuning | None = None
    lam: float = 0.0
    vote: Vote | None = None
    controls: Mapping[str, tuple[Control, ...]] | None = None

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        found = self.evaluation.as_json()
        if self.tuning is not None:
            found["tuned"] = {**self.evaluation.at(self.lam).as_json(), "chosen_on": self.tuning.as_json()}
        if self.vote is not None:
            found["vote"] = self.vote.as_json()
        found["controls"] = controls_json(self.controls or {}, self.evaluation.seed)
        return found


def study(
    child: LanguageModel,
    vector: SteeringVector,
    task: str | Path,
    lambdas: Sequence[float] | None = None,
    *,
    split: str = "test",
    limit: int | None = None,
    setup: Setup | None = None,
    tune: bool = True,
    lam: float | None = None,
    voting: bool = True,
    controls: bool = True,
    store: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Study:
    """Tune λ on one part of a task, and report it on another, beside the vote and the controls.

    Args:
        child: the model that answers.
        vector: a vector in its space.
        task: a name or file for `tasks.load_task`.
        lambdas: strengths; see `evaluation.evaluate`.
        split: the part that is reported.
        limit: at most so many questions of each part.
        setup: prompts, sampling and steering.
        tune: choose λ on the validation part.
        lam: the λ that decides ties and at which controls are shown, where it is not tuned here; by default the largest.
        voting: let the λ vote.
        controls: run the controls.
        store: see `evaluation.evaluate`.
        resume: see `evaluation.evaluate`.
        progress: see `evaluation.evaluate`.

    Raises:
        SteeringError: see `evaluation.evaluate`; or λ is to be tuned on the questions that are reported.
    """
    if tune and split != "test":
        raise SteeringError(f"λ is tuned on the validation split, so the split {split!r} cannot report it. Use test.")
    chosen = setup or Setup()
    tried = strengths(lambdas, chosen.steering.scale)
    if lam is not None:
        tried = strengths([*tried, lam], chosen.steering.scale)
    opened = Store.open(store, resume=resume)
    first, second = (0.15 if tune else 0.0), (0.35 if controls else 1.0)

    def scorer(part: str, low: float, high: float) -> Scorer:
        loaded = load_task(task, part, limit=limit, seed=chosen.seed)
        return Scorer(child, loaded, chosen, opened, part_of(progress, low, high))

    reported = scorer(split, first, second)
    tuning = tuned(evaluation_of(scorer("validation", 0.0, first), vector, tried, "tuning")) if tune else None
    found = evaluation_of(reported, vector, tried)
    place = tuning.best_lam if tuning else max(tried, key=abs) if lam is None else lam
    rest = replace(reported, progress=part_of(progress, second, 1.0))
    return Study(
        evaluation=found,
        tuning=tuning,
        lam=place,
        vote=vote(found, 0.0 if tuning is None and lam is None else place) if voting else None,
        controls=run_controls(Context(rest, vector, found, place)) if controls else None,
    )


def most_rows(n: int, lambdas: Sequence[float], mode: str) -> int:
    """Rows that a study with vote and controls computes at most, once λ is tuned.

    Args:
        n: number of questions in the reported part.
        lambdas: strengths, 0 among them.
        mode: "generate" or "likelihood".
    """
    steered = [lam for lam in lambdas if lam != 0]
    flipped = [lam for lam in steered if -lam not in steered]  # −v at λ is v at −λ.
    samples = len(lambdas) if mode == "generate" else 0  # Weighed choices are sampled from the baseline's own scores.
    return n * (len(lambdas) + RANDOM_SEEDS * len(steered) + len(flipped) + samples + 1)


HEADINGS = (
    "what", "λ", "accuracy", "95 % interval", "change", "its 95 % interval", "p", "no answer", "degenerate", "mean tokens"
)  # fmt: skip


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
    evaluation, made = study.evaluation, study.evaluation.provenance
    found = [
        f"Task {evaluation.task}, split {evaluation.split}, n = {evaluation.n}; {made['task']['about']}.",
        f"Child {made['child']['name']} ({made['child']['fingerprint']}, {made['dtype']}); "
        f"concept {made['vector']['concept']}, vector {made['vector']['digest'][:12]} by {made['vector']['method']}.",
        f"Scale {made['scale']}, profile {made['profile']}, positions {made['positions']}; mode {evaluation.mode}, "
        f"{made['style']['shots']} shots, {'plain' if made['style']['plain'] else 'chat template'}; seed {made['seed']}; "
        + ", ".join(f"{name} {version}" for name, version in made["versions"].items())
        + ".",
    ]
    if study.tuning is not None:
        n, split = study.tuning.evaluation.n, study.tuning.evaluation.split
        found.append(
            f"λ = {strength(study.lam)} was chosen on {n} questions of the {split} split. {study.tuning.verdict}"
        )
    else:
        found.append(f"No λ was tuned; controls are shown at λ = {strength(study.lam)}.")
    if study.vote is not None:
        data = study.vote.as_json()
        found.append(
            f"The vote has {len(study.vote.voters)} voters, {data['ties']} ties, and an agreement of {data['agreement']:.2f}."
        )
    found.append(
        "Intervals: Wilson's for accuracies, paired bootstrap for changes and for means over controls; p: exact McNemar "
        "against the baseline, not corrected for the number of rows. Rows called exploration show the reported questions "
        "at every λ: choosing among them would be tuning on the test."
    )
    return found


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
        *(_change(comparison) if comparison else ("", "", "")),
        f"{data['no_answer']:.2f}",
        f"{data['degenerate']:.2f}",
        f"{data['mean_tokens']:.0f}",
    )


def _vote(what: str, found: Vote) -> tuple[str, ...]:
    data = found.as_json()
    return (what, "", *_accuracy(data), *_change(found.comparison), f"{data['no_answer']:.2f}", "", "")


def _controls(several: Sequence[Control], seed: int) -> Iterator[tuple[str, ...]]:
    if len(several) > 1:
        mean = controls_json({"": several}, seed)[""]
        kind = several[0].name.rsplit(" ", 1)[0]
        yield (f"{kind}, mean of {len(several)}", strength(several[0].column.lam), *_accuracy(mean), *[""] * 6)
        if "vote" in mean:
            yield (f"{kind}, mean vote of {len(several)}", "", *_accuracy(mean["vote"]), *[""] * 6)
    for control in several:
        one = f"{control.name}, one sample" if control.name == "self-consistency" else control.name
        yield _column(one, control.column, control.comparison)
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
