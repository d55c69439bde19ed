"""Ridge maps between every parent layer and every child layer, on one sample of paired rows.

Hundreds of maps would take too much memory. Their R² and the directions that they carry are computed from the rows without
forming a map. `alignment` fits the few maps that are used for steering, on many more rows.
"""

from dataclasses import dataclass

import torch

from steering.errors import Progress, part_of, silent
from steering.models import LanguageModel, anchor_texts
from steering.storage import cached, key
from steering.transfer.paired_rows import visit_pairs
from steering.transfer.width_maps import mean_r2

_N_TEXTS = 150
"""Anchor texts in a sample."""

_ROWS_PER_TEXT = 12
"""Together 1800 rows of all layers of both models: 200 MB for the bundled pair."""

_HELD_OUT_STEP = 5
"""Every fifth text is held out: thirty texts."""

_CHOOSING_REMAINDER = 1
"""Texts whose number has this remainder choose the penalty; maps are fitted on them afterwards."""

_R2_FORMAT = 2
"""Part of the cache key; raised when the cached R² changes its meaning."""

_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridge penalties that are tried, as shares of the mean eigenvalue of the parent's scatter."""


@dataclass(frozen=True)
class PairedSample:
    """Rows of two models at the same positions of the same texts.

    Attributes:
        parent: float32 `[n_rows, n_parent_layers, d_parent]`.
        child: float32 `[n_rows, n_child_layers, d_child]`.
        text: number of the text that each row is from `[n_rows]`.
    """

    parent: torch.Tensor
    child: torch.Tensor
    text: torch.Tensor

    @property
    def held_out(self) -> torch.Tensor:
        """Rows that no map is fitted on, those of every fifth text; booleans `[n_rows]`."""
        return layer_r2_mask(self.text)

    @property
    def choosing(self) -> torch.Tensor:
        """Rows that the penalty is chosen on, none of them held out; booleans `[n_rows]`."""
        return self.text % _HELD_OUT_STEP == _CHOOSING_REMAINDER

    @property
    def n_held_out_texts(self) -> int:
        """How many texts the held-out rows are from."""
        return len(set(self.text[self.held_out].tolist()))

    def one_row_a_text(self) -> "PairedSample":
        """The last row of every text."""
        last = torch.cat([self.text[1:] != self.text[:-1], torch.ones(1, dtype=torch.bool)])
        return PairedSample(self.parent[last], self.child[last], self.text[last])


def layer_r2_mask(text: torch.Tensor) -> torch.Tensor:
    """Mask of the texts on which R² between layers is measured; booleans `[n]` from numbers of texts `[n]`."""
    return text % _HELD_OUT_STEP == 0


def paired_sample(parent: LanguageModel, child: LanguageModel, *, progress: Progress = silent) -> PairedSample:
    """Let both models read some of the bundled anchor texts, and keep a few rows of each; kept in the cache."""
    texts = _texts()
    # Where parent and child are the same model, one set of rows is enough.
    same = parent.fingerprint == child.fingerprint

    def make() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        sides: list[list[torch.Tensor]] = [[], [], []]

        def visit(text: torch.Tensor, parent_rows: list[torch.Tensor], child_rows: list[torch.Tensor]) -> None:
            rows = torch.cat(
                [_evenly_spaced((text == number).nonzero().flatten()) for number in sorted(set(text.tolist()))]
            )
            sides[0].append(text[rows])
            sides[1].append(torch.stack([layer[rows] for layer in parent_rows], dim=1))
            if not same:
                sides[2].append(torch.stack([layer[rows] for layer in child_rows], dim=1))

        visit_pairs(parent, child, texts, visit, progress=progress)
        names = ["text", "parent"] if same else ["text", "parent", "child"]
        return {name: torch.cat(side) for name, side in zip(names, sides, strict=False)}, {}

    tensors, _ = cached("samples", key("sample", *_identity(parent, child)), make)
    return PairedSample(tensors["parent"], tensors["parent" if same else "child"], tensors["text"])


def measured_r2(
    parent: LanguageModel, child: LanguageModel, *, shuffle: int | None = None, progress: Progress = silent
) -> torch.Tensor:
    """`r2_everywhere` of two models' sample; kept in the cache."""

    def make() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        sample = paired_sample(parent, child, progress=part_of(progress, 0.0, 0.7))
        progress("Fitting a map between every two layers", 0.7)
        return {"r2": r2_everywhere(sample, shuffle=shuffle)}, {}

    tensors, _ = cached("samples", key("r2", _R2_FORMAT, shuffle, *_identity(parent, child)), make)
    return tensors["r2"]


