"""Steering while a model writes: one strength and one vector a row, the decode loop, and a grid of λ for one prompt."""

from steering.steer.applied import applied
from steering.steer.batch import SharedBatch, Step
from steering.steer.conversation import Turn, converse
from steering.steer.decoding import decode, written_text
from steering.steer.grid import Grid, Row, assess, generate, perplexities, stream
from steering.steer.grid_json import grid_from_json, grid_json
from steering.steer.health import (
    FEWEST_TOKENS,
    PERPLEXITY,
    REPEATED,
    degenerate,
    dominant,
    improbable,
    repeated,
)
from steering.steer.intervention import NO_OFFSETS, Intervention, plan, steer
from steering.steer.next_tokens import Move, next_tokens
from steering.steer.prompts import Steering, steered_logits
from steering.steer.sampling import Sampling
from steering.steer.settings import (
    DEFAULT_SETTINGS,
    LARGEST_STRENGTH,
    OPERATORS,
    POSITIONS,
    PROFILES,
    SCALES,
    Profile,
    SteeringSettings,
    check_strengths,
)
from steering.steer.token_shifts import TokenShift, token_shifts

__all__ = [
    "DEFAULT_SETTINGS",
    "FEWEST_TOKENS",
    "LARGEST_STRENGTH",
    "NO_OFFSETS",
    "OPERATORS",
    "PERPLEXITY",
    "POSITIONS",
    "PROFILES",
    "REPEATED",
    "SCALES",
    "Grid",
    "Intervention",
    "Move",
    "Profile",
    "Row",
    "Sampling",
    "SharedBatch",
    "Steering",
    "SteeringSettings",
    "Step",
    "TokenShift",
    "Turn",
    "applied",
    "assess",
    "check_strengths",
    "converse",
    "decode",
    "degenerate",
    "dominant",
    "generate",
    "grid_from_json",
    "grid_json",
    "improbable",
    "next_tokens",
    "perplexities",
    "plan",
    "repeated",
    "steer",
    "steered_logits",
    "stream",
    "token_shifts",
    "written_text",
]
