"""A conversation held twice: each side remembers its own answers, and λ = 0 is the child as it is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from steering.errors import SteeringError
from steering.models import LanguageModel
from steering.models.chat import chat_text, transcript
from steering.steer import Sampling, Turn, converse, generate
from steering.vectors import SteeringVector

SHORT = Sampling(max_new_tokens=6)
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def last(child: LanguageModel, vector: SteeringVector, earlier: list[Turn], lam: float) -> Turn:
    return [*converse(child, vector, earlier, "And then?", lam, sampling=SHORT)][-1]


def test_the_first_turn_is_what_a_grid_writes(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    vector = vector_for(llama)
    turn = last(llama, vector, [], 0.8)
    rows = generate(llama, "And then?", vector, [0.0, 0.8], sampling=SHORT).rows
    assert (turn.baseline, turn.steered) == (rows[0].text, rows[1].text)
    assert all(turn.ended)


def test_without_steering_both_sides_say_the_same_and_each_remembers_its_own(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector]
) -> None:
    vector = vector_for(llama)
    told = [Turn("Hello", "one thing", "one thing", 0.8)]
    same = last(llama, vector, told, 0.0)
    assert same.baseline == same.steered
    other = last(llama, vector, [replace(told[0], steered="another thing entirely")], 0.0)
    assert other.baseline == same.baseline
    assert other.steered != same.steered
    assert last(llama, vector, told, 0.8).baseline == same.baseline, "λ may change between turns"


def test_a_conversation_that_is_too_long_is_refused(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(llama), "context", property(lambda _self: 40))
    with pytest.raises(SteeringError, match="The conversation has"):
        last(llama, vector_for(llama), [Turn("Hello", "word " * 40, "word", 0.3)], 0.3)


def test_earlier_turns_stand_in_the_template_and_the_system_prompt_before_them(llama: LanguageModel) -> None:
    tokenizer = llama.tokenizer
    before = tokenizer.chat_template
    tokenizer.chat_template = TEMPLATE
    try:
        told = chat_text(tokenizer, "Now?", "Be brief.", earlier=[("Hi", "Hello")])
        assert told == "<system>Be brief.\n<user>Hi\n<assistant>Hello\n<user>Now?\n<assistant>"
        tokenizer.chat_template = TEMPLATE.replace("<{{", "{{ raise_exception('no') if m['role'] == 'system' }}<{{")
        assert chat_text(tokenizer, "Now?", "Be brief.", earlier=[("Hi", "Hello")]).startswith(
            "<user>Be brief.\n\nHi\n"
        )
    finally:
        tokenizer.chat_template = before


def test_a_base_model_reads_a_transcript() -> None:
    assert transcript("Now?", "", []) == "Now?"
    assert transcript("Now?", "Be brief.", [("Hi", "Hello")]) == (
        "Be brief.\n\nUser: Hi\nAssistant: Hello\n\nUser: Now?\nAssistant:"
    )
