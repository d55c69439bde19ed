"""Take a concept from a parent model, carry it into a child model, and steer the child with strength λ.

concepts + models -> activations -> extraction -> alignment -> transfer
    -> intervention -> generation -> evaluation -> plots -> ui
"""

from steering.concepts import Concept, load_concept
from steering.errors import SteeringError
from steering.evaluation import evaluate, tune
from steering.extraction import extract
from steering.generation import Grid, Row, assess, generate, stream
from steering.models import LanguageModel, load_model
from steering.retention import retention
from steering.similarity import similarity
from steering.transfer import transfer
from steering.vectors import SteeringVector, load_vector, save_vector
from steering.voting import vote

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
