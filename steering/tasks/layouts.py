"""The layouts in which question sets are published: the columns that each needs, and how a row becomes a question.

What an answer such as 1 refers to is not decided here but over all rows, see `choices`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steering.storage import normalised
from steering.tasks.answers import boxed
from steering.tasks.literals import read_literal
from steering.tasks.rows import CHOICE_COLUMNS, Row, RowError, is_blank

_MARKED = re.compile(r"####[^\S\n]*(\S[^\n]*?)\s*\Z")
_TEXT_KEYS, _LABEL_KEYS = ("text", "value"), ("label", "key")
_NO, _YES = ("false", "no", "0"), ("true", "yes", "1")


@dataclass(frozen=True)
class Question:
    """A row as it was written.

    Attributes:
        question: what is asked.
        answer: the answer, whatever it refers to; a list where several are right.
        choices: to choose from, as they are written.
        labels: of the choices; empty where they have none.
        second: the answer once more, in a second column; None where there is none.
        solution: a worked solution.
    """

    question: str
    answer: Any
    choices: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    second: Any = None
    solution: str = ""


@dataclass(frozen=True)
class Layout:
    """One layout of a file with questions.

    Attributes:
        keys: the columns that it needs, in lower case; `a|b` is either of them.
        read: makes a question of a row.
        note: sentence for the user.
        kind: of answers, where it does not follow from them.
        answers: what an answer refers to, where the layout says so; one of `choices.ANSWERS`.
        id: the column that names a question.
        more: further columns that are read where they are there.
    """

    keys: tuple[str, ...]
    read: Callable[[Row], Question]
    note: str
    kind: str = ""
    answers: str = ""
    id: str = "id"
    more: tuple[str, ...] = field(default=("solution", "split"))


def layout_of(columns: Mapping[str, tuple[str, ...]]) -> Layout | None:
    """The first layout whose keys all have a column; None where there is none."""
    return next((layout for layout in LAYOUTS if all(_present(key, columns) for key in layout.keys)), None)


def _present(key: str, columns: Mapping[str, tuple[str, ...]]) -> bool:
    return any(part in columns for part in key.split("|"))


# Choices


def choices_of(value: Any) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Choices and their labels, in any way in which they are published.

    Args:
        value: a list of texts; objects with a label and a text; an object of two lists; an object from label to text; or a
            text that spells one of these, or has bars between the choices.

    Raises:
        RowError: anything else.
    """
    if isinstance(value, str):
        if value.lstrip()[:1] not in ("[", "{", "("):
            return tuple(value.split("|")), ()
        try:
            value = read_literal(value)
        except ValueError as error:
            raise RowError(f"its choices {value!r:.60} are neither a list nor texts with | between: {error}") from error
    if isinstance(value, Mapping):
        texts, labels = (_first(value, keys) for keys in (_TEXT_KEYS, _LABEL_KEYS))
        if isinstance(texts, list) and isinstance(labels, list | None) and len(texts) == len(labels or texts):
            return tuple(texts), tuple(map(str, labels or ()))
        there = {str(key): text for key, text in value.items() if text is not None}
        return tuple(there.values()), tuple(there)
    if isinstance(value, list | tuple) and value and all(isinstance(entry, Mapping) for entry in value):
        texts, labels = ([_first(entry, keys) for entry in value] for keys in (_TEXT_KEYS, _LABEL_KEYS))
        if None not in texts:
            return tuple(texts), () if None in labels else tuple(map(str, labels))
    if not isinstance(value, list | tuple) or any(isinstance(entry, Mapping | list | tuple) for entry in value):
        raise RowError(f"its choices must be a list of texts, and not {value!r:.60}")
    return tuple(value), ()


def _first(value: Mapping[Any, Any], keys: Sequence[str]) -> Any:
    named = {normalised(str(key)): entry for key, entry in value.items()}
    return next((named[key] for key in keys if key in named), None)


# From a row to a question


def _worked(answer: Any, solution: Any) -> tuple[Any, str]:
    r"""An answer and its worked solution: GSM8K marks the answer at the end of the solution by ####, MATH by \boxed{}."""
    worked = "" if solution is None else str(solution).strip()
    if answer is None:
        marked = _marked(worked)
        if marked is None:
            raise RowError("its solution ends neither in #### and an answer, nor has it a \\boxed{} one")
        return marked, worked
    if isinstance(answer, str) and (marked := _marked(answer)) is not None:
        return marked, worked or answer.strip()
    return answer, worked


def _marked(text: str) -> str | None:
    if match := _MARKED.search(text):
        return match[1]
    inside = boxed(text)
    return inside.strip() or None if inside is not None else None


def _free(row: Row) -> Question:
    """A question whose answer is not chosen; objects such as TriviaQA's and lists hold several right ones."""
    question = row.needed("question", "problem")
    if row.get("body") is not None:
        question = f"{str(row.get('body')).strip()} {question}"
    answer = row.get("answer")
    solution = row.get("solution")
    if solution is None:
        answer = row.needed("answer")
    if isinstance(answer, Mapping):
        value, aliases = _first(answer, ("value",)), _first(answer, ("aliases",))
        right = [value, *(aliases if isinstance(aliases, list) else [])]
        answer = list(dict.fromkeys(text for text in right if isinstance(text, str) and text.strip()))
        if not answer:
            raise RowError(f"its answer {row.get('answer')!r:.60} has no 'value' and no 'aliases'")
    if isinstance(answer, float) and row.get("body") is not None and answer.is_integer():
        answer = int(answer)
    return Question(_text(question), *_answer_first(_worked(answer, solution)))


