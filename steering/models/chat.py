"""A prompt as a user's turn in a model's chat template, with earlier turns and a system prompt where there are any."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from steering.errors import SteeringError

Exchange = tuple[str, str]
"""What the user wrote, and what the model answered."""


def with_system(prompt: str, system: str) -> str:
    """A prompt behind a system prompt, as one text: for models without a system role."""
    return f"{system.strip()}\n\n{prompt}" if system.strip() else prompt


def transcript(prompt: str, system: str, earlier: Sequence[Exchange]) -> str:
    """A conversation as a text to be continued: for models without a chat template."""
    if not earlier:
        return with_system(prompt, system)
    lines = [f"User: {asked}\nAssistant: {answered}\n" for asked, answered in earlier]
    return with_system("\n".join([*lines, f"User: {prompt}\nAssistant:"]), system)


def chat_text(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    system: str = "",
    *,
    thinking: bool = False,
    earlier: Sequence[Exchange] = (),
) -> str:
    """The text that a model with a chat template reads, up to where its answer begins.

    Args:
        tokenizer: has a chat template.
        prompt: the user's turn.
        system: the system prompt; "" for none. A template without a system role refuses one or leaves it out; then it stands
            before the user's first turn.
        thinking: whether a model that can think before it answers does so, where its template has `enable_thinking`.
        earlier: what was said before, the oldest first.

    Raises:
        SteeringError: the template cannot be filled in.
    """
    system = system.strip()
    settings: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True}
    if "enable_thinking" in str(tokenizer.chat_template):
        settings["enable_thinking"] = thinking
    turns = _messages(prompt, earlier)
    if system:
        try:
            text: str = tokenizer.apply_chat_template([{"role": "system", "content": system}, *turns], **settings)
        except Exception:  # A template refuses a role by an error of its own.
            text = ""
        if system in text:
            return text
        turns[0]["content"] = with_system(turns[0]["content"], system)
    try:
        return str(tokenizer.apply_chat_template(turns, **settings))
    except Exception as error:  # Templates are programs that come with a model.
        raise SteeringError(
            f"The chat template of this model cannot be filled in: {str(error)[:200]}. Send the prompt without it (--plain)."
        ) from error


def _messages(prompt: str, earlier: Sequence[Exchange]) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = []
    for asked, answered in earlier:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return [*messages, {"role": "user", "content": prompt}]
