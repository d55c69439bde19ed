"""Figures of scored tasks: accuracy against λ, what every λ says to a question, and what each λ gains.

Pure functions from a record to a Plotly figure, dressed as those of `plots`.
"""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from steering.evaluation import Evaluation, Vote
from steering.formatting import strength
from steering.plots.figures import AWAY, THIRD, TOWARD, dress, error_bars

_GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": False}

VERDICTS: Mapping[str, tuple[float, str]] = {"no answer": (0.5, "·"), "wrong": (0.0, "×"), "right": (1.0, "✓")}
"""What an answer is worth to the colour scale, and the mark that says it without colour."""

_HERE, _ELSEWHERE = "most right answers here", "tuned on other questions"

SHOWN_QUESTIONS = 40
"""Most questions in the picture of votes; more rows could not be read."""


def plot_accuracy(evaluation: Evaluation, tuned: float | None = None) -> go.Figure:
    """Draw the share of right answers at every λ with its 95 % interval, and the baseline as a line.

    Where answers were written, also the share of degenerate texts.

    Args:
        evaluation: a scored grid.
        tuned: the λ that tuning chose, which gets a mark; None for none. The mark says on which questions it was chosen.
    """
    columns = sorted(evaluation.columns, key=lambda column: column.lam)
    lams = [column.lam for column in columns]
    shares = [column.accuracy for column in columns]
    ends = [column.interval for column in columns]
    figure = go.Figure()
    figure.add_scatter(
        x=lams,
        y=shares,
        error_y=error_bars(shares, ends),
        customdata=[[low, high, evaluation.n] for low, high in ends],
        name="right answers, 95 % interval",
        mode="lines+markers",
        line={"color": TOWARD, "width": 2},
        marker={"symbol": "circle", "size": 8},
        hovertemplate="λ = %{x:+}, %{y:.1%} right<br>95 % interval %{customdata[0]:.1%} to %{customdata[1]:.1%}, "
        "n = %{customdata[2]}<extra></extra>",
    )
    _level(figure, lams, evaluation.baseline.accuracy, "baseline, λ = 0")
    if evaluation.mode == "generate":
        figure.add_scatter(
            x=lams,
            y=[column.as_json()["degenerate"] for column in columns],
            name="degenerate texts",
            mode="lines+markers",
            line={"color": AWAY, "width": 2, "dash": "dash"},
            marker={"symbol": "diamond", "size": 7},
            hovertemplate="λ = %{x:+}, %{y:.1%} degenerate<extra></extra>",
        )
    if tuned is not None and tuned in lams:
        star = _ELSEWHERE if evaluation.split == "test" else _HERE
        figure.add_scatter(
            x=[tuned],
            y=[evaluation.at(tuned).accuracy],
            name=star,
            mode="markers",
            marker={"symbol": "star", "size": 15, "color": THIRD, "line": {"color": "#ffffff", "width": 1}},
            hovertemplate=f"{star}: λ = %{{x:+}}, %{{y:.1%}} right<extra></extra>",
        )
    dress(figure, "strength λ", "share of the questions", height=380)
    figure.update_xaxes(**_GRID)
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", **_GRID)
    return figure


def plot_votes(evaluation: Evaluation, vote: Vote) -> go.Figure:
    """Draw questions × λ: right or wrong by mark and colour, the answer in the hover text, and the vote in the last column."""
    columns = sorted(evaluation.columns, key=lambda column: column.lam)
    ballots = vote.ballots[:SHOWN_QUESTIONS]
    names = [strength(column.lam) for column in columns]
    outcomes, answers = [], []
    for place, ballot in enumerate(ballots):
        outcomes.append([column.answers[place].outcome for column in columns])
        answers.append([_answer_text(column.answers[place].answer) for column in columns])
        outcomes[-1].append("no answer" if ballot.winner is None else "right" if ballot.correct else "wrong")
        answers[-1].append(
            f"{_answer_text(ballot.winner)}, {ballot.votes} of {len(ballot.answers)}{', tied' if ballot.tied else ''}"
        )
    figure = go.Figure()
    figure.add_heatmap(
        x=[*names, "vote"],
        y=[ballot.item for ballot in ballots],
        z=[[VERDICTS[outcome][0] for outcome in row] for row in outcomes],
        zmin=0,
        zmax=1,
        colorscale=[[0, AWAY], [0.25, AWAY], [0.25, "#9ca3af"], [0.75, "#9ca3af"], [0.75, TOWARD], [1, TOWARD]],
        xgap=2,
        ygap=2,
        showscale=False,
        text=[[VERDICTS[outcome][1] for outcome in row] for row in outcomes],
        texttemplate="%{text}",
        textfont={"color": "#ffffff", "size": 13},
        customdata=[[list(pair) for pair in zip(*both, strict=True)] for both in zip(answers, outcomes, strict=True)],
        hovertemplate="%{y}, λ: %{x}<br>%{customdata[0]} (%{customdata[1]})<extra></extra>",
    )
    for name, colour in (("✓ right", TOWARD), ("× wrong", AWAY), ("· no answer", "#9ca3af")):
        figure.add_scatter(
            x=[None], y=[None], name=name, mode="markers", marker={"symbol": "square", "size": 12, "color": colour}
        )
    dress(figure, "strength λ, and the vote", "question", height=max(320, 20 * len(ballots) + 140))
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, automargin=True, autorange="reversed", dtick=1)
    # Below the axis title however tall the picture is.
    figure.update_layout(legend={"y": -60 / max(200, 20 * len(ballots)), "yref": "paper"})
    return figure


