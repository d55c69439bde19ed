"""Log-probabilities of a continuation are those of one text at a time, however rows are batched and padded."""

import os
from collections.abc import Callable

import pytest
import torch
from test_retention import CONCEPT

from steering.measure.budgets import unsteered_texts
from steering.measure.effects import effect, score_gradient
from steering.models import likelihood
from steering.models.language_model import LanguageModel
from steering.models.likelihood import token_log_probabilities
from steering.steer.grid import assess, generate
from steering.steer.intervention import plan
from steering.vectors.vector import SteeringVector


def test_every_row_gets_what_it_would_get_alone(model: LanguageModel) -> None:
    rows = [model.token_ids(text) for text in ("A long walk in the rain and home again", "Soup", "Over the hills")]
    starts = [3, 1, 2]
    with torch.no_grad():
        found = token_log_probabilities(model, rows, starts)
        for row, start, tokens in zip(rows, starts, found, strict=True):
            scores = model.model(input_ids=torch.tensor([row]), use_cache=False).logits[0].double().log_softmax(dim=-1)
            alone = torch.stack([scores[place - 1, row[place]] for place in range(start, len(row))])
            torch.testing.assert_close(tokens.double(), alone, rtol=1e-4, atol=1e-4)


def most_logits(model: LanguageModel, work: Callable[[], object]) -> int:
    """How many logits the largest of the work's forward passes made."""
    sizes = [0]
    handle = model.model.get_output_embeddings().register_forward_hook(
        lambda _module, _inputs, output: sizes.append(output.numel())
    )
    try:
        work()
    finally:
        handle.remove()
    return max(sizes)


@pytest.mark.usefixtures("fresh_cache")
def test_no_batch_makes_more_logits_than_fit_into_memory(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector], monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = vector_for(llama)
    lambdas = [place / 10 for place in range(8)]
    grid = generate(llama, "The train", vector, lambdas, max_new_tokens=12)
    intervention = plan(llama, vector)
    works: dict[str, Callable[[], object]] = {
        "assess": lambda: [row.health.perplexity for row in assess(llama, grid).rows],
        "effect": lambda: effect(llama, vector, CONCEPT, prompts=("The morning train", "She opened it")).per_prompt,
        "KL divergence": lambda: unsteered_texts(llama).divergences(intervention, 0.1).tolist(),
        "gradient": lambda: score_gradient(llama, CONCEPT).flatten().tolist(),
    }
    expected = {name: work() for name, work in works.items()}
    limit = 70 * len(llama.tokenizer)
    monkeypatch.setattr(likelihood, "BATCH_LOGITS", limit, raising=False)
    for name, work in works.items():
        monkeypatch.setenv("XDG_CACHE_HOME", f"{os.environ['XDG_CACHE_HOME']}-{name[:3]}")
        assert most_logits(llama, work) <= limit, name
        assert work() == pytest.approx(expected[name], rel=1e-3, abs=1e-5), name
