"""From questions to what the model reads: zero-shot or few-shot; a chat turn, plain or a list; to be answered or weighed.

Nothing here runs the model; it only uses its tokenizer. `preview` shows a prompt before anything is run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steering.errors import SteeringError, check_whole
from steering.models import LIST_HEAD, LIST_SIGN, LanguageModel
from steering.tasks.answers import letter, opens_thought
from steering.tasks.item import Item
from steering.tasks.task import Task

MODES = ("auto", "generate", "likelihood")
"""How a question is answered: by a text that the answer is read out of, or by the choice that the model finds likeliest.
"auto" weighs choices where there are some."""

LAYOUTS = ("auto", "question", "list")
"""How a prompt is laid out: as a question that asks for its answer, or as a plain list whose last line the model completes.
"auto" makes a list of words, see `Style.layout_for`."""

ASKS: Mapping[str, str] = {
    "choice": "Answer with the letter of the right choice.",
    "number": "Work it out step by step, then write the final number behind ####.",
    "math": "Work it out step by step, then put the final answer in \\boxed{}.",
    "text": "Give the final answer behind ####.",
}
"""What a chat model is asked for behind a question, by the kind of task."""

NEXT_QUESTION = "\nQuestion:"
"""Where a plain prompt's answer ends, because the model goes on with a question of its own."""


_LAST_TOKENS = 16
"""Of a prompt, among which a template's `<think>` would stand."""


@dataclass(frozen=True)
class Style:
    """How questions are put.

    Attributes:
        mode: one of `MODES`.
        shots: how many worked examples stand before the question.
        plain: whether the prompt is sent without the child's chat template. None: choices are weighed plainly, as
            evaluation harnesses do, and texts are asked for in a chat turn where the child has a template.
        instruction: a sentence before everything else; "" for none.
        layout: one of `LAYOUTS`.
        lead_in: the beginning of the answer, which the child goes on with, such as " The answer is"; "" for none.
    """

    mode: str = "auto"
    shots: int = 0
    plain: bool | None = None
    instruction: str = ""
    layout: str = "auto"
    lead_in: str = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SteeringError(f"Unknown mode {self.mode!r}. Choose one of {', '.join(MODES)}.")
        if self.layout not in LAYOUTS:
            raise SteeringError(f"Unknown layout {self.layout!r}. Choose one of {', '.join(LAYOUTS)}.")
        check_whole("The number of shots", self.shots, 0)

    def mode_for(self, task: Task) -> str:
        """The mode that "auto" means for a task.

        Raises:
            SteeringError: likelihood is asked for, and the questions have no choices.
        """
        if self.mode == "likelihood" and task.kind != "choice":
            raise SteeringError(
                f"{task.name} has no choices whose likelihood could be compared. Use the mode generate."
            )
        return ("likelihood" if task.kind == "choice" else "generate") if self.mode == "auto" else self.mode

    def layout_for(self, task: Task) -> str:
        """The layout that "auto" means for a task: a list where it holds pairs of words and no chat turn is asked for.

        Raises:
            SteeringError: a list is asked for, but the questions have choices or several lines, or a chat turn is asked for.
        """
        if self.layout == "auto":
            is_list = task.kind == "text" and task.word_pairs and self.plain is not False
            return "list" if is_list else "question"
        if self.layout == "list":
            if task.kind == "choice":
                raise SteeringError(f"{task.name} has choices, which a list does not show. Use the layout question.")
            if self.plain is False:
                raise SteeringError("A list goes without the chat template. Use the layout question for a chat turn.")
            for item in (*task.items, *task.pool):
                if any(len(text.splitlines()) > 1 for text in (item.question, item.answer)):
                    raise SteeringError(
                        f"The question {item.id} of {task.name} has several lines, and a list gives each pair one. "
                        "Use the layout question."
                    )
        return self.layout

    def kind_for(self, task: Task) -> str:
        """How answers are read and compared, a key of `answers.READERS`: a list's as its line, others as the task's kind."""
        return "line" if self.layout_for(task) == "list" else task.kind

    def plain_for(self, task: Task, child: LanguageModel) -> bool:
        """Whether a task's prompts go without the child's chat template."""
        if not child.has_chat_template or self.layout_for(task) == "list":
            return True
        return self.mode_for(task) == "likelihood" if self.plain is None else self.plain


