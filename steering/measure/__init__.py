"""What a vector does: its effect on held-out texts, how much of it a transfer keeps, and which layers and pairs agree."""

from steering.measure.effects import effect, neutral_prompts
from steering.measure.pair_checks import (
    Design,
    DesignComparison,
    LeftOut,
    Votes,
    chance_cosine,
    compare_designs,
    cosines,
    leave_out,
    read_design,
    votes,
)
from steering.measure.retention import measure, retention, with_effect
from steering.measure.selection import Way, compare_transfers
from steering.measure.similarity import METRICS, Agreement, Projections, Similarity, agreement, projections, similarity

__all__ = [
    "METRICS",
    "Agreement",
    "Design",
    "DesignComparison",
    "LeftOut",
    "Projections",
    "Similarity",
    "Votes",
    "Way",
    "agreement",
    "chance_cosine",
    "compare_designs",
    "compare_transfers",
    "cosines",
    "effect",
    "leave_out",
    "measure",
    "neutral_prompts",
    "projections",
    "read_design",
    "retention",
    "similarity",
    "votes",
    "with_effect",
]
