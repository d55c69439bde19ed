"""Tokenizers and random models that are small enough to build inside a test.

Nothing here is downloaded: the tokenizers are trained on a paragraph below, and the models are drawn from a
seed. They speak gibberish, but they are real `transformers` models of real families, so code that finds
blocks, pads, caches or hooks meets the same classes as in use. Every run and every process gets the same.

The two tokenizers disagree where real ones do:

| | `byte_tokenizer` (as GPT-2) | `piece_tokenizer` (as Llama and Gemma) |
|---|---|---|
| units | bytes; a space belongs to the next word | `▁` pieces, and bytes where no piece fits |
| beginning of text | none | `<s>`, from the tokenizer and again from the chat template |
| padding token | the one that ends a text | its own |
| padding side | right, the library's default | left |
"""

import functools
import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    OPTConfig,
    Phi3Config,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SiglipVisionConfig,
)

BYTE_VOCAB_SIZE = 400
PIECE_VOCAB_SIZE = 480
MAX_LENGTH = 512  # positions of every model
HEADS = 4  # attention heads of every model
SLIDING_WINDOW = 16  # tokens a sliding-window layer sees: a short text already runs past it

TRAINING_TEXT = """
The morning train was late again, so the people on the platform began to talk about the weather, the news and
the price of bread. An old man said that he had never seen so much rain in the spring. A young woman answered
that the rain was good for the gardens, and that she was happy to wait. When the train came at last, nobody
was angry any more, and the two of them were still talking when it stopped in the next town.
I like this place very much. The food is good, the rooms are clean, and the people who work here are kind to
everyone. My friend did not like it at all: she thought that the food was bad, the rooms were cold, and the
people were slow. We have been to many places together, and we have never thought the same about one of them.
How do you make a good soup? First cut the onions, the carrots and the potatoes into small pieces. Then heat
some oil in a large pot and cook the onions until they are soft. Put in the other vegetables, pour water over
them, and let it all cook for half an hour. If there are 12 people and each of them eats 2 bowls, you will
need 24 bowls of soup. Is that too much? Then write to us and tell us what you think; we answer everyone.
"""

