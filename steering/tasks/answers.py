"""Reading an answer out of a text, and comparing two answers by value.

No answer is an outcome of its own: a reader returns None rather than a guess. A plain number is the last one in the text
unless something marks the answer; formulas are left to `formulas`. What stands in `<think>…</think>` is no answer. Texts come
from models and files: every pattern takes time in proportion to a text's length, and numbers beyond `MOST_DIGITS` are not
worked out.

As in lm-evaluation-harness there are two ways to read: `READERS` flexibly, `STRICT` in the asked-for form alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from steering.tasks.formulas import read_formula, same_formula

MOST_DIGITS = 1000
"""Characters of a number that is read. Python itself refuses to convert more than 4,300 digits; a longer run of them is a model
that repeats itself, and no answer."""

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"

_SIGNED = re.compile(
    # A minus belongs to the number only where nothing stands before it that it could be subtracted from.
    r"(?<![\w.])(?P<sign>[-−+]?)\s?(?P<unit>[$€£]?)(?P<inner>[-−]?)"
    rf"(?:\\[dt]?frac\{{(?P<top>\d+)\}}\{{(?P<bottom>\d+)\}}"
    rf"|(?:(?P<whole>\d+)\s+)?(?P<over>\d+)\s?/\s?(?P<under>\d+)(?![\d/])"
    rf"|(?P<plain>{NUMBER}))"
    r"\s?(?P<percent>\\?%)?"
)
_SPACED_MINUS = re.compile(r"(?<=[\w)])\s+[-−]\s*(?=[\d$€£])")
_NO_NUMBERS = re.compile(
    r"\b\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}\b"  # a date
    r"|\b\d{1,2}:\d{2}(?::\d{2})?\b"  # a time of day
)
_MARK = re.compile(r"####[^\S\n]*\n?([^\n]*)")
_BOX = re.compile(r"\\boxed\s*\{")
_THOUGHT = re.compile(r"<(/?)(?:seed:)?(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_SAID = re.compile(r"\b(?:answer|result)\b[^\S\n]*(?:is|are|=|:)[^\S\n]*:?([^\n]*)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[^\d\s])[.;!?](?:\s|$)|(?<=\d)[.;!?](?:\s+[^\d\s]|$)")


def without_thoughts(text: str) -> str:
    """A text without what a thinking model thinks before it answers.

    A thought that is not finished goes to the end of the text; one whose beginning is missing, because the prompt opened it,
    begins with the text.
    """
    kept: list[str] = []
    start, thinking = 0, False
    for tag in _THOUGHT.finditer(text):
        if tag[1] and not thinking:
            kept = []
        elif not tag[1] and not thinking:
            kept.append(text[start : tag.start()])
        thinking, start = not tag[1], tag.end()
    return "".join(kept) + ("" if thinking else text[start:])


def opens_thought(text: str) -> bool:
    """Whether a text ends within a thought, so that what follows is no answer before the thought is closed."""
    tags = list(_THOUGHT.finditer(text))
    return bool(tags) and not tags[-1][1]


def letter(place: int) -> str:
    """The letter of a choice, A for place 0."""
    return chr(ord("A") + place)


def number(text: str) -> Fraction | None:
    """The value of a text that is one number and nothing else but its unit sign; None for anything else, or too many digits."""
    match = _SIGNED.fullmatch(text.strip().rstrip(".").replace("\\$", "$").strip("$ ") or " ")
    return _value(match) if match else None


def read_number(text: str, choices: Sequence[str] = ()) -> str | None:
    r"""Read a number: the first behind ####, the last in \boxed{}, what "the answer is" says, or the last of the text.

    Returns:
        The number as it stands in the text, with its percent sign; None where there is none.
    """
    del choices
    text = _spelled(without_thoughts(text))
    for line in _MARK.findall(text):
        if numbers := _numbers(line):
            return numbers[0]
    if (inside := boxed(text)) is not None and (numbers := _numbers(inside)):
        return numbers[-1]
    for line in reversed(_SAID.findall(text)):
        sentence = _SENTENCE.split(line, maxsplit=1)[0]
        if numbers := _numbers(sentence):
            # "The answer is 5 + 7 = 12": what stands last was worked out; otherwise the first is meant.
            return numbers[-1] if "=" in sentence else numbers[0]
    numbers = _numbers(text)
    return numbers[-1] if numbers else None


def read_letter(text: str, choices: Sequence[str] = ()) -> str | None:
    """Read the letter of a choice: a lone one, what "the answer is" says, one in brackets, or the one choice that is named."""
    text = without_thoughts(text)
    last = letter(len(choices) - 1) if choices else "Z"
    # Letters keep their case, and "A dog barks" is no answer A.
    option = rf"[(*\[\"']*([A-{last}])(?![\w'’])(?<!A(?=[^\S\n][a-z])(?![^\S\n](?:because|since|as)\b))"
    patterns = (
        # Possessive: three runs of spaces side by side could be divided in very many ways.
        rf"(?i:\banswer\b[^\S\n]*+(?:is|=|:)?[^\S\n]*+:?[^\S\n]*+(?:option|choice)?)[^\S\n]*+{option}",
        rf"^\W*([A-{last}])(?=\s*[).:,\]*]|[^\S\n]*\n|\s*$)",
        rf"(?i:\b(?:option|choice))[^\S\n]+{option}",
        rf"\(([A-{last}])\)",
    )
    for pattern in patterns:
        if match := re.search(pattern, text):
            return match.group(1)
    named = [place for place, choice in enumerate(choices) if _mentions(text, choice)]
    return letter(named[0]) if len(named) == 1 else None


def read_math(text: str, choices: Sequence[str] = ()) -> str | None:
    r"""Read a formula: the last \boxed{}, what stands behind ####, or what math-verify finds."""
    del choices
    text = without_thoughts(text)
    if (inside := boxed(text)) is not None and inside.strip():
        return inside.strip()
    if marked := [line.strip() for line in _MARK.findall(text) if line.strip()]:
        return marked[0].strip("$ .") or None
    return read_formula(text)


