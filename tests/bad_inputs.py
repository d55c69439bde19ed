"""Inputs that cannot be used, each with the sentence that a person sees; run as a script it writes docs/bad-inputs.md."""

import gzip
import html
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from pages import fields, form, last, press
from safetensors.torch import save_file
from tiny import byte_tokenizer, save_tiny
from transformers import BertConfig, BertForMaskedLM, T5Config, T5ForConditionalGeneration

from steering.concepts import Concept, ContrastPair
from steering.errors import SteeringError
from steering.tasks import formulas
from steering.ui.server.access import access
from steering.ui.state.drafts import Draft
from steering.ui.state.pasted import read_pairs
from steering.ui.state.session import Session
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Workspace
from steering.ui.tabs.concept import handlers as concept
from steering.ui.tabs.export import files as exports
from steering.ui.tabs.library import handlers as library
from steering.ui.tabs.steer import handlers as steer
from steering.ui.tabs.tune import handlers as tune
from steering.vectors import load_vector, save_vector

DOCS = Path(__file__).parent.parent / "docs" / "bad-inputs.md"

PLACE = "FOLDER"
"""Stands in the document for the folder of the test."""


@dataclass
class Desk:
    """One page with two tiny models, and a folder for files.

    Attributes:
        folder: for files.
        parent: folder of the parent model.
        child: folder of the child model.
    """

    folder: Path
    parent: str
    child: str
    session: Session = field(default_factory=Session)
    workspace: Workspace = field(default_factory=Workspace)

    def fields(self, **changes: Any) -> list[Any]:
        """The sidebar's values."""
        return fields(**{"parent": self.parent, "child": self.child, **changes})

    def run(self, task: Any, handler: Any, *values: Any, **changes: Any) -> str:
        """What the status of a long task says at its end."""
        return shown(last(list(press(task, handler, self.session, self.fields(**changes), *values)), task.status))

    def generate(self, prompt: str = "The weather", **changes: Any) -> str:
        """Press Generate."""
        return self.run(steer.LONG_TASK, steer.Steering(self.workspace).steer, prompt, **changes)

    def exactly(self, lam: Any) -> str:
        """Press Generate exactly here."""
        self.generate()
        return self.run(steer.LONG_TASK, steer.Steering(self.workspace).add_text, "The weather", lam)

    def by_kl(self, kl: Any) -> str:
        """Press Set λ by KL."""
        return self.run(steer.LONG_TASK, steer.Steering(self.workspace).set_by_kl, kl)

    def model(self, change: Callable[[Path], object]) -> str:
        """Press Generate with a child whose folder was changed."""
        folder = self.folder / "model"
        shutil.copytree(self.child, folder)
        change(folder)
        return self.generate(child=str(folder))

    def pairs(self, *pairs: tuple[str, str]) -> str:
        """Press Generate with pairs of the table."""
        own = Concept("mine", "more", "less", tuple(ContrastPair(*pair) for pair in pairs))
        self.session.drafts["mine"] = Draft(own, own)
        return self.generate(concept="mine")

    def concept_file(self, name: str, content: bytes | str) -> str:
        """Upload a file of pairs."""
        return shown(concept.upload(self.session, "sentiment", self.file(name, content))["pairs_message"])

    def task_file(self, name: str, content: bytes | str) -> str:
        """Upload a file of questions."""
        return shown(tune.upload(self.session, self.file(name, content))["tune_status"])

    def tune(self, **changes: Any) -> str:
        """Press Tune."""
        handler = tune.Tune(self.workspace).tune
        return self.run(tune.LONG_TASK, handler, *form(self.session, **changes))

    def vector(self, path: Path | str) -> str:
        """Upload a vector file."""
        return self.run(library.LONG_TASK, library.SavedVectors(self.workspace).upload, str(path))

    def save(self, name: str) -> str:
        """Save the vector under a name."""
        return self.run(library.LONG_TASK, library.SavedVectors(self.workspace).save, name)

    def restore(self, content: bytes | str) -> str:
        """Open a session file."""
        path = Path(self.file("session.json", content))
        return said(lambda: exports.restore_session(self.session, path, {}))

    def file(self, name: str, content: bytes | str) -> str:
        """Path of a file with some content."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    @cached_property
    def own(self) -> Path:
        """A vector file of the child."""
        settings = Settings.read(*self.fields())
        vector = self.workspace.vector(self.session, settings, self.session.draft("sentiment").concept)
        save_vector(vector, self.folder / "own.safetensors")
        return self.folder / "own.safetensors"

    def tensors(self, name: str = "v.safetensors", **rows: torch.Tensor) -> Path:
        """A safetensors file of another tool."""
        save_file(rows, self.folder / name)
        return self.folder / name


def shown(markup: Any) -> str:
    """The words of a piece of HTML."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", str(markup))).split())


