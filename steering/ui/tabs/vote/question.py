"""A question as it is typed on the Vote tab, as a task of its own; and questions that come from a task."""

from dataclasses import dataclass

from steering.errors import SteeringError
from steering.tasks import Item, Task, letter, load_task
from steering.ui.tabs.vote import text

MOST_CHOICES = 26


@dataclass
class TaskCursor:
    """What a page last took from a task.

    Attributes:
        source: the task's name or file.
        task: its validation part; None before the first question.
        place: which of its questions comes next, from 0.
    """

    source: str = ""
    task: Task | None = None
    place: int = 0

    def next(self, source: str) -> tuple[Item, Task, int]:
        """The next question of a task, and the first one behind the last.

        Returns:
            The question, its task, and its place from 1.

        Raises:
            SteeringError: the task cannot be loaded.
        """
        if self.task is None or source != self.source:
            # The validation part: questions of the report stay unseen.
            self.task, self.source, self.place = load_task(source, "validation"), source, 0
        place = self.place % len(self.task.items)
        self.place = place + 1
        return self.task.items[place], self.task, place + 1

    def pool(self, item: Item) -> tuple[Item, ...]:
        """Questions that may serve as examples before this one: none, unless it is from the task."""
        if self.task is None or all(item.question != other.question for other in self.task.items):
            return ()
        return self.task.pool


def question_task(question: str, choices: str, answer: str, kind: str, taken: TaskCursor) -> Task:
    """A task of one question, as the fields say. An unknown right answer is "".

    Raises:
        SteeringError: no question, too few choices, or a right answer that is none of them.
    """
    words = question.strip()
    if not words:
        raise SteeringError(text.NO_QUESTION)
    options = tuple(line.strip() for line in choices.splitlines() if line.strip())
    if options and not 2 <= len(options) == len(set(options)) <= MOST_CHOICES:
        raise SteeringError(text.BAD_CHOICES.format(n=len(options), distinct=len(set(options))))
    right = _letter(answer.strip(), options) if options else answer.strip()
    item = Item("asked", words, right, options)
    return Task("this question", "all", "choice" if options else kind, (item,), taken.pool(item))


def answer_label(answer: str | None, item: Item) -> str:
    """An answer as a reader knows it: a choice with its letter."""
    if answer is None:
        return text.NO_ANSWER
    return f"{answer}: {item.choices[ord(answer) - ord('A')]}" if item.choices else answer


def _letter(answer: str, choices: tuple[str, ...]) -> str:
    if answer in choices:
        return letter(choices.index(answer))
    letters = [letter(place) for place in range(len(choices))]
    if answer and answer.upper() not in letters:
        raise SteeringError(text.BAD_ANSWER.format(answer=answer, last=letters[-1]))
    return answer.upper()
