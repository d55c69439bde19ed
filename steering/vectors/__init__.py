"""Steering vectors: a direction for every layer, extracted from contrast pairs; their arithmetic and their file."""

from steering.vectors.directions import (
    DIRECTION_METHODS,
    EPSILON,
    FOLDS,
    NO_DIFFERENCE,
    LayerQuality,
    differing,
    direction,
    held_out,
)
from steering.vectors.extraction import extract, fit, no_signal, read_sides, rounding
from steering.vectors.vector import SteeringVector, load_vector, random_like, save_vector

__all__ = [
    "DIRECTION_METHODS",
    "EPSILON",
    "FOLDS",
    "NO_DIFFERENCE",
    "LayerQuality",
    "SteeringVector",
    "differing",
    "direction",
    "extract",
    "fit",
    "held_out",
    "load_vector",
    "no_signal",
    "random_like",
    "read_sides",
    "rounding",
    "save_vector",
]
