"""What one page, and one visitor of a shared page, may ask for. All limits are here, and the page shows them."""

from dataclasses import dataclass
from typing import Any

from steering.errors import SteeringError


@dataclass(frozen=True)
class Limits:
    """The limits of one app.

    Attributes:
        characters: of one text that is typed, pasted or chosen.
        pairs: of a concept, and rows of any other table.
        new_tokens: of one text or answer.
        strengths: λ of one run.
        questions: of each part of a task.
        upload_mb: size of an uploaded file, in megabytes.
        runs: of one visitor that are under way or wait.
        vectors: on the shelf of a visitor of a shared page.
        waiting: requests of all visitors that wait for their turn.
    """

    characters: int
    pairs: int
    new_tokens: int
    strengths: int
    questions: int
    upload_mb: int
    runs: int
    vectors: int
    waiting: int

    def check_values(self, value: Any) -> None:
        """Check everything that the page sends with one event.

        Args:
            value: of a component: text, a number, a table as lists, or several of them.

        Raises:
            SteeringError: a text or a table is larger than the limit.
        """
        if isinstance(value, str) and len(value) > self.characters:
            raise SteeringError(
                f"The text “{value[:20]}…” has {len(value)} characters; this page takes up to {self.characters}. Shorten it."
            )
        if isinstance(value, list | tuple):
            check(len(value), self.pairs, "The table has", "rows")
            for item in value:
                self.check_values(item)
        if isinstance(value, dict):
            for item in value.values():
                self.check_values(item)

    def check_pairs(self, pairs: int) -> None:
        """Check the number of pairs of a concept.

        Raises:
            SteeringError: there are more than the limit.
        """
        check(pairs, self.pairs, "The concept has", "pairs")

    def check_run(self, new_tokens: int, strengths: int = 0, questions: int = 0) -> None:
        """Check the size of a run.

        Raises:
            SteeringError: one of the numbers is above its limit.
        """
        check(new_tokens, self.new_tokens, "The run has", "new tokens a text")
        check(strengths, self.strengths, "The run has", "strengths λ")
        check(questions, self.questions, "The run has", "questions of each part")

    @property
    def words(self) -> str:
        """The limits in one sentence."""
        return (
            f"Up to {self.new_tokens} new tokens, {self.strengths} strengths λ, {self.questions} questions, "
            f"{self.pairs} pairs, {self.characters} characters of a text, files of {self.upload_mb} MB, and {self.runs} runs "
            "of one visitor at a time."
        )


def check(number: int, most: int, what: str, unit: str) -> None:
    """Check one number against its limit.

    Args:
        number: what was asked for.
        most: the limit.
        what: beginning of the message, such as "The run has".
        unit: what is counted.

    Raises:
        SteeringError: the number is above the limit.
    """
    if number > most:
        raise SteeringError(f"{what} {number} {unit}; this page takes up to {most}.")


OWN = Limits(
    characters=200_000,
    pairs=5_000,
    new_tokens=4_096,
    strengths=201,
    questions=5_000,
    upload_mb=64,
    runs=32,
    vectors=100_000,
    waiting=128,
)
"""Limits of a page that listens on this machine alone: they keep a slip from taking hours, and nothing else."""

SHARED = Limits(
    characters=20_000,
    pairs=1_000,
    new_tokens=256,
    strengths=41,
    questions=400,
    upload_mb=16,
    runs=2,
    vectors=100,
    waiting=128,
)
"""Limits of a page that others can open."""
