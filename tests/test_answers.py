"""Reading answers out of texts, and comparing them by value."""

from fractions import Fraction

import pytest

from steering.tasks.answers import READERS, SAME, STRICT, letter, number, read_letter, read_number

CHOICES = ("it is full of salt", "it is less dense", "copper", "zinc")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 12 apples.", 12),
        ("#### 12", 12),
        ("####\n12", 12),
        ("#### $1,200.50.\nQuestion: Tom has 3 cats.", Fraction(2401, 2)),
        ("First #### 5 and then #### 6", 5),
        ("so 88 - 13 = 75", 75),
        ("She paid 1,000", 1000),
        ("1,2,3", 3),
        ("$5", 5),
        ("5 €", 5),
        ("50%", 50),
        ("about 12.", 12),
        ("1.5.", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("2.0", 2),
        (r"\frac{1}{2}", Fraction(1, 2)),
        (r"\boxed{7} because of the 9 others", 7),
        (r"\boxed{\dfrac{3}{4}}", Fraction(3, 4)),
        ("1/2", Fraction(1, 2)),
        ("1 1/2 cups", Fraction(3, 2)),
        ("-3", -3),
        ("−3", -3),
        ("(-3)", -3),
        ("-$5", -5),
        ("$-5", -5),
        ("x = -3.", -3),
        ("12 - 5", 5),
        ("3-4", 4),
        ("The answer is 5 + 7 = 12.", 12),
        ("The answer is 3. It has 9 parts.", 3),
        ("He has 5. The answer is 3.5 kg. Then 9 more", Fraction(7, 2)),
        ("Debby bought 88 bottles and 13 cans. The answer is 22. Debby bought 88 bottles and 13 cans.", 22),
        ("On 2020-05-12 he bought 7", 7),
        ("7 were bought on 12/05/2020", 7),
        ("He has 7 at 3:30", 7),
    ],
)
def test_a_number_is_read_by_its_value(text: str, value: Fraction | int) -> None:
    found = read_number(text)
    assert found is not None
    assert number(found) == value


@pytest.mark.parametrize("text", ["", "I do not know.", "on 12/05/2020", "at 3:30", "version v2", "3/0", "####"])
def test_a_text_without_a_number_has_no_answer(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("kind", "left", "right", "equal"),
    [
        ("number", "2.0", "2", True),
        ("number", "1,000", "1000", True),
        ("number", "$5", "5", True),
        ("number", "50%", "50", True),
        ("number", "50%", "0.5", True),
        ("number", "50", "0.5", False),
        ("number", r"\frac{1}{2}", "0.5", True),
        ("number", "-3", "3", False),
        ("number", "twelve", "twelve", False),
        ("math", r"\frac{1}{2}", "0.5", True),
        ("math", "x^2+1", "1+x^2", True),
        ("math", "p - q", "q - p", False),
        ("math", r"3\sqrt{2}", r"\sqrt{18}", True),
        ("math", r"\text{east}", "east", True),
        ("math", "(1,2)", "(2,1)", False),
        ("text", " Red,  green.", "red, green", True),
        ("text", "red", "green", False),
        ("text", "3.0", "3", True),
        ("choice", "A", "A", True),
        ("choice", "A", "B", False),
    ],
)
def test_answers_are_compared_by_value(kind: str, left: str, right: str, equal: bool) -> None:
    assert SAME[kind](left, right) is equal
    assert SAME[kind](right, left) is equal


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("B", "B"),
        ("B. it is less dense", "B"),
        ("(B)", "B"),
        ("Answer: (B)", "B"),
        ("The correct answer is **C**", "C"),
        ("The answer is A because ice floats.", "A"),
        ("The answer is B since A is wrong.", "B"),
        ("I would choose option D", "D"),
        ("Because it is less dense.", "B"),
        ("A dog barks", None),
        ("The answer is A dog", None),
        ("copper or zinc", None),
        ("The answer is E", None),
        ("a", None),
        ("", None),
    ],
)
def test_a_letter_is_read_and_an_article_is_not(text: str, choice: str | None) -> None:
    assert read_letter(text, CHOICES) == choice


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        ("math", r"so \boxed{1} or \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("math", "nothing to see", None),
        ("math", "#### $x+1$", "x+1"),
        ("text", "I think.\n#### north, south\nmore", "north, south"),
        ("text", "Let me see.\nThe answer is blue", "blue"),
        ("text", " \n ", None),
    ],
)
def test_formulas_and_words_are_read(kind: str, text: str, answer: str | None) -> None:
    assert READERS[kind](text, ()) == answer


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        ("number", " 3\n\nQuestion: 4 apples", "3"),
        ("number", "\n$3.\n", "$3."),
        ("number", "3 apples\n", None),
        ("number", "3 4\n", None),
        ("number", "It is\n3\n", None),
        ("number", "3\n#### 4", "4"),
        ("text", " north, south\n\nQuestion:", "north, south"),
        ("text", "north\n#### south", "south"),
        ("text", "\n", None),
    ],
)
def test_an_answer_alone_in_the_first_line_is_in_form(kind: str, text: str, answer: str | None) -> None:
    assert STRICT[kind](text, ()) == answer


def test_letters_count_from_a() -> None:
    assert [letter(place) for place in range(3)] == ["A", "B", "C"]


def repeat(text: str, size: int = 100_000) -> str:
    return text * (size // len(text))


HOSTILE = [
    "9" * 5_000,
    f"#### {'9' * 5_000}",
    f"The answer is 1/{'9' * 5_000}",
    f"\\boxed{{{'9' * 5_000}}}",
    "9^{9^{9}}",
    "1e999999999",
    "²",
    "١٢٣",
    "\x00",
    "\ud800",
    "nan",
    "inf",
    "-",
    "/",
    "\\frac{1}{0}",
    *(
        repeat(text)
        for text in (
            "9", " ", "{", "}", "(", "$", "-", ".", ",", "a", "1 ", "1,", "1,111,", "1/", "1.", "- ", "answer ", "#### ",
            "\\boxed{", "\\frac{1", "1\n", "answer is\n", "^{9", "=", "1:11", "12/12/12 ", "A", "*A", "option (",
        )
    ),
    *(
        f"{start}{repeat(' ')}{end}"
        for start in ("answer", "answer is:", "option", "1", "1.", "####", "\\boxed", "a -", "A")
        for end in ("", "z", "1")
    ),
    f"{repeat('9')} /",
    f"{repeat('9')}{repeat(' ')}{repeat('9')}",
    f"answer {repeat('(')}",
    f"1{repeat(',111')}1",
]  # fmt: skip
"""What a model, a task's file or a visitor may send: numbers without end, and runs that a pattern could go through again and
again."""


@pytest.mark.timeout(
    60
)  # A pattern whose time grows faster than its text, or a number that is worked out, takes hours.
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_every_text_is_read_and_compared_within_a_bound(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steering.tasks.formulas.LIMIT_S", 1.0)
    for kind, reader in READERS.items():
        for choices in ((), (*CHOICES, text[:100])):
            answer = reader(text, choices)
            assert answer is None or isinstance(answer, str)
        for other in ("5", text[:-1], text):
            assert SAME[kind](text, other) in (True, False)
            assert SAME[kind](other, text) in (True, False)
    assert number(text) is None or isinstance(number(text), Fraction)
