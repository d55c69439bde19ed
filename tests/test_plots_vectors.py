"""The figure of two vectors: what is drawn is what was measured."""

import math

from steering.plots_vectors import plot_agreement


def test_every_layer_has_its_cosine_and_chance_its_band() -> None:
    figure = plot_agreement([0.5, math.nan, -0.25], 0.1)
    band, line = figure.data
    assert set(band.y) == {-0.1, 0.1}
    assert list(line.y) == [0.5, None, -0.25]
    assert line.text[2] == "−0.25"
    assert tuple(figure.layout.yaxis.range) == (-1.05, 1.05)
