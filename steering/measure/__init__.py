"""What a vector does: its effect on held-out texts, how much of it a transfer keeps, and which layers and pairs agree."""

from steering.measure.budgets import KL_BUDGET, Strength, UnsteeredTexts, check_budget, strength_at, unsteered_texts
from steering.measure.design_comparison import DesignComparison, chance_cosine, compare_designs, cosines
from steering.measure.detection import SOURCES, Detection, detect
from steering.measure.effects import effect, neutral_prompts, score_gradient, steered_batches
from steering.measure.expression import expression
from steering.measure.pair_checks import Design, LeftOut, Votes, leave_out, read_design, votes
from steering.measure.profiles import FittedProfile, fit_profile
from steering.measure.retention import measure, retention, with_effect
from steering.measure.selection import TRANSFER_CONFIGS, TransferConfig, all_configs, compare_transfers
from steering.measure.similarity import (
    METRICS,
    Projections,
    Similarity,
    TextCorrelation,
    cka,
    projections,
    similarity,
    text_correlation,
)

__all__ = [
    "KL_BUDGET",
    "METRICS",
    "SOURCES",
    "TRANSFER_CONFIGS",
    "Design",
    "DesignComparison",
    "Detection",
    "FittedProfile",
    "LeftOut",
    "Projections",
    "Similarity",
    "Strength",
    "TextCorrelation",
    "TransferConfig",
    "UnsteeredTexts",
    "Votes",
    "all_configs",
    "chance_cosine",
    "check_budget",
    "cka",
    "compare_designs",
    "compare_transfers",
    "cosines",
    "detect",
    "effect",
    "expression",
    "fit_profile",
    "leave_out",
    "measure",
    "neutral_prompts",
    "projections",
    "read_design",
    "retention",
    "score_gradient",
    "similarity",
    "steered_batches",
    "strength_at",
    "text_correlation",
    "unsteered_texts",
    "votes",
    "with_effect",
]
