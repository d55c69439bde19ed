"""Steering while a model writes: one strength and one vector a row, the decode loop, and a grid of λ for one prompt."""

from steering.steer.decoding import Sampling, decode
from steering.steer.grid import (
    DOMINANT,
    PERPLEXITY_RATIO,
    REPEATED,
    Grid,
    Row,
    assess,
    dominant,
    generate,
    repeated,
    stream,
)
from steering.steer.grid_json import grid_from_json, grid_json
from steering.steer.intervention import POSITIONS, PROFILES, SCALES, Intervention, Profile, plan, steer
from steering.steer.next_tokens import Move, next_tokens

__all__ = [
    "DOMINANT",
    "PERPLEXITY_RATIO",
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
    "assess",
    "decode",
    "dominant",
    "generate",
    "grid_from_json",
    "grid_json",
    "next_tokens",
    "plan",
    "repeated",
    "steer",
    "stream",
]
