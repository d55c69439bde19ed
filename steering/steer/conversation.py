"""A conversation held twice, side by side: with the child as it is, and with the child steered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steering.errors import SteeringError
from steering.models import LanguageModel
from steering.steer.batch import SharedBatch
from steering.steer.decoding import decode, written_text
from steering.steer.intervention import plan
from steering.steer.sampling import Sampling
from steering.steer.settings import DEFAULT_SETTINGS, SteeringSettings, check_strengths
from steering.vectors import SteeringVector


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        user: what the user wrote.
        baseline: the answer of the child as it is.
        steered: the answer of the steered child.
        lam: strength of the steered answer.
        ended: how the answers ended, baseline and steered: "end of text" or "length"; "" while they are being written.
    """

    user: str
    baseline: str = ""
    steered: str = ""
    lam: float = 0.0
    ended: tuple[str, str] = ("", "")


def converse(
    child: LanguageModel,
    vector: SteeringVector,
    earlier: Sequence[Turn],
    message: str,
    lam: float,
    *,
    sampling: Sampling | None = None,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    system: str = "",
    plain: bool = False,
    shared: SharedBatch | None = None,
) -> Iterator[Turn]:
    """Answer a message twice in one batch. Each side remembers its own answers.

    Args:
        child: the model that answers.
        vector: in the child's space.
        earlier: the turns so far.
        message: what the user writes now.
        lam: strength of the steered answer; it may differ from turn to turn.
        sampling: how tokens are chosen; greedy by default.
        settings: scale, layer profile, positions and operator.
        system: a system prompt.
        plain: without the chat template; the conversation is put as a transcript.
        shared: where answers that are written at the same time share forward passes, see `decode`.

    Yields:
        The turn as it grows.

    Raises:
        SteeringError: λ is not finite, the settings do not fit the child, or the conversation does not fit its context.
    """
    (strength,) = check_strengths([lam])
    chosen = sampling or Sampling()
    intervention = plan(child, vector, settings)
    prompts = [
        child.prompt_ids(message, plain=plain, system=system, earlier=[(turn.user, answer) for turn, answer in side])
        for side in (
            [(turn, turn.baseline) for turn in earlier],
            [(turn, turn.steered) for turn in earlier],
        )
    ]
    longest = max(map(len, prompts))
    if child.context and longest + chosen.max_new_tokens - 1 > child.context:
        raise SteeringError(
            f"The conversation has {longest} tokens and {chosen.max_new_tokens} are to follow, but {child.name} reads up to "
            f"{child.context}. Start a new conversation, or ask for fewer new tokens."
        )

    def steps() -> Iterator[Turn]:
        for step in decode(child, prompts, intervention, [0.0, strength], chosen, shared=shared):
            baseline, steered = (
                written_text(child, tokens, ended=bool(ended))
                for tokens, ended in zip(step.tokens, step.ended, strict=True)
            )
            yield Turn(message, baseline, steered, strength, (step.ended[0], step.ended[1]))

    return steps()
