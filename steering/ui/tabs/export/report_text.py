"""Every sentence and label of the HTML report."""

from steering.concepts import Concept
from steering.measure import Similarity

PROMPT = "Prompt"
TEXTS = "The texts"
SETTINGS = "Settings"
TRANSFER = "How well the vector was carried"
VERSIONS = "Versions"
PROVENANCE = "Everything that made the texts"
STALE = "These texts were made with other settings than those below; what made them stands at the end."


def title(concept: str, child: str) -> str:
    """Heading of the report."""
    return f"{child}, steered: {concept}"


def poles(positive: str, negative: str) -> str:
    """What both ends of λ push towards."""
    return f"λ > 0 pushes towards “{positive}”, λ < 0 towards “{negative}”; λ = 0 is the unsteered child."


def layers(found: Similarity) -> str:
    """Heading of a map of layers."""
    return f"Layers compared by {found.metric}"


def rests_on(found: Similarity) -> str:
    """What a map of layers shows, and on how many texts."""
    return f"{found.parent} (rows) against {found.child} (columns), on {found.n_texts} texts."


def pairs(concept: Concept) -> str:
    """Heading of the pairs."""
    return f"The {len(concept.pairs)} pairs of {concept.name}"
