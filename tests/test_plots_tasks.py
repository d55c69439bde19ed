"""Figures of scored tasks: numbers in the record are numbers in the picture."""

from dataclasses import replace

import pytest

from steering.evaluation.columns import Column, judge
from steering.evaluation.evaluation import Evaluation
from steering.evaluation.scoring import Outcome
from steering.evaluation.voting import vote
from steering.plots.tasks import SHOWN_QUESTIONS, plot_accuracy, plot_gain, plot_tally, plot_votes
from steering.tasks.task import Item


def column(lam: float, *texts: str, degenerate: bool = False) -> Column:
    items = [Item(f"q{place}", "?", "4") for place in range(len(texts))]
    answers = (
        judge("number", item, Outcome(text, 1, "length", degenerate)) for item, text in zip(items, texts, strict=True)
    )
    return Column(lam, tuple(answers), ("4",) * len(texts))


@pytest.fixture
def evaluation() -> Evaluation:
    columns = (
        column(0.3, "4", "4", "4", "1", degenerate=True),
        column(0.0, "4", "7", "no", "1"),
        column(-0.3, "4", "4.0", "5", "2"),
    )
    return Evaluation("own", "test", "number", "generate", columns)


def test_accuracy_runs_from_left_to_right(evaluation: Evaluation) -> None:
    shares, baseline, degenerate, star = plot_accuracy(evaluation, tuned=0.3).data
    assert list(shares.x) == [-0.3, 0, 0.3]
    assert list(shares.y) == [0.5, 0.25, 0.75]
    for share, up, down, (low, high, n) in zip(
        shares.y, shares.error_y.array, shares.error_y.arrayminus, shares.customdata, strict=True
    ):
        assert (share + up, share - down, n) == (pytest.approx(high), pytest.approx(low), 4)
    assert list(baseline.y) == [0.25, 0.25]
    assert list(degenerate.y) == [0, 0, 1]
    assert (star.x[0], star.y[0]) == (0.3, 0.75)
    assert star.name == "tuned on other questions"
    assert plot_accuracy(replace(evaluation, split="validation"), 0.3).data[3].name == "most right answers here"
    assert len(plot_accuracy(evaluation).data) == 3
    assert len(plot_accuracy(replace(evaluation, mode="likelihood")).data) == 2, "choices that are weighed have no text"


def test_votes_show_every_answer(evaluation: Evaluation) -> None:
    picture = plot_votes(evaluation, vote(evaluation)).data[0]
    assert list(picture.x) == ["−0.3", "0", "+0.3", "vote"]
    assert [list(row) for row in picture.text] == [
        ["✓", "✓", "✓", "✓"],
        ["✓", "×", "✓", "✓"],
        ["×", "·", "✓", "✓"],
        ["×", "×", "×", "×"],
    ]
    assert picture.customdata[1][1][0] == "7"
    assert "tied" in picture.customdata[2][3][0]


def test_a_long_task_shows_its_first_questions() -> None:
    many = Evaluation("own", "test", "number", "generate", (column(0.0, *["4"] * 99), column(0.1, *["4"] * 99)))
    assert len(plot_votes(many, vote(many)).data[0].y) == SHOWN_QUESTIONS


def test_a_tally_has_a_bar_for_every_answer_and_every_way_of_voting() -> None:
    figure = plot_tally({"λ": {"4": 3, "7": 1}, "samples": {"7": 2, "5": 2}}, voters=5)
    steered, sampled = figure.data
    assert list(zip(steered.y, steered.x, strict=True)) == [("4", 3), ("7", 1), ("5", 0)]
    assert list(sampled.x) == [0, 2, 2]
    assert steered.marker.pattern.shape != sampled.marker.pattern.shape
    assert figure.layout.xaxis.range[1] > 5


def test_gain_leaves_the_baseline_out(evaluation: Evaluation) -> None:
    gain = plot_gain(evaluation).data[0]
    assert list(gain.x) == [-0.3, 0.3]
    assert list(gain.y) == [0.25, 0.5]
    assert [list(row[:2]) for row in gain.customdata] == [[1, 0], [2, 0]]


def test_figures_name_their_axes_and_carry_no_title(evaluation: Evaluation) -> None:
    for figure in (plot_accuracy(evaluation), plot_votes(evaluation, vote(evaluation)), plot_gain(evaluation)):
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text
        assert figure.layout.title.text is None
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_one_question_has_no_interval_to_draw() -> None:
    one = Evaluation("own", "test", "number", "generate", (column(0.0, "4"), column(0.1, "5")))
    assert plot_gain(one).data[0].error_y.array is None
