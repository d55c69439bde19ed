"""Loading a model, its decoder blocks, what it reads and how likely it finds a text.

Only here and in `steer` does a live model run.
"""

from steering.models import bundled
from steering.models.activations import anchor_texts, batches, block_outputs, read_anchors, record, residual_norms
from steering.models.blocks import editing
from steering.models.kv_cache import new_cache
from steering.models.language_model import LanguageModel, pad
from steering.models.likelihood import token_log_probabilities
from steering.models.loading import load_model

__all__ = [
    "LanguageModel",
    "anchor_texts",
    "batches",
    "block_outputs",
    "bundled",
    "editing",
    "load_model",
    "new_cache",
    "pad",
    "read_anchors",
    "record",
    "residual_norms",
    "token_log_probabilities",
]