def plot_tally(counts: Mapping[str, Mapping[str, int]], voters: int) -> go.Figure:
    """Draw how many voters give each answer, a bar for every way of voting.

    Args:
        counts: for every way of voting, in words, its answers with their votes, the winner first.
        voters: how many could vote, which is the length of the axis.
    """
    answers = list(dict.fromkeys(answer for votes in counts.values() for answer in votes))
    styles = ((TOWARD, ""), (AWAY, "/"))
    figure = go.Figure()
    for (name, votes), (colour, shape) in zip(counts.items(), styles, strict=False):
        figure.add_bar(
            x=[votes.get(answer, 0) for answer in answers],
            y=[_answer_text(answer) for answer in answers],
            orientation="h",
            name=name,
            marker={"color": colour, "pattern": {"shape": shape, "fgcolor": "#ffffff"}},
            text=[votes.get(answer, 0) for answer in answers],
            textposition="outside",
            hovertemplate=f"%{{y}}: %{{x}} of {voters} ({name})<extra></extra>",
        )
    bars = (26 * len(counts) + 16) * max(1, len(answers))
    dress(figure, "votes", "answer", height=bars + 160)
    figure.update_xaxes(range=[0, voters * 1.08], dtick=max(1, round(voters / 8)), **_GRID)
    figure.update_yaxes(type="category", autorange="reversed", automargin=True, showgrid=False)
    figure.update_layout(barmode="group", legend={"y": -60 / (bars + 40), "yref": "paper"})
    return figure


def plot_gain(evaluation: Evaluation) -> go.Figure:
    """Draw the change against the baseline at every other λ with its paired 95 % interval, and the questions behind it."""
    pairs = sorted(
        (column.lam, against)
        for column, against in zip(evaluation.columns, evaluation.comparisons, strict=True)
        if column.lam != 0
    )
    bounded = [(lam, against) for lam, against in pairs if against.low == against.low]
    figure = go.Figure()
    figure.add_scatter(
        x=[lam for lam, _ in pairs],
        y=[against.change for _, against in pairs],
        error_y=_ends(bounded) if len(bounded) == len(pairs) else None,
        customdata=[[against.gained, against.lost, against.p] for _, against in pairs],
        name="change of the share of right answers, 95 % interval",
        mode="markers",
        marker={"symbol": "circle", "size": 9, "color": TOWARD},
        hovertemplate="λ = %{x:+}, %{y:+.1%}<br>%{customdata[0]} questions gained, %{customdata[1]} lost, "
        "p = %{customdata[2]:.3f}<extra></extra>",
    )
    _level(figure, [lam for lam, _ in pairs], 0.0, "no change")
    dress(figure, "strength λ", "change against the baseline", height=340)
    figure.update_xaxes(**_GRID)
    figure.update_yaxes(tickformat="+.0%", **_GRID)
    return figure


def _ends(pairs: Any) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [against.high - against.change for _, against in pairs],
        "arrayminus": [against.change - against.low for _, against in pairs],
        "thickness": 1.5,
        "width": 4,
    }


def _level(figure: go.Figure, lams: list[float], height: float, name: str) -> None:
    figure.add_scatter(
        x=[min(lams, default=0), max(lams, default=0)],
        y=[height, height],
        name=name,
        mode="lines",
        line={"color": "#6b7280", "width": 1.5, "dash": "dot"},
        hovertemplate=f"{name}: %{{y:.1%}}<extra></extra>",
    )


def _answer_text(answer: str | None) -> str:
    return "no answer" if answer is None else answer if len(answer) <= 40 else f"{answer[:39]}…"
