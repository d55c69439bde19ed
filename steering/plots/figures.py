"""Figures: pure functions from a record to a Plotly figure, drawn for light and dark pages alike.

Backgrounds are transparent and nothing is named inside a figure that the page does not also say in words.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from textwrap import shorten
from typing import Any

import plotly.graph_objects as go
import torch

from steering.formatting import signed
from steering.measure import Projections, Similarity
from steering.transfer import best_path

INK = "#6b7280"
"""Grey of axes and text that reads on white and on black; the page's style overrides it per theme."""

TOWARD, AWAY, THIRD = "#0072b2", "#d55e00", "#009e73"
"""Colours of lines that colour-blind readers tell apart (Okabe and Ito)."""

_TEXT = 90
"""Most characters of a text that fit beside the pointer."""

SYMBOLS = {"scores": "r", "cka": "CKA", "aligned": "cosine", "r2": "R²", "gradient": "cosine"}
"""What a metric's number is called in the hover text and beside the scale."""


def plot_similarity(similarity: Similarity, chosen: tuple[int, int] | None = None) -> go.Figure:
    """Draw parent layers × child layers, with the best child layer of every parent layer marked.

    The scale is diverging, safe for colour-blind readers, and fixed to −1 … 1 whatever the numbers are. Cells without a
    number stay empty.

    Args:
        similarity: a number for every pair of layers.
        chosen: parent layer and child layer of the cell that gets a frame.
    """
    matrix = similarity.matrix.double()
    symbol = SYMBOLS.get(similarity.metric, similarity.metric)
    figure = go.Figure()
    figure.add_heatmap(
        z=_numbers(matrix),
        zmin=-1,
        zmax=1,
        colorscale="RdBu_r",
        xgap=1,
        ygap=1,
        hoverongaps=False,
        text=[[signed(value) for value in row] for row in matrix.tolist()],
        hovertemplate=f"parent layer %{{y}}, child layer %{{x}}, {symbol} = %{{text}}<extra></extra>",
        colorbar={
            "title": {"text": symbol, "side": "top"},
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["−1", "−0.5", "0", "+0.5", "+1"],
            "thickness": 12,
            "outlinewidth": 0,
            # Above the map: beside it, it would take a third of a phone's width.
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "y": 1,
            "yanchor": "bottom",
            "ypad": 6,
        },
    )
    if torch.isfinite(matrix).all():
        figure.add_scatter(
            x=list(range(matrix.shape[1])),
            y=list(best_path(matrix)),
            mode="lines",
            name="best monotone path",
            line={"color": INK, "width": 2, "dash": "dot", "shape": "hvh"},
            hoverinfo="skip",
        )
    best_rows, best_columns, values = _best(matrix)
    figure.add_scatter(
        x=best_columns,
        y=best_rows,
        text=[signed(value) for value in values],
        mode="markers",
        name="best child layer for each parent layer",
        marker={"size": 8, "color": "white", "line": {"color": "black", "width": 1.5}},
        hovertemplate=f"parent layer %{{y}}, best child layer %{{x}}, {symbol} = %{{text}}<extra></extra>",
        showlegend=True,
    )
    dress(figure, "child layer", "parent layer", height=max(420, 17 * len(matrix) + 230))
    figure.update_layout(margin={"t": 64})
    bare = {"showgrid": False, "zeroline": False}
    rows, columns = matrix.shape
    figure.update_xaxes(range=[-0.5, columns - 0.5], dtick=_tick(columns), **bare)
    figure.update_yaxes(range=[-0.5, rows - 0.5], dtick=_tick(rows), **bare)
    if chosen is not None:
        row, column = chosen
        box = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        # Light within dark shows on every colour of the scale; the page moves all shapes when another cell is chosen.
        for colour, width in (("black", 6), ("white", 2.5)):
            figure.add_shape(type="rect", line={"color": colour, "width": width}, **box)
    return figure


