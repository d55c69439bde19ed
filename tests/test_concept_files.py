"""Contrast pairs as people keep them: what is clear is read, with the poles the right way round; what is not is refused."""

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from test_tables import written
from test_tables_any import WRITERS

from steering.concepts import Concept, ContrastPair, load_concept, parse_concept, read_concept
from steering.concepts.reading import concept_of
from steering.errors import SteeringError
from steering.storage import parse_table

PAIRS = (
    ContrastPair("The meal was warm, and lovely.", "The meal was cold; and horrid."),
    ContrastPair("She smiled\u2028at the “news” 🙂.", "She wept\u0085at the 'news'."),
    ContrastPair("  Un café chaud — superbe ", "Un café froid\nse boit mal"),
    ContrastPair('They said "thank you".', "1"),
)
FIELD = Path(__file__).parents[2] / "shared" / "field"


def table(positive: str, negative: str, **more: list[str]) -> pandas.DataFrame:
    data = {negative: [pair.negative for pair in PAIRS], positive: [pair.positive for pair in PAIRS]}
    return pandas.DataFrame(data | more)


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": "Say something."}, {"role": "assistant", "content": text}]


# Known layouts


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("positive", "negative"),
        ("pos", "neg"),
        ("chosen", "rejected"),
        ("compliant_responses", "non_compliant_responses"),
        ("Positive", "NEGATIVE"),
        (" positive", " negative  "),
    ],
)
@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "xlsx"])
def test_a_layout_is_known_by_its_columns_in_every_format(
    tmp_path: Path, kind: str, positive: str, negative: str
) -> None:
    ending, write = WRITERS[kind]
    read = read_concept(written(tmp_path, f"mine.{ending}", write(table(positive, negative, id=list("abcd")))))
    assert read.concept == Concept("mine", "positive", "negative", PAIRS)
    assert f"Positive texts are in {positive!r}, negative texts in {negative!r}." in read.notes
    assert [note for note in read.notes if note.startswith("Not used: ") and "'id'" in note]


@pytest.mark.parametrize("labels", [(1, 0), ("1", "0"), (1.0, 0.0), (True, False), (1, -1), ("Positive", " negative")])
@pytest.mark.parametrize("flipped", [False, True])
def test_neighbours_with_labels_make_a_pair(labels: tuple[Any, Any], flipped: bool) -> None:
    rows = []
    for number, pair in enumerate(PAIRS):
        both = [{"text": pair.positive, "label": labels[0]}, {"text": pair.negative, "label": labels[1]}]
        rows += both[::-1] if flipped and number % 2 else both
    assert parse_concept(json.dumps(rows), "json", "t").pairs == PAIRS


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("110", "2 texts have the positive label in 'label' and 1 the negative one"),
        ("1100", "row 1: it and the row after it both have the label '1'.*line 2 of the file"),
        ("12", r"the labels in 'label' are '1', '2'.*--columns text=text,label=label,positive=1,negative=2"),
        (["happy", "sad"], "are 'happy', 'sad'.*positive=happy,negative=sad"),
        (["1", "0", "-1", "1"], "are '1', '0', '-1'"),
        (["1", ""], "are '1', ''"),
    ],
)
def test_labels_that_do_not_make_pairs_are_refused(labels: str | list[str], message: str) -> None:
    text = "text,label\n" + "".join(f"text {number},{label}\n" for number, label in enumerate(labels))
    with pytest.raises(SteeringError, match=message):
        parse_concept(text, "csv", "t")


@pytest.mark.parametrize(
    ("question", "matching", "other", "texts"),
    [
        ("Which?\n(A) x\n(B) y", "(A)", "(B)", ("Which?\n(A) x\n(B) y (A", "Which?\n(A) x\n(B) y (B")),
        ("Which?\n\nAnswer:", " (B)", " (A)", ("Which?\n\nAnswer: (B", "Which?\n\nAnswer: (A")),
        ("Is it?\n", "Yes", "No", ("Is it?\nYes", "Is it?\nNo")),
        ("Is it?", "(A) Yes", "(B)", ("Is it? (A) Yes", "Is it? (B)")),
    ],
)
def test_a_question_goes_with_each_of_its_answers(question: str, matching: str, other: str, texts: list[str]) -> None:
    row = {"question": question, "answer_matching_behavior": matching, "answer_not_matching_behavior": other}
    assert parse_concept(json.dumps([row]), "json", "t").pairs == (ContrastPair(*texts),)


def test_chat_messages_become_a_text_with_their_roles() -> None:
    row = {"chosen": messages("Gladly."), "rejected": [{"from": "gpt", "value": "No."}]}
    (pair,) = parse_concept(json.dumps([row]), "json", "t").pairs
    assert pair == ContrastPair("user: Say something.\nassistant: Gladly.", "gpt: No.")


def test_rows_of_instructions_under_a_key_are_pairs() -> None:
    rows = [{"pos": f"Be kind, {number}.", "neg": f"Be cruel, {number}."} for number in range(3)]
    data = {"instruction": rows, "questions": ["Why?", "How?"], "eval_prompt": "Judge it."}
    text = json.dumps(data)
    assert parse_concept(text, "json", "t").pairs[2] == ContrastPair("Be kind, 2.", "Be cruel, 2.")


