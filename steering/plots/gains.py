"""The figure of a gain: what every arm reaches on the same questions, as bars with intervals."""

import plotly.graph_objects as go

from steering.evaluation import Gain
from steering.plots.figures import AWAY, THIRD, TOWARD, dress, error_bars
from steering.stats import wilson

_COLOURS = {"carried": TOWARD, "own": THIRD, "few-shot": THIRD}
"""The arm that is tested, and the two that bound it; all others are what else could explain a gain."""


def plot_arms(gain: Gain) -> go.Figure:
    """Draw the share of right answers of every arm with Wilson's 95 % interval, best first."""
    arms = sorted(gain.arms, key=lambda arm: gain.accuracy(arm.name))
    shares = [gain.accuracy(arm.name) for arm in arms]
    ends = [wilson(sum(arm.correct), gain.n) for arm in arms]
    adjusted = dict(zip((arm.name for arm in gain.arms), gain.adjusted, strict=True))
    figure = go.Figure()
    figure.add_bar(
        y=[arm.name for arm in arms],
        x=shares,
        orientation="h",
        error_x=error_bars(shares, ends),
        customdata=[[low, high, adjusted[arm.name]] for arm, (low, high) in zip(arms, ends, strict=True)],
        marker={"color": [_COLOURS.get(arm.name, AWAY) for arm in arms]},
        text=[f"{share:.0%}" for share in shares],
        textposition="inside",
        insidetextanchor="start",
        textangle=0,
        constraintext="none",
        hovertemplate="%{y}: %{x:.1%} right<br>95 % interval %{customdata[0]:.1%} to %{customdata[1]:.1%}, "
        f"n = {gain.n}<br>p against the baseline %{{customdata[2]:.2g}}<extra></extra>",
        showlegend=False,
    )
    dress(figure, "right answers, 95 % interval", "", height=80 + 32 * len(arms))
    figure.update_xaxes(range=[0, 1], tickformat=".0%", gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    return figure
