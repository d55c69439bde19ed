"""Figures of two designs or vectors compared: where they agree, and how good each is, layer by layer."""

import math
from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from steering.formatting import signed
from steering.measure import DesignComparison
from steering.plots.figures import AWAY, INK, THIRD, TOWARD, dress
from steering.stats import wilson
from steering.vectors import LayerQuality

QUALITIES: dict[str, tuple[str, Callable[[LayerQuality], float]]] = {
    "pairwise accuracy": ("pairwise accuracy on held-out pairs", lambda layer: layer.pairwise_accuracy),
    "explained variance": ("explained variance, share", lambda layer: layer.explained_variance),
    "split-half cosine": ("split-half cosine", lambda layer: layer.split_half_cosine),
}
"""What a layer's quality can be read as: its axis, and its number."""

LETTERS = ("A", "B")

_GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": True, "zerolinecolor": "rgba(128,128,128,0.6)"}


def plot_cosines(
    cosines: Sequence[float], chance: float, *, clear: Sequence[bool] | None = None, axis: str = "layer"
) -> go.Figure:
    """Draw the cosine between two vectors at every layer, over the band in which random directions lie.

    The scale is fixed to −1 … 1 whatever the numbers are. Layers at which one of the two carries no signal stay empty.

    Args:
        cosines: one a layer; not a number where there is none.
        chance: 95 % of pairs of random directions stay within ± this.
        clear: where both tell pairs apart better than a coin; the other marks are hollow.
        axis: name of the axis of layers.
    """
    values = [None if math.isnan(value) else value for value in cosines]
    layers = list(range(len(values)))
    figure = go.Figure()
    figure.add_scatter(
        x=[-0.5, len(layers) - 0.5, len(layers) - 0.5, -0.5],
        y=[-chance, -chance, chance, chance],
        fill="toself",
        fillcolor="rgba(128,128,128,0.3)",
        mode="none",
        name=f"95 % by chance (±{chance:.2f})",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=layers,
        y=values,
        text=["" if value is None else signed(value) for value in values],
        name="cosine between A and B",
        mode="lines+markers",
        line={"color": THIRD, "width": 2},
        marker={
            "symbol": ["square" if sure else "square-open" for sure in clear or [True] * len(layers)],
            "size": 8,
            "color": THIRD,
        },
        hovertemplate=f"{axis} %{{x}}: cosine between A and B %{{text}}<extra></extra>",
    )
    dress(figure, axis, "cosine", height=350)
    _fit(figure, len(layers))
    ticks = [-1, -0.5, 0, 0.5, 1]
    figure.update_yaxes(range=[-1.05, 1.05], tickvals=ticks, ticktext=["−1", "−0.5", "0", "+0.5", "+1"], **_GRID)
    return figure


def plot_quality(comparison: DesignComparison, measure: str = "pairwise accuracy") -> go.Figure:
    """Draw one measure of quality of both designs at every layer; they differ in dash and marker as well as in colour.

    Args:
        comparison: of two designs.
        measure: a key of `QUALITIES`. Pairwise accuracies come with their 95 % intervals (Wilson).
    """
    axis, read = QUALITIES[measure]
    figure = go.Figure()
    styles = ((TOWARD, "solid", "circle", -0.12), (AWAY, "dash", "diamond", 0.12))
    for letter, quality, pairs, (colour, dash, symbol, shift) in zip(
        LETTERS, comparison.quality, comparison.pairs, styles, strict=True
    ):
        values = [read(layer) for layer in quality]
        tested = [pairs - layer.dropped for layer in quality]
        bars, words = None, [signed(value) for value in values]
        if measure == "pairwise accuracy":
            ends = [
                wilson(round(value * n), n) if n else (value, value) for value, n in zip(values, tested, strict=True)
            ]
            bars = {
                "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
                "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
                "color": colour,
                "thickness": 1,
                "width": 2,
            }
            words = [
                f"{value:.0%} of {n} pairs, 95 % interval {low:.0%} to {high:.0%}"
                for value, n, (low, high) in zip(values, tested, ends, strict=True)
            ]
        figure.add_scatter(
            # Side by side, so that the intervals of both can be seen.
            x=[layer + shift for layer in range(len(values))],
            y=values,
            customdata=list(range(len(values))),
            text=words,
            error_y=bars,
            name=f"{letter} ({pairs} pairs)",
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 7, "color": colour},
            hovertemplate=f"parent layer %{{customdata}}, {letter}: {measure} %{{text}}<extra></extra>",
        )
    if measure == "pairwise accuracy":
        figure.add_hline(y=0.5, line={"color": INK, "width": 1, "dash": "dot"})
    dress(figure, "parent layer", axis, height=350)
    _fit(figure, len(comparison.cosines))
    figure.update_yaxes(range=[-1.05, 1.05] if measure == "split-half cosine" else [0, 1.05], **_GRID)
    return figure


def _fit(figure: go.Figure, layers: int) -> None:
    tick = 1 if layers <= 10 else 2 if layers <= 20 else 4 if layers <= 48 else 8
    figure.update_layout(legend={"y": -0.28}, margin={"b": 84})
    figure.update_xaxes(range=[-0.5, layers - 0.5], dtick=tick, tick0=0, showgrid=False, zeroline=False)
