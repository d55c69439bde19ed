"""Drafts of concepts: edits and their undo history, pasted pairs, and new concepts."""

import pytest

from steering.concepts.concept import ContrastPair
from steering.concepts.files import load_concept, parse_concept
from steering.errors import SteeringError
from steering.ui.state.drafts import Draft, new_draft
from steering.ui.state.pasted import read_pairs, read_pasted


def test_edits_can_be_undone_one_by_one() -> None:
    original = load_concept("sentiment")
    start = Draft(original, original)
    edited = start.with_rows([["a", "b"]]).with_empty_pair().with_labels("up", "down")
    assert edited.modified
    assert edited.undone().undone().concept.pairs[0].positive == "a"
    assert edited.undone().undone().undone() == start
    assert start.undone() is start


def test_the_same_edit_twice_is_one_edit() -> None:
    original = load_concept("sentiment")
    start = Draft(original, original)
    assert start.with_rows(start.rows) is start
    once = start.with_rows([["a", "b"]])
    assert once.with_rows([["a", "b"]]) is once


def test_a_reset_can_be_undone() -> None:
    original = load_concept("sentiment")
    edited = Draft(original, original).without(0)
    assert not edited.reset().modified
    assert edited.reset().undone().concept == edited.concept
    assert edited.without(99) is edited


def test_an_uploaded_file_brings_pairs_and_json_brings_labels() -> None:
    original = load_concept("sentiment")
    draft = Draft(original, original)
    assert len(draft.with_concept(parse_concept("positive,negative\na,b\n", "csv", "mine")).concept.pairs) == 1
    json_file = '{"positive_label": "hot", "negative_label": "cold", "pairs": [{"positive": "a", "negative": "b"}]}'
    assert draft.with_concept(parse_concept(json_file, "json", "mine")).concept.positive_label == "hot"
    unlabelled = draft.with_concept(parse_concept("positive,negative\na,b\n", "csv", "mine")).concept
    assert (unlabelled.positive_label, unlabelled.negative_label) == ("happy", original.negative_label)


def test_a_line_separator_stays_inside_a_pasted_text() -> None:
    assert read_pairs("a\u2028b | c\u0085d\r\ne | f\rg | h") == (
        ContrastPair("a\u2028b", "c\u0085d"),
        ContrastPair("e", "f"),
        ContrastPair("g", "h"),
    )


def test_pasted_lines_are_pairs_apart_by_a_tab_or_a_bar() -> None:
    pasted = "Positive\tNegative\n\nup we go\tdown we go\n a joy | a pity \r\nyes|no | no|yes\n"
    assert read_pairs(pasted) == (
        ContrastPair("up we go", "down we go"), ContrastPair("a joy", "a pity"), ContrastPair("yes|no", "no|yes"),
    )  # fmt: skip
    assert read_pairs("  \n") == ()


@pytest.mark.parametrize(
    ("line", "holds"), [("alone", "1 text "), ("a | b | c", "3 texts"), ("a\t", "1 text "), ("a\tb\tc", "3 texts")]
)
def test_a_line_without_two_texts_is_named(line: str, holds: str) -> None:
    with pytest.raises(SteeringError, match=f"Line 2 holds {holds}"):
        read_pairs(f"up | down\n{line}")


def test_pasted_pairs_take_the_place_of_empty_rows_and_can_be_undone() -> None:
    draft = new_draft("mine", None, ())
    assert draft.rows == [["", ""]]
    more = draft.with_pairs(read_pairs("a | b\nc | d"))
    assert more.rows == [["a", "b"], ["c", "d"]]
    assert more.undone() == draft
    assert draft.with_pairs(()) is draft


def test_a_new_concept_gets_a_name_that_is_free() -> None:
    assert new_draft("  my   concept ", None, ("sentiment",)).concept.name == "my concept"
    assert new_draft("sentiment", None, ("sentiment", "sentiment 2")).concept.name == "sentiment 3"


def test_a_label_is_one_edit_however_many_letters_it_has() -> None:
    original = load_concept("sentiment")
    start = Draft(original, original)
    typed = start
    for letters in ("g", "gl", "gloomy"):
        typed = typed.with_labels(original.positive_label, letters)
    assert typed.concept.negative_label == "gloomy"
    assert typed.undone() == start
    again = typed.typed().with_labels(original.positive_label, "gloomier")
    assert again.undone().concept == typed.concept, "a field that was left begins another edit"
    both = typed.with_labels("glad", "gloomy")
    assert both.undone().concept == typed.concept, "the other label is another edit"
    assert typed.with_labels(original.positive_label, original.negative_label) == start, "typed back, nothing is left"


JSON = '{"positive_label": "hot", "negative_label": "cold", "pairs": [{"positive": "a, b", "negative": "c"}]}'


@pytest.mark.parametrize(
    "pasted",
    [
        'positive,negative\n"a, b",c\n',
        'positive;negative\n"a, b";c\n',
        "chosen\trejected\na, b\tc\n",
        JSON,
        '[{"positive": "a, b", "negative": "c"}]',
        '{"positive": "a, b", "negative": "c"}\n',
        "a, b\tc",
        "a, b | c",
    ],
)
def test_pasting_reads_what_uploading_reads(pasted: str) -> None:
    read = read_pasted(pasted)
    assert read is not None
    assert read.concept.pairs == (ContrastPair("a, b", "c"),)
    assert (read.concept.positive_label == "hot") == (pasted == JSON)


@pytest.mark.parametrize(("pasted", "words"), [("one,two\na,b\n", "'one'"), ("{", "JSON"), ("a | b\nc", "Line 2")])
def test_what_cannot_be_pasted_is_named(pasted: str, words: str) -> None:
    with pytest.raises(SteeringError, match=words):
        read_pasted(pasted)
    assert read_pasted(" \n") is None
