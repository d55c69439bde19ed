"""Paired rows: positions at which two models with different tokenizers have read the same characters.

A fast tokenizer gives the character at which each token ends. Where a token of each model ends at the same character, both
residual streams follow the same prefix of the text and make one pair of rows. A short text gives a pair for nearly every
word, so a few hundred texts give thousands.
"""

from collections.abc import Callable, Sequence

import torch

from steering.errors import ModelError, Progress, SteeringError, check_interrupt, silent
from steering.models import LanguageModel, batches, block_outputs, pad

FIRST_POSITION = 4
"""Positions before this one are left out: many models use a text's first token as a sink, with activations up to a
hundred times as large as any other, which would dominate a least-squares fit."""

_BATCH_TOKENS = 512
"""Tokens in one batch of paired rows, of which all layers of both models are in memory at once."""

LONGEST_TEXT = 2048
"""Anchor texts are cut to this many tokens, even where both models read more: all layers of a text are in memory at once."""

Visit = Callable[[torch.Tensor, list[torch.Tensor], list[torch.Tensor]], None]
"""Given the number of the text that each row is from `[n_rows]`, and per layer the parent's rows `[n_rows, d_parent]` and the
child's `[n_rows, d_child]`, both float32 on the CPU."""


def token_ends(model: LanguageModel, text: str) -> tuple[list[int], dict[int, int]]:
    """Token ids of a text, and for every character at which a token ends, the position of the last such token.

    Raises:
        ModelError: the tokenizer does not give the positions of its tokens in the text.
    """
    if not model.tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of {model.name} does not tell where its tokens lie in a text, so its activations cannot be paired "
            "with another model's. Use width 'truncate', or a model with a fast tokenizer."
        )
    encoded = model.tokenizer(text, return_offsets_mapping=True)
    ends = {end: position for position, (start, end) in enumerate(encoded["offset_mapping"]) if end > start}
    return list(encoded["input_ids"]), ends


def visit_pairs(
    parent: LanguageModel,
    child: LanguageModel,
    texts: Sequence[str],
    visit: Visit,
    *,
    skip: int = FIRST_POSITION,
    progress: Progress = silent,
) -> int:
    """Run both models on the texts, and pass the paired rows of every layer to `visit`, batch by batch.

    Nothing is kept between batches, so any number of texts fits into memory. A text is read as far as both models' contexts
    reach, and at most `LONGEST_TEXT` tokens of it.

    Args:
        parent: one model.
        child: the other.
        texts: raw texts, read without chat templates.
        visit: called once a batch.
        skip: positions at the beginning of a text that make no pair.
        progress: told after every batch.

    Returns:
        How many texts were cut.

    Raises:
        SteeringError: no position in any text where both have read the same characters.
    """
    ids: list[tuple[list[int], list[int]]] = []
    positions: list[tuple[list[int], list[int]]] = []
    limits = [min(model.context or LONGEST_TEXT, LONGEST_TEXT) for model in (parent, child)]
    cut = 0
    for text in texts:
        check_interrupt()
        parent_ids, parent_ends = token_ends(parent, text)
        child_ids, child_ends = token_ends(child, text)
        shared = [
            end
            for end in sorted(parent_ends.keys() & child_ends.keys())
            if min(parent_ends[end], child_ends[end]) >= skip
            and parent_ends[end] < limits[0]
            and child_ends[end] < limits[1]
        ]
        cut += len(parent_ids) > limits[0] or len(child_ids) > limits[1]
        ids.append((parent_ids[: limits[0]], child_ids[: limits[1]]))
        positions.append(([parent_ends[end] for end in shared], [child_ends[end] for end in shared]))
    if not any(shared for shared, _ in positions):
        raise SteeringError(f"{parent.name} and {child.name} share no position in any anchor text. Add longer texts.")

    done = 0
    for members in batches([child_ids for _, child_ids in ids], _BATCH_TOKENS):
        progress(f"Reading anchor texts with {parent.name} and {child.name}", done / len(texts))
        sides = []
        for side, model in enumerate((parent, child)):
            batch = pad([ids[member][side] for member in members], model)
            rows = [row for row, member in enumerate(members) for _ in positions[member][side]]
            position = [position for member in members for position in positions[member][side]]
            outputs = block_outputs(model, batch.ids, batch.mask)
            # Statistics are computed in float64, which not every device supports.
            sides.append([output[rows, position].float().cpu() for output in outputs])
        text_numbers = torch.tensor([member for member in members for _ in positions[member][0]])
        visit(text_numbers, sides[0], sides[1])
        done += len(members)
    progress(f"Reading anchor texts with {parent.name} and {child.name}", 1.0)
    return cut
