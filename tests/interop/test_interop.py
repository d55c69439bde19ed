"""Our files in the hands of the real tools: their logits and choices move as ours do, and what they write comes back.

Run with `make test-interop`, which prints the numbers.
"""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from steering.concepts.files import load_concept
from steering.evaluation.voting import elect
from steering.interop.export import export_vector, import_vector
from steering.interop.tensors import READ, WRITE
from steering.models.bundled import CATALOGUE, bundled_folder, weight_files
from steering.models.language_model import LanguageModel
from steering.models.loading import load_model
from steering.steer.intervention import Intervention, plan, steer
from steering.steer.settings import SteeringSettings
from steering.tasks.answers import read_number
from steering.vectors.extraction import extract
from steering.vectors.vector import SteeringVector, save_vector

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
CHILD = CATALOGUE["smollm2-135m-instruct"]
LAM = 0.2
PROMPTS = (
    "The film that we saw last night was",
    "I have been thinking about the new office, and I feel",
    "Our guests said that the dinner had been",
    "After a week in this town, my impression is that it is",
)


@cache
def child() -> LanguageModel:
    return load_model(CHILD.name, dtype="float32")


@cache
def vector() -> SteeringVector:
    return extract(child(), load_concept("sentiment"))


def prompts() -> list[list[int]]:
    return [child().token_ids(prompt) for prompt in PROMPTS]


def last_logits(intervention: Intervention, lam: float) -> torch.Tensor:
    """Logits after the last token of every prompt, `[n_prompts, vocabulary]`."""
    rows = []
    for ids in prompts():
        with torch.inference_mode(), steer(child(), intervention, [lam]):
            rows.append(child().model(input_ids=torch.tensor([ids])).logits[0, -1])
    return torch.stack(rows).double()


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Over all prompts, each one's mean taken out: adding a number to all logits changes no probability."""
    rows = [(changes - changes.mean(dim=1, keepdim=True)).flatten() for changes in (one, other)]
    return float(torch.corrcoef(torch.stack(rows))[0, 1])


def moved(answer: dict[str, Any]) -> torch.Tensor:
    """How another tool's logits changed."""
    return torch.tensor(answer["steered"]).double() - torch.tensor(answer["plain"]).double()


# llama.cpp


def test_llama_cpp_moves_its_logits_as_we_do(tmp_path: Path, there: Callable[..., dict[str, Any]]) -> None:
    """It reads the same weights in four bits, and rounds activations to eight, so the two agree closely and not exactly."""
    path = tmp_path / "v.gguf"
    done = export_vector(vector(), path, "gguf", lam=LAM, child=child())
    (weights,) = weight_files(CHILD)
    answer = there("llama-cpp", "llama_cpp_side.py", model=str(weights), vector=str(path), prompts=prompts())
    assert answer["width"] == child().d_model
    whole = plan(child(), vector())
    ours = last_logits(whole, LAM) - last_logits(whole, 0.0)
    read, _ = import_vector(path, "gguf", child())
    plain = last_logits(whole, 0.0)

    def with_rows(rows: torch.Tensor) -> float:
        moves = last_logits(plan(child(), replace(read, directions=rows), SteeringSettings(scale="unit")), 1.0) - plain
        return correlation(moved(answer), moves)

    same, full = with_rows(read.directions), correlation(moved(answer), ours)
    raw = float(torch.corrcoef(torch.stack([moved(answer).flatten(), ours.flatten()]))[0, 1])
    zeros = torch.zeros(1, child().d_model)
    early = with_rows(torch.cat([read.directions[1:], zeros]))
    late = with_rows(torch.cat([zeros, read.directions[:-1]]))
    print(
        f"\nllama.cpp {answer['version']}: correlation of logit changes {same:.4f} with the same blocks, {full:.4f} with "
        f"block 0 too ({raw:.4f} if each prompt's mean change is left in), {early:.4f} and {late:.4f} with rows one block "
        f"early and late; {done.notes[0]}"
    )
    assert min(full, raw) >= 0.95
    assert same >= 0.95
    assert same > max(early, late), "the rows act at other blocks than ours"


