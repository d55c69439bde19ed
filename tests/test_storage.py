"""Files are whole or absent, whoever is killed and whoever comes second; cache keys tell everything apart."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from forks import FORK
from safetensors.torch import save_file

from steering.errors import SteeringError
from steering.storage import HEADER, atomic, read_tensors, write_tensors


def run_all(*tasks: Callable[[], Any]) -> list[int | None]:
    """Run functions in processes of their own, at the same time; their exit codes."""
    processes = [FORK.Process(target=task) for task in tasks]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Atomic writes


def test_a_file_is_absent_until_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "made" / "on the way" / "größe.txt"
    with atomic(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent, "a move across file systems is not atomic"
    assert target.read_text() == "whole"
    assert left_over(target.parent) == [target.name]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failed_write_leaves_nothing(tmp_path: Path, kind: str) -> None:
    def write() -> None:
        with atomic(tmp_path / "result") as temporary:
            if kind == "file":
                temporary.write_text("half")
            else:
                temporary.mkdir()
                (temporary / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert left_over(tmp_path) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result"
    target.write_text("old")

    def write() -> None:
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        write()
    assert target.read_text() == "old"


def test_a_file_is_replaced_and_of_two_folders_the_first_stays(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with atomic(tmp_path / "file") as temporary:
            temporary.write_text(content)
        with atomic(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / "content").write_text(content)
    assert (tmp_path / "file").read_text() == "second"
    assert (tmp_path / "folder" / "content").read_text() == "first"
    assert left_over(tmp_path) == ["file", "folder"]


def test_a_write_that_cannot_take_its_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "something").write_text("")

    def write() -> None:
        with atomic(tmp_path / "taken") as temporary:
            temporary.write_text("a file cannot replace a folder")

    with pytest.raises(SteeringError, match=r"taken cannot be written: Is a directory\. Choose another name"):
        write()
    assert left_over(tmp_path) == ["taken"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_killed_process_leaves_nothing_under_the_name(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "result"

    def die() -> None:
        with atomic(target) as temporary:
            if kind == "folder":
                temporary.mkdir()
            (temporary / "a" if kind == "folder" else temporary).write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

    assert run_all(die) == [-signal.SIGKILL]
    assert not target.exists()
    with atomic(target) as temporary:
        temporary.write_text("whole")
    assert target.read_text() == "whole"


def test_processes_that_write_the_same_folder_all_succeed_and_never_mix(tmp_path: Path) -> None:
    target, n, together = tmp_path / "model", 6, FORK.Barrier(6)

    def write(name: str) -> None:
        together.wait(30)
        for _ in range(20):
            with atomic(target) as temporary:
                temporary.mkdir()
                for part in range(5):
                    (temporary / f"part-{part}").write_text(name)
            assert len({path.read_text() for path in target.iterdir()}) == 1
            assert len(list(target.iterdir())) == 5

    assert run_all(*(lambda name=f"process {i}": write(name) for i in range(n))) == [0] * n
    assert left_over(tmp_path) == ["model"]


# Tensors with a header


def test_tensors_and_header_come_back_as_they_were(tmp_path: Path) -> None:
    tensors = {
        "directions": torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).T,  # not contiguous
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "counts": torch.tensor([[1, 2]]),
    }
    header = {"name": 'Höflichkeit, "λ"\n', "numbers": [1, 2.5, None], "nested": {"a": True}}
    write_tensors(tmp_path / "v.safetensors", tensors, header)
    found, head = read_tensors(tmp_path / "v.safetensors")
    assert head == header
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def broken(path: Path, how: str) -> None:
    if how == "garbage":
        path.write_bytes(b"this is no safetensors file")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        write_tensors(path, {"a": torch.ones(100)}, {"x": 1})
        path.write_bytes(path.read_bytes()[:-50])
    elif how == "folder":
        path.mkdir()
    elif how == "no header":
        save_file({"a": torch.ones(2)}, path)
    elif how == "header of another kind":
        save_file({"a": torch.ones(2)}, path, metadata={HEADER: "[1, 2]"})
    elif how == "header that is not JSON":
        save_file({"a": torch.ones(2)}, path, metadata={HEADER: "{"})


BROKEN = (
    "absent",
    "empty",
    "garbage",
    "truncated",
    "folder",
    "no header",
    "header of another kind",
    "header that is not JSON",
)


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path: Path, how: str) -> None:
    path = tmp_path / "wrong.safetensors"
    broken(path, how)
    with pytest.raises(SteeringError, match=r"wrong\.safetensors"):
        read_tensors(path)


# On the disk


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name.split('.partial')[0][:7]}")
        sync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with atomic(tmp_path / "result") as temporary:
        temporary.write_text("whole")
    assert steps == ["sync .result", "rename", f"sync {tmp_path.name[:7]}"]
    steps.clear()
    with atomic(tmp_path / "folder") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "weights").write_text("whole")
        (temporary / "inner" / "names").write_text("whole")
    assert set(steps[: steps.index("rename")]) == {"sync weights", "sync names", "sync inner", "sync .folder"}


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EFBIG"])
def test_a_full_disk_is_said_and_the_old_file_is_whole(tmp_path: Path, number: str) -> None:
    target = tmp_path / "result"
    target.write_text("old")

    def write() -> None:
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise OSError(getattr(errno, number), "in the system's words")

    with pytest.raises(SteeringError, match=r"result cannot be written: the disk is full\. Free"):
        write()
    assert target.read_text() == "old"
    assert left_over(tmp_path) == ["result"]


def test_an_error_of_another_file_is_not_taken_for_one_of_the_write(tmp_path: Path) -> None:
    def write() -> None:
        with atomic(tmp_path / "result"):
            (tmp_path.parent / "not there" / "source").read_text()

    with pytest.raises(FileNotFoundError):
        write()