def _answer_first(worked: tuple[Any, str]) -> tuple[Any, tuple[Any, ...], tuple[str, ...], Any, str]:
    answer, solution = worked
    return answer, (), (), None, solution


def _chosen(row: Row) -> Question:
    """A question with choices."""
    question = row.needed("question", "question_stem", "ctx", "sentence")
    nested = _first(question, ("choices",)) if isinstance(question, Mapping) else None
    if isinstance(question, Mapping):
        question = _first(question, ("stem", "text"))
    if CHOICE_COLUMNS in row.columns:
        texts: tuple[Any, ...] = tuple(row.values.get(column) for column in row.columns[CHOICE_COLUMNS])
        while texts and is_blank(texts[-1]):
            texts = texts[:-1]  # Some questions have fewer choices than the table has columns.
        labels: tuple[str, ...] = ()
    else:
        value = nested if nested is not None else row.get("choices", "options", "endings")
        texts, labels = choices_of(value) if value is not None else ((), ())
    if any(map(is_blank, texts)):
        raise RowError("one of its choices is empty")
    answer = row.needed("answer", "answerkey", "answer_idx", "answer_index", "label")
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    second = row.get("answer_idx", "answer_index") if row.get("answer") is not None else None
    solution = row.get("solution", "cot_content", "rationale", "explanation")
    return Question(_text(question), answer, texts, labels, second, str(solution or "").strip())


def _passage(row: Row) -> Question:
    """A question on a passage; BoolQ's answers are yes or no."""
    passage, question = str(row.needed("passage")).strip(), _text(row.needed("question"))
    answer = row.needed("answer", "label")
    word = str(int(answer) if isinstance(answer, float) and answer.is_integer() else answer).strip().casefold()
    if word in _NO or word in _YES:
        asked = question if question.endswith("?") else f"{question}?"
        return Question(f"{passage}\n{asked}", "yes" if word in _YES else "no", ("no", "yes"))
    return Question(f"{passage}\n{question}", answer)


def _natural(row: Row) -> Question:
    """A row of Natural Questions: every short answer of every annotator is right."""
    question, annotations = row.needed("question"), row.needed("annotations")
    if isinstance(annotations, Mapping):
        short = _first(annotations, ("short_answers",))
    else:
        several = annotations if isinstance(annotations, list) else []
        short = [_first(each, ("short_answers",)) for each in several if isinstance(each, Mapping)]
    answers = list(dict.fromkeys(_texts(short)))
    if not answers:
        raise RowError("it has no short answer")
    return Question(_text(_first(question, ("text",)) if isinstance(question, Mapping) else question), answers)


def _texts(value: Any) -> list[str]:
    """The texts under the keys "text" of nested lists and objects."""
    if isinstance(value, Mapping):
        value = _first(value, ("text",))
        several = value if isinstance(value, list) else [value]
        return [text for text in several if isinstance(text, str)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    if value is None or isinstance(value, Mapping | list):
        raise RowError(f"its question is {value!r:.60}, and not a text")
    return str(value).strip()


_WITH_CHOICES = "Read as questions with choices."

LAYOUTS = (
    Layout(("ctx", "endings", "label"), _chosen, "Read as HellaSwag's rows.", answers="index", id="ind"),
    Layout(("sentence", CHOICE_COLUMNS, "answer"), _chosen, "Read as WinoGrande's rows.", answers="label", id="qid"),
    Layout(("body", "question", "answer"), _free, "Read as SVAMP's rows: the question follows its story."),
    Layout(
        ("passage", "question", "answer|label"), _passage, "Read as BoolQ's rows: the question follows its passage."
    ),
    Layout(
        ("question|question_stem", "answerkey"),
        _chosen,
        "Read as rows of ARC, CommonsenseQA or OpenBookQA: the answer is a choice's label.",
        answers="label",
    ),
    Layout(("question", "choices", "answer"), _chosen, _WITH_CHOICES),
    Layout(
        ("question", "options", "answer|answer_idx|answer_index"),
        _chosen,
        "Read as rows of MMLU-Pro or MedQA: the choices are the options.",
    ),
    Layout(
        ("question", CHOICE_COLUMNS, "answer|answer_idx|answer_index|label"),
        _chosen,
        "Read as MMLU's rows: every choice has a column.",
    ),
    Layout(("question", "answer"), _free, "Read as questions with answers."),
    Layout(("question", "annotations"), _natural, "Read as rows of Natural Questions: every short answer is right."),
    Layout(("question", "solution"), _free, "The answer is at the end of each solution."),
    Layout(
        ("problem", "solution", "level|type|subject"),
        _free,
        "Read as rows of MATH: the answer is a formula.",
        kind="math",
        id="unique_id",
    ),
    Layout(("problem", "answer|solution"), _free, "Read as problems with answers."),
)
"""Known layouts. The first one wins where several fit, so those with more keys come first."""
