"""Concept files come back as they went, the linter names what is wrong, and the bundled concepts are clean."""

import json
from pathlib import Path

import pytest

from steering.concepts.concept import Concept, ContrastPair
from steering.concepts.files import bundled_concepts, format_concept, load_concept, parse_concept, save_concept
from steering.concepts.lint import FEWEST_PAIRS, lint
from steering.errors import SteeringError

# What breaks a careless reader of CSV, JSON or lines, and what does not survive a detour through Latin-1.
TRICKY = (
    "Yes, of course, thank you.",
    'She said "no", twice.',
    "Two\nlines and\n\nthree.",
    "Grüße aus Köln, naïve λ → 日本語 🙂",
    "  spaces around  ",
    "tab\there; semicolon 'single' \\ backslash \\n",
    '"',
    "{not: json}",
    "=1+1",
    "a line separator\u2028a next line\u0085and a form feed\x0cin one text",
)


def words(row: int) -> list[ContrastPair]:
    """Pairs that the linter has nothing against."""
    subjects = ("Our dinner", "That long film", "His new song", "The small town", "A walk outside", "Her second book")
    return [ContrastPair(f"{s} was lovely in {i}.", f"{s} was dreadful in {i}.") for i, s in enumerate(subjects[:row])]


def concept(pairs: tuple[ContrastPair, ...]) -> Concept:
    return Concept("tricky", "größer", 'kleiner, "less"', pairs, (ContrastPair("up, up", "down"),), "One\nsentence.")


# Files


@pytest.mark.parametrize("layout", ["json", "jsonl", "csv"])
@pytest.mark.parametrize("text", TRICKY, ids=range(len(TRICKY)))
def test_any_text_survives_every_layout(tmp_path: Path, layout: str, text: str) -> None:
    written = concept((ContrastPair(text, "other"), ContrastPair("plain", text)))
    assert parse_concept(format_concept(written, layout), layout, "tricky").pairs == written.pairs
    save_concept(written, tmp_path / f"tricky.{layout}")
    read = load_concept(tmp_path / f"tricky.{layout}")
    assert read.pairs == written.pairs
    assert read.name == "tricky"
    if layout == "json":
        assert read == written


def test_a_file_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "Mut.csv"
    path.write_bytes('\ufeffnote,negative,positive\r\nx,feige,"mutig, sehr"\r\n'.encode())
    read = load_concept(path)
    assert read.pairs == (ContrastPair("mutig, sehr", "feige"),)
    assert (read.name, read.positive_label, read.negative_label) == ("Mut", "positive", "negative")


def test_a_json_file_needs_only_pairs(tmp_path: Path) -> None:
    path = tmp_path / "short.json"
    path.write_text('{"pairs": [{"positive": "a", "negative": "b"}]}')
    assert load_concept(str(path)) == Concept("short", "positive", "negative", (ContrastPair("a", "b"),))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        save_concept(concept((ContrastPair("half a character \ud800", "b"),)), path)
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("layout", "text", "message"),
    [
        ("json", "{", "mine is not valid JSON"),
        ("json", "[]", "'pairs'"),
        ("json", '{"name": "x"}', "'pairs'"),
        ("json", '{"pairs": {"positive": "a"}}', "must be a list"),
        ("json", '{"pairs": [{"positive": "a", "negative": "b"}, "c"]}', "row 2: expected an object .* found 'c'"),
        ("json", '{"pairs": [{"positive": "a", "negative": "b"}, {"positive": "a"}]}', "row 2: the text 'negative'"),
        ("json", '{"pairs": [{"positive": 1, "negative": "b"}]}', "row 1: the text 'positive'"),
        ("json", '{"pairs": [], "continuations": [{"negative": "b"}]}', "continuations, row 1: the text 'positive'"),
        ("json", '{"pairs": [], "continuations": null}', "continuations: the pairs must be a list"),
        ("json", '{"name": " ", "pairs": []}', "needs a name"),
        ("jsonl", '{"positive": "a", "negative": "b"}\n{"positive": "a"', "mine is not valid JSONL"),
        ("jsonl", '{"positive": "a", "negative": "b"}\n\n{"positive": "a"}', "row 2: the text 'negative'"),
        ("csv", "a,b\n1,2\n", "row 1: the text 'positive' is missing"),
        ("csv", "positive,negative\na,b\nc\n", "row 2: the text 'negative' is missing"),
        ("xlsx", "", r"not from \.xlsx"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_row(layout: str, text: str, message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        parse_concept(text, layout, "mine")


def test_an_unknown_layout_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SteeringError, match=r"not as \.txt"):
        save_concept(concept(()), tmp_path / "mine.txt")
    assert not (tmp_path / "mine.txt").exists()


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SteeringError, match=r"'sentimant'\. Did you mean sentiment.*Bundled concepts: calmness"):
        load_concept("sentimant")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"positive,negative\n\xff\xfe,b\n")
    with pytest.raises(SteeringError, match=r"bad\.csv cannot be read as UTF-8"):
        load_concept(path)


# Concepts


def test_swapping_twice_is_nothing_and_once_exchanges_everything() -> None:
    one = concept(tuple(words(4)))
    other = one.swapped()
    assert other.swapped() == one
    assert (other.positive_label, other.negative_label) == (one.negative_label, one.positive_label)
    assert [(pair.positive, pair.negative) for pair in other.pairs] == [(p.negative, p.positive) for p in one.pairs]
    assert other.continuations == (ContrastPair("down", "up, up"),)


def test_the_digest_is_of_the_pairs_in_order_and_of_nothing_else() -> None:
    one = concept(tuple(words(4)))
    assert one.digest == Concept("another name", "a", "b", one.pairs).digest
    different = [one.pairs[::-1], one.pairs[:-1], one.swapped().pairs, (*one.pairs[:-1], ContrastPair("a", "b"))]
    assert len({one.digest, *(concept(pairs).digest for pairs in different)}) == 5