def test_llama_cpp_refuses_a_whole_file_that_names_block_0(
    tmp_path: Path, there: Callable[..., dict[str, Any]]
) -> None:
    """This is why that row is left out; the same rows with it are what repeng takes."""
    export_vector(vector(), tmp_path / "v.gguf", "repeng", lam=LAM, child=child())
    assert there("llama-cpp", "llama_cpp_side.py", vector=str(tmp_path / "v.gguf"))["width"] == -1


# repeng and steering-vectors


@pytest.mark.parametrize(
    ("format", "script"), [("repeng", "repeng_side.py"), ("steering-vectors", "steering_vectors_side.py")]
)
def test_a_file_goes_to_their_library_and_back(
    tmp_path: Path, there: Callable[..., dict[str, Any]], format: str, script: str
) -> None:
    strength = 0.5
    export_vector(vector(), tmp_path / "ours", format, lam=2 * LAM, child=child())
    answer = there(
        "directions",
        script,
        model=str(bundled_folder(CHILD)),
        vector=str(tmp_path / "ours"),
        strength=strength,
        prompts=prompts(),
        back=str(tmp_path / "theirs"),
        read=READ,
        write=WRITE,
        rope_theta=child().model.config.rope_parameters["rope_theta"],
    )
    whole = plan(child(), vector())
    torch.testing.assert_close(torch.tensor(answer["plain"]).double(), last_logits(whole, 0.0), rtol=0, atol=1e-2)
    ours = last_logits(whole, LAM) - last_logits(whole, 0.0)
    worst = float((moved(answer) - ours).abs().max())
    print(
        f"\n{format}: correlation of logit changes {correlation(moved(answer), ours):.6f}, largest difference {worst:.1e}"
    )
    assert worst < 1e-2 * float(ours.abs().max())
    back, card = import_vector(tmp_path / "theirs", format, child())
    factor = strength if format == "repeng" else 1.0
    torch.testing.assert_close(back.directions, factor * 2 * LAM * whole.offsets)
    assert card.fits
    print("\n".join(f"  {row.status:8} {row}" for row in card.findings))


# lm-evaluation-harness

CHOICES = [" wonderful.", " terrible.", " open until nine.", " made of wood."]
QUESTIONS = [
    *PROMPTS,
    "My sister called to tell me that her day was",
    "The report says that the company is",
    "When the door opened, the room looked",
    "Everybody at the table agreed that the soup was",
    "The letter that came this morning was",
    "For most people the winter here is",
    "The second half of the match was",
    "What she remembers of the school is that it was",
]
SUMS = [(3, 4), (12, 7), (20, 15), (6, 9)]

CHOICE_TASK = """
task: local_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/choice.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: choices
target_delimiter: ""
doc_to_target: 0
metric_list: [{{metric: acc}}]
"""
SUM_TASK = """
task: local_sums{name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/sums.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: 24, do_sample: false}}
repeats: {repeats}
filter_list:
  - name: last-number
    filter:
      - {{function: regex, regex_pattern: "(-?[0-9]+)", group_select: -1}}
      - {{function: {pick}}}
      - {{function: take_first}}
metric_list: [{{metric: exact_match}}]
"""
ROLLING_TASK = """
task: local_rolling
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/sums.jsonl}}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{question}}}} {{{{answer}}}}."
metric_list: [{{metric: bits_per_byte}}]
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """Task files of the harness's own kind, with their data beside them."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    lines = [json.dumps({"question": question, "choices": CHOICES}) for question in QUESTIONS]
    (folder / "choice.jsonl").write_text("\n".join(lines))
    lines = [json.dumps({"question": f"Question: What is {a} + {b}?\nAnswer:", "answer": str(a + b)}) for a, b in SUMS]
    (folder / "sums.jsonl").write_text("\n".join(lines))
    (folder / "choice.yaml").write_text(CHOICE_TASK.format(folder=folder))
    (folder / "sums.yaml").write_text(SUM_TASK.format(folder=folder, name="", repeats=1, pick="take_first"))
    (folder / "repeats.yaml").write_text(SUM_TASK.format(folder=folder, name="_3", repeats=3, pick="majority_vote"))
    (folder / "rolling.yaml").write_text(ROLLING_TASK.format(folder=folder))
    return folder


