"""The figures of a study, each with the sentence that says what it shows and the command that makes its cells again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from steering.plots import AWAY, INK, THIRD, TOWARD, dress, error_bars
from steering.stats import rank_correlation, wilson
from steering.studies.cells import Cell, varied
from steering.studies.results import SUCCESS, CellResult
from steering.studies.settings import short

_MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")
_COLOURS = (TOWARD, AWAY, THIRD, "#cc79a7", "#56b4e9", "#e69f00", INK, "#000000")
_GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": False}
_MOST_LINES = 24
"""Most cells that are drawn in one picture; more could not be read, and stand in the table."""

Rows = Sequence[CellResult]


@dataclass(frozen=True)
class Picture:
    """A figure of a report.

    Attributes:
        title: its heading.
        about: what it shows, with what its intervals are.
        figure: the Plotly figure.
        changes: `key=value` that leave of the study the cells that the figure shows.
    """

    title: str
    about: str
    figure: go.Figure
    changes: tuple[str, ...] = ()


def pictures(results: Rows, accuracies: Any) -> tuple[Picture, ...]:
    """All figures that the results have data for.

    Args:
        results: of a study's cells.
        accuracies: from `results.read_accuracies`.
    """
    good = [result for result in results if result.status == SUCCESS]
    names = varied(tuple(result.cell for result in good))
    drawn: list[Picture | None] = [
        _parents_children(good),
        _cross_task(good),
        _against_lambda(good, accuracies, names),
        _arms(good, names),
        *_compatibility(good),
        *_correlations(good),
        _profiles(good, names),
        _effects(good, names),
    ]
    return tuple(picture for picture in drawn if picture is not None)


def _labels(results: Rows, names: tuple[str, ...]) -> list[str]:
    """The cells in a line each, without what all lines begin with."""
    wanted = tuple(name for name in dict.fromkeys(names) if name != "measure")
    parts = [result.cell.described(wanted).split(", ") for result in results]
    shared = 0
    while all(len(each) > shared + 1 and each[shared] == parts[0][shared] for each in parts):
        shared += 1
    return [", ".join(each[shared:]) for each in parts]


def _of(results: Rows, *measures: str) -> list[CellResult]:
    return [result for result in results if result.cell.measure in measures]


def _against_lambda(results: Rows, accuracies: Any, names: tuple[str, ...]) -> Picture | None:
    cells = _of(results, "grid")[:_MOST_LINES]
    if not cells:
        return None
    figure = go.Figure()
    for number, (label, result) in enumerate(zip(_labels(cells, names), cells, strict=True)):
        rows = accuracies[
            (accuracies["eval_id"] == result.key) & (accuracies["metadata_arm"] == "carried")
        ].sort_values("metadata_lam")
        shares = (rows["right"] / rows["n"]).tolist()
        ends = [wilson(int(right), int(n)) for right, n in zip(rows["right"], rows["n"], strict=True)]
        figure.add_scatter(
            x=rows["metadata_lam"].tolist(),
            y=shares,
            error_y=error_bars(shares, ends),
            name=label,
            mode="lines+markers",
            line={"color": _COLOURS[number % len(_COLOURS)]},
            marker={"symbol": _MARKS[number % len(_MARKS)], "size": 8},
            hovertemplate=f"%{{x:+}}: %{{y:.1%}}, n = {result.n}<extra>%{{fullData.name}}</extra>",
        )
    dress(figure, "strength λ", "right answers", height=420 + 20 * len(cells))
    figure.update_xaxes(**_GRID)
    figure.update_yaxes(tickformat=".0%", **_GRID)
    about = "Share of right answers at every λ, with Wilson's 95 % interval; λ = 0 is the unsteered child."
    return Picture("Accuracy against λ", about, figure, ("measures=grid",))


def _arms(results: Rows, names: tuple[str, ...]) -> Picture | None:
    cells = _of(results, "arms", "compatibility", "gain")[:_MOST_LINES]
    if not cells:
        return None
    figure = go.Figure()
    labels = _labels(cells, names)
    arms = list(dict.fromkeys(arm for result in cells for arm in result.details["arms"]))
    for number, arm in enumerate(arms):
        chosen = [(label, result) for label, result in zip(labels, cells, strict=True) if arm in result.figures]
        shares = [_figure(result, arm) or 0.0 for _, result in chosen]
        ends = [wilson(round(share * result.n), result.n) for share, (_, result) in zip(shares, chosen, strict=True)]
        figure.add_scatter(
            x=shares,
            y=[label for label, _ in chosen],
            error_x=error_bars(shares, ends),
            name=arm,
            mode="markers",
            orientation="h",
            marker={"symbol": _MARKS[number % len(_MARKS)], "size": 10, "color": _COLOURS[number % len(_COLOURS)]},
            hovertemplate="%{y}<br>%{fullData.name}: %{x:.1%}<extra></extra>",
        )
    dress(figure, "right answers", "", height=220 + 60 * len(cells))
    # The marker of a share of 0 is not cut in two.
    figure.update_xaxes(tickformat=".0%", autorangeoptions={"include": [-0.02]}, **_GRID)
    figure.update_yaxes(autorange="reversed", automargin=True, **_GRID)
    figure.update_layout(legend={"y": -90 / (100 + 60 * len(cells))}, scattermode="group", scattergap=0.3)
    about = "Share of right answers of every arm, with Wilson's 95 % interval. Each chose its setting on the validation part."
    return Picture("Every arm", about, figure, (f"measures={_measures(cells)}",))


def _parents_children(results: Rows) -> Picture | None:
    cells = [result for result in results if "gain" in result.figures]
    rows = list(dict.fromkeys(result.cell.parent for result in cells))
    columns = list(dict.fromkeys(short(result.cell.child) for result in cells))
    if len(rows) < 2 and len(columns) < 2:
        return None
    figure = _matrix(cells, rows, columns, lambda cell: (cell.parent, short(cell.child)), "child", "parent")
    about = "Change of the share of right answers by the carried vector, mean over the study's cells of that pair."
    return Picture("Parent × child", about, figure, (f"measures={_measures(cells)}",))


def _cross_task(results: Rows) -> Picture | None:
    cells = [result for result in results if "gain" in result.figures and result.cell.concept_task is not None]
    rows = list(dict.fromkeys(short(str(result.cell.concept_task)) for result in cells))
    columns = list(dict.fromkeys(short(str(result.cell.task)) for result in cells))
    if len(rows) < 2 or not any(result.cell.concept_task != result.cell.task for result in cells):
        return None
    figure = _matrix(
        cells,
        rows,
        columns,
        lambda cell: (short(str(cell.concept_task)), short(str(cell.task))),
        "task that is answered",
        "vector made from",
    )
    about = "Change of the share of right answers when the vector of one task steers the answers to another."
    return Picture("Across tasks", about, figure, (f"measures={_measures(cells)}",))


def _matrix(
    cells: Rows, rows: list[str], columns: list[str], place: Callable[[Cell], tuple[str, str]], x: str, y: str
) -> go.Figure:
    values: dict[tuple[str, str], list[float]] = {}
    for result in cells:
        values.setdefault(place(result.cell), []).append(_figure(result, "gain") or 0.0)
    matrix = [
        [sum(several) / len(several) if (several := values.get((row, column))) else None for column in columns]
        for row in rows
    ]
    most = max((abs(value) for row in matrix for value in row if value is not None), default=0.0) or 0.01
    figure = go.Figure()
    figure.add_heatmap(
        x=columns,
        y=rows,
        z=matrix,
        zmin=-most,
        zmax=most,
        colorscale="RdBu_r",
        xgap=2,
        ygap=2,
        hoverongaps=False,
        texttemplate="%{z:+.2f}",
        colorbar={"tickformat": "+.2f", "thickness": 12, "outlinewidth": 0},
        hovertemplate=f"{y} %{{y}}<br>{x} %{{x}}<br>%{{z:+.3f}}<extra></extra>",
    )
    dress(figure, x, y, height=170 + 40 * len(rows))
    figure.update_xaxes(automargin=True, showgrid=False)
    figure.update_yaxes(automargin=True, showgrid=False, autorange="reversed")
    return figure


def _compatibility(results: Rows) -> list[Picture]:
    cells = _of(results, "compatibility")
    if len(cells) < 2:
        return []
    drawn = []
    for name in cells[0].details["predictors"]:
        points = [
            (value, _figure(result, "gain") or 0.0, result)
            for result in cells
            if (value := _figure(result, name)) is not None
        ]
        if len(points) < 2:
            continue
        ranks = rank_correlation([point[0] for point in points], [point[1] for point in points])
        figure = go.Figure()
        figure.add_scatter(
            x=[point[0] for point in points],
            y=[point[1] for point in points],
            text=[point[2].cell.described(("task",)) for point in points],
            mode="markers",
            marker={"size": 10, "color": TOWARD},
            hovertemplate="%{text}<br>%{x:.3f}, gain %{y:+.3f}<extra></extra>",
            showlegend=False,
        )
        dress(figure, name.replace("_", " "), "gain", height=320)
        figure.update_xaxes(**_GRID)
        figure.update_yaxes(tickformat="+.2f", **_GRID)
        interval = "" if ranks.low != ranks.low else f" (95 % interval {ranks.low:+.2f} to {ranks.high:+.2f})"
        known = (
            "is the same everywhere" if ranks.rho != ranks.rho else f"has rank correlation {ranks.rho:+.2f}{interval}"
        )
        about = f"Known before any evaluation; {known} with the gain over {ranks.n} cells."
        drawn.append(Picture(f"Gain against {name.replace('_', ' ')}", about, figure, ("measures=compatibility",)))
    return drawn


def _correlations(results: Rows) -> list[Picture]:
    drawn = []
    for result in _of(results, "similarity"):
        details = result.details
        figure = go.Figure()
        figure.add_heatmap(
            z=details["matrix"],
            zmin=-1,
            zmax=1,
            colorscale="RdBu_r",
            colorbar={"thickness": 12, "outlinewidth": 0},
            hovertemplate="parent layer %{y}, child layer %{x}: %{z:+.2f}<extra></extra>",
        )
        dress(figure, "child layer", "parent layer", height=420)
        cell = result.cell
        title = f"Layers of {cell.parent} and {short(cell.child)}, {cell.concept}"
        about = (
            f"By {details['metric']} on {result.n} texts; texts paired at random stay below {details['chance']:.2f}."
        )
        drawn.append(Picture(title, about, figure, ("measures=similarity", f"concepts={cell.concept}")))
    return drawn


def _profiles(results: Rows, names: tuple[str, ...]) -> Picture | None:
    cells = _of(results, "profile")[:_MOST_LINES]
    if not cells:
        return None
    figure = go.Figure()
    profiles = [name for name in cells[0].figures if name != cells[0].headline]
    for number, name in enumerate(profiles):
        figure.add_bar(
            y=_labels(cells, (*names, "concept")),
            x=[_figure(result, name) for result in cells],
            name=name,
            orientation="h",
            marker={"color": _COLOURS[number % len(_COLOURS)]},
        )
    dress(figure, "effect, nats per token", "", height=160 + 26 * len(profiles) * len(cells))
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(legend={"y": -70 / (60 + 26 * len(profiles) * len(cells))})
    about = (
        "Effect of the carried vector with every layer profile at one KL budget, on continuations left out of the fit."
    )
    return Picture("Layer profiles", about, figure, ("measures=profile",))


def _effects(results: Rows, names: tuple[str, ...]) -> Picture | None:
    cells = _of(results, "effect")
    if not cells:
        return None
    figure = go.Figure()
    figure.add_scatter(
        y=_labels(cells, (*names, "concept")),
        x=[_figure(result, "kept_at_matched_kl") for result in cells],
        mode="markers",
        marker={"size": 10, "color": [TOWARD if _figure(result, "measurable") else INK for result in cells]},
        showlegend=False,
    )
    dress(figure, "share of the own vector's effect", "", height=140 + 26 * len(cells))
    figure.update_xaxes(**_GRID)
    figure.update_yaxes(autorange="reversed", automargin=True, **_GRID)
    about = (
        "Effect kept at equal KL. Grey: the own effect is within twice that of random vectors, and a share says little."
    )
    return Picture("Effect kept", about, figure, ("measures=effect",))


def _measures(cells: Rows) -> str:
    return ",".join(dict.fromkeys(result.cell.measure for result in cells))


def _figure(result: CellResult, name: str) -> float | None:
    return result.figures.get(name)