# Linter


def test_good_pairs_have_no_problem() -> None:
    assert lint(words(6)) == ()


@pytest.mark.parametrize(
    ("pair", "message", "serious"),
    [
        (ContrastPair("", "text"), "Pair 6: the positive side is empty", True),
        (ContrastPair("text", " \n"), "Pair 6: the negative side is empty", True),
        (ContrastPair("", "\t"), "Pair 6: both sides are empty", True),
        (ContrastPair("The same.", " The same.\n"), "Pair 6: both sides are equal", True),
        (words(3)[2], "Pair 6: is the same as pair 3", False),
        (ContrastPair(f" {words(3)[2].positive}", words(3)[2].negative), "Pair 6: is the same as pair 3", False),
        (ContrastPair("good \ud83d", "bad"), "Pair 6: the positive text holds half a character (U+D83D)", True),
        (ContrastPair("good", "bad <|im_end|>"), 'Pair 6: the negative text holds "<|im_end|>"', False),
        (ContrastPair("<s>good", "bad"), 'Pair 6: the positive text holds "<s>"', False),
        (ContrastPair("good<end_of_turn>", "bad"), 'Pair 6: the positive text holds "<end_of_turn>"', False),
        (ContrastPair("[INST] good", "bad"), 'Pair 6: the positive text holds "[INST]"', False),
        (ContrastPair("one two three four", "word"), "Pair 6: the sides have 1 and 4 words", False),
        (ContrastPair("one two", " ".join("abcdefg")), "Pair 6: the sides have 2 and 7 words", False),
    ],
)
def test_each_rule_names_the_row(pair: ContrastPair, message: str, serious: bool) -> None:
    (problem,) = lint([*words(5), pair])
    assert str(problem).startswith(message)
    assert problem.row == 6
    assert problem.serious is serious


@pytest.mark.parametrize(
    "text", ["a <b> or a <strong>", "<| and |>", "a|b", "f(x) < s > t", "[1]", "<|a pipe, with words|>"]
)
def test_what_only_looks_like_a_special_token_is_text(text: str) -> None:
    assert lint([*words(5), ContrastPair(text, f"{text} not")]) == ()


def test_three_times_as_long_is_still_allowed() -> None:
    assert lint([*words(5), ContrastPair("one two three", "word")]) == ()


def test_sides_of_different_length_in_most_pairs_are_told_once() -> None:
    pairs = [ContrastPair("one two three four", f"word{i}") for i in range(4)]
    (problem,) = lint([*words(3), *pairs])
    assert str(problem).startswith("In 4 of 7 pairs one side has more than 3 times the words")
    assert [problem.row for problem in lint([*pairs, *words(4)])] == [1, 2, 3, 4], "half of them are not most"


def test_openings_that_most_texts_share_are_told_once() -> None:
    pairs = [ContrastPair(f"I think that {i} is good", f"I think that {i} is bad") for i in range(3)] + words(2)
    (problem,) = lint(pairs)
    assert problem.row is None
    assert str(problem).startswith('6 of 10 texts open with "i think that"')
    assert lint(pairs[1:] + words(3)[2:]) == (), "4 of 10 are not most"


def test_too_few_usable_pairs_are_serious() -> None:
    (problem,) = lint(words(FEWEST_PAIRS - 1))
    assert problem.serious
    assert problem.row is None
    assert str(problem) == "There are 3 usable pairs; write at least 4."
    assert lint(words(FEWEST_PAIRS)) == ()
    assert "0 usable" in str(lint([])[-1])
    with_empty = lint([*words(FEWEST_PAIRS - 1), ContrastPair("", "")])
    assert [problem.row for problem in with_empty] == [FEWEST_PAIRS, None]


# Bundled concepts


def test_there_are_bundled_concepts_in_order() -> None:
    names = bundled_concepts()
    assert {"sentiment", "formality", "honesty"} <= set(names)
    assert list(names) == sorted(names)


@pytest.mark.parametrize("name", bundled_concepts())
def test_a_bundled_concept_is_clean(name: str) -> None:
    bundled = load_concept(name)
    assert bundled.name == name
    assert bundled.description.strip()
    assert bundled.positive_label.strip()
    assert bundled.negative_label.strip()
    assert bundled.positive_label != bundled.negative_label
    assert len(bundled.pairs) >= 24
    assert len(bundled.continuations) >= 8
    for pairs in (bundled.pairs, bundled.continuations):
        problems = lint(pairs)
        assert not [problem for problem in problems if problem.serious]
        if name == "conciseness":  # Saying the same in fewer words is what it is about.
            problems = tuple(problem for problem in problems if "words; the direction" not in problem.message)
        assert not problems


@pytest.mark.parametrize("name", bundled_concepts())
def test_what_a_concept_is_measured_on_is_not_what_it_is_extracted_from(name: str) -> None:
    bundled = load_concept(name)
    read = {text.strip().lower() for pair in bundled.pairs for text in (pair.positive, pair.negative)}
    held_out = {text.strip().lower() for pair in bundled.continuations for text in (pair.positive, pair.negative)}
    assert not read & held_out
    assert not [text for text in held_out if any(text in other for other in read)]


@pytest.mark.parametrize("name", bundled_concepts())
def test_a_bundled_concept_survives_its_own_layout(name: str) -> None:
    bundled = load_concept(name)
    assert parse_concept(format_concept(bundled, "json"), "json", "x") == bundled
    assert json.loads(format_concept(bundled, "json")).keys() >= {"name", "pairs", "continuations", "positive_label"}