def plot_pair(projections: Projections, parent_layer: int, child_layer: int) -> go.Figure:
    """Draw one dot a text: where the parent's layer puts it against where the child's layer puts it.

    The two poles differ in marker as well as in colour.
    """
    figure = go.Figure()
    left, right = projections.parent[:, parent_layer].tolist(), projections.child[:, child_layer].tolist()
    half = len(left) // 2
    for place, (colour, symbol) in enumerate(((TOWARD, "circle"), (AWAY, "diamond-open"))):
        part = slice(place * half, (place + 1) * half)
        figure.add_scatter(
            x=left[part],
            y=right[part],
            text=[escape(shorten(words, _TEXT, placeholder=" …")) for words in projections.texts[part]],
            name=escape(projections.labels[place]),
            mode="markers",
            marker={"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.5, "color": colour}},
            hovertemplate="“%{text}”<br>parent %{x:.3~s}, child %{y:.3~s}<extra></extra>",
        )
    dress(figure, f"projection in parent layer {parent_layer}", f"projection in child layer {child_layer}", height=360)
    lines = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": True, "zerolinecolor": "rgba(128,128,128,0.6)"}
    figure.update_xaxes(nticks=6, tickformat="~s", **lines)
    figure.update_yaxes(nticks=6, tickformat="~s", **lines)
    figure.update_layout(legend={"y": -0.2})
    return figure


def plot_report(report: Mapping[str, Any]) -> go.Figure | None:
    """Draw each child layer's held-out R², the same for shuffled pairs, and the share of the vector that was kept.

    Lines differ in dash and marker as well as in colour.

    Args:
        report: the fields of `transfer.TransferReport`, as `SteeringVector.report` gives them.

    Returns:
        The figure; None when nothing was fitted, so that there is nothing to draw.
    """
    if not any(_finite(value) for value in report["r2"]):
        return None
    lines = (
        ("held-out R²", report["r2"], TOWARD, "solid", "circle"),
        ("R² of shuffled pairs (control)", report["r2_shuffled"], AWAY, "dash", "diamond"),
        ("share of the vector kept", report["share_kept"], THIRD, "dot", "square"),
    )
    figure = go.Figure()
    fed = [source is not None for source in report["sources"]]
    sources = ["none" if source is None else str(source) for source in report["sources"]]
    for name, values, colour, dash, symbol in lines:
        figure.add_scatter(
            x=list(range(len(values))),
            y=[value if fed_layer and _finite(value) else None for fed_layer, value in zip(fed, values, strict=True)],
            customdata=sources,
            text=[signed(value) if _finite(value) else "" for value in values],
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 7, "color": colour},
            hovertemplate=f"child layer %{{x}}, from parent layer %{{customdata}}<br>{name}: %{{text}}<extra></extra>",
        )
    dress(figure, "child layer", "R² and share kept", height=340)
    layers = len(report["r2"])
    figure.update_xaxes(showgrid=False, zeroline=False, dtick=_tick(layers), range=[-0.5, layers - 0.5])
    figure.update_yaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=True, zerolinecolor="rgba(128,128,128,0.6)")
    return figure


def error_bars(shares: Sequence[float], ends: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Plotly's error bars of shares, from both ends of each one's interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - share for share, (_, high) in zip(shares, ends, strict=True)],
        "arrayminus": [share - low for share, (low, _) in zip(shares, ends, strict=True)],
        "thickness": 1.5,
        "width": 4,
    }


def dress(figure: go.Figure, x: str, y: str, height: int) -> None:
    """Give a figure the page's look: transparent, untitled, with named axes; it changes in place."""
    figure.update_layout(
        autosize=True,
        height=height,
        margin={"l": 56, "r": 8, "t": 12, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Source Sans Pro, sans-serif", "size": 14, "color": INK},
        hoverlabel={
            "bgcolor": "#27272a",
            "bordercolor": "#ffffff",
            "font": {"family": "Source Sans Pro, sans-serif", "size": 14, "color": "#ffffff"},
        },
        legend={"orientation": "h", "x": 0, "y": -0.16, "yref": "paper", "yanchor": "top"},
        dragmode=False,
    )
    figure.update_xaxes(title={"text": x, "standoff": 8}, ticks="", fixedrange=True)
    figure.update_yaxes(title={"text": y, "standoff": 8}, ticks="", fixedrange=True)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _numbers(matrix: torch.Tensor) -> list[list[float | None]]:
    return [[value if value == value else None for value in row] for row in matrix.tolist()]


def _best(matrix: torch.Tensor) -> tuple[list[int], list[int], list[float]]:
    rows, columns, values = [], [], []
    for row, numbers in enumerate(matrix.nan_to_num(nan=-torch.inf)):
        column = int(numbers.argmax())
        if torch.isfinite(numbers[column]) and bool(numbers.any()):
            rows.append(row)
            columns.append(column)
            values.append(float(numbers[column]))
    return rows, columns, values


def _tick(layers: int) -> int:
    return 1 if layers <= 10 else 2 if layers <= 20 else 4 if layers <= 48 else 8