def r2_everywhere(sample: PairedSample, *, shuffle: int | None = None) -> torch.Tensor:
    """Held-out R² of a ridge map from every parent layer to every child layer.

    Args:
        sample: paired rows.
        shuffle: seed of a permutation that pairs the rows at random: the control.

    Returns:
        float32 `[n_parent_layers, n_child_layers]`.
    """
    training, held_out = ~sample.held_out, sample.held_out
    child = sample.child[training][_row_order(int(training.sum()), shuffle)]
    held_out_child = sample.child[held_out][_row_order(int(held_out.sum()), shuffle)]
    means = child.mean(dim=0)
    penalty = _penalty(sample)
    r2 = torch.empty(sample.parent.shape[1], sample.child.shape[1])
    for parent_layer in range(len(r2)):
        weights = _Ridge(sample.parent[training, parent_layer]).weights(sample.parent[held_out, parent_layer], penalty)
        predicted = torch.einsum("hn,nld->hld", weights.float(), child - means) + means
        for child_layer in range(r2.shape[1]):
            r2[parent_layer, child_layer] = mean_r2(predicted[:, child_layer], held_out_child[:, child_layer])
    return r2


def carry_everywhere(sample: PairedSample, directions: torch.Tensor, *, shuffle: int | None = None) -> torch.Tensor:
    """Carry every parent layer's direction to every child layer.

    Args:
        sample: paired rows.
        directions: `[n_parent_layers, d_parent]`.
        shuffle: seed of a permutation that pairs the rows at random: the control.

    Returns:
        float32 `[n_parent_layers, n_child_layers, d_child]`, not normalised.
    """
    training = ~sample.held_out
    child = sample.child[training][_row_order(int(training.sum()), shuffle)]
    child = child - child.mean(dim=0)
    penalty = _penalty(sample)
    weights = [
        _Ridge(sample.parent[training, layer]).direction_weights(direction, penalty)
        for layer, direction in enumerate(directions)
    ]
    return torch.einsum("in,nld->ild", torch.stack(weights).float(), child)


class _Ridge:
    """Ridge regression on one parent layer: a child layer's prediction is a weighted sum of that child layer's rows."""

    def __init__(self, rows: torch.Tensor) -> None:
        self.mean = rows.double().mean(dim=0)
        self.rows = rows.double() - self.mean
        self.values, self.basis = torch.linalg.eigh(self.rows.T @ self.rows)

    def weights(self, points: torch.Tensor, penalty: float) -> torch.Tensor:
        """Weights of the fitted rows in the prediction at each point, `[n_points, n_rows]`."""
        return self._weights(points.double() - self.mean, penalty)

    def direction_weights(self, direction: torch.Tensor, penalty: float) -> torch.Tensor:
        """Weights of the fitted rows in the carried direction, `[n_rows]`; the mean is not subtracted from a direction."""
        return self._weights(direction.double()[None], penalty)[0]

    def _weights(self, centred: torch.Tensor, penalty: float) -> torch.Tensor:
        shrunk = self.values.clamp(min=0) + penalty * self.values.mean()
        return ((centred @ self.basis) / shrunk) @ self.basis.T @ self.rows.T


def _penalty(sample: PairedSample) -> float:
    """One penalty for all maps: the one with the largest summed R² between a few layers at equal relative depths.

    It is chosen on texts that maps are fitted on afterwards, not on the held-out texts.
    """
    training, choosing = ~(sample.held_out | sample.choosing), sample.choosing
    n_parent, n_child = sample.parent.shape[1], sample.child.shape[1]
    r2_sums = dict.fromkeys(_PENALTIES, 0.0)
    for child_layer in range(n_child // 6, n_child, max(1, n_child // 3)):
        parent_layer = round(child_layer * (n_parent - 1) / max(n_child - 1, 1))
        ridge, child = _Ridge(sample.parent[training, parent_layer]), sample.child[:, child_layer].double()
        mean = child[training].mean(dim=0)
        for penalty in _PENALTIES:
            weights = ridge.weights(sample.parent[choosing, parent_layer], penalty)
            r2_sums[penalty] += mean_r2(weights @ (child[training] - mean) + mean, child[choosing])
    return max(r2_sums, key=lambda penalty: r2_sums[penalty])


def _texts() -> tuple[str, ...]:
    return anchor_texts()[:_N_TEXTS]


def _identity(parent: LanguageModel, child: LanguageModel) -> tuple[object, ...]:
    """Everything that a sample depends on."""
    models = (parent.fingerprint, parent.precision, child.fingerprint, child.precision)
    return (*models, _texts(), _ROWS_PER_TEXT)


def _evenly_spaced(rows: torch.Tensor) -> torch.Tensor:
    """At most `_ROWS_PER_TEXT` of the row numbers, evenly spaced from the first to the last."""
    places = torch.linspace(0, len(rows) - 1, min(_ROWS_PER_TEXT, len(rows)))
    return rows[places.round().long()]


def _row_order(n: int, shuffle: int | None) -> torch.Tensor:
    if shuffle is None:
        return torch.arange(n)
    return torch.randperm(n, generator=torch.Generator().manual_seed(shuffle))
