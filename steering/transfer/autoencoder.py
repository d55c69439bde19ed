"""A network with one hidden layer of ReLU units that predicts the child's rows from the parent's, at one pair of layers.

It starts as a linear map, since ReLU(z) − ReLU(−z) = z, and is trained on a sample of rows until held-out rows are predicted
worse. Coordinates are standardised, so that its loss is one minus the R² averaged over coordinates.
"""

from dataclasses import dataclass, replace

import torch

from steering.transfer.covariance import LayerCovariance
from steering.vectors import EPSILON

_BATCH = 256
_EPOCHS = 12
_PATIENCE = 2
"""Epochs without a better prediction of the held-out rows before training stops."""

_LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Autoencoder:
    """Weights of the network, for standardised coordinates, float32.

    Attributes:
        encoder: `[d_parent, d_hidden]`.
        threshold: added before the ReLU `[d_hidden]`.
        decoder: `[d_hidden, d_child]`.
        bias: `[d_child]`.
        source: mean and standard deviation of the parent's coordinates, `[2, d_parent]`.
        target: of the child's, `[2, d_child]`.
    """

    encoder: torch.Tensor
    threshold: torch.Tensor
    decoder: torch.Tensor
    bias: torch.Tensor
    source: torch.Tensor
    target: torch.Tensor

    @classmethod
    def from_linear(cls, linear: torch.Tensor, covariance: LayerCovariance) -> "Autoencoder":
        """The network that predicts what a linear map `[d_parent, d_child]` predicts."""
        spreads = [
            (scatter / covariance.n).clamp(min=EPSILON).sqrt()
            for scatter in (covariance.source.xx.diagonal(), covariance.yy)
        ]
        left, values, right = torch.linalg.svd(linear * spreads[0][:, None] / spreads[1], full_matrices=False)
        encoder, decoder = left * values.sqrt(), values.sqrt()[:, None] * right
        return cls(
            encoder=torch.cat([encoder, -encoder], dim=1).float(),
            threshold=torch.zeros(2 * len(values)),
            decoder=torch.cat([decoder, -decoder]).float(),
            bias=torch.zeros(len(spreads[1])),
            source=torch.stack([covariance.source.mean, spreads[0]]).float(),
            target=torch.stack([covariance.mean_y, spreads[1]]).float(),
        )

    def standardised(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of both models in the coordinates of the network."""
        return (x.float() - self.source[0]) / self.source[1], (y.float() - self.target[0]) / self.target[1]

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Standardised child rows `[n, d_child]` from standardised parent rows `[n, d_parent]`."""
        return torch.relu(x @ self.encoder + self.threshold) @ self.decoder + self.bias

    def mean_jacobian(self, x: torch.Tensor) -> torch.Tensor:
        """Derivative of the prediction, averaged over rows of the parent `[n, d_parent]`: float64 `[d_parent, d_child]`."""
        standard = (x.float() - self.source[0]) / self.source[1]
        active = (standard @ self.encoder + self.threshold > 0).double().mean(dim=0)
        jacobian = (self.encoder.double() * active) @ self.decoder.double()
        return jacobian * self.target[1].double() / self.source[1].double()[:, None]


def train(
    network: Autoencoder, sample: tuple[torch.Tensor, torch.Tensor], choosing: tuple[torch.Tensor, torch.Tensor]
) -> Autoencoder:
    """Train a network with Adam, and stop early.

    Args:
        network: where training starts.
        sample: rows to train on, the parent's and the child's.
        choosing: held-out rows that say when to stop.

    Returns:
        The network, of all epochs and the start, that predicts the held-out rows best.
    """
    x, y = network.standardised(*sample)
    held_out_x, held_out_y = network.standardised(*choosing)
    generator = torch.Generator().manual_seed(0)
    names = ("encoder", "threshold", "decoder", "bias")
    weights = {name: getattr(network, name).clone().requires_grad_() for name in names}
    trained = replace(network, **weights)
    optimiser = torch.optim.Adam(weights.values(), lr=_LEARNING_RATE)
    best, best_loss, waited = network, float(_loss(network, held_out_x, held_out_y)), 0
    for _ in range(_EPOCHS):
        for batch in torch.split(torch.randperm(len(x), generator=generator), _BATCH):
            with torch.enable_grad():
                loss = _loss(trained, x[batch], y[batch])
            # Not backward(), which would also reach tensors of a caller.
            for weight, gradient in zip(
                weights.values(), torch.autograd.grad(loss, list(weights.values())), strict=True
            ):
                weight.grad = gradient
            optimiser.step()
        now = replace(network, **{name: weight.detach().clone() for name, weight in weights.items()})
        held_out_loss = float(_loss(now, held_out_x, held_out_y))
        if held_out_loss < best_loss:
            best, best_loss, waited = now, held_out_loss, 0
            continue
        waited += 1
        if waited == _PATIENCE:
            break
    return best


def _loss(network: Autoencoder, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (network.predict(x) - y).square().mean()
