"""The unsteered child's accuracy is what a few lines of plain transformers give, item by item."""

import json
import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steering.errors import silent
from steering.evaluation.evaluation import Evaluation, evaluate
from steering.evaluation.scorer import Setup
from steering.models.bundled import CATALOGUE, bundled_folder
from steering.models.language_model import LanguageModel
from steering.models.loading import load_model
from steering.tasks.prompting import Style
from steering.tasks.task import load_task
from steering.vectors.vector import SteeringVector

pytestmark = pytest.mark.real

NAME = "smollm2-135m-instruct"
MEASURING = Path(__file__).parents[2] / "shared" / "data"
"""Data for measuring, beside the checkout; a user of the product has none."""
WEIGHED = 8
WRITTEN = 4
NEW_TOKENS = 60


@pytest.fixture(scope="module")
def child() -> LanguageModel:
    return load_model(NAME, dtype="float32")


@pytest.fixture(scope="module")
def plain() -> tuple[torch.nn.Module, object]:
    folder = bundled_folder(CATALOGUE[NAME], silent)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def shared(name: str) -> str:
    path = MEASURING / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"there is no {path}: data for measuring is not part of the product")
    return str(path)


def unsteered(child: LanguageModel, task: str, limit: int, store: Path, **settings: object) -> Evaluation:
    nothing = SteeringVector(
        torch.zeros(child.n_layers, child.d_model), child.fingerprint, NAME, "nothing", ("more", "less"), "none"
    )
    setup = Setup(max_new_tokens=NEW_TOKENS, **settings)  # type: ignore[arg-type]
    return evaluate(child, nothing, task, [0.0], limit=limit, setup=setup, store=store)


def check_choices(child: LanguageModel, plain: tuple[torch.nn.Module, object], task: str, store: Path) -> None:
    found = unsteered(child, task, WEIGHED, store).baseline
    model, tokenizer = plain
    chosen, likeliest = [], []
    for item in load_task(task, limit=WEIGHED).items:
        sums = []
        for choice in item.choices:
            head = tokenizer(f"Question: {item.question}\nAnswer:")["input_ids"]
            ids = tokenizer(f"Question: {item.question}\nAnswer: {choice}", return_tensors="pt")["input_ids"]
            with torch.no_grad():
                scores = torch.log_softmax(model(ids).logits[0, :-1], dim=-1)
            sums.append(sum(scores[place - 1, ids[0, place]].item() for place in range(len(head), ids.shape[1])))
        per_character = [total / len(choice) for total, choice in zip(sums, item.choices, strict=True)]
        chosen.append("ABCDE"[per_character.index(max(per_character))])
        likeliest.append("ABCDE"[sums.index(max(sums))])
    assert [answer.answer for answer in found.answers] == chosen
    assert [answer.likeliest for answer in found.answers] == likeliest
    assert found.correct == tuple(
        item.answer == letter for item, letter in zip(load_task(task, limit=WEIGHED).items, chosen, strict=True)
    )


def test_weighed_choices_of_the_bundled_questions(child: LanguageModel, plain, tmp_path: Path) -> None:
    check_choices(child, plain, "questions", tmp_path / "rows.sqlite")


def test_weighed_choices_of_openbookqa(child: LanguageModel, plain, tmp_path: Path) -> None:
    check_choices(child, plain, shared("openbookqa"), tmp_path / "rows.sqlite")


def written(plain: tuple[torch.nn.Module, object], prompt: str) -> str:
    model, tokenizer = plain
    turn = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS)
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


def test_written_answers_to_svamp(child: LanguageModel, plain, tmp_path: Path) -> None:
    task = shared("svamp")
    found = unsteered(child, task, WRITTEN, tmp_path / "rows.sqlite").baseline
    asked = "Work it out step by step, then write the final number behind ####."
    for item, answer in zip(load_task(task, limit=WRITTEN).items, found.answers, strict=True):
        text = written(plain, f"{item.question}\n\n{asked}")
        assert answer.text == text
        numbers = re.findall(r"-?\d+(?:\.\d+)?", text.split("####")[1] if "####" in text else text)
        simple = bool(numbers) and float(numbers[0 if "####" in text else -1]) == float(item.answer)
        assert (answer.outcome == "right") == simple, text


def test_written_answers_to_the_bundled_questions(child: LanguageModel, plain, tmp_path: Path) -> None:
    found = unsteered(child, "questions", WRITTEN, tmp_path / "rows.sqlite", style=Style(mode="generate")).baseline
    for item, answer in zip(load_task("questions", limit=WRITTEN).items, found.answers, strict=True):
        lines = [f"{letter}. {choice}" for letter, choice in zip("ABCD", item.choices, strict=True)]
        text = written(plain, "\n".join([item.question, *lines]) + "\n\nAnswer with the letter of the right choice.")
        assert answer.text == text
        letters = re.findall(r"\b([A-D])\b", text)
        if len(set(letters)) == 1:  # More than one letter must be understood; that is tested on its own.
            assert answer.answer == letters[0]


def test_zeros_through_the_whole_engine_change_nothing(child: LanguageModel, tmp_path: Path) -> None:
    nothing = SteeringVector(
        torch.zeros(child.n_layers, child.d_model), child.fingerprint, NAME, "nothing", ("more", "less"), "none"
    )
    found = evaluate(child, nothing, "questions", [-0.3, 0.0, 0.3], limit=4, store=tmp_path / "rows.sqlite")
    assert all(column.answers == found.baseline.answers for column in found.columns)
    json.dumps(found.as_json(), allow_nan=False)
