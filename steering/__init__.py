"""Take a concept from a parent model, carry it into a child model, and steer the child with strength λ.

models -> concepts -> vectors -> transfer -> steer -> measure -> tasks -> evaluation -> interop, plots, library -> cli, ui
"""

import sys

from steering import steer
from steering.concepts import Concept, load_concept
from steering.errors import SteeringError
from steering.evaluation import evaluate, tune, vote
from steering.measure import retention, similarity
from steering.models import LanguageModel, load_model
from steering.steer import Grid, Row, assess, generate, stream
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract, load_vector, save_vector

# Scripts that the page wrote before its packages had their present names import `Sampling` from here.
sys.modules["steering.decoding"] = steer

__all__ = [
    "Concept",
    "Grid",
    "LanguageModel",
    "Row",
    "SteeringError",
    "SteeringVector",
    "assess",
    "evaluate",
    "extract",
    "generate",
    "load_concept",
    "load_model",
    "load_vector",
    "retention",
    "save_vector",
    "similarity",
    "stream",
    "transfer",
    "tune",
    "vote",
]
