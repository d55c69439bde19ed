"""Log-probabilities of a continuation are those of one text at a time, however rows are batched and padded."""

import torch

from steering.models.language_model import LanguageModel
from steering.models.likelihood import token_log_probabilities


def test_every_row_gets_what_it_would_get_alone(model: LanguageModel) -> None:
    rows = [model.token_ids(text) for text in ("A long walk in the rain and home again", "Soup", "Over the hills")]
    starts = [3, 1, 2]
    with torch.no_grad():
        found = token_log_probabilities(model, rows, starts)
        for row, start, tokens in zip(rows, starts, found, strict=True):
            scores = model.model(input_ids=torch.tensor([row]), use_cache=False).logits[0].double().log_softmax(dim=-1)
            alone = torch.stack([scores[place - 1, row[place]] for place in range(start, len(row))])
            torch.testing.assert_close(tokens.double(), alone, rtol=1e-4, atol=1e-4)
