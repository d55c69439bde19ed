"""The strengths λ that a session's texts are written at."""

from dataclasses import dataclass, field

from steering.ui.state.settings import LAMBDAS


@dataclass
class Strengths:
    """Strengths of the texts of a session.

    Attributes:
        chosen: by the name of a concept, a λ that was chosen by measuring; its texts are written at it too.
    """

    chosen: dict[str, float] = field(default_factory=dict)

    def grid(self, concept: str) -> tuple[float, ...]:
        """The strengths of a concept's texts in ascending order: the default grid, and the λ that was chosen."""
        return tuple(sorted({*LAMBDAS, self.chosen.get(concept, 0.0)}))
