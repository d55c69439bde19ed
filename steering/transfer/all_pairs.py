"""Ridge maps between every parent layer and every child layer, on one sample of paired rows.

Hundreds of maps are too many to keep, and none of them has to be: what they explain, and where they carry a direction, follows
from the rows. `alignment` fits the few maps that steer, on many more rows.
"""

from dataclasses import dataclass

import torch

from steering.errors import Progress, part_of, silent
from steering.models import LanguageModel, anchor_texts
from steering.storage import cached, key
from steering.transfer.paired_rows import visit_pairs
from steering.transfer.width_maps import mean_r2

_TEXTS = 150
_ROWS_PER_TEXT = 12
"""1800 rows of both models' layers: 200 MB for the bundled pair."""

_HELD_OUT = 5
"""Every so many-th text is held out: thirty texts."""

_CHOOSING = 1
"""Of the texts that maps are fitted on, those whose number leaves this remainder choose the penalty first."""

_R2_FORMAT = 2
"""Raised when what the cached R² of a sample means changes."""

_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class PairedSample:
    """Rows of two models at the same places of the same texts.

    Attributes:
        parent: float32 `[n_rows, n_parent_layers, d_parent]`.
        child: float32 `[n_rows, n_child_layers, d_child]`.
        text: which text each row is from `[n_rows]`.
    """

    parent: torch.Tensor
    child: torch.Tensor
    text: torch.Tensor

    @property
    def held_out(self) -> torch.Tensor:
        """Rows that no map is fitted on, those of every fifth text; booleans `[n_rows]`."""
        return judges_layers(self.text)

    @property
    def choosing(self) -> torch.Tensor:
        """Rows that the penalty is chosen on, none of them held out; booleans `[n_rows]`."""
        return self.text % _HELD_OUT == _CHOOSING

    @property
    def n_held_out_texts(self) -> int:
        """How many texts the held-out rows are from."""
        return len(set(self.text[self.held_out].tolist()))

    def one_row_a_text(self) -> "PairedSample":
        """The last row of every text."""
        last = torch.cat([self.text[1:] != self.text[:-1], torch.ones(1, dtype=torch.bool)])
        return PairedSample(self.parent[last], self.child[last], self.text[last])


def judges_layers(text: torch.Tensor) -> torch.Tensor:
    """Whether R² between layers is measured on a text; booleans `[n]` of numbers of texts `[n]`."""
    return text % _HELD_OUT == 0


def paired_sample(parent: LanguageModel, child: LanguageModel, *, progress: Progress = silent) -> PairedSample:
    """Let both models read some of the bundled anchor texts, and keep a few rows of each; kept in the cache."""
    texts = _texts()
    # One model with itself needs one set of rows.
    same = parent.fingerprint == child.fingerprint

    def make() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        sides: list[list[torch.Tensor]] = [[], [], []]

        def visit(text: torch.Tensor, left: list[torch.Tensor], right: list[torch.Tensor]) -> None:
            rows = torch.cat([_spread((text == number).nonzero().flatten()) for number in sorted(set(text.tolist()))])
            sides[0].append(text[rows])
            sides[1].append(torch.stack([layer[rows] for layer in left], dim=1))
            if not same:
                sides[2].append(torch.stack([layer[rows] for layer in right], dim=1))

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
    """Share of variance of held-out texts that a ridge map from parent layer i to child layer j explains.

    Args:
        sample: paired rows.
        shuffle: seed of a permutation that pairs the rows at random: the control.

    Returns:
        float32 `[n_parent_layers, n_child_layers]`.
    """
    fit, held = ~sample.held_out, sample.held_out
    child = sample.child[fit][_order(int(fit.sum()), shuffle)]
    unseen = sample.child[held][_order(int(held.sum()), shuffle)]
    means = child.mean(dim=0)
    penalty = _penalty(sample)
    matrix = torch.empty(sample.parent.shape[1], sample.child.shape[1])
    for layer in range(len(matrix)):
        weights = _Ridge(sample.parent[fit, layer]).weights(sample.parent[held, layer], penalty)
        predicted = torch.einsum("hn,nld->hld", weights.float(), child - means) + means
        for other in range(matrix.shape[1]):
            matrix[layer, other] = mean_r2(predicted[:, other], unseen[:, other])
    return matrix