def test_two_lists_side_by_side_are_pairs_and_the_poles_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, "mood.json", json.dumps({"merry": ["a", "b"], "gloomy": ["c", "d"]}))
    read = read_concept(path)
    assert read.concept == Concept("mood", "merry", "gloomy", (ContrastPair("a", "c"), ContrastPair("b", "d")))
    assert "The first list, 'merry', was taken as positive" in read.notes[0]
    assert "--columns positive=gloomy,negative=merry" in read.notes[0]
    other = load_concept(path, columns={"positive": "gloomy", "negative": "merry"})
    assert other == read.concept.swapped()


@pytest.mark.parametrize(
    ("first", "second"), [("dishonest", "honest"), ("non_compliant", "compliant"), ("negative", "positive")]
)
def test_a_list_whose_name_negates_the_other_is_negative(first: str, second: str) -> None:
    assert parse_concept(json.dumps({first: ["a"], second: ["b"]}), "json", "t").pairs == (ContrastPair("b", "a"),)


@pytest.mark.parametrize("lists", [{"prompts": ["a"], "answers": ["b"]}, {"text": ["a"], "labels": ["b"]}])
def test_two_lists_that_are_no_poles_are_refused(lists: dict[str, list[str]]) -> None:
    with pytest.raises(SteeringError, match="the text 'positive' is missing"):
        parse_concept(json.dumps(lists), "json", "t")


def test_every_prompt_goes_with_every_pair_of_answers() -> None:
    data = {
        "prompts": ["Do it.", "Go on. ", "So?"],
        "compliant_responses": ["Yes", "Sure"],
        "non_compliant_responses": ["No", "Never"],
    }
    pairs = parse_concept(json.dumps(data), "json", "t").pairs
    assert len(pairs) == 6
    assert pairs[:3] == (
        ContrastPair("Do it. Yes", "Do it. No"),
        ContrastPair("Do it. Sure", "Do it. Never"),
        ContrastPair("Go on. Yes", "Go on. No"),
    )


def test_prompts_as_many_as_answers_are_asked_about() -> None:
    text = json.dumps({"prompts": ["p", "q"], "positive": ["a", "b"], "negative": ["c", "d"]})
    poles = {"positive": "positive", "negative": "negative"}
    with pytest.raises(SteeringError, match=r"of one length.*--columns prompts=prompts,positive=positive"):
        parse_concept(text, "json", "t")
    assert len(parse_concept(text, "json", "t", columns=poles).pairs) == 2
    assert len(parse_concept(text, "json", "t", columns={**poles, "prompts": "prompts"}).pairs) == 4


def test_a_column_without_a_name_is_told() -> None:
    table = pandas.DataFrame([{"positive": "a", "negative": "b"}])
    read = concept_of(parse_table(table.to_csv(), "csv", "t"), "t")
    assert read.concept.pairs == (ContrastPair("a", "b"),)
    assert read.notes[-1] == "Not used: a column without a name."


# Columns that a person names


def test_named_columns_settle_what_no_layout_knows(tmp_path: Path) -> None:
    text = "id,creative,mundane\n1,a,b\n2,c,d\n"
    path = written(tmp_path, "mine.csv", text)
    with pytest.raises(SteeringError, match=r"Columns: 'id', 'creative', 'mundane'\. Wanted: .*--columns positive="):
        load_concept(path)
    expected = Concept("mine", "creative", "mundane", (ContrastPair("a", "b"), ContrastPair("c", "d")))
    assert load_concept(path, columns={"positive": "Creative", "negative": " mundane"}).pairs == expected.pairs
    assert load_concept(path, columns={"positive": "creative", "negative": "mundane"}) == expected
    assert parse_concept(text, "csv", "mine", columns={"positive": "creative", "negative": "mundane"}) == expected


def test_named_columns_go_before_known_ones() -> None:
    text = '[{"chosen": "a", "rejected": "b", "pos": "c", "neg": "d"}]'
    with pytest.raises(SteeringError, match="several ways: pos and neg; chosen and rejected"):
        parse_concept(text, "json", "t")
    assert parse_concept(text, "json", "t", columns={"positive": "pos", "negative": "rejected"}).pairs == (
        ContrastPair("c", "b"),
    )
    own = '{"pairs": [{"positive": "a", "negative": "b", "other": "c"}]}'
    assert parse_concept(own, "json", "t", columns={"negative": "other"}).pairs == (ContrastPair("a", "c"),)


def test_named_labels_settle_which_is_positive() -> None:
    text = "Satz,mood\na,sad\nb,happy\n"
    columns = {"text": "Satz", "label": "mood", "positive": "happy", "negative": "sad"}
    assert parse_concept(text, "csv", "t", columns=columns).pairs == (ContrastPair("b", "a"),)


def test_a_key_with_rows_can_be_named() -> None:
    rows = [{"positive": "a", "negative": "b"}]
    text = json.dumps({"train": rows, "test": rows * 2})
    assert len(parse_concept(text, "json", "t", columns={"rows": "test"}).pairs) == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"positive": "good"}, "t has no one column 'good'. Its columns: 'a', 'b'"),
        ({"positive": "a"}, "positive=a names no whole layout"),
        ({"better": "a", "worse": "b"}, "it may say .*label, neg, negative, .*prompts, "),
        ({"positive": "a", "negative": "a"}, "names no whole layout"),
    ],
)
def test_columns_that_do_not_settle_it_are_refused(columns: dict[str, str], message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        parse_concept("a,b\nx,y\n", "csv", "t", columns=columns)


def test_a_bundled_concept_has_no_columns_to_choose() -> None:
    with pytest.raises(SteeringError, match="sentiment is a bundled concept"):
        load_concept("sentiment", columns={"positive": "a"})
