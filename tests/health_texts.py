"""Writes tests/data/health_texts.jsonl: texts of both bundled models, from λ = 0 to far too strong, with their measures.

`PYTHONPATH=.:tests python -m health_texts` writes the texts again, unfiltered, with both models as the child. Labels are a
reader's, made from the text alone, and stay with every text that comes out the same.
"""

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from steering import Grid, LanguageModel, SteeringVector, assess, extract, generate, load_concept, load_model, transfer
from steering.concepts import bundled_concepts
from steering.measure import neutral_prompts
from steering.models import anchor_texts, continuation_logits, scoring_batches
from steering.steer import Sampling, dominant, perplexities, plan, repeated, steer
from steering.storage import atomic
from steering.ui.state.presets import PROMPTS

FILE = Path(__file__).parent / "data" / "health_texts.jsonl"

GEMMA, SMOLLM = "gemma-3-270m", "smollm2-135m-instruct"

STRENGTHS = {SMOLLM: (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.2), GEMMA: (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.8)}
"""By child: of both signs in turn, from what hardly shows to what leaves few sentences whole."""

STRONG = {SMOLLM: (0.7, 1.0, 1.4, 2.0), GEMMA: (0.25, 0.35, 0.5, 0.6)}
"""Of four concepts once more, behind neutral prompts and sampled: else few texts were broken."""

TOKENS = (24, 32, 40, 48)
"""Most new tokens of a grid's texts, in turn."""


@dataclass(frozen=True)
class Order:
    """What one grid is written with."""

    child: str
    concept: str
    prompt: str
    lambdas: tuple[float, ...]
    sampling: Sampling


def orders() -> Iterator[Order]:
    """Every concept with either child; every other grid is sampled, and Gemma, a base model, also continues neutral texts."""
    neutral = neutral_prompts()
    for number, concept in enumerate(bundled_concepts()):
        for child in (GEMMA, SMOLLM):
            prompt = neutral[number % len(neutral)] if child == GEMMA and number % 2 else PROMPTS[concept]
            sampling = Sampling(TOKENS[number % len(TOKENS)], temperature=0.8 if number // 2 % 2 else 0.0, seed=number)
            yield Order(child, concept, prompt, _both_ways(STRENGTHS[child], number), sampling)
    for number, concept in enumerate(bundled_concepts()[:8:2]):
        for child in (GEMMA, SMOLLM):
            sampling = Sampling(TOKENS[number % len(TOKENS)], temperature=0.8, seed=100 + number)
            yield Order(child, concept, neutral[number % len(neutral)], _both_ways(STRONG[child], number), sampling)


def _both_ways(strengths: Sequence[float], first: int) -> tuple[float, ...]:
    """0, and the strengths with signs in turn."""
    return (0.0, *((-1) ** (place + first) * lam for place, lam in enumerate(strengths)))


def divergence(child: LanguageModel, grid: Grid, vector: SteeringVector) -> list[float]:
    """KL(steered ‖ unsteered) of the next token, the mean over a text's tokens, in nats; one number a text."""
    start = len(grid.prompt_token_ids)
    rows = [[*grid.prompt_token_ids, *row.token_ids] for row in grid.rows]
    intervention, found = plan(child, vector), [0.0] * len(rows)
    for members in scoring_batches(child, rows, [start] * len(rows)):
        batch, starts = [rows[member] for member in members], [start] * len(members)
        with torch.inference_mode():
            plain = [logits.log_softmax(dim=-1) for logits in continuation_logits(child, batch, starts)]
            strengths = [grid.rows[member].lam for member in members]
            with steer(child, intervention, strengths, prompt_length=start):
                steered = [logits.log_softmax(dim=-1) for logits in continuation_logits(child, batch, starts)]
        for member, before, after in zip(members, plain, steered, strict=True):
            found[member] = (after.exp() * (after - before)).sum(dim=-1).mean().item()
    return found


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text.lower())


def known_words() -> frozenset[str]:
    """The words of the bundled anchor texts and of the bundled concepts' texts."""
    pairs = [pair for name in bundled_concepts() for pair in load_concept(name).pairs]
    texts = [*anchor_texts(), *(text for pair in pairs for text in (pair.positive, pair.negative))]
    return frozenset(word for text in texts for word in words(text))


def compression(text: str) -> float:
    """Length of a text packed by zlib over its own length, both in bytes."""
    raw = text.encode()
    return len(zlib.compress(raw, 9)) / len(raw)


def measured(order: Order, models: dict[str, LanguageModel], known: frozenset[str]) -> Iterator[dict[str, Any]]:
    """The texts of a grid with their measures; those at λ = 0 are the reference of the others."""
    child = models[order.child]
    (other,) = (model for model in models.values() if model is not child)
    vector = transfer(extract(other, load_concept(order.concept)), other, child)
    grid = assess(child, generate(child, order.prompt, vector, order.lambdas, sampling=order.sampling))
    start = other.prompt_ids(order.prompt)
    texts = [other.token_ids(row.text)[len(other.token_ids("")) :] for row in grid.rows]
    others = perplexities(other, start, texts)
    divergences = divergence(child, grid, vector)
    for row, others_perplexity, kl in zip(grid.rows, others, divergences, strict=True):
        found = words(row.text)
        yield {
            "child": order.child,
            "concept": order.concept,
            "prompt": order.prompt,
            "lam": row.lam,
            "temperature": order.sampling.temperature,
            "text": row.text,
            "token_ids": list(row.token_ids),
            "n_tokens": len(row.token_ids),
            "repeated": round(repeated(row.token_ids), 4),
            "dominant": round(dominant(row.token_ids), 4),
            "perplexity": _short(row.health.perplexity),
            "baseline_perplexity": _short(grid.at(0).health.perplexity),
            "other_perplexity": _short(others_perplexity),
            "kl": _short(kl),
            "unknown_words": round(sum(word not in known for word in found) / len(found), 4) if found else 1.0,
            "compression": round(compression(row.text), 4),
        }


def read() -> list[dict[str, Any]]:
    """The texts, their measures and labels."""
    return [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Put rows in place of what the file holds."""
    with atomic(FILE) as file:
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.5g}")


def main() -> None:
    """Write all texts again; a label stays where its text did."""
    labels = {(row["child"], row["text"]): row["label"] for row in read()} if FILE.exists() else {}
    models, known = {name: load_model(name, dtype="float32") for name in (GEMMA, SMOLLM)}, known_words()
    rows: list[dict[str, Any]] = []
    for order in orders():
        found = [row for row in measured(order, models, known) if row["text"].strip()]
        rows += [{**row, "label": labels.get((row["child"], row["text"]))} for row in found]
        print(f"{order.concept:13} {order.child:22} {len(rows)} texts", flush=True)
        write(rows)


if __name__ == "__main__":
    main()
