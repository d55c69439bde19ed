"""The strengths λ that a session's texts are written at."""

from dataclasses import dataclass, field

from steering.errors import SteeringError
from steering.ui import text
from steering.ui.state.settings import LAMBDAS, required_number


@dataclass
class Strengths:
    """Strengths of the texts of a session.

    Attributes:
        chosen: by the name of a concept, a λ that was chosen by measuring; its texts are written at it too.
        reach: the largest λ of the grid; the smallest one is its negative.
    """

    chosen: dict[str, float] = field(default_factory=dict)
    reach: float = LAMBDAS[-1]

    def grid(self, concept: str) -> tuple[float, ...]:
        """The strengths of a concept's texts in ascending order: even steps up to the reach, and the λ that was chosen."""
        steps = {float(f"{lam * self.reach / LAMBDAS[-1]:.6g}") for lam in LAMBDAS}
        return tuple(sorted({*steps, self.chosen.get(concept, 0.0)}))

    def read_reach(self, value: object) -> None:
        """Take over the value of the range's field.

        Raises:
            SteeringError: it is empty, or not above 0.
        """
        reach = required_number(text.REACH, value)
        if reach <= 0:
            raise SteeringError(text.BAD_REACH.format(value=f"{reach:g}"))
        self.reach = reach
