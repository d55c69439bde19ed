"""Figures: pure functions from a record to a Plotly figure."""

from steering.plots.figures import (
    AWAY,
    INK,
    SYMBOLS,
    THIRD,
    TOWARD,
    dress,
    error_bars,
    plot_pair,
    plot_report,
    plot_similarity,
)
from steering.plots.gains import plot_arms
from steering.plots.pairs import LETTERS, QUALITIES, plot_cosines, plot_quality
from steering.plots.tasks import SHOWN_QUESTIONS, plot_accuracy, plot_gain, plot_tally, plot_votes

__all__ = [
    "AWAY",
    "INK",
    "LETTERS",
    "QUALITIES",
    "SHOWN_QUESTIONS",
    "SYMBOLS",
    "THIRD",
    "TOWARD",
    "dress",
    "error_bars",
    "plot_accuracy",
    "plot_arms",
    "plot_cosines",
    "plot_gain",
    "plot_pair",
    "plot_quality",
    "plot_report",
    "plot_similarity",
    "plot_tally",
    "plot_votes",
]
