"""Examples that a vector is trained on: a prompt, its right continuation, and wrong ones where there are some."""

from dataclasses import dataclass

from steering.concepts import Concept
from steering.errors import SteeringError
from steering.models import LanguageModel

_HELD_OUT_STEP = 5
"""Every fifth example is held out; of fewer, the last."""


@dataclass(frozen=True)
class Example:
    """What a trained vector is to bring about.

    Attributes:
        prompt: token ids that the model has read, at least one.
        right: token ids that are to become likelier, at least one.
        wrong: token ids of what is to become less likely beside it; with none, `right` alone is made likelier.

    Raises:
        SteeringError: a prompt or continuation without tokens.
    """

    prompt: tuple[int, ...]
    right: tuple[int, ...]
    wrong: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if not all((self.prompt, self.right, *self.wrong)):
            raise SteeringError(
                "A training example has a prompt or a continuation without tokens. Write something into it."
            )


def pair_examples(model: LanguageModel, concept: Concept) -> tuple[Example, ...]:
    """A concept's pairs as examples: what both texts begin with is the prompt, and the rest of each is a continuation.

    Where they share no token but those that the tokenizer puts before every text, the prompt is a line break, which says
    nothing about any concept.
    """
    before_any = len(model.token_ids(""))
    examples = []
    for pair in concept.pairs:
        texts = (pair.positive, pair.negative)
        sides = [model.token_ids(text) for text in texts]
        shortest = min(map(len, sides))
        shared = next((place for place in range(shortest) if sides[0][place] != sides[1][place]), shortest - 1)
        head = sides[0][:shared]
        if shared <= before_any:
            head = model.token_ids("\n")
            sides = [[*head, *model.continuation_ids("\n", text, plain=True)] for text in texts]
        positive, negative = (tuple(ids[len(head) :]) for ids in sides)
        examples.append(Example(tuple(head), positive, (negative,)))
    return tuple(examples)


def is_held_out(number: int, count: int) -> bool:
    """Whether the example of this number, counted from 0, is kept from training."""
    return number % _HELD_OUT_STEP == _HELD_OUT_STEP - 1 if count >= _HELD_OUT_STEP else number == count - 1