def carry_everywhere(sample: PairedSample, directions: torch.Tensor, *, shuffle: int | None = None) -> torch.Tensor:
    """Carry every parent layer's direction to every child layer.

    Args:
        sample: paired rows.
        directions: `[n_parent_layers, d_parent]`.
        shuffle: seed of a permutation that pairs the rows at random: the control.

    Returns:
        float32 `[n_parent_layers, n_child_layers, d_child]`, not normalised.
    """
    fit = ~sample.held_out
    child = sample.child[fit][_order(int(fit.sum()), shuffle)]
    child = child - child.mean(dim=0)
    penalty = _penalty(sample)
    weights = [_Ridge(sample.parent[fit, layer]).push(direction, penalty) for layer, direction in enumerate(directions)]
    return torch.einsum("in,nld->ild", torch.stack(weights).float(), child)


class _Ridge:
    """Ridge regression on one parent layer: any child layer's prediction is a weighted sum of its own rows."""

    def __init__(self, rows: torch.Tensor) -> None:
        self.mean = rows.double().mean(dim=0)
        self.rows = rows.double() - self.mean
        self.values, self.basis = torch.linalg.eigh(self.rows.T @ self.rows)

    def weights(self, points: torch.Tensor, penalty: float) -> torch.Tensor:
        """Weights of the fitted rows in the prediction at each point, `[n_points, n_rows]`."""
        return self._weights(points.double() - self.mean, penalty)

    def push(self, direction: torch.Tensor, penalty: float) -> torch.Tensor:
        """Weights of the fitted rows in what a direction becomes, `[n_rows]`; a direction knows no mean."""
        return self._weights(direction.double()[None], penalty)[0]

    def _weights(self, moves: torch.Tensor, penalty: float) -> torch.Tensor:
        shrunk = self.values.clamp(min=0) + penalty * self.values.mean()
        return ((moves @ self.basis) / shrunk) @ self.basis.T @ self.rows.T


def _penalty(sample: PairedSample) -> float:
    """One penalty for all maps: the one that explains most between layers at a few same depths.

    It is chosen on texts that are fitted afterwards, so the held-out texts have no say in it.
    """
    fit, choosing = ~(sample.held_out | sample.choosing), sample.choosing
    n_parent, n_child = sample.parent.shape[1], sample.child.shape[1]
    found = dict.fromkeys(_PENALTIES, 0.0)
    for layer in range(n_child // 6, n_child, max(1, n_child // 3)):
        source = round(layer * (n_parent - 1) / max(n_child - 1, 1))
        ridge, child = _Ridge(sample.parent[fit, source]), sample.child[:, layer].double()
        mean = child[fit].mean(dim=0)
        for penalty in _PENALTIES:
            weights = ridge.weights(sample.parent[choosing, source], penalty)
            found[penalty] += mean_r2(weights @ (child[fit] - mean) + mean, child[choosing])
    return max(found, key=lambda penalty: found[penalty])


def _texts() -> tuple[str, ...]:
    return anchor_texts()[:_TEXTS]


def _identity(parent: LanguageModel, child: LanguageModel) -> tuple[object, ...]:
    """Everything that a sample depends on."""
    models = (parent.fingerprint, str(parent.dtype), child.fingerprint, str(child.dtype))
    return (*models, _texts(), _ROWS_PER_TEXT)


def _spread(rows: torch.Tensor) -> torch.Tensor:
    """A few of the rows, from the first to the last."""
    places = torch.linspace(0, len(rows) - 1, min(_ROWS_PER_TEXT, len(rows)))
    return rows[places.round().long()]


def _order(n: int, shuffle: int | None) -> torch.Tensor:
    if shuffle is None:
        return torch.arange(n)
    return torch.randperm(n, generator=torch.Generator().manual_seed(shuffle))
