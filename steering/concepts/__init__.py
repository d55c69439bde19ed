"""Concepts: contrast pairs with a label for each pole, bundled or the user's own, and the linter that reads them."""

from steering.concepts.concept import Concept, ContrastPair
from steering.concepts.files import (
    bundled_concepts,
    format_concept,
    load_concept,
    parse_concept,
    read_concept,
    read_concept_text,
    save_concept,
)
from steering.concepts.lint import FEWEST_PAIRS, Problem, check_pairs, lint
from steering.concepts.reading import Columns, ReadConcept

__all__ = [
    "FEWEST_PAIRS",
    "Columns",
    "Concept",
    "ContrastPair",
    "Problem",
    "ReadConcept",
    "bundled_concepts",
    "check_pairs",
    "format_concept",
    "lint",
    "load_concept",
    "parse_concept",
    "read_concept",
    "read_concept_text",
    "save_concept",
]
