"""Every bad input ends in one sentence, which docs/bad-inputs.md shows as it is, and takes nothing away."""

from pathlib import Path

import pytest
from bad_inputs import CASES, DOCS, Desk, answers, document
from tiny import save_tiny

from steering.ui import text

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    base = tmp_path_factory.mktemp("bad")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(base / "data"))
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        return answers(base)


def test_there_are_many_and_each_is_given_once() -> None:
    assert len(CASES) >= 60
    assert len({(where, given) for where, given, _ in CASES}) == len(CASES)


def test_every_input_gets_a_sentence_and_no_traceback(rows: list[tuple[str, str, str]]) -> None:
    for where, given, words in rows:
        assert words.strip(" ✓✕"), (where, given)
        assert text.UNEXPECTED not in words, (where, given)
        assert "Traceback" not in words, (where, given)
        assert "<img" not in words or given == "markup", (where, given)


def test_the_docs_are_what_the_code_says(rows: list[tuple[str, str, str]]) -> None:
    assert DOCS.read_text("utf-8") == document(rows), "run PYTHONPATH=.:tests python tests/bad_inputs.py"


def test_what_was_there_before_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After bad inputs of every kind on one page, the page, its texts, pairs and saved vectors are as they were."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = str(save_tiny(tmp_path / "child", "llama", layers=4, width=40))
    desk = Desk(tmp_path, folder, folder)
    assert "13 texts" in desk.generate()
    assert "Saved" in desk.save("before")
    draft, saved = desk.session.draft("sentiment"), desk.session.shelf.entry("before").path.read_bytes()
    for bad in (
        lambda: desk.generate(""),
        lambda: desk.generate(seed=-1),
        lambda: desk.generate(child="no-such-model"),
        lambda: desk.exactly(float("nan")),
        lambda: desk.concept_file("c.json", "{"),
        lambda: desk.task_file("t.jsonl", "{"),
        lambda: desk.vector(desk.file("v.safetensors", "x")),
        lambda: desk.restore("{"),
        lambda: desk.save(".."),
    ):
        assert "✓" not in bad()
    assert desk.session.draft("sentiment") == draft
    assert [entry.name for entry in desk.session.shelf.entries()] == ["before"]
    assert desk.session.shelf.entry("before").path.read_bytes() == saved
    assert not list(tmp_path.rglob("*.partial"))
    assert "13 texts" in desk.generate()
