"""What the Tune λ tab is asked for, as one record: which questions, which λ, and how questions are put.

The Vote tab reads the same form.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from steering.concepts import Concept
from steering.errors import SteeringError
from steering.evaluation import Setup, strengths
from steering.formatting import number
from steering.tasks import GENERATED, Style
from steering.ui.questions import text
from steering.ui.state.settings import Settings, needed

FIELDS = (
    "tune_task", "tune_questions", "tune_lambdas", "tune_mode", "tune_shots", "tune_frame", "tune_most_tokens",
)  # fmt: skip
"""Names of the fields, in the order in which `Form.read` takes them."""

_FRAMES = {"auto": None, "chat": False, "plain": True}


@dataclass
class Uploads:
    """The task files that a page has brought, name by path."""

    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """The form's fields.

    Attributes:
        source: a name or file for `tasks.load_task`.
        limit: how many questions of each part.
        lambdas: strengths; None for the scale's own grid.
        style: how questions are put.
        max_new_tokens: most tokens of an answer; None for what suits its kind.
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
            SteeringError: a field that cannot be used.
        """
        source, limit, lambdas, mode, shots, frame, most = fields
        name = str(source or "").strip()
        known = {known for _, known in text.TASKS} | set(files)
        if name not in known and not name.startswith(GENERATED):
            raise SteeringError(text.UNKNOWN_TASK.format(name=name))
        n, shots, most = (
            int(needed(label, value))
            for label, value in ((text.QUESTIONS, limit), (text.SHOTS, shots), (text.MOST_TOKENS, most))
        )
        return Form(name, n, _numbers(str(lambdas or "")), Style(mode, shots, _FRAMES[frame]), most or None)

    def setup(self, settings: Settings) -> Setup:
        """The form and the sidebar together, for scoring."""
        return Setup(
            self.style,
            self.max_new_tokens,
            settings.steering,
            settings.sampling.seed,
        )

    def strengths(self, settings: Settings) -> tuple[float, ...]:
        """The λ to try, 0 among them, from left to right."""
        return tuple(sorted(strengths(self.lambdas, settings.scale)))

    def key(self, settings: Settings, concept: Concept) -> tuple[object, ...]:
        """Everything that scored rows depend on."""
        return (*settings.vector_key(concept), self, self.setup(settings))


def _numbers(words: str) -> tuple[float, ...] | None:
    found = []
    for word in words.replace(",", " ").replace(";", " ").split():
        try:
            found.append(number(word))
        except ValueError:
            raise SteeringError(text.BAD_LAMBDAS.format(word=word)) from None
    return tuple(found) or None