@dataclass(frozen=True)
class Request:
    """One question as the model reads it.

    Attributes:
        item: the question.
        text: the prompt before the chat template.
        ids: token ids of the whole prompt.
        tails: token ids of each choice behind the prompt, where choices are weighed; else empty.
        stop: text that ends the answer; "" where only the model ends it.
        before: `<think>` where the prompt opens a thought, which the text then begins within; else "".
    """

    item: Item
    text: str
    ids: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...] = ()
    stop: str = ""
    before: str = ""


def examples(task: Task, shots: int) -> tuple[Item, ...]:
    """The worked examples of a few-shot prompt: the same for every question, and for tuning and reporting.

    Raises:
        SteeringError: the task has too few questions to spare.
    """
    if shots > len(task.pool):
        raise SteeringError(
            f"{task.name} has {len(task.pool)} questions to take examples from, not {shots}. Ask for fewer."
        )
    return task.pool[:shots]


def scored(task: Task, shots: int) -> tuple[Item, ...]:
    """The questions that are scored: all but those that serve as examples.

    Raises:
        SteeringError: none is left.
    """
    example_questions = {item.question for item in examples(task, shots)}
    left = tuple(item for item in task.items if item.question not in example_questions)
    if not left:
        raise SteeringError(f"All questions of {task.name} serve as examples. Ask for fewer shots.")
    return left


def requests(child: LanguageModel, task: Task, style: Style) -> tuple[Request, ...]:
    """Put every scored question of a task.

    Args:
        child: the model whose tokenizer and chat template are used.
        task: the questions.
        style: how they are put.

    Raises:
        SteeringError: a style that does not fit the task, or too few examples.
    """
    mode, plain = style.mode_for(task), style.plain_for(task, child)
    stop = "\n" if style.layout_for(task) == "list" else NEXT_QUESTION if plain else ""
    solved_items, write = examples(task, style.shots), _writer(task, style)
    built = []
    for item in scored(task, style.shots):
        text = write(item, solved_items, task.kind, plain)
        if style.instruction:
            text = f"{style.instruction}\n\n{text}"
        text += style.lead_in
        ids = tuple(child.prompt_ids(text, plain=plain))
        if mode == "likelihood":
            built.append(Request(item, text, ids, _tails(child, text, item, plain)))
        else:
            before = "" if plain or not _opens_thought(child, ids) else "<think>"
            built.append(Request(item, text, ids, stop=stop, before=before))
    return tuple(built)


def plain_prompt(task: Task, item: Item, style: Style, solved: tuple[Item, ...] = ()) -> str:
    """The text of one prompt without a chat template.

    Args:
        task: the task that the item is of.
        item: the question.
        style: how it is put; its number of shots does not count.
        solved: questions that stand before it with their answers.
    """
    return _writer(task, style)(item, solved, task.kind, True)


def right_text(task: Task, item: Item, style: Style, *, plain: bool = True) -> str:
    """What follows a prompt in writing where it is answered as the solved questions of a few-shot prompt are.

    Args:
        task: the task that the item is of.
        item: the question.
        style: how it is put.
        plain: whether the prompt goes without the chat template. The line's end then belongs to the answer, which tells 3 from
            35; a chat turn ends otherwise.
    """
    answer = item.answer if style.layout_for(task) == "list" else _solution(item, task.kind, plain)
    return f" {answer}\n" if plain else f" {answer}"


