"""The form of the Tune λ tab as one record: which questions, which λ, and how questions are asked.

The Vote tab reads the same form.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steering.concepts import Concept
from steering.errors import SteeringError
from steering.evaluation import Setup, default_grid, strengths
from steering.formatting import number
from steering.tasks import GENERATED, WORDS, Style, describe, load_task
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
        name = known_task(files, source)
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


def known_task(files: Collection[str], source: object) -> str:
    """The value of a task menu as a name or file for `tasks.load_task`.

    Args:
        files: paths of the files that may be read.
        source: what was chosen or typed.

    Raises:
        SteeringError: it is neither in the menu nor the name of a generated or bundled task.
    """
    name = str(source or "").strip()
    if name not in {source for _, source in text.TASKS} | set(files) and not name.startswith((GENERATED, WORDS)):
        raise SteeringError(text.UNKNOWN_TASK.format(name=name))
    return name


def task_menu(files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Labels and values of a task menu, with the uploaded files at its end."""
    return [*text.TASKS, *((name, path) for path, name in files.items())]


def add_upload(files: dict[str, str], path: str) -> str:
    """Add an uploaded task file to those that may be read.

    Returns:
        Sentences on what it holds and how it was read.

    Raises:
        SteeringError: it is no task with questions for tuning and for the report.
    """
    tuning, report = (load_task(path, split) for split in ("validation", "test"))
    files[path] = Path(path).name
    words = text.UPLOADED.format(name=files[path], n=len(tuning.items), m=len(report.items))
    return " ".join([words, *describe(tuning)])


def _parse_lambdas(words: str) -> tuple[float, ...] | None:
    lambdas = []
    for word in words.replace(",", " ").replace(";", " ").split():
        try:
            lambdas.append(number(word))
        except ValueError:
            raise SteeringError(text.BAD_LAMBDAS.format(word=word)) from None
    return tuple(lambdas) or None
