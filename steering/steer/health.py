"""Measures of whether a text has degenerated, and the rule that combines them.

Pure functions of token ids and perplexities; measuring a perplexity is left to `grid`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

REPEATED = 0.48
PERPLEXITY = 130.0
"""A text is degenerate above either of these: share of repeated 3-grams, and perplexity under the unsteered child. Chosen on
texts that a reader had labelled, to tell those that are broken; see "Which texts are broken?" in docs/results.md."""

FEWEST_TOKENS = 8
"""Shorter texts are not judged: there is too little to tell repetition from chance."""

_MIN_TOKENS = 10
"""Shorter texts have no dominant token: in a few tokens one is always common."""


@dataclass(frozen=True)
class Health:
    """Measures of whether a text has degenerated.

    Attributes:
        repeated: share of its 3-grams of tokens that occurred before in it.
        dominant: share of its commonest token.
        perplexity: under the unsteered child, given the prompt; None until `assess` measured it.
        same_as_baseline: whether it is the λ = 0 text, token for token.
        degenerate: whether one of the two limits is exceeded.
    """

    repeated: float
    dominant: float
    perplexity: float | None
    same_as_baseline: bool
    degenerate: bool


def repeated(tokens: Sequence[int]) -> float:
    """Share of a text's 3-grams of tokens that occurred before in it."""
    grams = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def dominant(tokens: Sequence[int]) -> float:
    """Share of a text's commonest token; 0 in texts of fewer than `_MIN_TOKENS` tokens."""
    return Counter(tokens).most_common(1)[0][1] / len(tokens) if len(tokens) >= _MIN_TOKENS else 0.0


def improbable(perplexity: float | None) -> bool:
    """Whether a perplexity is above its limit; False where it is not known."""
    return perplexity is not None and perplexity > PERPLEXITY


def degenerate(tokens: Sequence[int], perplexity: float | None = None) -> bool:
    """Whether a text exceeds one of the limits; False for a text of fewer than `FEWEST_TOKENS` tokens.

    Without a perplexity only repetition is used, and a text without repetition that makes no sense is not recognised. Scored
    tasks are assessed this way, because perplexity needs another forward pass over every row.

    Args:
        tokens: the new token ids, without the end-of-text token.
        perplexity: under the unsteered child, given the prompt.
    """
    return len(tokens) >= FEWEST_TOKENS and (repeated(tokens) > REPEATED or improbable(perplexity))
