"""Steering vectors: a direction for every layer, extracted from contrast pairs; their arithmetic and their file."""

from steering.vectors.directions import (
    CHANCE_ACCURACY,
    DIRECTION_METHODS,
    EPSILON,
    FOLDS,
    METHODS,
    NO_DIFFERENCE,
    LayerQuality,
    check_method,
    differ_beyond_rounding,
    direction,
    held_out,
    method_of_folds,
    units,
)
from steering.vectors.examples import Example, pair_examples
from steering.vectors.extraction import extract, fit, no_signal_message, record_pairs, rounding_share
from steering.vectors.training import Training, train
from steering.vectors.vector import SteeringVector, load_vector, random_like, save_vector

__all__ = [
    "CHANCE_ACCURACY",
    "DIRECTION_METHODS",
    "EPSILON",
    "FOLDS",
    "METHODS",
    "NO_DIFFERENCE",
    "Example",
    "LayerQuality",
    "SteeringVector",
    "Training",
    "check_method",
    "differ_beyond_rounding",
    "direction",
    "extract",
    "fit",
    "held_out",
    "load_vector",
    "method_of_folds",
    "no_signal_message",
    "pair_examples",
    "random_like",
    "record_pairs",
    "rounding_share",
    "save_vector",
    "train",
    "units",
]
