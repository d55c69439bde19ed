"""What a study will take, told before it begins: cells, time, disk and memory, without a model and without the network.

The time of a cell that was run in the folder is taken from there. Otherwise it is the arithmetic of the forward passes, at the
speed that a measured cell reached.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from steering.errors import SteeringError
from steering.evaluation import GRIDS, NEW_TOKENS, RANDOM_SEEDS
from steering.formatting import duration
from steering.studies.cells import Cell, keyed, varied
from steering.studies.identity import model_folder
from steering.studies.results import SUCCESS, CellResult
from steering.studies.running import kept_results, missing
from steering.studies.settings import StudySettings
from steering.tasks import HUB, load_task

CORE_SPEED = 1.1e11
"""Multiplications and additions a second and core while a child answers many rows: the measure "grid" with a model of the shape
of Qwen3-0.6B with random weights in bfloat16, 48 rows against 18, on one core of a CPU with matrix instructions (AMX). SmolLM2
reaches half as much again."""

FEW_ROWS, FEW_ROWS_SPEED = 64, 4e10
"""The same for fewer rows than that, with all that a cell does besides: the 18 rows alone."""

READING_SPEED = 3.6e11
"""The same while anchor texts are read: the first aligned run of docs/results.md, 67 s on two cores."""

GPU_SHARE = 0.024
"""Share of a GPU's matrix speed that a child reaches while it writes 128 rows: `bench --gpu` on an H200, at the shape of
Qwen3-0.6B. Larger ones reach more: that of gemma-2-2b 0.063, and that of Llama-3.2-1B 0.092."""

ANCHOR_TOKENS = 60_000
"""Tokens that each of two models reads to fit a map: 620 texts of about a hundred tokens."""

_SAMPLE_BYTES = 160
"""Of a row of samples in both tables and the store together, without a written answer's text."""

_CHARACTERS_A_TOKEN = 4

_TRIED = 42
"""Settings that an arm tries on the validation part: a dozen layers at two strengths, and three layers at six."""

_VALIDATION = 30


@dataclass(frozen=True)
class Plan:
    """What a study will take.

    Attributes:
        name: of the study.
        about: its question.
        cells: all cells by key, in order.
        done: how many of them are there already.
        seconds: by key, how long each missing cell will take; None where the size of a model or task is not known.
        gpu_hours: on the card that the study names, for the missing cells; None where it names none or sizes are not known.
        gpu: that card, "" for none.
        disk: bytes of models that must be fetched, and of rows.
        memory: bytes of the largest cell's models; None where a size is not known.
        unknown: what is not known.
    """

    name: str
    about: str
    cells: Mapping[str, Cell]
    done: int
    seconds: Mapping[str, float | None]
    gpu_hours: float | None
    gpu: str
    disk: float
    memory: float | None
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        cells = [{"key": key, **cell.as_json(), "seconds": self.seconds.get(key)} for key, cell in self.cells.items()]
        return {**vars(self), "cells": cells, "seconds": self.total, "unknown": list(self.unknown)}

    @property
    def total(self) -> float | None:
        """Seconds of all missing cells whose time is known; None where none is."""
        known = [value for value in self.seconds.values() if value is not None]
        return sum(known) if known or not self.seconds else None

    def text(self) -> str:
        """The plan as people read it, a line a cell at the end."""
        time_text = "not known" if self.total is None else duration(self.total)
        memory = "not known" if self.memory is None else f"{self.memory / 1e9:.1f} GB"
        lines = [
            *([self.about.strip()] if self.about else []),
            f"{self.name}: {len(self.cells)} cells, {self.done} of them done.",
            f"Time on this machine: about {time_text}. Disk: {self.disk / 1e9:.2f} GB. Memory: {memory}.",
        ]
        if self.gpu_hours is not None:
            lines.append(
                f"On a GPU ({self.gpu}): about {self.gpu_hours:.0f} hours, if it reaches {GPU_SHARE:.1%} of its matrix speed, "
                "as an H200 did at the shape of Qwen3-0.6B; larger children reach more."
            )
        lines += [f"Not known: {what}." for what in self.unknown]
        names = varied(tuple(self.cells.values()))
        for key, cell in self.cells.items():
            seconds = self.seconds.get(key)
            state = "done" if key not in self.seconds else "time not known" if seconds is None else duration(seconds)
            lines.append(f"  {key[:8]}  {cell.described(names)}: {state}")
        return "\n".join(lines)


