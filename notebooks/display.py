"""How the notebooks show tables and lines, in one look that also holds where a page's styles are taken away."""

import html

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from IPython.display import HTML

from steering.plots import AWAY, INK, THIRD, TOWARD, dress

_RULES = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.6)"}


def table(frame: pd.DataFrame) -> HTML:
    """Show a frame without its index.

    Args:
        frame: floats are shown with two decimals, what is missing as nothing, and text from a model as text, never as HTML.
    """
    head = "".join(f'<th align="left" style="text-align: left">{html.escape(str(name))}</th>' for name in frame.columns)
    rows = ("".join(map(_cell, values)) for values in frame.itertuples(index=False))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def lines(frame: pd.DataFrame, x: str, y: str) -> go.Figure:
    """Draw a line for every column against the index; lines differ in dash and marker as well as in colour.

    Args:
        frame: numbers, at most four columns.
        x: what the index is.
        y: what the numbers are.
    """
    look = {"symbol": "variable", "line_dash": "variable", "color_discrete_sequence": [TOWARD, AWAY, THIRD, INK]}
    figure = px.line(frame, markers=True, **look).update_traces(marker_size=7)
    dress(figure, x, y, height=380)
    figure.update_layout(legend_title_text="", xaxis_showgrid=False)
    return figure.update_yaxes(**_RULES)


def _cell(value: object) -> str:
    if isinstance(value, str):
        words = html.escape(value).replace("\n", "<br>")
        return f'<td align="left" style="text-align: left">{words}</td>'
    # Adding 0.0 turns -0.0 into 0.0.
    words = "" if pd.isna(value) else f"{round(value, 2) + 0.0:.2f}" if isinstance(value, float) else str(value)
    return f'<td align="right">{words}</td>'
