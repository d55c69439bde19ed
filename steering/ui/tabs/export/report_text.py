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


def poles(positive: str, negative: str, also: str) -> str:
    """The poles that positive and negative λ steer towards, and the second concept where there is one."""
    words = f"λ > 0 pushes towards “{positive}”, λ < 0 towards “{negative}”"
    if also:
        return f"{words}; all texts but the first, which is the unsteered child, are also pushed by a second concept: {also}."
    return f"{words}; λ = 0 is the unsteered child."


def layers(similarity: Similarity) -> str:
    """Heading of a comparison of layers."""
    return f"Layers compared by {similarity.metric}"


def rests_on(similarity: Similarity) -> str:
    """The models that are compared, and the number of texts."""
    return f"{similarity.parent} (rows) against {similarity.child} (columns), on {similarity.n_texts} texts."


def pairs(concept: Concept) -> str:
    """Heading of the pairs."""
    return f"The {len(concept.pairs)} pairs of {concept.name}"