@pytest.fixture
def harness(tmp_path: Path, tasks: Path, python: Callable[[str], Path]) -> Callable[..., list[dict[str, Any]]]:
    """Runs the harness in its environment on local tasks and returns what it logged of every question, in order."""

    def run(words: Sequence[str], task: str, model: str, arguments: str, *more: str) -> list[dict[str, Any]]:
        out = tmp_path / f"out-{task}-{model}-{abs(hash(arguments))}"
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
        command = [str(python("lm-eval")), *words, "run", "--model", model, "--model_args", arguments]
        command += [
            "--tasks",
            str(tasks / f"{task}.yaml"),
            "--output_path",
            str(out),
            "--log_samples",
            "--device",
            "cpu",
            *more,
        ]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr[-3000:]
        (samples,) = out.rglob("samples_*.jsonl")
        found = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
        return sorted(found, key=lambda sample: sample["doc_id"])

    return run


OURS = ("-m", "steering", "lm-eval")
THEIRS = ("-m", "lm_eval")


def scores(samples: list[dict[str, Any]]) -> torch.Tensor:
    """Log-likelihood of every choice, `[n_questions, n_choices]`."""
    return torch.tensor([[float(choice[0][0]) for choice in sample["resps"]] for sample in samples]).double()


def own_scores(lambdas: Sequence[float]) -> torch.Tensor:
    """The same from our own forward passes, under the average of the predictions at every λ."""
    intervention, table = plan(child(), vector()), []
    for question in QUESTIONS:
        start = len(child().token_ids(question))
        row = []
        for choice in CHOICES:
            ids = torch.tensor([child().token_ids(question + choice)] * len(lambdas))
            with torch.inference_mode(), steer(child(), intervention, lambdas):
                chances = child().model(input_ids=ids).logits.double().softmax(dim=-1).mean(dim=0)
            row.append(sum(float(chances[place - 1, ids[0, place]].log()) for place in range(start, ids.shape[1])))
        table.append(row)
    return torch.tensor(table).double()


def test_lm_eval_steered_chooses_as_we_do(tmp_path: Path, harness: Callable[..., list[dict[str, Any]]]) -> None:
    export_vector(vector(), tmp_path / "v.pt", "lm-eval", lam=LAM, child=child())
    arguments = f"pretrained={bundled_folder(CHILD)},steer_path={tmp_path / 'v.pt'},dtype=float32"
    found, ours, plain = scores(harness(THEIRS, "choice", "steered", arguments)), own_scores([LAM]), own_scores([0.0])
    agreement = float((found.argmax(dim=1) == ours.argmax(dim=1)).double().mean())
    changed = int((ours.argmax(dim=1) != plain.argmax(dim=1)).sum())
    print(
        f"\nlm_eval --model steered: {agreement:.0%} of {len(QUESTIONS)} choices agree, largest difference of a log-likelihood "
        f"{float((found - ours).abs().max()):.1e}; steering changed {changed} choices"
    )
    assert agreement == 1.0
    torch.testing.assert_close(found, ours, rtol=0, atol=1e-2)
    assert changed > 0


