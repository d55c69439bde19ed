"""Steering vectors: a direction for every layer, extracted from contrast pairs; their arithmetic and their file."""

from steering.vectors.directions import (
    CHANCE_ACCURACY,
    DIRECTION_METHODS,
    EPSILON,
    FOLDS,
    NO_DIFFERENCE,
    LayerQuality,
    check_method,
    differ_beyond_rounding,
    direction,
    held_out,
    units,
)
from steering.vectors.extraction import extract, fit, no_signal_message, record_pairs, rounding_share
from steering.vectors.vector import SteeringVector, load_vector, random_like, save_vector

__all__ = [
    "CHANCE_ACCURACY",
    "DIRECTION_METHODS",
    "EPSILON",
    "FOLDS",
    "NO_DIFFERENCE",
    "LayerQuality",
    "SteeringVector",
    "check_method",
    "differ_beyond_rounding",
    "direction",
    "extract",
    "fit",
    "held_out",
    "load_vector",
    "no_signal_message",
    "random_like",
    "record_pairs",
    "rounding_share",
    "save_vector",
    "units",
]
