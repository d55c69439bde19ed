"""Figure of two vectors of one model: how far they point the same way, layer by layer."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from steering.plots import THIRD, dress


def plot_agreement(cosines: Sequence[float], chance: float) -> go.Figure:
    """Draw the cosine between two vectors at every layer, over the band in which random directions lie.

    The scale is fixed to −1 … 1 whatever the numbers are. Layers at which one of the two carries no signal stay empty.

    Args:
        cosines: one a layer; not a number where there is none.
        chance: 95 % of pairs of random directions stay within ± this.
    """
    ends = [-0.5, len(cosines) - 0.5]
    figure = go.Figure()
    figure.add_scatter(
        x=[*ends, *reversed(ends)],
        y=[-chance, -chance, chance, chance],
        fill="toself",
        fillcolor="rgba(128,128,128,0.3)",
        mode="none",
        name=f"95 % by chance (±{chance:.2f})",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=list(range(len(cosines))),
        y=[None if math.isnan(value) else value for value in cosines],
        text=[f"{value:+.2f}".replace("-", "−") for value in cosines],
        name="cosine between A and B",
        mode="lines+markers",
        line={"color": THIRD, "width": 2},
        marker={"symbol": "square", "size": 7, "color": THIRD},
        hovertemplate="layer %{x}: cosine between A and B %{text}<extra></extra>",
    )
    dress(figure, "layer", "cosine", height=330)
    figure.update_xaxes(range=ends, showgrid=False, zeroline=False)
    ticks = {"tickvals": [-1, -0.5, 0, 0.5, 1], "ticktext": ["−1", "−0.5", "0", "+0.5", "+1"]}
    grid = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": True, "zerolinecolor": "rgba(128,128,128,0.6)"}
    figure.update_yaxes(range=[-1.05, 1.05], **ticks, **grid)
    return figure
