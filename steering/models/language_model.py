"""A loaded causal language model: its decoder blocks, its fingerprint, its tokens, and padded batches of them.

`loading` loads it.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from steering.errors import SteeringError
from steering.models.blocks import check_blocks, find_blocks
from steering.models.chat import Exchange, chat_text, transcript
from steering.models.fingerprint import weights_hash
from steering.models.int8 import EPSILON, embedding_bytes, is_in_8_bits
from steering.models.kv_cache import check_cache
from steering.models.products import products_of

PROBE = "The river runs down to the sea."
"""Text of the forward passes that check a model when it is loaded."""


class LanguageModel:
    """A causal language model with its decoder blocks found and checked.

    It owns weights, so it is not frozen; but nothing changes it after loading. A thread that runs it holds `lock`, so
    that its steering never affects another thread's text.

    Attributes:
        name: what it was loaded as.
        revision: Hub commit, or "" for anything else.
        model: the transformers model, in evaluation mode.
        tokenizer: its tokenizer, never changed.
        blocks: the decoder blocks; layer i is the output of `blocks[i]`.
        d_model: width of the residual stream.
        lock: held for the time of one forward pass.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        revision: str = "",
        hash_in: Callable[[torch.dtype], str] | None = None,
    ) -> None:
        """Find and check the decoder blocks of a loaded model.

        Args:
            model: the transformers model.
            tokenizer: its tokenizer.
            name: what it was loaded as.
            revision: Hub commit.
            hash_in: `weights_hash` of the model as its files give it in a type; None where there are no files.

        Raises:
            ModelError: the model cannot be steered; the message says why.
        """
        self.name = name
        self.revision = revision
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.lock = threading.RLock()
        self._hash_in = hash_in
        self._in_8_bits = is_in_8_bits(model)
        probe = torch.tensor([self.token_ids(PROBE)], device=self.device)
        self.blocks, self.d_model = find_blocks(model, probe)
        check_blocks(model, self.blocks, probe)
        check_cache(model, probe)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.blocks)

    @property
    def device(self) -> torch.device:
        """Device that token ids go to."""
        embeddings: nn.Module = self.model.get_input_embeddings()
        return next(chain(embeddings.parameters(), embeddings.buffers())).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the activations."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def precision(self) -> str:
        """What its numbers depend on besides the weights: "int8" for weights in 8 bits, else the torch dtype's name."""
        return "int8" if self._in_8_bits else str(self.dtype)

    @property
    def epsilon(self) -> float:
        """Relative size of the rounding of its activations."""
        return EPSILON if self._in_8_bits else torch.finfo(self.dtype).eps

    @property
    def weight_bytes(self) -> int:
        """Memory that its weights take."""
        parameters = sum(each.nbytes for each in self.model.parameters())
        products = sum(product.n_bytes for product in products_of(self.model))
        return parameters + products + embedding_bytes(self.model)

    @property
    def has_chat_template(self) -> bool:
        """Whether a prompt can be put as a user's turn of a conversation."""
        return bool(self.tokenizer.chat_template)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the weights, the same for every type and device that they are loaded in.

        The weights are hashed as bfloat16 rounds them, see `weights_hash`. Rounding to float16 first gives other numbers, so
        for a model in float16 the files are read again; weights that are kept in products were hashed before.
        """
        if (self.dtype == torch.float16 or products_of(self.model)) and self._hash_in is not None:
            return self._hash_in(torch.bfloat16)
        return weights_hash(self.model)

    @cached_property
    def _float16_fingerprint(self) -> str:
        # Vectors that were made in float16 may carry the hash of the weights as float16 rounds them.
        if self.dtype == torch.float16 or self._hash_in is None:
            return weights_hash(self.model)
        return self._hash_in(torch.float16)

    def own_fingerprint(self, fingerprint: str | None) -> str | None:
        """A fingerprint as it is compared: the model's present one for an earlier one of its own, others as they are."""
        return self.fingerprint if fingerprint and self.has_fingerprint(fingerprint) else fingerprint

    def has_fingerprint(self, fingerprint: str) -> bool:
        """Whether a record that carries this fingerprint is of this model.

        The hash of the weights in float16, which records of an earlier version may carry, is accepted as well; it is only
        computed where the model's fingerprint does not match.
        """
        return fingerprint == self.fingerprint or (bool(fingerprint) and fingerprint == self._float16_fingerprint)

    @property
    def vocabulary(self) -> int:
        """Number of logits at every position."""
        head: nn.Module = self.model.get_output_embeddings()
        # A head with weights in 8 bits would have to expand them to give their shape.
        return int(getattr(head, "out_features", 0)) or next(head.parameters()).shape[0]

    @property
    def context(self) -> int | None:
        """Largest number of tokens that the model reads at once; None where its config does not say."""
        limit: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return limit

    @property
    def stop_ids(self) -> frozenset[int]:
        """Token ids that end a text."""
        ids = {self.tokenizer.eos_token_id}
        configured = self.model.generation_config.eos_token_id
        ids.update(configured if isinstance(configured, list) else [configured])
        return frozenset(token for token in ids if token is not None)

    def token_ids(self, text: str) -> list[int]:
        """Tokens of a raw text, with the special tokens that the tokenizer puts around any text."""
        return list(self.tokenizer(text)["input_ids"])

    def prompt_ids(
        self,
        prompt: str,
        *,
        plain: bool = False,
        system: str = "",
        thinking: bool = False,
        earlier: Sequence[Exchange] = (),
    ) -> list[int]:
        """Tokens of a prompt, as a user's turn where the model has a chat template.

        Args:
            prompt: what the user wrote.
            plain: send the prompt as it is, without the chat template.
            system: a system prompt. Without a template, or in one without a system role, it stands before the prompt.
            thinking: let a model think before it answers, where its template has that choice.
            earlier: what was said before, the oldest first: the user's turn and the model's answer.

        Raises:
            SteeringError: there are no tokens: the prompt is empty and neither tokenizer nor template adds any; or the
                template cannot be filled in.
        """
        ids = self._prompt_ids(prompt, "", plain, system, thinking=thinking, earlier=earlier)
        if not ids:
            raise SteeringError(f"The prompt is empty: {self.name} needs at least one token to continue.")
        return ids

    def continuation_ids(self, prompt: str, continuation: str, *, plain: bool = False) -> list[int]:
        """Tokens of a text that follows a prompt, to be appended to the prompt's `prompt_ids`.

        Prompt and continuation are tokenised together, because some tokenizers treat the first word of a text differently; the
        tokens after those of the prompt are the continuation. Where one token would span the boundary, the prompt keeps its
        tokens, as in generation, and the continuation is tokenised as after a line break.

        Args:
            prompt: what the user wrote.
            continuation: what is to follow, with its leading space where there is one.
            plain: the prompt is sent without the chat template.
        """
        head, joint = (self._prompt_ids(prompt, tail, plain) for tail in ("", continuation))
        if joint[: len(head)] != head:
            head, joint = ([*self._plain_ids(text)] for text in ("\n", f"\n{continuation}"))
        if joint[: len(head)] != head:
            return self._plain_ids(continuation)
        return joint[len(head) :]

    def _prompt_ids(
        self,
        prompt: str,
        continuation: str,
        plain: bool,
        system: str = "",
        *,
        thinking: bool = False,
        earlier: Sequence[Exchange] = (),
    ) -> list[int]:
        if plain or not self.has_chat_template:
            return self.token_ids(transcript(prompt, system, earlier) + continuation)
        # The template writes the special tokens itself, so the tokenizer must not add them once more.
        return self._plain_ids(
            chat_text(self.tokenizer, prompt, system, thinking=thinking, earlier=earlier) + continuation
        )

    def _plain_ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def check_length(self, tokens: int) -> None:
        """Check that a text fits into the model's context.

        Raises:
            SteeringError: it has too many tokens.
        """
        if self.context and tokens > self.context:
            raise SteeringError(f"The text has {tokens} tokens; {self.name} reads up to {self.context}. Shorten it.")

    def layer(self, number: int) -> int:
        """Check a layer number.

        Raises:
            SteeringError: the model has no such layer.
        """
        if not 0 <= number < self.n_layers:
            raise SteeringError(f"Layer {number} does not exist: {self.name} has layers 0 to {self.n_layers - 1}.")
        return number

    def __repr__(self) -> str:
        return (
            f"LanguageModel({self.name!r}, {self.n_layers} layers of {self.d_model}, {self.precision}, {self.device})"
        )


@dataclass(frozen=True)
class Batch:
    """Token ids of several texts, padded to one length.

    Attributes:
        ids: `[n_texts, seq]`.
        mask: `[n_texts, seq]`, 1 for a token and 0 for padding.
    """

    ids: torch.Tensor
    mask: torch.Tensor


def pad(rows: Sequence[Sequence[int]], model: LanguageModel) -> Batch:
    """Pad on the right, where a causal model's tokens cannot see the padding."""
    seq = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), seq, dtype=torch.long)
    mask = torch.zeros(len(rows), seq, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return Batch(ids.to(model.device), mask.to(model.device))
