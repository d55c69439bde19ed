"""Files of other tools, and the steered model of lm-evaluation-harness."""

from steering.interop.baked import Foreign
from steering.interop.compatibility import Finding, card
from steering.interop.export import EXPORTS, IMPORTS, Card, export_vector, import_vector, read

__all__ = [
    "EXPORTS",
    "IMPORTS",
    "Card",
    "Finding",
    "Foreign",
    "card",
    "export_vector",
    "import_vector",
    "read",
]
