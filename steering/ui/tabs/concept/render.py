"""HTML of the Concept tab, as pure functions. Text of users and models is escaped here."""

import math
from collections.abc import Sequence
from html import escape

from steering.concepts import Concept, ContrastPair, Problem
from steering.evaluation import Gain
from steering.formatting import signed, strength
from steering.measure import DesignComparison, LeftOut, Votes
from steering.plots import LETTERS
from steering.stats import wilson
from steering.steer import Grid, Row
from steering.ui.questions.text import share
from steering.ui.render import note, rows_as_table, verdict
from steering.ui.state.drafts import Draft
from steering.ui.tabs.concept import text
from steering.ui.tabs.concept.votes import AGREES, FIGHTS
from steering.ui.text import MODIFIED


def problem_list(problems: Sequence[Problem]) -> str:
    """The problems that the linter found, the worst first, each with its row."""
    if not problems:
        return f'<div class="lab-problems"><p class="fine">✓ {text.NO_PROBLEMS}</p></div>'
    worst_first = sorted(problems, key=lambda problem: not problem.serious)
    items = "".join(
        f'<li class="{"serious" if problem.serious else "mild"}"><b>{_kind(problem)}</b>'
        f"{escape(_sentence(problem.message))}</li>"
        for problem in worst_first
    )
    return f'<div class="lab-problems"><p>{text.PROBLEMS}: {len(problems)}</p><ul>{items}</ul></div>'


def pairs_heading(draft: Draft) -> str:
    """Name and description of the concept, number of pairs, and a mark if the concept is modified."""
    mark = f'<span class="lab-mark">{MODIFIED}</span>' if draft.modified else ""
    about = f"<p>{escape(draft.concept.description)}</p>" if draft.concept.description else ""
    title = f"{escape(draft.concept.name)} <small>{len(draft.concept.pairs)} pairs</small> {mark}"
    return f'<div class="lab-heading"><h2>{title}</h2>{about}</div>'


def gain_verdict(gain: Gain) -> str:
    """The verdict of a gain, what so many questions can show, and what the carried vector costs."""
    return verdict([gain.verdict, gain.power, text.side_effects(gain.cost)])


def gain_arms(gain: Gain) -> str:
    """A table with a row for every arm; the carried vector's is marked."""
    rows = []
    for arm, p in zip(gain.arms, gain.adjusted, strict=True):
        right = sum(arm.correct)
        low, high = wilson(right, gain.n)
        answered = f"{right} of {gain.n} ({share(right / gain.n)})"
        adjusted = "–" if arm is gain.arms[0] else f"{p:.2g}"
        rows.append((arm.name, answered, f"{100 * low:.0f} to {share(high)}", adjusted, text.chosen(arm.chosen)))
    return rows_as_table(text.GAIN_COLUMNS, rows, ["best" if arm.name == "carried" else "" for arm in gain.arms])


def pair_detail(pair: ContrastPair, number: int, votes: Votes, left_out: LeftOut) -> str:
    """The details of one pair: its texts, its votes by layer, and what would change without it.

    Args:
        pair: its texts.
        number: its index, from 0.
        votes: of all pairs.
        left_out: what would change without it.
    """
    is_fighting = bool(votes.fights[number])
    layers = int(votes.layers.sum())
    others = len(left_out.with_it)
    kind = "fights" if is_fighting else "agrees"
    mark = f"{FIGHTS} fights the others" if is_fighting else f"{AGREES} goes with the others"
    return (
        f'<article class="pair {kind}" aria-live="polite"><h3>Row {number + 1} <span class="verdict">{mark}</span></h3>'
        f'<p class="side"><b>+</b> {escape(pair.positive)}</p><p class="side"><b>−</b> {escape(pair.negative)}</p>'
        f"{_bars(votes, number)}"
        f"<p>{text.against(int(votes.against[number]), layers)}</p>"
        f'<p class="gain">{text.without(left_out, others)}</p>{_changes(left_out, others)}'
        f"<p>{text.turns(left_out.turn)}</p></article>"
    )


