"""Damaged files of every kind that is read: each reader reads them or says in a sentence why not, and nothing else happens."""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas
import torch
from safetensors.torch import save_file

from steering.concepts import load_concept, read_concept, save_concept
from steering.errors import SteeringError
from steering.interop import export_vector
from steering.library import SavedSession, parse_session, saved_vectors, session_text
from steering.models import read_anchors
from steering.models.language_model import LanguageModel
from steering.tasks import load_task
from steering.vectors import SteeringVector, load_vector, save_vector

PIECES = (
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"{", b"}", b"[" * 3000, b'"', b"\\ud800", b",", b"\n", b"\r", b"\t", b"NaN", b"1e999",
    b"-1", b"null", b"18446744073709551616", "🙂\u202e".encode(), b"=1+1", b"../../x", b"<img src=x onerror=alert(1)>",
)  # fmt: skip
"""What is put into files: control characters, half characters, brackets, numbers out of range, formulas, paths, markup."""


@dataclass(frozen=True)
class Reader:
    """One kind of file.

    Attributes:
        files: whole ones.
        read: reads one, or raises a `SteeringError`.
    """

    files: tuple[Path, ...]
    read: Callable[[Path], object]


@dataclass
class Fuzzed:
    """How many damaged files were read, and what was wrong, as sentences."""

    files: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


def readers(folder: Path, model: LanguageModel, vector: SteeringVector) -> Mapping[str, Reader]:
    """Every reader of files, with whole files.

    Args:
        folder: where they are written.
        model: the model of the vector.
        vector: what vector files hold.
    """
    concept = load_concept("sentiment")
    pairs = [{"positive": pair.positive, "negative": pair.negative} for pair in concept.pairs[:4]]
    questions = [{"question": f"What is {n} plus 1?", "answer": str(n + 1)} for n in range(12)]
    concepts, tasks, vectors = [], [], []
    for ending in ("json", "jsonl", "csv"):
        save_concept(concept, folder / f"concept.{ending}")
        concepts.append(folder / f"concept.{ending}")
    for name, rows, files in (("concept", pairs, concepts), ("task", questions, tasks)):
        frame = pandas.DataFrame(rows)
        frame.to_parquet(folder / f"{name}.parquet")
        frame.to_excel(folder / f"{name}.xlsx", index=False)
        frame.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
        files += [folder / f"{name}.{ending}" for ending in ("parquet", "xlsx", "tsv")]
    (folder / "task.jsonl").write_text("\n".join(map(json.dumps, questions)), "utf-8")
    tasks.append(folder / "task.jsonl")
    save_vector(vector, folder / "own.safetensors")
    save_file({f"layer.{n}": torch.ones(model.d_model) for n in range(model.n_layers)}, folder / "other.safetensors")
    export_vector(vector, folder / "llama.gguf", "gguf", lam=0.3, child=model)
    vectors += [folder / "own.safetensors", folder / "other.safetensors", folder / "llama.gguf"]
    session = SavedSession({"seed": 0, "chat": True}, concept, "The weather")
    (folder / "session.json").write_text(session_text(session), "utf-8")
    (folder / "anchors.txt").write_text("One text.\nAnother text.\n" * 40, "utf-8")
    return {
        "concept": Reader(tuple(concepts), read_concept),
        "task": Reader(tuple(tasks), lambda path: load_task(path, "all")),
        "vector": Reader(tuple(vectors), lambda path: saved_vectors.inspect(path, model)),
        "own vector": Reader((folder / "own.safetensors",), load_vector),
        "session": Reader((folder / "session.json",), lambda path: parse_session(path.read_text("utf-8", "replace"))),
        "anchors": Reader((folder / "anchors.txt",), read_anchors),
    }


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A file with one to four things wrong with it."""
    for _ in range(chance.randint(1, 4)):
        place, length = chance.randrange(len(data) + 1), chance.choice([1, 2, 8, 100, 2000])
        kind = chance.randrange(6)
        if kind == 0:
            data = data[:place]
        elif kind == 1:
            data = data[:place] + data[place + length :]
        elif kind == 2:
            data = data[:place] + data[place : place + length] * 2 + data[place + length :]
        elif kind == 3:
            data = data[:place] + chance.choice(PIECES) + data[place:]
        elif kind == 4:
            data = data[:place] + chance.randbytes(min(length, 8)) + data[place + min(length, 8) :]
        else:
            data = data[:place] + chance.choice(PIECES) + data[place + length :]
    return data


def fuzz(folder: Path, kinds: Mapping[str, Reader], files: int, seconds: float, seed: int = 0) -> Fuzzed:
    """Read damaged files.

    Args:
        folder: where the damaged files are written.
        kinds: from `readers`.
        files: least number of files.
        seconds: how long more are read.
        seed: of the damage.
    """
    result, end, number = Fuzzed(), time.monotonic() + seconds, 0
    while number < files or time.monotonic() < end:
        chance = random.Random(f"{seed} {number}")
        name = sorted(kinds)[number % len(kinds)]
        whole = chance.choice(kinds[name].files)
        path = folder / f"damaged{whole.suffix}"
        path.write_bytes(damaged(whole.read_bytes(), chance))
        try:
            kinds[name].read(path)
        except SteeringError as error:
            result.refused += 1
            if not str(error).strip():
                result.wrong.append(f"{name} of seed {seed} {number}: a sentence without words")
        except Exception as error:
            result.wrong.append(
                f"{name} {whole.name} of seed {seed} {number}: {type(error).__name__}: {str(error)[:200]}"
            )
        number += 1
    result.files = number
    return result