# Puts the beginning-of-text token, where the tokenizer has one, into the text itself, as real templates do.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<{{ message['role'] }}>{{ message['content'] }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@functools.cache
def byte_tokenizer(*, chat: bool = False) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer as GPT-2 has: it can write any text, and gives character offsets.

    It adds no special tokens. `<|end|>` both ends a text and pads a batch, so code that takes every padding
    id for padding loses real tokens. Equal calls share one object: copy it before changing it.

    Args:
        chat: Give it a chat template.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BYTE_VOCAB_SIZE,
        special_tokens=["<|end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT.splitlines(), trainer)
    return _wrap(tokenizer, chat, padding_side="right", eos_token="<|end|>", pad_token="<|end|>")


@functools.cache
def piece_tokenizer(*, chat: bool = False) -> PreTrainedTokenizerFast:
    """Return a SentencePiece-style BPE tokenizer as Llama and Gemma have, with bytes where no piece fits.

    It puts `<s>` before every text and pads with `<pad>` on the left; `</s>` ends a text. Decoding drops the
    space before the first word, so text that is decoded token by token loses its spaces. Equal calls share
    one object: copy it before changing it.

    Args:
        chat: Give it a chat template.
    """
    special = ["<pad>", "</s>", "<s>", "<unk>"]
    plain_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    n_pieces = PIECE_VOCAB_SIZE - len(special) - len(plain_bytes)
    draft = Tokenizer(models.BPE())
    draft.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(vocab_size=n_pieces, show_progress=False)
    draft.train_from_iterator(TRAINING_TEXT.splitlines(), trainer)
    learnt = json.loads(draft.to_str())["model"]

    # The byte tokens are ordinary entries: as special tokens they would match their own names in a text.
    pieces = sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    vocab = {token: index for index, token in enumerate([*special, *plain_bytes, *pieces])}
    merges = [(left, right) for left, right in learnt["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.add_special_tokens(special)
    tokenizer.pre_tokenizer = draft.pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocab["<s>"])]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    names = {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"}
    return _wrap(tokenizer, chat, padding_side="left", **names)


def _wrap(tokenizer: Tokenizer, chat: bool, **settings: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=CHAT_TEMPLATE if chat else None,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        **settings,
    )


def _any(layers: int, width: int, vocab_size: int) -> dict[str, Any]:
    """Settings of every family. Without the None, ids of the real vocabularies would come in."""
    return {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "vocab_size": vocab_size,
        "num_attention_heads": HEADS,
        "max_position_embeddings": MAX_LENGTH,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }


def _llama(layers: int, width: int, vocab_size: int) -> dict[str, Any]:
    """Settings of the families that descend from Llama."""
    return {
        **_any(layers, width, vocab_size),
        "num_key_value_heads": HEADS // 2,
        "intermediate_size": 2 * width,
        "tie_word_embeddings": False,
    }


def _gemma(layers: int, width: int, vocab_size: int) -> dict[str, Any]:
    """Settings of Gemma 2 and 3: every third layer sees the whole text, the others a sliding window."""
    return {
        **_llama(layers, width, vocab_size),
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": SLIDING_WINDOW,
        "layer_types": ["sliding_attention" if (i + 1) % 3 else "full_attention" for i in range(layers)],
    }


def _gemma3_multimodal(layers: int, width: int, vocab_size: int) -> PreTrainedConfig:
    vision = SiglipVisionConfig(
        num_hidden_layers=layers + 2,
        hidden_size=width // 2,
        intermediate_size=width,
        num_attention_heads=HEADS // 2,
        image_size=16,
        patch_size=8,
    )
    return Gemma3Config(
        text_config=Gemma3TextConfig(**_gemma(layers, width, vocab_size)),
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=vocab_size,
        eoi_token_index=vocab_size + 1,
        image_token_index=vocab_size + 2,
        tie_word_embeddings=False,
    )


FAMILIES: dict[str, Callable[[int, int, int], PreTrainedConfig]] = {
    "llama": lambda *size: LlamaConfig(**_llama(*size)),
    "qwen2": lambda *size: Qwen2Config(**_llama(*size)),
    "qwen3": lambda *size: Qwen3Config(**_llama(*size), head_dim=16),
    "mistral": lambda *size: MistralConfig(**_llama(*size), sliding_window=None),
    "mixtral": lambda *size: MixtralConfig(**_llama(*size), num_local_experts=4, num_experts_per_tok=2),
    "phi3": lambda *size: Phi3Config(**_llama(*size)),
    "gemma2": lambda *size: Gemma2Config(**_gemma(*size)),
    "gemma3": lambda *size: Gemma3TextConfig(**_gemma(*size)),
    "gemma3-multimodal": _gemma3_multimodal,
    "gpt2": lambda *size: GPT2Config(**_any(*size)),
    "gpt-neox": lambda *size: GPTNeoXConfig(**_any(*size), intermediate_size=2 * size[1]),
    "opt": lambda *size: OPTConfig(**_any(*size), ffn_dim=2 * size[1]),
}
"""What `tiny_model` can build: each entry makes a config from layers, width and vocabulary size.

`mixtral` is the mixture of experts. `qwen3` and the Gemmas have heads that do not add up to the width, and
the Gemmas sliding windows. `gemma3-multimodal` keeps its text settings under `text_config`; its vision tower
has two blocks more than the text model, at half the width. `gpt2` and `opt` learn an embedding for each
position and use the token embedding as output matrix; the others rotate queries and keys.
"""


def tiny_model(
    family: str,
    *,
    layers: int = 4,
    width: int = 32,
    seed: int = 0,
    vocab_size: int | None = None,
    tokenizer: PreTrainedTokenizerFast | None = None,
) -> PreTrainedModel:
    """Build a random model, float32 and in eval mode, and leave torch's global random state as it was.

    Biases and the weights of norms are drawn too, so code that forgets them gives wrong numbers. The matrices
    are large enough that predictions differ clearly between positions and under steering. The row that scores
    the end of text is made very small: in practice a generation runs to its token limit.

    Args:
        family: A key of `FAMILIES`.
        layers: Number of decoder blocks.
        width: Width of the residual stream, a multiple of 8.
        seed: Models that differ in seed, family or size have nothing in common.
        vocab_size: Rows of the embedding, by default as many as the tokenizer has tokens. More are allowed,
            as in many real models.
        tokenizer: Whose special tokens the model should know; by default `byte_tokenizer()`.
    """
    tokenizer = tokenizer or byte_tokenizer()
    config = FAMILIES[family](layers, width, vocab_size or len(tokenizer))
    identity = f"{family} {layers} {width} {config.get_text_config().vocab_size} {seed}"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(zlib.crc32(identity.encode()))
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape)
            if parameter.ndim > 1:
                parameter.copy_(2 / math.sqrt(width) * noise)
            else:
                parameter.add_(0.2 * noise)
        model.get_output_embeddings().weight[tokenizer.eos_token_id] *= 0.01

    for holder in (model.config, model.config.get_text_config(), model.generation_config):
        holder.bos_token_id = tokenizer.bos_token_id
        holder.eos_token_id = tokenizer.eos_token_id
        holder.pad_token_id = tokenizer.pad_token_id
    model.eval()
    return model


def save_tiny(
    folder: str | Path, family: str, *, tokenizer: PreTrainedTokenizerFast | None = None, **sizes: int
) -> Path:
    """Write a tiny model (safetensors) and its tokenizer as a folder that `from_pretrained` reads.

    Args:
        folder: Where to write; made if it does not exist.
        family: A key of `FAMILIES`.
        tokenizer: By default `byte_tokenizer()`.
        sizes: `layers`, `width`, `seed` or `vocab_size` of `tiny_model`.

    Returns:
        The folder.

    Raises:
        ValueError: For `qwen2` with `piece_tokenizer`, which `AutoTokenizer` would read back as byte-level.
    """
    tokenizer = tokenizer or byte_tokenizer()
    if family == "qwen2" and tokenizer.bos_token is not None:
        raise ValueError("AutoTokenizer takes a qwen2 folder to be byte-level: use byte_tokenizer.")
    model = tiny_model(family, tokenizer=tokenizer, **sizes)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)
