"""Models in chat: a system prompt is never lost, and thinking is off where a template can switch it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import fields
from tiny import CHAT_TEMPLATE, byte_tokenizer, save_tiny, tiny_model
from transformers import PreTrainedTokenizerBase

from steering.cli import main
from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.models import LanguageModel
from steering.models.chat import chat_text, with_system
from steering.steer import generate
from steering.ui.state.settings import EARLIER, FIELDS, Settings
from steering.ui.tabs.export.files import validated_fields
from steering.ui.tabs.export.script import python_script
from steering.ui.tabs.steer.handlers import _generation
from steering.vectors import SteeringVector

USER = "{% for m in messages if m['role'] == 'user' %}<user>{{ m['content'] }}</user>{% endfor %}"
TEMPLATES = {
    "a system role": CHAT_TEMPLATE,
    "a refused system role": "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + USER,
    "a system role that is left out": USER,
    "a system role in the first turn": (
        "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] | trim + '\n\n' %}"
        "{% set messages = messages[1:] %}{% endif %}<user>{{ first }}{{ messages[0]['content'] }}</user>"
    ),
}
SYSTEM, PROMPT = "Answer in rhymes.", "Describe the weather."
THINKING = USER + "<assistant>{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"


def tokenizer_with(template: str) -> PreTrainedTokenizerBase:
    tokenizer = copy.deepcopy(byte_tokenizer(chat=True))
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_system_prompt_stands_once_before_the_prompt(kind: str) -> None:
    text = chat_text(tokenizer_with(TEMPLATES[kind]), PROMPT, f"  {SYSTEM}\n")
    assert text.count(SYSTEM) == text.count(PROMPT) == 1
    assert text.index(SYSTEM) < text.index(PROMPT)
    if kind == "a system role":
        assert f"<system>{SYSTEM}" in text
    else:
        assert f"<user>{SYSTEM}\n\n{PROMPT}</user>" in text


@pytest.mark.parametrize("kind", TEMPLATES)
def test_without_a_system_prompt_nothing_changes(kind: str) -> None:
    tokenizer = tokenizer_with(TEMPLATES[kind])
    plain = tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], tokenize=False, add_generation_prompt=True
    )
    assert chat_text(tokenizer, PROMPT) == chat_text(tokenizer, PROMPT, " \n ") == plain


def test_without_a_template_it_stands_before_the_prompt(llama: LanguageModel) -> None:
    expected = llama.token_ids(f"{SYSTEM}\n\n{PROMPT}")
    assert llama.prompt_ids(PROMPT, system=SYSTEM) == llama.prompt_ids(PROMPT, plain=True, system=SYSTEM) == expected
    assert with_system(PROMPT, "") == PROMPT


def test_thinking_is_off_where_a_template_can_switch_it() -> None:
    tokenizer = tokenizer_with(THINKING)
    assert chat_text(tokenizer, PROMPT).endswith("<think></think>")
    assert chat_text(tokenizer, PROMPT, thinking=True).endswith("<assistant>")
    other = tokenizer_with(USER)
    assert chat_text(other, PROMPT) == chat_text(other, PROMPT, thinking=True)


def test_a_template_that_fails_is_a_sentence() -> None:
    broken = tokenizer_with("{{ raise_exception('only in pairs') }}")
    with pytest.raises(SteeringError, match=r"cannot be filled in: only in pairs.*--plain"):
        chat_text(broken, PROMPT, SYSTEM)


def test_a_system_prompt_reaches_the_texts_and_their_provenance(vector_for: Callable[..., SteeringVector]) -> None:
    tokenizer = tokenizer_with(CHAT_TEMPLATE)
    child = LanguageModel(tiny_model("llama", tokenizer=tokenizer), tokenizer, "chat")
    vector = vector_for(child)
    grid = generate(child, PROMPT, vector, [0.0], max_new_tokens=3, system=SYSTEM)
    assert SYSTEM in tokenizer.decode(grid.prompt_token_ids)
    assert grid.provenance["system"] == SYSTEM
    assert "system" not in generate(child, PROMPT, vector, [0.0], max_new_tokens=3).provenance


def test_the_command_line_takes_a_system_prompt(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tokenizer = tokenizer_with(THINKING)
    folder = str(save_tiny(tmp_path / "child", "llama", tokenizer=tokenizer))
    words = ["generate", "--child", folder, "--parent", folder, "--concept", "sentiment", "--prompt", PROMPT]
    read = {}
    for more in ((), ("--thinking",)):
        with pytest.raises(SystemExit):
            main([*words, "--system", SYSTEM, "--lambdas", "0", "--max-new-tokens", "2", "--json", *more])
        read[more] = tokenizer.decode(json.loads(capsys.readouterr().out)["prompt_token_ids"])
    assert all(f"{SYSTEM}\n\n{PROMPT}" in text for text in read.values())
    assert read[()].endswith("<think></think>")
    assert not read[("--thinking",)].endswith("<think></think>")


def test_the_page_has_a_system_prompt() -> None:
    settings, without = Settings.read(*fields(system=f" {SYSTEM} ")), Settings.read(*fields())
    assert (settings.system, without.system) == (SYSTEM, "")
    assert _generation(settings)["system"] == SYSTEM
    concept = load_concept("sentiment")
    assert settings.grid_key(concept, PROMPT) != without.grid_key(concept, PROMPT)
    assert f"system={SYSTEM!r}" in python_script(settings, concept, PROMPT)
    assert "system" not in python_script(without, concept, PROMPT)


def test_a_session_of_an_earlier_version_has_no_system_prompt() -> None:
    saved = dict(zip(FIELDS, fields(), strict=True))
    del saved["system"]
    assert validated_fields({**EARLIER, **saved}, {})["system"] == ""
