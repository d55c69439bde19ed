"""Concepts: contrast pairs with a label for each pole, bundled or the user's own, and the linter that reads them."""

from steering.concepts.concept import (
    Concept,
    ContrastPair,
    Problem,
    bundled_concepts,
    format_concept,
    lint,
    load_concept,
    parse_concept,
)

__all__ = [
    "Concept",
    "ContrastPair",
    "Problem",
    "bundled_concepts",
    "format_concept",
    "lint",
    "load_concept",
    "parse_concept",
]