def plan_study(settings: StudySettings, folder: Path | None = None) -> Plan:
    """Say what a study will take.

    Args:
        settings: the study.
        folder: where it is run; cells that are there count as done, and their times are the estimates of the others.
    """
    keys = keyed(settings)
    kept = {} if folder is None else kept_results(folder)
    todo = missing(keys, kept)
    measured = _measured(kept)
    unknown: dict[str, None] = {}
    operations: dict[str, float | None] = {}
    maps: set[tuple[object, ...]] = set()
    for key, cell in todo.items():
        answering = _operations(cell, settings.expect, unknown)
        operations[key] = None if answering is None else answering + _reading(cell, settings.expect, maps)
    seconds = {
        key: measured.get(
            cell.measure,
            None if operations[key] is None else (operations[key] or 0.0) / (CORE_SPEED * (os.cpu_count() or 1)),
        )
        for key, cell in todo.items()
    }
    counts = [value for value in operations.values() if value is not None]
    card = settings.expect.get("gpu")
    gpu_hours = sum(counts) / (float(card["teraflops"]) * 1e12 * GPU_SHARE) / 3600 if card and counts else None
    sizes = {name: _parameters(name, settings.expect) for cell in todo.values() for name in (*cell.parents, cell.child)}
    fetched = sum((size or 0.0) * 2 for name, size in sizes.items() if model_folder(name) is None)
    memory: list[float | None] = []
    for cell in todo.values():
        loaded = [sizes[name] for name in {*cell.parents, cell.child}]
        memory.append(None if None in loaded else _bytes_a_weight() * sum(size or 0.0 for size in loaded) * 1.2)
    rows = sum(_samples(cell, settings.expect, unknown) for cell in todo.values())
    return Plan(
        name=settings.name,
        about=settings.about,
        cells=keys,
        done=len(keys) - len(todo),
        seconds=seconds,
        gpu_hours=gpu_hours,
        gpu=str(card["name"]) if card else "",
        disk=fetched + rows * _SAMPLE_BYTES,
        memory=None if None in memory else max((value or 0.0 for value in memory), default=0.0),
        unknown=tuple(unknown),
    )


def _bytes_a_weight() -> int:
    capabilities = torch.cpu.get_capabilities()
    narrow = torch.cuda.is_available() or any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return 2 if narrow else 4


def _measured(kept: Mapping[str, CellResult]) -> dict[str, float]:
    """Mean seconds of the cells of each measure that were run here."""
    times: dict[str, list[float]] = {}
    for result in kept.values():
        if result.status == SUCCESS:
            times.setdefault(result.cell.measure, []).append(result.seconds)
    return {measure: sum(values) / len(values) for measure, values in times.items()}


def _operations(cell: Cell, expect: Mapping[str, Any], unknown: dict[str, None]) -> float | None:
    """Multiplications and additions of answering, two a parameter and token, counted as those of many rows take time."""
    parents, child = [_parameters(name, expect) for name in cell.parents], _parameters(cell.child, expect)
    for name, size in zip((*cell.parents, cell.child), (*parents, child), strict=True):
        if size is None:
            unknown[f"the size of {name}; give it as expect: {{models: {{{name}: BILLIONS}}}}"] = None
    if None in parents or child is None:
        return None
    slower = CORE_SPEED / FEW_ROWS_SPEED if 0 < _samples(cell, expect, unknown) < FEW_ROWS else 1.0
    return slower * 2 * child * _child_tokens(cell, expect, unknown)


