"""Contrast pairs from what the models themselves write about a task's training questions.

The child's answers are sampled at a temperature and judged; a rewriting by the parent is kept where it is shorter and its
answer still right. So both sides of a pair are texts that a model writes, and differ less in style than a textbook's would.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from steering.concepts import ContrastPair
from steering.errors import Progress, SteeringError, check_whole, part_of, silent
from steering.evaluation.columns import judge
from steering.evaluation.scorer import NEW_TOKENS
from steering.evaluation.scoring import Outcome, score
from steering.models import LanguageModel
from steering.stats import check_seed, derived_seed
from steering.steer import Sampling
from steering.tasks import (
    MOST_QUESTIONS,
    Item,
    Request,
    Style,
    Task,
    TaskPairs,
    plain_prompt,
    requests,
    task_pairs,
    training_items,
)

SAMPLES = 8
"""Answers to each question: a child that is right with one in four is both right and wrong at most questions."""

TEMPERATURE = 0.7

REWRITE = "Rewrite this solution in as few words as possible. Keep every step, every number and the final answer.\n\n{solution}"
"""What a parent with a chat template is asked for."""

_WRITTEN = Style(mode="generate")
"""How questions are put: to be answered in writing, also where they have choices."""

_EXAMPLES = (
    (
        "First we need to find out how many apples there are in total. There are 3 boxes and each of the boxes holds 4 "
        "apples, so we multiply 3 by 4, which gives us 12 apples. #### 12",
        "3 boxes × 4 apples = 12. #### 12",
    ),
    (
        "Let us begin with the price of the coat, which is 80. The price is then lowered by 25 percent, and 25 percent of 80 "
        "is 20. When we take 20 away from 80, we are left with 60, so the answer is 60.",
        "25% of 80 is 20; 80 - 20 = 60. The answer is 60.",
    ),
    (
        "Because we know that whales breathe air and feed their young with milk, just as cats and people do, we can say that "
        "they are mammals and not fish. So the answer is B.",
        "Whales breathe air and give milk: mammals. The answer is B.",
    ),
)
"""Solutions and shorter ones, written for this project: a parent without a chat template goes on with the next."""


@dataclass(frozen=True)
class Answers:
    """What the child answered to one training question.

    Attributes:
        item: the question.
        right: its different right answers, in the order in which they were sampled.
        wrong: its different wrong answers. An answer that cannot be read is neither.
    """

    item: Item
    right: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class OwnDesign:
    """How pairs are made from the child's answers.

    Attributes:
        make: yields one pair an `Answers`, None where there is none; called with those, task, parent and progress.
        about: what the positive and the negative side are.
        poles: labels of the two sides.
        reason: why no pair can be made from a question, as the end of a sentence.
        needs_parent: whether the parent writes, too.
    """

    make: Callable[[Sequence[Answers], Task, LanguageModel, Progress], Iterator[ContrastPair | None]]
    about: str
    poles: tuple[str, str]
    reason: str
    needs_parent: bool = False


def _self(
    answers: Sequence[Answers], task: Task, parent: LanguageModel, progress: Progress
) -> Iterator[ContrastPair | None]:
    """A right and a wrong answer of the child itself: of all, the two that are nearest in length."""
    del parent, progress
    for each in answers:
        pairs = [(right, wrong) for right in each.right for wrong in each.wrong]
        chosen = min(pairs, key=lambda pair: abs(_words(pair[0]) - _words(pair[1])), default=None)
        yield None if chosen is None else _pair(task, each.item, *chosen)


def _dense(
    answers: Sequence[Answers], task: Task, parent: LanguageModel, progress: Progress
) -> Iterator[ContrastPair | None]:
    """A right solution of the child, rewritten denser by the parent, against what it was (arXiv 2605.29247)."""
    solved = [each for each in answers if each.right]
    rewritten = _rewrite(parent, solved, NEW_TOKENS[_WRITTEN.kind_for(task)], progress) if solved else {}
    for each in answers:
        outcome, solution = rewritten.get(each.item.id), each.right[0] if each.right else ""
        kept = (
            outcome is not None
            and 0 < _words(outcome.text) < _words(solution)
            and not outcome.degenerate
            and judge(_WRITTEN.kind_for(task), each.item, outcome).outcome == "right"
        )
        yield _pair(task, each.item, outcome.text, solution) if outcome is not None and kept else None


OWN_DESIGNS: Mapping[str, OwnDesign] = {
    "self": OwnDesign(
        _self,
        "the child's own right answer / its own wrong one",
        ("right answer", "wrong answer"),
        "the child's answers are not both right and wrong",
    ),
    "dense": OwnDesign(
        _dense,
        "the child's own right solution, rewritten denser by the parent / as it was",
        ("dense", "wordy"),
        "the child gave no right answer, or the parent no shorter one that is still right",
        needs_parent=True,
    ),
}
"""Designs that need models, by name."""


def pairs_from_answers(
    task: Task,
    design: str,
    child: LanguageModel,
    parent: LanguageModel | None = None,
    *,
    samples: int = SAMPLES,
    shots: int = 0,
    limit: int | None = MOST_QUESTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> TaskPairs:
    """Make contrast pairs from what models write about the training part of a task.

    Args:
        task: the task; its `pool` is the training part, and nothing else is read.
        design: a key of `OWN_DESIGNS`.
        child: answers the questions.
        parent: rewrites the child's solutions, in the design "dense".
        samples: answers to each question.
        shots: solved questions before a question that is asked; they are training questions too, and are not asked.
        limit: make pairs from at most so many training questions; None takes all.
        seed: of the samples.
        progress: told how many answers are there.

    Returns:
        The pairs, as raw texts; questions that none can be made from are among `left_out`.

    Raises:
        SteeringError: unknown design, no parent where one is needed, no training part, or too few pairs.
    """
    check_seed(seed)
    check_whole("The number of samples", samples, 1)
    check_whole("The number of shots", shots, 0)
    if design not in OWN_DESIGNS:
        raise SteeringError(f"Unknown design {design!r}. Choose one of {', '.join(OWN_DESIGNS)}.")
    chosen = OWN_DESIGNS[design]
    if chosen.needs_parent and parent is None:
        raise SteeringError(f"In the design {design!r} the parent rewrites the child's solutions. Name a parent.")
    asked = replace(task, split="train", items=training_items(task, limit))
    share = 0.7 if chosen.needs_parent else 1.0
    answers = sample_answers(child, asked, samples, shots, seed, part_of(progress, 0.0, share))
    pairs = list(chosen.make(answers, task, parent or child, part_of(progress, share, 1.0)))
    made = task_pairs(task, design, [each.item for each in answers], pairs, chosen.poles, chosen.reason)
    by = f" {samples} answers to each question are by {child.name}" + (
        f", the shorter ones by {parent.name}." if chosen.needs_parent and parent else "."
    )
    return replace(made, concept=replace(made.concept, description=made.concept.description + by))


def sample_answers(
    child: LanguageModel, task: Task, samples: int, shots: int, seed: int, progress: Progress = silent
) -> tuple[Answers, ...]:
    """Answers of the unsteered child, in writing, to every question of a task but those that serve as examples.

    Args:
        child: the model that answers.
        task: its items are asked.
        samples: answers to each question.
        shots: solved questions before the question.
        seed: of the samples; every question and every sample draws of its own.
        progress: told how many answers are there.
    """
    style = replace(_WRITTEN, shots=shots)
    asked, kind = requests(child, task, style), style.kind_for(task)
    texts: dict[tuple[int, str], list[str]] = {}
    for number in range(samples):
        sampling = Sampling(
            max_new_tokens=NEW_TOKENS[kind], temperature=TEMPERATURE, seed=derived_seed(seed, "own answer", number)
        )
        done = 0
        for batch in score(child, asked, [(place, 0.0) for place in range(len(asked))], None, sampling):
            done += len(batch)
            progress(
                f"Sampling answers to {task.name}, {number + 1} of {samples}",
                (number + done / len(asked)) / samples,
            )
            for (place, _), outcome in batch:
                verdict = judge(kind, asked[place].item, outcome, asked[place].before).outcome
                if verdict != "no answer" and not outcome.degenerate:
                    texts.setdefault((place, verdict), []).append(outcome.text.strip())

    def different(place: int, verdict: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(texts.get((place, verdict), ())))

    return tuple(
        Answers(request.item, different(place, "right"), different(place, "wrong"))
        for place, request in enumerate(asked)
    )


def _rewrite(
    parent: LanguageModel, answers: Sequence[Answers], max_new_tokens: int, progress: Progress
) -> dict[str, Outcome]:
    """What the parent makes of every child's first right solution, by the question's id."""
    asked = [_rewriting(parent, each) for each in answers]
    jobs, outcomes = [(place, 0.0) for place in range(len(asked))], dict[str, Outcome]()
    for batch in score(parent, asked, jobs, None, Sampling(max_new_tokens=max_new_tokens)):
        for (place, _), outcome in batch:
            outcomes[asked[place].item.id] = replace(outcome, text=outcome.text.strip())
        progress(f"Rewriting solutions: {len(outcomes)} of {len(asked)}", len(outcomes) / len(asked))
    return outcomes


def _rewriting(parent: LanguageModel, answers: Answers) -> Request:
    solution = answers.right[0]
    if parent.has_chat_template:
        text = REWRITE.format(solution=solution)
        return Request(answers.item, text, tuple(parent.prompt_ids(text)))
    shown = "".join(f"Long: {long}\nShort: {short}\n\n" for long, short in _EXAMPLES)
    text = f"{shown}Long: {' '.join(solution.split())}\nShort:"
    return Request(answers.item, text, tuple(parent.prompt_ids(text, plain=True)), stop="\n")


def _pair(task: Task, item: Item, positive: str, negative: str) -> ContrastPair:
    prompt = plain_prompt(task, item, replace(_WRITTEN, plain=True))
    return ContrastPair(f"{prompt} {positive}", f"{prompt} {negative}")


def _words(text: str) -> int:
    return len(text.split())
