"""Measures the bundled ability with the bundled models, and writes it with texts at every λ.

`python -m steering.ui.state.make_ability` does what `python -m steering gain` does for the task, and keeps its answers as that
does: a second run takes seconds.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from steering.evaluation import Gain, gain, task_parts
from steering.models import LanguageModel, load_model
from steering.steer import Sampling, assess, generate, grid_json, next_tokens
from steering.storage import atomic
from steering.tasks import Style, plain_prompt, right_text
from steering.ui.state import profiles
from steering.ui.state.abilities import DATA, FOLDER, VECTOR
from steering.ui.state.settings import CHILD, LAMBDAS, PARENT
from steering.ui.state.strengths import Strengths
from steering.vectors import save_vector

TASK, METHOD = "word-forms:past-tense", "mean"

ARMS = ("baseline", "carried", "own", "random", "few-shot")
"""Arms that the page shows."""

SHOWN = 8
"""Unseen questions that the page shows, the first ones of the test part."""

_REACH = 1.5
"""Largest λ of the texts, in multiples of the chosen one, which is then one of their even steps."""


def main(folder: Path) -> None:
    """Measure the ability, and write its two files."""
    parent, child = load_model(PARENT), load_model(CHILD)
    measured = gain(parent, child, TASK, method=METHOD, resume=True, progress=_show)
    with atomic(folder / VECTOR) as file:
        save_vector(measured.vector, file)
    with atomic(folder / DATA) as file:
        file.write_text(json.dumps(ability(measured, child), ensure_ascii=False), "utf-8")
    print(measured.verdict)


def ability(measured: Gain, child: LanguageModel) -> dict[str, Any]:
    """What the page shows of a gain: its arms, and texts of the first unseen question that only the steered child answers.

    Args:
        measured: the gain.
        child: the model that was steered.
    """
    carried, steering = measured.arm("carried"), measured.arm("carried").steering
    assert steering is not None, "an arm that is steered has settings"
    _, test = task_parts(TASK, None, measured.seed)
    baseline = measured.arms[0]
    shown = _first_gained(baseline.correct, carried.correct)
    lam = float(carried.chosen["lam"])
    lambdas = Strengths(reach=_REACH * lam).grid("") if lam > 0 else LAMBDAS
    prompt = plain_prompt(test, test.items[shown], Style(plain=True))
    # As long as the right answer: the task reads no further, and what a push makes of later lines is no answer.
    answer = child.tokenizer(right_text(test, test.items[shown], Style(plain=True)), add_special_tokens=False)
    sampling = Sampling(max_new_tokens=len(answer["input_ids"]), repetition_penalty=1.0)
    grid = generate(child, prompt, measured.vector, lambdas, sampling=sampling, settings=steering, plain=True)
    grid = assess(child, grid)
    moves = next_tokens(child, grid.prompt_token_ids, measured.vector, lambdas, settings=steering)
    report = {arm["name"]: arm for arm in measured.as_json()["arms"]}
    answers = zip(test.items, baseline.column.answers, carried.column.answers, strict=True)
    return {
        "task": TASK,
        "command": f"python -m steering gain --parent {PARENT} --child {CHILD} --method {METHOD} --task {TASK}",
        "n": measured.n,
        "arms": {name: {"right": report[name]["accuracy"], **_interval(report[name])} for name in ARMS},
        "verdict": measured.verdict,
        "lam": lam,
        "fields": {
            "parent": PARENT,
            "child": CHILD,
            "scale": steering.scale,
            "profile": profiles.one_layer(carried.chosen["layer"], child.n_layers),
            "positions": steering.positions,
            "operator": steering.operator,
            "max_new_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "repetition_penalty": sampling.repetition_penalty,
            "chat": False,
            "system": "",
        },
        "question": test.items[shown].question,
        "answer": test.items[shown].answer,
        "items": [
            {
                "question": item.question,
                "answer": item.answer,
                "unsteered": plain.answer or plain.text.strip(),
                "steered": steered.answer or steered.text.strip(),
            }
            for item, plain, steered in list(answers)[:SHOWN]
        ],
        "grid": grid_json(grid),
        "moves": {str(each): [asdict(move) for move in row] for each, row in zip(lambdas, moves, strict=True)},
    }


def _interval(arm: dict[str, Any]) -> dict[str, float]:
    return {"low": arm["low"], "high": arm["high"]}


def _first_gained(baseline: Sequence[bool], carried: Sequence[bool]) -> int:
    """Place of the first question that the carried vector alone answers rightly; the first one where there is none."""
    gained = [
        place for place, (before, after) in enumerate(zip(baseline, carried, strict=True)) if after and not before
    ]
    return gained[0] if gained else 0


def _show(what: str, fraction: float) -> None:
    print(f"{fraction:4.0%} {what}", flush=True)


if __name__ == "__main__":
    main(Path(str(FOLDER)))
