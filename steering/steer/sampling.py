"""How the next token of a row is chosen: settings, and the rules of transformers that they stand for."""

from dataclasses import dataclass

from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from steering.errors import SteeringError, check_whole
from steering.stats import check_seed


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        max_new_tokens: largest number of new tokens of a row.
        temperature: 0 takes the likeliest token; above 0 samples.
        top_p: smallest set of tokens whose probability exceeds this; 1 keeps all.
        top_k: only the k likeliest tokens; 0 keeps all.
        repetition_penalty: above 1 makes tokens that were used before less likely.
        seed: of the random numbers. Rows without a seed of their own all draw the same numbers, so that the rows of one
            prompt differ by their strength alone.
        stop: end a row at the model's end-of-text tokens. Switched off where two runs must do equal work.
    """

    max_new_tokens: int = 48
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: bool = True

    def __post_init__(self) -> None:
        check_whole("max_new_tokens", self.max_new_tokens, 1)
        check_whole("top_k", self.top_k, 0)
        check_seed(self.seed)
        if not 0 <= self.temperature <= 10:
            raise SteeringError(f"The temperature is {self.temperature}; it must lie between 0 and 10.")
        if not 0 < self.top_p <= 1:
            raise SteeringError(f"top_p is {self.top_p}; it must lie above 0 and at most at 1.")
        if not 0 < self.repetition_penalty <= 10:
            raise SteeringError(
                f"The repetition penalty is {self.repetition_penalty}; it must lie above 0 and at most at 10."
            )


def processors(sampling: Sampling) -> LogitsProcessorList:
    """What is done to logits before a token is chosen, in the order of transformers."""
    chosen = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        chosen.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature > 0:
        if sampling.temperature != 1.0:
            chosen.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_k:
            chosen.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1.0:
            chosen.append(TopPLogitsWarper(sampling.top_p))
    return chosen
