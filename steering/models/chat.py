"""A prompt as a user's turn in a model's chat template, with a system prompt where there is one."""

from typing import Any

from transformers import PreTrainedTokenizerBase

from steering.errors import SteeringError


def with_system(prompt: str, system: str) -> str:
    """A prompt behind a system prompt, as one text: for models without a system role."""
    return f"{system.strip()}\n\n{prompt}" if system.strip() else prompt


def chat_text(tokenizer: PreTrainedTokenizerBase, prompt: str, system: str = "", *, thinking: bool = False) -> str:
    """The text that a model with a chat template reads, up to where its answer begins.

    Args:
        tokenizer: has a chat template.
        prompt: the user's turn.
        system: the system prompt; "" for none. A template without a system role refuses one or leaves it out; then it stands
            before the prompt in the user's turn.
        thinking: whether a model that can think before it answers does so, where its template has `enable_thinking`.

    Raises:
        SteeringError: the template cannot be filled in.
    """
    system = system.strip()
    settings: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True}
    if "enable_thinking" in str(tokenizer.chat_template):
        settings["enable_thinking"] = thinking
    user = {"role": "user", "content": prompt}
    if system:
        try:
            text: str = tokenizer.apply_chat_template([{"role": "system", "content": system}, user], **settings)
        except Exception:  # A template refuses a role by an error of its own.
            text = ""
        if system in text:
            return text
    try:
        return str(
            tokenizer.apply_chat_template([{"role": "user", "content": with_system(prompt, system)}], **settings)
        )
    except Exception as error:  # Templates are programs that come with a model.
        raise SteeringError(
            f"The chat template of this model cannot be filled in: {str(error)[:200]}. Send the prompt without it (--plain)."
        ) from error