def design(letter: str, concept: Concept | None) -> str:
    """The card of a design; None if it is empty."""
    if concept is None:
        body = f"<p>{text.NO_DESIGN.format(letter=letter)}</p>"
    else:
        labels = f"{escape(concept.positive_label)} / {escape(concept.negative_label)}"
        first = concept.pairs[0] if concept.pairs else ContrastPair("", "")
        body = (
            f"<p>{escape(concept.name)}, {len(concept.pairs)} pairs, {labels}</p>"
            f'<p class="lab-note">{escape(_short(first.positive))} / {escape(_short(first.negative))}</p>'
        )
    state = "missing" if concept is None else "ready"
    return f'<div class="lab-card state {state}"><p><b>{text.DESIGN.format(letter=letter)}</b></p>{body}</div>'


def design_verdict(comparison: DesignComparison) -> str:
    """The result of comparing two designs, in words."""
    return verdict(text.comparison_sentences(comparison))


def design_texts(grid: Grid, concepts: Sequence[Concept], lam: float) -> str:
    """The unsteered text and the texts of both designs, finished or not.

    Args:
        grid: rows of the baseline, of A and of B.
        concepts: A and B.
        lam: strength of A and B.
    """
    heading = text.TEXTS.format(lam=strength(lam), prompt=grid.prompt)
    names = [(text.BASELINE, "λ = 0")] + [
        (text.DESIGN.format(letter=letter), concept.name) for letter, concept in zip(LETTERS, concepts, strict=True)
    ]
    cards = "".join(
        f'<article class="text {css_class}"><h4>{escape(title)} <small>{escape(about)}</small>{_health(row)}</h4>'
        f"<p>{escape(row.text) or '…'}</p></article>"
        for (title, about), css_class, row in zip(names, ("baseline", "a", "b"), grid.rows, strict=True)
    )
    return f'<section class="texts"><h3>{escape(heading)}</h3><div class="side-by-side">{cards}</div></section>'


def _health(row: Row) -> str:
    if row.health.degenerate:
        return ' <span class="badge bad">▲ fails a check</span>'
    if row.health.same_as_baseline and row.ended:
        return ' <span class="badge">= identical to baseline</span>'
    return ""


def _changes(left_out: LeftOut, others: int) -> str:
    gain, low, high = left_out.gain
    if math.isnan(gain):
        return ""
    (accuracy, accuracy_less), (explained, explained_less) = left_out.pairwise_accuracy, left_out.explained_variance
    change = f"{_points(gain)} points, 95 % interval {_points(low)} to {_points(high)}"
    return (
        f'<div class="lab-table"><table><thead><tr><th>{others} others, held out</th><th>with it</th>'
        "<th>without</th></tr></thead><tbody>"
        f"<tr><th>pairwise accuracy</th><td>{accuracy:.1%}</td><td>{accuracy_less:.1%}</td></tr>"
        f"<tr><th>explained variance</th><td>{explained:.1%}</td><td>{explained_less:.1%}</td></tr>"
        f"</tbody></table></div>{note(f'Explained variance changes by {change} (n = {others} pairs).')}"
    )


def _points(share: float) -> str:
    return signed(round(100 * share, 1) + 0.0, digits=1)


def _bars(votes: Votes, number: int) -> str:
    """The votes of a pair as bars, one per layer: up with the others, down against them, pale at layers that do not count."""
    layers = votes.signal.nonzero().flatten().tolist()
    along = [float(votes.along[number, layer]) for layer in layers]
    largest = max(1.0, *(abs(value) for value in along))
    step = 100 / len(layers)
    bars = "".join(
        f'<rect class="{"down" if value < 0 else "up"}{"" if votes.layers[layer] else " pale"}" '
        f'x="{place * step + step * 0.12:.2f}" width="{step * 0.76:.2f}" '
        f'y="{20 - max(value, 0) / largest * 18:.2f}" height="{max(abs(value) / largest * 18, 0.4):.2f}">'
        f"<title>parent layer {layer}: {signed(value)}</title></rect>"
        for place, (layer, value) in enumerate(zip(layers, along, strict=True))
    )
    words = f"Parent layers {layers[0]} to {layers[-1]}: up with the others, down against them"
    if not votes.layers[layers].all():
        words += "; pale where pairwise accuracy is no better than a coin"
    return (
        f'<figure><svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="{words}">{bars}'
        f'<line x1="0" x2="100" y1="20" y2="20"></line></svg><figcaption>{words}.</figcaption></figure>'
    )


def _kind(problem: Problem) -> str:
    where = "" if problem.row is None else f", row {problem.row}"
    return ("✕ Must be fixed" if problem.serious else "▲ Worth a look") + where


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _short(words: str) -> str:
    return words if len(words) <= 60 else words[:59].rstrip() + "…"