def read_text(text: str, choices: Sequence[str] = ()) -> str | None:
    """Read words: what stands behind ####, or in the last line that says something."""
    del choices
    text = without_thoughts(text)
    lines = [line.strip() for line in _MARK.findall(text) if line.strip()][:1] or [
        line.strip() for line in text.splitlines() if line.strip()
    ]
    if not lines:
        return None
    match = _SAID.search(lines[-1])
    return (match.group(1) if match and match.group(1).strip() else lines[-1]).strip() or None


def read_line(text: str, choices: Sequence[str] = ()) -> str | None:
    """Read a list's line: the first line and nothing else, whatever follows."""
    del choices
    return text.split("\n", 1)[0].strip() or None


READERS: Mapping[str, Callable[[str, Sequence[str]], str | None]] = {
    "choice": read_letter,
    "number": read_number,
    "math": read_math,
    "text": read_text,
    "line": read_line,
}
"""How the answer is read out of a text, by the kind of answer: that of the task, or "line" in a list, see `Style.kind_for`.
These read flexibly: the answer may stand anywhere."""


def _strict_number(text: str, choices: Sequence[str]) -> str | None:
    del choices
    text = _spelled(without_thoughts(text))
    for line in _MARK.findall(text):
        if numbers := _numbers(line):
            return numbers[0]
    first = _first_line(text)
    return first if number(first) is not None else None


def _strict_letter(text: str, choices: Sequence[str]) -> str | None:
    last = letter(len(choices) - 1) if choices else "Z"
    match = re.match(rf"[\s(*\[]*([A-{last}])(?:[).:,\]*]|\s*$|[^\S\n]*\n)", without_thoughts(text))
    return match[1] if match else None


def _strict_math(text: str, choices: Sequence[str]) -> str | None:
    del choices
    inside = boxed(without_thoughts(text))
    return inside.strip() or None if inside is not None else None


def _strict_text(text: str, choices: Sequence[str]) -> str | None:
    del choices
    text = without_thoughts(text)
    marked = (line.strip() for line in _MARK.findall(text))
    return next((line for line in marked if line), _first_line(text)) or None


def _first_line(text: str) -> str:
    """The first line that says something; "" where none does."""
    return text.strip().split("\n", 1)[0].strip()


STRICT: Mapping[str, Callable[[str, Sequence[str]], str | None]] = {
    "choice": _strict_letter,
    "number": _strict_number,
    "math": _strict_math,
    "text": _strict_text,
    "line": read_line,
}
"""How the answer is read in the asked-for form alone, by the kind of answer: a letter at the beginning, a number or words
behind #### as a chat turn asks for them (`prompting.ASKS`) or alone in the first line as a plain few-shot prompt shows them,
a formula in \\boxed{}, a list's line."""


def same_number(left: str, right: str) -> bool:
    """Whether two numbers have one value. 50% is both 50 and 0.5, since people write either for it."""
    values = [_readings(text) for text in (left, right)]
    return bool(values[0] & values[1])


def same_text(left: str, right: str) -> bool:
    """Whether two texts say the same, but for case, spaces and marks around them; or are equal numbers."""
    return _plain(left) == _plain(right) or same_number(left, right)


SAME: Mapping[str, Callable[[str, str], bool]] = {
    "choice": lambda left, right: left == right,
    "number": same_number,
    "math": same_formula,
    "text": same_text,
    "line": lambda left, right: left.strip() == right.strip(),
}
"""How two answers are compared, by the kind of answer."""


def is_right(kind: str, answer: str, right_answers: Sequence[str]) -> bool:
    """Whether an answer is one of those that are right."""
    return any(SAME[kind](answer, right) for right in right_answers)


def _spelled(text: str) -> str:
    """A text without the backslashes that LaTeX writes before dollar signs and between digits."""
    return text.replace("\\$", "$").replace("\\!", "").replace("\\,", "")


def _mentions(text: str, choice: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text, re.IGNORECASE) is not None


def boxed(text: str) -> str | None:
    r"""What the last \boxed{} holds, with its own braces balanced."""
    starts = [match.end() for match in _BOX.finditer(text)]
    if not starts:
        return None
    depth = 1
    for place in range(starts[-1], len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[starts[-1] : place]
    return None


def _numbers(text: str) -> list[str]:
    text = _NO_NUMBERS.sub(" ", text)
    # "5 - 3" takes 3 from 5, and holds no −3.
    text = _SPACED_MINUS.sub(" ~ ", text)
    return [match.group().strip() for match in _SIGNED.finditer(text) if _value(match) is not None]


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match.group()) > MOST_DIGITS:
        return None
    parts = match.groupdict()
    top, bottom = parts["top"] or parts["over"], parts["bottom"] or parts["under"]
    if bottom is not None:
        if int(bottom) == 0:
            return None
        value = Fraction(int(top), int(bottom)) + int(parts["whole"] or 0)
    else:
        value = Fraction(parts["plain"].replace(",", ""))
    return -value if {parts["sign"], parts["inner"]} & {"-", "−"} else value


def _readings(text: str) -> set[Fraction]:
    value = number(text)
    if value is None:
        return set()
    return {value, value / 100} if "%" in text else {value}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!\"'*`")
