"""Loading a model, finding its decoder blocks, reading its residual stream, and log-probabilities of texts.

Only this package and `steer` run a model.
"""

from steering.models import bundled
from steering.models.activations import batches, block_outputs, read_into, record, residual_norms
from steering.models.anchors import (
    HELD_OUT_STEP,
    HELD_OUT_TEXTS,
    LIST_HEAD,
    LIST_SIGN,
    anchor_lists,
    anchor_questions,
    anchor_texts,
    read_anchors,
    unread_lists,
    unread_questions,
)
from steering.models.blocks import Edit, editing
from steering.models.kv_cache import (
    add_rows,
    can_skip_positions,
    cut,
    holds_all,
    keep_rows,
    logits_with_cache,
    new_cache,
    next_logits,
)
from steering.models.language_model import LanguageModel, pad
from steering.models.likelihood import (
    BATCH_LOGITS,
    BATCH_TOKENS,
    continuation_logits,
    scoring_batches,
    token_log_probabilities,
)
from steering.models.loading import DTYPES, load_model, plain_model, wrap_model
from steering.models.sources import check_name
from steering.models.step_graph import StepGraph, record_step

__all__ = [
    "BATCH_LOGITS",
    "BATCH_TOKENS",
    "DTYPES",
    "HELD_OUT_STEP",
    "HELD_OUT_TEXTS",
    "LIST_HEAD",
    "LIST_SIGN",
    "Edit",
    "LanguageModel",
    "StepGraph",
    "add_rows",
    "anchor_lists",
    "anchor_questions",
    "anchor_texts",
    "batches",
    "block_outputs",
    "bundled",
    "can_skip_positions",
    "check_name",
    "continuation_logits",
    "cut",
    "editing",
    "holds_all",
    "keep_rows",
    "load_model",
    "logits_with_cache",
    "new_cache",
    "next_logits",
    "pad",
    "plain_model",
    "read_anchors",
    "read_into",
    "record",
    "record_step",
    "residual_norms",
    "scoring_batches",
    "token_log_probabilities",
    "unread_lists",
    "unread_questions",
    "wrap_model",
]