def said(work: Callable[[], object]) -> str:
    """The sentence of a mistake; any other error is one of ours and ends the test."""
    try:
        work()
    except SteeringError as error:
        return str(error)
    raise AssertionError("this was taken")


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        from safetensors.torch import load_file

        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return edit


def _config(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


def _half(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return edit


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def _encoder(folder: Path) -> None:
    sizes = {"vocab_size": 400, "hidden_size": 16, "intermediate_size": 16}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        config = BertConfig(**sizes, num_hidden_layers=2, num_attention_heads=2, initializer_range=0.3)
        BertForMaskedLM(config).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)


def _encoder_decoder(folder: Path) -> None:
    sizes = {"vocab_size": 400, "d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 2}
    T5ForConditionalGeneration(T5Config(**sizes)).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)


def _lfs(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


def _saved(function: Callable[[Any], object]) -> bytes:
    buffer = io.BytesIO()
    function(buffer)
    return buffer.getvalue()


def _zip(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def _bomb(ending: str) -> bytes:
    if ending == "xlsx":
        data = bytearray(_zip(sheet_xml=b"0"))
        size = data.rfind(b"PK\x01\x02") + 24  # Where the archive says how large its last part is.
        data[size : size + 4] = (600_000_000).to_bytes(4, "little")
        return bytes(data)
    column = pyarrow.DictionaryArray.from_arrays(np.zeros(11_000_000, "int8"), ["a"])
    return _saved(
        lambda buffer: pyarrow.parquet.write_table(pyarrow.table([column] * 2, ["positive", "negative"]), buffer)
    )


def _cut(desk: Desk) -> str:
    data = desk.own.read_bytes()
    return desk.file("cut.safetensors", data[: len(data) // 2])


def _rows(desk: Desk, width: int = 40, layers: int = 4, value: float = 1.0) -> Path:
    return desk.tensors(**{f"layer.{layer}": torch.full((width,), value) for layer in range(layers)})


def _of_parent(desk: Desk) -> Path:
    vector = load_vector(desk.own)
    from dataclasses import replace

    save_vector(replace(vector, model="0" * 32, model_name="another-model"), desk.folder / "theirs.safetensors")
    return desk.folder / "theirs.safetensors"


def _task(n: int = 8, **more: Any) -> str:
    return "\n".join(json.dumps({"question": f"What is {i} + 1?", "answer": str(i + 1)} | more) for i in range(n))


def _session(**changes: Any) -> str:
    whole = {"kind": "steering-lab session", "format": 1, "fields": {}, "versions": {}, "moves": {}, "prompt": "Hi"}
    return json.dumps(whole | {"concept": {"name": "c", "pairs": [{"positive": "a", "negative": "b"}]}} | changes)


def _endless(_desk: Desk) -> str:
    limit = formulas.LIMIT_S
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formulas, "LIMIT_S", 1.0)
        equal = formulas.same_formula("9^{9^{9}}", "2")
    return "The answer is right." if equal else f"The answer counts as wrong after {limit:g} s."


def _third_run(_desk: Desk) -> str:
    shared = Workspace(shared=True)
    pages = [shared.session(f"page {number}", "aa") for number in range(3)]
    return shown([steer.LONG_TASK.begin(page) for page in pages][-1]["status"])


def _data_dir_is_a_file(desk: Desk) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", desk.file("a-file", "x"))
        return desk.save("mine")


def _cache_is_a_file(desk: Desk) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", desk.file("a-file", "x"))
        return desk.generate()


def _cache_cut_in_half(desk: Desk) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(desk.folder / "cache"))
        desk.generate()
        for path in (desk.folder / "cache").rglob("*.safetensors"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        desk.workspace = Workspace()
        return desk.generate()


LONG = "The weather is fine. " * 200
FEW = tuple((f"I like number {n}.", f"I hate number {n}.") for n in range(4))
MANY = tuple((f"I like number {n}.", f"I hate number {n}.") for n in range(10_000))
RTL, EMOJI, CONTROL = "שלום \u202e olleh", "🙂👩‍👩‍👧 🏳️‍🌈", "a\x00b\x1b[31mc"

Case = tuple[str, str, Callable[[Desk], str]]
"""Where, what is given, and what is done with it on a page."""

CASES: Sequence[Case] = (
    ("prompt", "nothing", lambda d: d.generate("")),
    ("prompt", "spaces and line breaks", lambda d: d.generate(" \n\t ")),
    ("prompt", "longer than the child's context", lambda d: d.generate(LONG)),
    ("prompt", "200,001 letters", lambda d: said(lambda: d.workspace.limits.check_values("a" * 200_001))),
    ("prompt", "emoji", lambda d: d.generate(EMOJI)),
    ("prompt", "right-to-left text with an override", lambda d: d.generate(RTL)),
    ("prompt", "NUL and an escape sequence", lambda d: d.generate(CONTROL)),
    ("prompt", "markup", lambda d: d.generate("<img src=x onerror=alert(1)>")),
    ("λ of one more text", "nothing", lambda d: d.exactly(None)),
    ("λ of one more text", "nan", lambda d: d.exactly(float("nan"))),
    ("λ of one more text", "inf", lambda d: d.exactly(float("inf"))),
    ("λ of one more text", "1e9", lambda d: d.exactly(1e9)),
    ("λ of one more text", "text", lambda d: d.exactly("much")),
    ("KL budget", "nothing", lambda d: d.by_kl(None)),
    ("KL budget", "0", lambda d: d.by_kl(0)),
    ("KL budget", "−1", lambda d: d.by_kl(-1)),
    ("KL budget", "nan", lambda d: d.by_kl(float("nan"))),
    ("seed", "nothing", lambda d: d.generate(seed=None)),
    ("seed", "−1", lambda d: d.generate(seed=-1)),
    ("seed", "2 to the power of 80", lambda d: d.generate(seed=2**80)),
    ("most new tokens", "0", lambda d: d.generate(max_new_tokens=0)),
    ("most new tokens", "a million", lambda d: d.generate(max_new_tokens=10**6)),
    ("temperature", "99", lambda d: d.generate(temperature=99)),
    ("temperature", "nan", lambda d: d.generate(temperature=float("nan"))),
    ("top-p", "0", lambda d: d.generate(top_p=0)),
    ("repetition penalty", "0", lambda d: d.generate(repetition_penalty=0)),
    ("layer map", "a pair of layers that do not exist", lambda d: d.generate(layers="9-to-99")),
    ("layer map", "a word", lambda d: d.generate(layers="middle")),
    ("layer profile", "three weights for four layers", lambda d: d.generate(profile="1 2 3")),
    ("layer profile", "weights of 0", lambda d: d.generate(profile="4x0")),
    ("layer profile", "a word", lambda d: d.generate(profile="heavy")),
    ("model", "nothing", lambda d: d.generate(child="")),
    ("model", "a name with a slip", lambda d: d.generate(child="smolm2-135m")),
    ("model", "NUL in a name", lambda d: d.generate(child="a\x00b")),
    ("model", "a Hub id without a network", lambda d: d.generate(child="someone/nothing-there")),
    ("model", "a path that does not exist", lambda d: d.generate(child="/no/such/folder")),
    ("model", "a .gguf file that does not exist", lambda d: d.generate(child="missing.gguf")),
    ("model", "a .gguf file that is none", lambda d: d.generate(child=d.file("m.gguf", "GGUF but not really"))),
    ("model", "a folder without config.json", lambda d: d.model(lambda folder: (folder / "config.json").unlink())),
    ("model", "a folder without a tokenizer", lambda d: d.model(lambda f: [p.unlink() for p in f.glob("token*")])),
    ("model", "weights cut in half", lambda d: d.model(_half("model.safetensors"))),
    ("model", "weights of another size", lambda d: d.model(_config(hidden_size=48))),
    ("model", "a weight missing", lambda d: d.model(_weights(lambda w: w.pop("model.layers.2.mlp.up_proj.weight")))),
    ("model", "NaN inside", lambda d: d.model(_weights(lambda w: w["model.norm.weight"].fill_(float("nan"))))),
    ("model", "a pickle instead of safetensors", lambda d: d.model(_pickled)),
    ("model", "a pointer of Git LFS", lambda d: d.model(_lfs)),
    ("model", "an encoder", lambda d: d.model(_encoder)),
    ("model", "an encoder with a decoder", lambda d: d.model(_encoder_decoder)),
    ("model", "code of its own", lambda d: d.model(_config(model_type="mine", auto_map={"AutoConfig": "mine.A"}))),
    ("model", "a type of the future", lambda d: d.model(_config(model_type="of-the-future"))),
    ("model of a shared page", "a local path", lambda d: said(
        lambda: Workspace(shared=True).models(Settings.read(*d.fields())))),
    ("pairs", "none", lambda d: d.pairs()),
    ("pairs", "an empty side", lambda d: d.pairs(("good", ""), *FEW)),
    ("pairs", "two poles that are the same", lambda d: d.pairs(*[("good", "good")] * 5)),
    ("pairs", "five that are identical", lambda d: d.pairs(*[("good", "bad")] * 5)),
    ("pairs", "10,000", lambda d: d.pairs(*MANY)),
    ("pairs", "a text longer than the context", lambda d: d.pairs((LONG, "bad"), *FEW)),
    ("pairs", "emoji, right-to-left text, control characters", lambda d: d.pairs((EMOJI, RTL), (CONTROL, "bad"), *FEW)),
    ("pasted pairs", "a line with one text", lambda _: said(lambda: read_pairs("good | bad\nalone"))),
    ("file of pairs", "nothing in it", lambda d: d.concept_file("c.csv", "")),
    ("file of pairs", "half a JSON file", lambda d: d.concept_file("c.json", '{"pairs": [{"positive": "a"')),
    ("file of pairs", "a lone surrogate", lambda d: d.concept_file("c.json", '[{"positive": "\\ud800", "negative": "b"}]')),
    ("file of pairs", "one column", lambda d: d.concept_file("c.csv", "text\na\nb\n")),
    ("file of pairs", "a quote that is not closed", lambda d: d.concept_file("c.csv", 'positive,negative\n"a,b\n')),
    ("file of pairs", "zero bytes", lambda d: d.concept_file("c.csv", b"positive,negative\n\0\0,\0\n")),
    ("file of pairs", "no known ending", lambda d: d.concept_file("c.exe", "MZ")),
    ("file of pairs", "an Excel file that unpacks to 600 MB", lambda d: d.concept_file("c.xlsx", _bomb("xlsx"))),
    ("file of pairs", "a Parquet file of 22 million cells", lambda d: d.concept_file("c.parquet", _bomb("parquet"))),
    ("file of pairs", "a packed CSV", lambda d: d.concept_file("c.csv", gzip.compress(b"positive,negative\na,b\n", mtime=0))),
    ("file of questions", "no answers", lambda d: d.task_file("t.jsonl", '{"question": "What?"}\n' * 8)),
    ("file of questions", "two questions", lambda d: d.task_file("t.jsonl", _task(2))),
    ("file of questions", "answers that are empty", lambda d: d.task_file("t.jsonl", _task(8, answer=""))),
    ("file of questions", "half a line of JSON", lambda d: d.task_file("t.jsonl", _task(8) + '\n{"question": ')),
    ("task", "a name that is none", lambda d: d.tune(source="riddles")),
    ("task", "a path of the server", lambda d: d.tune(source="/etc/passwd")),
    ("task", "a generated task that is none", lambda d: d.tune(source="reasoning-gym:nothing")),
    ("strengths λ", "a word", lambda d: d.tune(lambdas="0.1, much")),
    ("strengths λ", "nan", lambda d: d.tune(lambdas="nan")),
    ("strengths λ", "10,000 of them", lambda d: d.tune(lambdas=", ".join(str(n / 100) for n in range(10_000)))),
    ("number of questions", "nothing", lambda d: d.tune(limit=None)),
    ("number of questions", "0", lambda d: d.tune(limit=0)),
    ("number of questions", "a million", lambda d: d.tune(limit=10**6)),
    ("worked examples", "−1", lambda d: d.tune(shots=-1)),
    ("answer", "a formula that takes for ever", _endless),
    ("vector file", "nothing in it", lambda d: d.vector(d.file("v.safetensors", ""))),
    ("vector file", "cut in half", lambda d: d.vector(_cut(d))),
    ("vector file", "NaN inside", lambda d: d.vector(_rows(d, value=float("nan")))),
    ("vector file", "zeros", lambda d: d.vector(_rows(d, value=0.0))),
    ("vector file", "another width", lambda d: d.vector(_rows(d, width=7))),
    ("vector file", "more layers than the child has", lambda d: d.vector(_rows(d, layers=9))),
    ("vector file", "a vector of another model", lambda d: d.vector(_of_parent(d))),
    ("vector file", "a pickle with a good name", lambda d: d.vector(
        d.file("v.safetensors", _saved(lambda b: torch.save({"layer.0": torch.ones(40)}, b))))),
    ("vector file", "a NumPy array", lambda d: d.vector(d.file("v.npy", _saved(lambda b: np.save(b, np.ones(4)))))),
    ("vector file", "a zip archive", lambda d: d.vector(d.file("v.zip", _zip(a_txt=b"x")))),
    ("vector file", "text", lambda d: d.vector(d.file("v.json", "[1, 2]"))),
    ("session file", "no JSON", lambda d: d.restore("{")),
    ("session file", "brackets, 100,000 deep", lambda d: d.restore("[" * 100_000)),
    ("session file", "of another program", lambda d: d.restore('{"kind": "other"}')),
    ("session file", "of a later version", lambda d: d.restore(_session(format=99))),
    ("session file", "a lone surrogate", lambda d: d.restore(_session(prompt="\ud800"))),
    ("session file", "a setting of the wrong kind", lambda d: d.restore(_session(fields={"seed": [1]}))),
    ("name of a vector", "a path out of the folder", lambda d: d.save("../../etc/passwd")),
    ("name of a vector", "dots alone", lambda d: d.save("..")),
    ("name of a vector", "a device of Windows", lambda d: d.save("con")),
    ("name of a vector", "emoji", lambda d: d.save(EMOJI)),
    ("name of a vector", "300 letters", lambda d: d.save("a" * 300)),
    ("name of a vector", "NUL and line breaks", lambda d: d.save("a\x00b\nc")),
    ("name of a vector", "markup", lambda d: d.save("<b>x</b>")),
    ("name of a concept", "one that the page does not know", lambda d: d.generate(concept="/etc/passwd")),
    ("folder of the library", "cannot be written", _data_dir_is_a_file),
    ("folder of the cache", "cannot be written", _cache_is_a_file),
    ("file of the cache", "cut in half", _cache_cut_in_half),
    ("runs of a shared page", "a third one", _third_run),
    ("`--host`", "of others, without a password", lambda _: said(lambda: access("0.0.0.0"))),
    ("`--auth`", "no password", lambda _: said(lambda: access("0.0.0.0", auth=["ann"]))),
    ("`--auth`", "a short password", lambda _: said(lambda: access("0.0.0.0", auth=["ann:123"]))),
)  # fmt: skip


def answers(base: Path) -> list[tuple[str, str, str]]:
    """Every case with the sentence that a person sees.

    Args:
        base: folder for models and files.
    """
    parent = str(save_tiny(base / "parent", "llama", layers=3, width=32))
    child = str(save_tiny(base / "child", "llama", layers=4, width=40, seed=1))
    workspace, rows = Workspace(), []
    for number, (where, given, ask) in enumerate(CASES):
        folder = base / str(number)
        folder.mkdir()
        desk = Desk(folder, parent, child, workspace=workspace)
        words = ask(desk)
        for path, name in ((str(folder), PLACE), (parent, "PARENT"), (child, "CHILD"), (str(base), PLACE)):
            words = words.replace(path, name)
        rows.append((where, given, _anywhere(words)))
    return rows


def _anywhere(words: str) -> str:
    """A sentence without what differs between runs and machines: a time, the hash of a path, a model's type."""
    words = re.sub(r"side by side in \S+ s", "side by side in N s", words)
    return re.sub(r"-[0-9a-f]{12}\b", "", re.sub(r"torch\.(bfloat16|float16|float32)\b", "torch.TYPE", words))


def document(rows: Sequence[tuple[str, str, str]]) -> str:
    """The page of the docs."""
    head = (
        "# Bad inputs\n\nWhat a person sees for each input that cannot be used, or that only looks so. The test "
        "[tests/test_bad_inputs.py](../tests/test_bad_inputs.py) makes this page, on two random models: nothing here "
        "was typed. No input ends in a traceback, and what was there before is still there.\n\n"
        "| where | what is given | what the page says |\n|---|---|---|\n"
    )
    return head + "".join(f"| {where} | {given} | {_cell(words)} |\n" for where, given, words in rows)


def _cell(words: str) -> str:
    printable = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in words)
    return html.escape(printable, quote=False).replace("|", "\\|")


def main() -> None:
    """Write the page of the docs."""
    import os
    import tempfile
    import warnings

    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"XDG_DATA_HOME": f"{folder}/data", "XDG_CACHE_HOME": f"{folder}/cache"}
        DOCS.write_text(document(answers(Path(folder))), "utf-8")


if __name__ == "__main__":
    main()
