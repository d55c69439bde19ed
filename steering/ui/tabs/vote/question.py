"""Converts the fields of the Vote tab to a task of one question, and fills them with questions of a task."""

from dataclasses import dataclass

from steering.errors import SteeringError
from steering.tasks import Item, Task, letter, load_task
from steering.ui.tabs.vote import text

MAX_CHOICES = 26


@dataclass
class TaskCursor:
    """Position in the task whose questions the user takes one by one.

    Attributes:
        source: the task's name or file.
        task: its validation split; None before the first question.
        position: index of the next question, from 0.
    """

    source: str = ""
    task: Task | None = None
    position: int = 0

    def next_question(self, source: str) -> tuple[Item, Task, int]:
        """The next question of a task; after the last one the first one again.

        Returns:
            The question, its task, and its number from 1.

        Raises:
            SteeringError: the task cannot be loaded.
        """
        if self.task is None or source != self.source:
            # The validation split, so that the questions of the report stay unseen.
            self.task, self.source, self.position = load_task(source, "validation"), source, 0
        index = self.position % len(self.task.items)
        self.position = index + 1
        return self.task.items[index], self.task, index + 1

    def pool(self, item: Item) -> tuple[Item, ...]:
        """Questions that may be used as worked examples: those of the task if it contains this question, else none."""
        if self.task is None or all(item.question != task_item.question for task_item in self.task.items):
            return ()
        return self.task.pool


def question_task(question: str, choices: str, answer: str, kind: str, cursor: TaskCursor) -> Task:
    """A task of one question, from the fields of the tab.

    Args:
        question: its text.
        choices: one per line; "" for a free answer.
        answer: the right answer; "" if it is not known.
        kind: of a free answer.
        cursor: where its worked examples may come from.

    Raises:
        SteeringError: no question, too few choices, or a right answer that is none of them.
    """
    question_text = question.strip()
    if not question_text:
        raise SteeringError(text.NO_QUESTION)
    options = tuple(line.strip() for line in choices.splitlines() if line.strip())
    if options and not 2 <= len(options) == len(set(options)) <= MAX_CHOICES:
        raise SteeringError(text.BAD_CHOICES.format(n=len(options), distinct=len(set(options))))
    right = _choice_letter(answer.strip(), options) if options else answer.strip()
    item = Item("asked", question_text, right, options)
    pool = cursor.pool(item)
    # A question is put as its task puts it.
    word_pairs = bool(pool) and cursor.task is not None and cursor.task.word_pairs
    return Task("this question", "all", "choice" if options else kind, (item,), pool, word_pairs=word_pairs)


def answer_label(answer: str | None, item: Item) -> str:
    """An answer for display: a choice is shown with its letter and its text."""
    if answer is None:
        return text.NO_ANSWER
    return f"{answer}: {item.choices[ord(answer) - ord('A')]}" if item.choices else answer


def _choice_letter(answer: str, choices: tuple[str, ...]) -> str:
    if answer in choices:
        return letter(choices.index(answer))
    letters = [letter(place) for place in range(len(choices))]
    if answer and answer.upper() not in letters:
        raise SteeringError(text.BAD_ANSWER.format(answer=answer, last=letters[-1]))
    return answer.upper()
