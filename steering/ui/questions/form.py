"""The form of the Tune λ tab as one record: which questions, which λ, and how questions are asked.

The Vote tab reads the same form.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from steering.concepts import Concept
from steering.errors import SteeringError
from steering.evaluation import Setup, default_grid, strengths
from steering.formatting import number
from steering.tasks import GENERATED, Style
from steering.ui.questions import text
from steering.ui.state.settings import Settings, required_number

FIELDS = (
    "tune_task", "tune_questions", "tune_lambdas", "tune_mode", "tune_shots", "tune_frame", "tune_most_tokens",
)  # fmt: skip
"""Names of the form's fields, in the order of the arguments of `Form.read`."""

_FRAMES = {"auto": None, "chat": False, "plain": True}


@dataclass
class Uploads:
    """The task files that a session has uploaded.

    Attributes:
        files: names by path.
    """

    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """The form's fields.

    Attributes:
        source: a name or file for `tasks.load_task`.
        limit: number of questions of each split.
        lambdas: strengths; None for the default grid of the scale.
        style: how questions are asked.
        max_new_tokens: limit for an answer; None for the default of its kind.
    """

    source: str
    limit: int
    lambdas: tuple[float, ...] | None
    style: Style
    max_new_tokens: int | None

    @staticmethod
    def read(files: Collection[str], *fields: Any) -> "Form":
        """Read the values of the form's fields.

        Args:
            files: paths of the files that may be read.
            fields: values in the order of `FIELDS`.

        Raises:
            SteeringError: a field has a value that cannot be used.
        """
        source, limit, lambdas, mode, shots, frame, max_tokens = fields
        name = str(source or "").strip()
        sources = {source for _, source in text.TASKS} | set(files)
        if name not in sources and not name.startswith(GENERATED):
            raise SteeringError(text.UNKNOWN_TASK.format(name=name))
        n, shots, max_tokens = (
            int(required_number(label, value))
            for label, value in ((text.QUESTIONS, limit), (text.SHOTS, shots), (text.MOST_TOKENS, max_tokens))
        )
        return Form(name, n, _parse_lambdas(str(lambdas or "")), Style(mode, shots, _FRAMES[frame]), max_tokens or None)

    def setup(self, settings: Settings) -> Setup:
        """How answers are generated and scored, by the form and the sidebar."""
        return Setup(self.style, self.max_new_tokens, settings.steering, settings.sampling.seed)

    def strengths(self, settings: Settings) -> tuple[float, ...]:
        """The λ to try in ascending order; 0 is one of them."""
        return tuple(sorted(strengths(self.lambdas, default_grid(settings.steering))))

    def key(self, settings: Settings, concept: Concept) -> tuple[object, ...]:
        """Everything that scored rows depend on."""
        return (*settings.vector_key(concept), self, self.setup(settings))


def _parse_lambdas(words: str) -> tuple[float, ...] | None:
    lambdas = []
    for word in words.replace(",", " ").replace(";", " ").split():
        try:
            lambdas.append(number(word))
        except ValueError:
            raise SteeringError(text.BAD_LAMBDAS.format(word=word)) from None
    return tuple(lambdas) or None
