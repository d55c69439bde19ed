"""Files of other tools, and the steered model of lm-evaluation-harness."""

from steering.interop.baked import Foreign
from steering.interop.compatibility import FROM_EMBEDDINGS, Finding, card
from steering.interop.export import AUTO, EXPORTS, IMPORTS, Card, export_vector, format_of, import_vector, read

__all__ = [
    "AUTO",
    "EXPORTS",
    "FROM_EMBEDDINGS",
    "IMPORTS",
    "Card",
    "Finding",
    "Foreign",
    "card",
    "export_vector",
    "format_of",
    "import_vector",
    "read",
]
