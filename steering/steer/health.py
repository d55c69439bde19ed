"""Signs that a text has fallen apart, and the one rule by which a text is called degenerate.

Pure functions of token ids and perplexities; measuring a perplexity is left to `grid`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

REPEATED = 0.30
DOMINANT = 0.40
PERPLEXITY_RATIO = 5.0
"""A text is degenerate above any of these: share of repeated 3-grams, share of its commonest token, perplexity over the
baseline's."""

_FEW_TOKENS = 10
"""Below so many tokens one of them is always common, and its share says nothing."""


@dataclass(frozen=True)
class Health:
    """Signs that a text has fallen apart.

    Attributes:
        repeated: share of its 3-grams of tokens that occurred before in it.
        dominant: share of its commonest token.
        perplexity: under the unsteered child, given the prompt; None until `assess` measured it.
        same_as_baseline: whether it is the λ = 0 text, token for token.
        degenerate: whether a limit is passed.
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
    """Share of a text's commonest token; 0 in a handful of tokens, where one of them is always common."""
    return Counter(tokens).most_common(1)[0][1] / len(tokens) if len(tokens) >= _FEW_TOKENS else 0.0


def improbable(perplexity: float | None, baseline: float | None) -> bool:
    """Whether a text's perplexity is too far above the baseline's; False where either is not known."""
    return perplexity is not None and baseline is not None and perplexity > PERPLEXITY_RATIO * baseline


def degenerate(tokens: Sequence[int], perplexity: float | None = None, baseline: float | None = None) -> bool:
    """Whether a text has fallen apart, as far as is known.

    Without a perplexity, or without the baseline's, only the two signs of repetition count: a text that does not repeat
    itself but makes no sense is then not called degenerate. Scored tasks are judged so, because a perplexity would cost
    another pass over every row.

    Args:
        tokens: the new token ids, without the end-of-text token.
        perplexity: under the unsteered child, given the prompt.
        baseline: the same of the text at λ = 0.
    """
    return repeated(tokens) > REPEATED or dominant(tokens) > DOMINANT or improbable(perplexity, baseline)
