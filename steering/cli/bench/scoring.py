"""Time of a λ grid over a task relative to the same questions unsteered; every row writes the same number of tokens.

Nothing else should run meanwhile. Two references are timed, because they answer different questions: one by one is the
time without batching, and in batches is the time of this package without steering.
"""

import time
from collections.abc import Callable, Sequence

import torch

from steering.errors import Progress, silent
from steering.evaluation import score
from steering.models import LanguageModel, plain_model
from steering.steer import Intervention, Sampling, plan
from steering.tasks import Style, Task, requests
from steering.vectors import SteeringVector


def bench_scoring(
    child: LanguageModel,
    vector: SteeringVector,
    task: Task,
    lambdas: Sequence[float],
    max_new_tokens: int = 48,
    repeats: int = 1,
    *,
    progress: Progress = silent,
) -> dict[str, float]:
    """Time a λ grid and its two references, in turn.

    Args:
        child: the model that answers.
        vector: a vector in its space.
        task: the questions.
        lambdas: the grid.
        max_new_tokens: every row writes exactly so many tokens.
        repeats: how often each arm is timed; the fastest time counts.
        progress: told what is being timed.

    Returns:
        Seconds and ratios by name.
    """
    task_requests = requests(child, task, Style(mode="generate"))
    sampling = Sampling(max_new_tokens=max_new_tokens, stop=False)
    intervention = plan(child, vector)
    # Without the fields that end an answer early, all arms write the same number of tokens.
    questions = [type(request)(request.item, request.text, request.ids) for request in task_requests]

    plain = plain_model(child)

    def run(strengths: Sequence[float], steering: Intervention | None) -> None:
        jobs = [(place, lam) for place in range(len(questions)) for lam in strengths]
        for _ in score(child, questions, jobs, steering, sampling):
            pass

    def one_by_one() -> None:
        for place in range(len(questions)):
            for _ in score(child, questions, [(place, 0.0)], None, sampling):
                pass

    def generate() -> None:
        for request in questions:
            ids = torch.tensor([request.ids], device=child.device)
            plain.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=max_new_tokens,
                min_new_tokens=max_new_tokens,
            )

    arms: dict[str, Callable[[], None]] = {
        "grid_s": lambda: run(lambdas, intervention),
        "one_by_one_transformers_s": generate,
        "one_by_one_s": one_by_one,
        "batched_s": lambda: run([0.0], None),
    }
    best = dict.fromkeys(arms, float("inf"))
    for repeat in range(repeats):
        for place, (name, arm) in enumerate(arms.items()):
            progress(f"Timing {name.removesuffix('_s')}", (repeat + place / len(arms)) / repeats)
            started = time.perf_counter()
            arm()
            best[name] = min(best[name], time.perf_counter() - started)
    grid = best["grid_s"]
    return {
        "questions": float(len(questions)),
        "lambdas": float(len(lambdas)),
        "threads": float(torch.get_num_threads()),
        **best,
        "grid_over_one_by_one_transformers": grid / best["one_by_one_transformers_s"],
        "grid_over_one_by_one": grid / best["one_by_one_s"],
        "grid_over_batched": grid / best["batched_s"],
    }
