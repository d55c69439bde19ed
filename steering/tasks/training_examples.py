"""Questions of a task as examples that a vector is trained on."""

from collections.abc import Sequence

from steering.models import LanguageModel
from steering.tasks.prompting import Request, Style, right_ids
from steering.tasks.task import Task
from steering.vectors import Example


def solved_examples(child: LanguageModel, requests: Sequence[Request], style: Style, task: Task) -> tuple[Example, ...]:
    """Questions with their right answers, for a vector that is trained on a task, see `vectors.train`.

    Where choices are weighed, the other choices are the wrong continuations. Where answers are written, the right
    continuation is what a few-shot prompt has there: the worked solution with its answer, or the answer alone.

    Args:
        child: the model whose tokenizer and chat template are used.
        requests: the questions as they are put.
        style: how they are put.
        task: that they are of.
    """
    built = []
    for request in requests:
        right = ord(request.item.answer) - ord("A") if request.tails else 0
        tails = request.tails or (right_ids(child, task, request, style),)
        built.append(Example(request.ids, tails[right], (*tails[:right], *tails[right + 1 :])))
    return tuple(built)
