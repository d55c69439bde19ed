"""Figures hold what the records hold, on fixed scales and with words for a reader."""

import math
from dataclasses import asdict

import pytest
import torch

from steering.measure.similarity import METRICS, Projections, Similarity
from steering.plots.figures import SYMBOLS, plot_pair, plot_report, plot_similarity
from steering.transfer.carry import TransferReport


def similarity(matrix: torch.Tensor, metric: str = "scores") -> Similarity:
    return Similarity(
        metric=metric, matrix=matrix, parent="big", child="small", concept="sentiment", n_texts=64, chance=0.2
    )


def test_heatmap_has_a_fixed_diverging_scale_whatever_the_numbers_are() -> None:
    for size in (0.01, 1.0):
        heatmap = plot_similarity(similarity(size * torch.ones(3, 5))).data[0]
        assert (heatmap.zmin, heatmap.zmax) == (-1, 1)
        assert heatmap.colorscale[0][1] != heatmap.colorscale[-1][1]


def test_heatmap_rows_are_parent_layers() -> None:
    matrix = torch.arange(6).reshape(2, 3) / 10
    figure = plot_similarity(similarity(matrix))
    assert [[round(value, 3) for value in row] for row in figure.data[0].z] == [[0, 0.1, 0.2], [0.3, 0.4, 0.5]]
    assert figure.layout.xaxis.title.text == "child layer"
    assert figure.layout.yaxis.title.text == "parent layer"


def test_best_child_layer_is_marked_for_every_parent_layer_with_signal() -> None:
    matrix = torch.tensor([[0.1, 0.9, -0.2], [math.nan, math.nan, math.nan], [0.0, 0.0, 0.0], [-0.5, -0.1, math.nan]])
    marks = plot_similarity(similarity(matrix)).data[-1]
    assert list(zip(marks.y, marks.x, strict=True)) == [(0, 1), (3, 1)]


def test_cells_without_a_number_stay_empty() -> None:
    assert plot_similarity(similarity(torch.tensor([[math.nan, 0.5]]))).data[0].z[0][0] is None


@pytest.mark.parametrize("metric", METRICS)
def test_hover_is_in_words(metric: str) -> None:
    hover = plot_similarity(similarity(torch.eye(3), metric)).data[0].hovertemplate
    assert hover.startswith("parent layer %{y}, child layer %{x}, ")
    assert SYMBOLS[metric] in hover


def test_figures_are_transparent_and_untitled() -> None:
    layout = plot_similarity(similarity(torch.eye(3))).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.title.text is None


def test_the_best_path_never_goes_back() -> None:
    matrix = torch.tensor([[0.9, 0.1, 0.8], [0.2, 0.95, 0.1]])
    assert plot_similarity(similarity(matrix)).data[1].y == (0, 1, 1)


def test_the_chosen_cell_is_framed() -> None:
    assert not plot_similarity(similarity(torch.eye(3))).layout.shapes
    shapes = plot_similarity(similarity(torch.eye(3)), (2, 1)).layout.shapes
    assert {(shape.x0, shape.x1, shape.y0, shape.y1) for shape in shapes} == {(0.5, 1.5, 1.5, 2.5)}
    assert {shape.line.color for shape in shapes} == {"black", "white"}


def test_a_pair_of_layers_is_a_dot_a_text_with_poles_that_differ_in_more_than_colour() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(8, 3, generator=generator), torch.randn(8, 5, generator=generator)
    texts = tuple(f"<b>text</b> {number} " + "and so on " * 20 for number in range(8))
    figure = plot_pair(Projections(one, other, texts, ("<i>up", "down")), 2, 4)
    positive, negative = figure.data
    assert list(positive.x) == one[:4, 2].tolist()
    assert list(negative.y) == other[4:, 4].tolist()
    assert positive.marker.symbol != negative.marker.symbol
    assert positive.marker.color != negative.marker.color
    assert positive.name == "&lt;i&gt;up"
    assert not any("<" in text for trace in figure.data for text in trace.text)
    assert max(len(text) for text in positive.text) < 130
    assert "parent layer 2" in figure.layout.xaxis.title.text
    assert "child layer 4" in figure.layout.yaxis.title.text


def report(r2: tuple[float | None, ...]) -> TransferReport:
    return TransferReport(
        parent="big",
        child="small",
        layers="relative",
        width="ridge",
        sources=(0, None, 3),
        r2=r2,
        r2_shuffled=(0.0, 0.01, -0.02),
        share_kept=(0.5, 0.6, 0.7),
        rows=1000,
        texts=60,
        verdict="Carries well.",
    )


def test_report_lines_differ_in_more_than_colour() -> None:
    figure = plot_report(asdict(report((0.5, None, 0.7))))
    assert figure is not None
    assert len({trace.line.dash for trace in figure.data}) == len(figure.data) == 3
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert figure.data[0].y == (0.5, None, 0.7)
    assert figure.data[2].y == (0.5, None, 0.7), "a layer that nothing is carried to keeps no share of anything"
    assert list(figure.data[0].customdata) == ["0", "none", "3"]


def test_report_without_a_fit_has_no_figure() -> None:
    assert plot_report(asdict(report((None, None, None)))) is None