def test_our_model_in_the_harness_scores_one_and_several_strengths(
    tmp_path: Path, harness: Callable[..., list[dict[str, Any]]]
) -> None:
    save_vector(vector(), tmp_path / "v.safetensors")
    arguments = f"child={CHILD.name},vector={tmp_path / 'v.safetensors'},dtype=float32"
    for lam, lambdas in ((str(LAM), [LAM]), ("-0.2/0/0.2", [-0.2, 0.0, 0.2])):
        found = scores(harness(OURS, "choice", "steering", f"{arguments},lam={lam}", "--batch_size", "4"))
        ours = own_scores(lambdas)
        agreement = float((found.argmax(dim=1) == ours.argmax(dim=1)).double().mean())
        print(
            f"\nlm_eval --model steering, λ {lam}: {agreement:.0%} of {len(QUESTIONS)} choices agree, largest difference of a "
            f"log-likelihood {float((found - ours).abs().max()):.1e}"
        )
        assert agreement == 1.0
        torch.testing.assert_close(found, ours, rtol=0, atol=1e-2)


def own_texts(lam: float) -> list[str]:
    """What transformers' own generate writes for every sum under our hooks, cut at the first blank line."""
    texts = []
    for a, b in SUMS:
        ids = torch.tensor([child().token_ids(f"Question: What is {a} + {b}?\nAnswer:")])
        with torch.inference_mode(), steer(child(), plan(child(), vector()), [lam]):
            whole = child().model.generate(ids, max_new_tokens=24, do_sample=False, pad_token_id=0)
        text = child().tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
        texts.append(text.split("\n\n")[0])
    return texts


def test_our_model_in_the_harness_writes_repeats_at_every_strength_and_votes(
    tmp_path: Path, harness: Callable[..., list[dict[str, Any]]]
) -> None:
    save_vector(vector(), tmp_path / "v.safetensors")
    arguments = f"child={CHILD.name},vector={tmp_path / 'v.safetensors'},dtype=float32,lam=0.2/0/-0.2"
    repeated = harness(OURS, "repeats", "steering", arguments, "--batch_size", "2")
    each = [own_texts(lam) for lam in (0.2, 0.0, -0.2)]
    for place, sample in enumerate(repeated):
        assert sample["resps"][0] == [texts[place] for texts in each]
    voted = harness(OURS, "sums", "steering", arguments, "--batch_size", "2")
    for one, three in zip(voted, repeated, strict=True):
        texts = three["resps"][0]
        answers = [read_number(text) for text in texts]
        winner, _, _ = elect("number", dict(zip((0.2, 0.0, -0.2), answers, strict=True)), near=0.2)
        assert one["resps"][0] == [texts[answers.index(winner)]]
    print(f"\nlm_eval --model steering: {3 * len(SUMS)} texts agree with transformers' generate under our hooks")


def test_our_model_in_the_harness_reads_whole_texts(
    tmp_path: Path, harness: Callable[..., list[dict[str, Any]]]
) -> None:
    save_vector(vector(), tmp_path / "v.safetensors")
    arguments = f"child={CHILD.name},vector={tmp_path / 'v.safetensors'},dtype=float32,lam={LAM}"
    found = [float(sample["resps"][0][0]) for sample in harness(OURS, "rolling", "steering", arguments)]
    start = child().tokenizer.bos_token_id
    for place, (a, b) in enumerate(SUMS):
        ids = torch.tensor([[start, *child().token_ids(f"Question: What is {a} + {b}?\nAnswer: {a + b}.")]])
        with torch.inference_mode(), steer(child(), plan(child(), vector()), [LAM]):
            chances = child().model(input_ids=ids).logits[0].double().log_softmax(dim=-1)
        own = float(chances[:-1].gather(1, ids[0, 1:, None]).sum())
        assert found[place] == pytest.approx(own, abs=1e-2)


def test_a_mistake_in_the_harness_is_one_sentence(tmp_path: Path, tasks: Path, python: Callable[[str], Path]) -> None:
    words = [
        "--model_args",
        f"child={CHILD.name},vector={tmp_path / 'none.safetensors'}",
        "--tasks",
        str(tasks / "sums.yaml"),
    ]
    command = [str(python("lm-eval")), *OURS, "run", "--model", "steering", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert "There is no file" in done.stderr
    assert "Traceback" not in done.stderr
