"""The texts of one row that differ by rounding alone.

Another batch shape adds the products of a matrix in another order, so float32 scores of the same row differ in their last bits.
Where the two best candidates for a token are closer than that, either may win, and the text goes on from there.
"""

import torch

from steering.models import LanguageModel
from steering.steer import Intervention, Sampling, Steering, written_text
from steering.steer.batch import Batch, Rows

TIE = 1e-4
"""Largest difference of two log-scores that rounding may reverse. Of one row alone and among others they differ by less than
a third of it, which `tests/test_soak.py` holds; about one draw in 10,000 is as close by chance."""


class _Row(Rows):
    """One row that records where two candidates tie, and takes the second best where it is asked to."""

    def __init__(
        self, model: LanguageModel, prompt: list[int], sampling: Sampling, steering: Steering, second: set[int]
    ) -> None:
        super().__init__(model, [prompt], sampling, steering)
        self.ties: list[int] = []
        self._second = second

    def _choose(self, scores: torch.Tensor) -> torch.Tensor:
        step, generator = len(self._tokens[0]), torch.Generator()
        generator.set_state(self._generators[0].get_state())
        chosen = super()._choose(scores)
        if self.sampling.temperature > 0:
            # How `torch.multinomial` draws one token: the likeliest after dividing by exponential random numbers.
            noise = torch.empty_like(scores).exponential_(1, generator=generator)
            scores = scores.log_softmax(dim=-1) - noise.log()
        best = scores.topk(2, dim=-1)
        if best.values[0, 0] - best.values[0, 1] > TIE:
            assert chosen.equal(best.indices[:, 0])
            return chosen
        self.ties.append(step)
        return best.indices[:, int(step in self._second)]


def texts_up_to_rounding(
    model: LanguageModel, prompt: list[int], intervention: Intervention, lam: float, sampling: Sampling
) -> set[str]:
    """Every text that a row may have: one, but for ties.

    Args:
        model: the model that writes, in float32 on the CPU.
        prompt: token ids.
        intervention: what one unit of λ adds.
        lam: strength of the row.
        sampling: how tokens are chosen.
    """
    texts, pending = set(), [set[int]()]
    while pending:
        second = pending.pop()
        row = _Row(model, prompt, sampling, Steering(intervention, [lam]), second)
        with torch.inference_mode():
            batch = Batch(model, row, [prompt])
            while row.running:
                batch.step()
        texts.add(written_text(model, row.steps[-1].tokens[0], ended=True))
        pending += [second | {step} for step in row.ties if step > max(second, default=-1)]
    return texts
