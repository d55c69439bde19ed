"""The cache: keys, results that are computed once, and the budget."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from test_storage import broken, left_over

from steering.cli import main
from steering.errors import SteeringError
from steering.storage import cache as cache_module
from steering.storage import cache_dir, cached, clear_cache, key
from steering.storage import files as files_module

# Cache


def test_a_key_depends_on_every_part_its_kind_and_its_place() -> None:
    parts: list[tuple[object, ...]] = [
        (),
        ("a",),
        ("a", "b"),
        ("b", "a"),
        ("ab",),
        (["a", "b"],),
        (["a"], "b"),
        ("a", ["b"]),
        (1,),
        ("1",),
        (1.5,),
        (None,),
        ("",),
        ('a","b',),
        ("ä",),
        ("a\u0308",),
        ({"a": 1},),
    ]
    assert len({key(*part) for part in parts}) == len(parts)


def test_a_key_is_the_same_in_every_process() -> None:
    assert key("ä", 1, {"b": 2, "a": 1}) == hashlib.sha256('["ä",1,{"a":1,"b":2}]'.encode()).hexdigest()[:32]
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})


def test_the_cache_of_fast_tests_is_not_the_users() -> None:
    assert "steering-tests-" in str(cache_dir())


@pytest.mark.usefixtures("fresh_cache")
def test_a_cached_result_is_made_once() -> None:
    made = []

    def make() -> tuple[dict[str, torch.Tensor], dict[str, int]]:
        made.append(1)
        return {"a": torch.arange(3.0)}, {"run": len(made)}

    first, second, other = cached("kind", "one", make), cached("kind", "one", make), cached("kind", "two", make)
    assert first[1] == second[1] == {"run": 1}
    assert torch.equal(first[0]["a"], second[0]["a"])
    assert other[1] == {"run": 2}


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("how", ["empty", "garbage", "truncated", "no header"])
def test_a_broken_cache_file_is_made_again(how: str) -> None:
    cached("kind", "one", lambda: ({"a": torch.zeros(1)}, {}))
    (path,) = (cache_dir() / "kind").iterdir()
    path.unlink()
    broken(path, how)
    for _ in range(2):
        tensors, header = cached("kind", "one", lambda: ({"a": torch.ones(1)}, {"again": True}))
        assert torch.equal(tensors["a"], torch.ones(1))
        assert header == {"again": True}


@pytest.mark.usefixtures("fresh_cache")
def test_a_failure_is_not_cached() -> None:
    def fail() -> tuple[dict[str, torch.Tensor], dict[str, int]]:
        raise SteeringError("stopped")

    with pytest.raises(SteeringError, match="stopped"):
        cached("kind", "one", fail)
    assert cached("kind", "one", lambda: ({"a": torch.ones(1)}, {}))[0]["a"] == 1


# A bounded cache


@pytest.fixture
def small_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache with room for three results of `kept`; the folder of the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    size = kept("measure", 0).stat().st_size
    monkeypatch.setattr(cache_module, "CACHE_BUDGET", 3 * size)
    kept("measure", 0).unlink()
    return cache_dir()


def kept(folder: str, number: int, *, hours: float = 0) -> Path:
    """A cached result, last used some hours ago."""
    cached(folder, f"result-{number}", lambda: ({"values": torch.full((500,), float(number))}, {}))
    path = cache_dir() / folder / f"result-{number}.safetensors"
    age(path, hours)
    return path


def age(path: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


@pytest.mark.usefixtures("small_budget")
def test_what_was_used_longest_ago_goes_when_the_cache_is_full() -> None:
    first, second, third = (kept(folder, number, hours=9 - number) for number, folder in enumerate(("a", "b", "a")))
    assert all(path.is_file() for path in (first, second, third))
    kept("a", 0)  # A hit: the first is the one that was used last now.
    fourth = kept("c", 3)
    assert [path.is_file() for path in (first, second, third, fourth)] == [True, False, True, True]


@pytest.mark.usefixtures("small_budget")
def test_what_was_used_a_moment_ago_is_never_evicted() -> None:
    paths = [kept("a", number) for number in range(6)]
    assert all(path.is_file() for path in paths)


def test_converted_models_and_rows_are_never_evicted(small_budget: Path) -> None:
    for folder in ("models", "runs"):
        (small_budget / folder).mkdir(parents=True)
        (small_budget / folder / "large.safetensors").write_bytes(b"0" * 100_000)
        age(small_budget / folder / "large.safetensors", 1000)
    old = kept("a", 0, hours=5)
    kept("a", 1)
    assert old.is_file(), "models do not count"
    assert all((small_budget / folder / "large.safetensors").is_file() for folder in ("models", "runs"))


def test_half_written_files_of_killed_processes_are_swept(small_budget: Path) -> None:
    folder = small_budget / "a"
    (folder / ".model.0123abcd.partial").mkdir(parents=True)
    (folder / ".model.0123abcd.partial" / "half").write_text("half")
    for name in (".result.0123abcd.partial", ".fresh.0123abcd.partial", "mine.partial"):
        (folder / name).write_text("half")
    for path in (*folder.iterdir(), folder / ".model.0123abcd.partial" / "half"):
        age(path, 0 if path.name.startswith(".fresh") else 30)
    files_module._swept.clear()
    kept("a", 0)
    assert left_over(folder) == [".fresh.0123abcd.partial", "mine.partial", "result-0.safetensors"]


def test_a_model_that_is_half_deleted_has_lost_its_name(small_budget: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_budget / "models" / "large"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")

    def killed(path: Path) -> None:
        (path / "config.json").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(files_module.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        clear_cache("models")
    assert not model.exists()


def test_the_command_lists_and_clears(small_budget: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as ended:
            main(["cache", *words, "--json"])
        captured = capsys.readouterr()
        assert ended.value.code == 0, captured.err
        return json.loads(captured.out)

    assert run()["kinds"] == []
    paths = [kept("a", 0, hours=2), kept("b", 1)]
    model = small_budget / "models" / "large" / "model.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"0" * 50)
    data = run()
    assert data["folder"] == str(small_budget)
    assert [(kind["kind"], kind["entries"], kind["bytes"]) for kind in data["kinds"]] == [
        ("a", 1, paths[0].stat().st_size),
        ("b", 1, paths[1].stat().st_size),
        ("models", 1, 50),
    ]
    assert data["kinds"][0]["oldest_hours"] == pytest.approx(2, abs=0.1)
    assert run("--clear", "b")["cleared"] == ["b"]
    assert [path.is_file() for path in (*paths, model)] == [True, False, True]
    assert run("--clear")["cleared"] == ["a"]
    assert model.is_file(), "converted models are cleared by their name only"
    assert run("--clear", "models")["freed_bytes"] == 50
    assert run()["kinds"] == []
    for words in (["cache", "--clear", "nothing"], ["cache", "--clear", "../b"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "holds no" in capsys.readouterr().err