def _reading(cell: Cell, expect: Mapping[str, Any], maps: set[tuple[object, ...]]) -> float:
    """The same of fitting the cell's maps, where no earlier cell fits them: maps are kept."""
    total, of_task = 0.0, cell.concept_task is not None
    for parent in cell.parents:
        fitted = (parent, cell.child, cell.layers, cell.width, cell.anchors, of_task)
        if parent == cell.child or cell.width in ("truncate", "none") or fitted in maps:
            continue
        maps.add(fitted)
        sizes = (_parameters(parent, expect) or 0.0) + (_parameters(cell.child, expect) or 0.0)
        total += 2 * ANCHOR_TOKENS * sizes
    return total * CORE_SPEED / READING_SPEED


def _child_tokens(cell: Cell, expect: Mapping[str, Any], unknown: dict[str, None]) -> float:
    """Tokens that the child reads and writes while it answers."""
    if cell.task is None:
        return 120_000.0 if cell.measure != "similarity" else 20_000.0
    n, prompt, written = _size_of_task(cell.task, cell, expect, unknown)
    rows = _rows_a_question(cell)
    tried = {"arms": 3, "compatibility": 3, "gain": 6, "grid": 0}[cell.measure] * _TRIED * min(_VALIDATION, n)
    tuning = n * len(_grid(cell)) * (1 + RANDOM_SEEDS * cell.controls) if cell.measure == "grid" else 0
    return (n * rows + tuning) * (prompt + written) + tried * (prompt + 4)


def _samples(cell: Cell, expect: Mapping[str, Any], unknown: dict[str, None]) -> float:
    return 0.0 if cell.task is None else _size_of_task(cell.task, cell, expect, unknown)[0] * _rows_a_question(cell)


def _rows_a_question(cell: Cell) -> int:
    if cell.measure == "grid":
        grid = len(_grid(cell))
        return grid * (RANDOM_SEEDS + 3) + 1 if cell.controls else grid
    return {"arms": 4, "compatibility": 4, "gain": 15}[cell.measure]


def _grid(cell: Cell) -> tuple[float, ...]:
    if cell.budget is not None:
        return (-1.0, 0.0, 1.0)
    return cell.lambdas or GRIDS["ablate" if cell.operator == "ablate" else cell.scale]


def _size_of_task(
    name: str, cell: Cell, expect: Mapping[str, Any], unknown: dict[str, None]
) -> tuple[float, float, float]:
    """Questions that are reported, and tokens of a prompt and of an answer."""
    stated = expect.get("tasks", {}).get(name)
    if stated:
        n, prompt, written = (float(stated[field]) for field in ("questions", "prompt_tokens", "answer_tokens"))
    elif name in HUB:
        unknown[f"the number of questions of {name}, which is not on this machine"] = None
        return 0.0, 0.0, 0.0
    else:
        try:
            task = load_task(name, "test")
        except SteeringError as error:
            unknown[f"{name}: {str(error).rstrip('.')}"] = None
            return 0.0, 0.0, 0.0
        n = float(len(task.items))
        prompt = sum(len(item.question) for item in task.items) / n / _CHARACTERS_A_TOKEN + 8
        if task.items[0].choices:
            written = sum(len(" ".join(item.choices)) for item in task.items) / n / _CHARACTERS_A_TOKEN
        else:
            written = float(cell.max_new_tokens or NEW_TOKENS["line" if task.word_pairs else task.kind])
    return min(n, float(cell.limit or n)), prompt, written


@lru_cache(64)
def _counted(folder: Path) -> float | None:
    from safetensors import safe_open

    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:  # Reads the sizes alone.
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    if total:
        return float(total)
    index = folder / "model.safetensors.index.json"
    return float(json.loads(index.read_text("utf-8"))["metadata"]["total_size"]) / 2 if index.is_file() else None


def _parameters(name: str, expect: Mapping[str, Any]) -> float | None:
    """Number of weights of a model, from its files or from what the study says; None where neither knows."""
    stated = expect.get("models", {}).get(name)
    folder = model_folder(name)
    counted = _counted(folder) if folder is not None else None
    return counted if counted is not None else float(stated) * 1e9 if stated is not None else None