def right_ids(child: LanguageModel, task: Task, request: Request, style: Style) -> tuple[int, ...]:
    """Tokens of `right_text` behind a request's prompt, as they are where the next question follows them.

    Some tokenizers have a token for several line breaks, and a child that goes on as after a solved question writes that one.
    """
    plain = style.plain_for(task, child)
    text = right_text(task, request.item, style, plain=plain)
    if not plain:  # A turn begins with the answer itself.
        return tuple(child.continuation_ids(request.text, text.lstrip()))
    ids = child.continuation_ids(request.text, text.removesuffix(request.stop) + request.stop, plain=True)
    decode = child.tokenizer.decode
    before = len(decode(list(request.ids)))
    for end in range(1, len(ids)):
        if decode([*request.ids, *ids[:end]])[before:].startswith(text):
            return tuple(ids[:end])
    return tuple(ids)


def _opens_thought(child: LanguageModel, ids: tuple[int, ...]) -> bool:
    """Whether a chat template opens a thought at the end of a prompt."""
    end: str = child.tokenizer.decode(list(ids[-_LAST_TOKENS:]))
    return opens_thought(end)


def preview(child: LanguageModel, task: Task, style: Style) -> str:
    """The first question's prompt exactly as the model reads it, special tokens and all, and what may follow it."""
    first = requests(child, task, style)[0]
    text: str = child.tokenizer.decode(list(first.ids))
    endings = "".join(f"\n  [{child.tokenizer.decode(list(tail))}]" for tail in first.tails)
    return f"{text}{endings}"


def _writer(task: Task, style: Style) -> "_Writer":
    return _complete if style.layout_for(task) == "list" else _WRITERS[style.mode_for(task)]


def _ask(item: Item, solved_items: tuple[Item, ...], kind: str, plain: bool) -> str:
    """A prompt that is answered by a text."""
    solved = "".join(f"{_question(shot, kind)}\nAnswer: {_solution(shot, kind, plain)}\n\n" for shot in solved_items)
    if plain:
        return f"{solved}{_question(item, kind)}\nAnswer:"
    question = f"{solved}{_question(item, kind)}" if solved_items else _body(item, kind)
    return f"{question}\n\n{ASKS[kind]}"


def _complete(item: Item, solved_items: tuple[Item, ...], kind: str, plain: bool) -> str:
    """A list whose last line lacks its answer."""
    del kind, plain
    solved = "".join(f"{shot.question}{LIST_SIGN} {shot.answer}\n" for shot in solved_items)
    return f"{LIST_HEAD}{solved}{item.question}{LIST_SIGN}"


def _weigh(item: Item, solved_items: tuple[Item, ...], kind: str, plain: bool) -> str:
    """A prompt behind which the choices are weighed, as lm-evaluation-harness puts it."""
    del kind, plain
    solved = "".join(f"Question: {shot.question}\nAnswer: {_right(shot)}\n\n" for shot in solved_items)
    return f"{solved}Question: {item.question}\nAnswer:"


_Writer = Callable[[Item, tuple[Item, ...], str, bool], str]

_WRITERS: Mapping[str, _Writer] = {"generate": _ask, "likelihood": _weigh}


def _question(item: Item, kind: str) -> str:
    return f"Question: {_body(item, kind)}"


def _body(item: Item, kind: str) -> str:
    if kind != "choice":
        return item.question
    return "\n".join([item.question, *(f"{letter(place)}. {choice}" for place, choice in enumerate(item.choices))])


def _solution(item: Item, kind: str, plain: bool) -> str:
    """The worked solution with the answer behind its mark; without one the answer, marked where a chat turn asks for that."""
    if kind == "choice":
        return f"{item.answer}. {_right(item)}"
    if plain and kind != "math" and not item.solution:
        return item.answer
    mark = f"\\boxed{{{item.answer}}}" if kind == "math" else f"#### {item.answer}"
    return item.solution if mark in item.solution else f"{item.solution}\n{mark}".strip()


def _right(item: Item) -> str:
    return item.choices[ord(item.answer) - ord("A")]


def _tails(child: LanguageModel, text: str, item: Item, plain: bool) -> tuple[tuple[int, ...], ...]:
    # An assistant's turn begins with the choice itself.
    space = " " if plain else ""
    return tuple(tuple(child.continuation_ids(text, f"{space}{choice}", plain=plain)) for choice in item.choices)
