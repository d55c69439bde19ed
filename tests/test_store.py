"""The store: whole batches, no row twice without being asked, and two processes at once."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from steering.errors import SteeringError
from steering.evaluation import store as store_module
from steering.evaluation.scoring import Outcome
from steering.evaluation.store import Store

ROW = Outcome("it is 4", 3, "length", True, (-1.5, -2.0))


def attempts(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        return [count for (count,) in connection.execute("SELECT attempts FROM rows")]


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "deep" / "rows.sqlite")
    store.write([("cell", "prompt", "q1", ROW), ("cell", "other", "q2", Outcome())])
    assert store.read("cell") == {"prompt": ROW, "other": Outcome()}
    assert store.read("another") == {}


def test_a_fresh_run_sees_only_its_own_rows_and_a_resumed_one_sees_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    Store.open(path).write([("cell", "prompt", "q1", ROW)])
    fresh = Store.open(path)
    assert fresh.read("cell") == {}
    assert Store.open(path, resume=True).read("cell") == {"prompt": ROW}
    fresh.write([("cell", "prompt", "q1", Outcome("5"))])
    assert fresh.read("cell") == {"prompt": Outcome("5")}
    assert attempts(path) == [2]


@pytest.mark.usefixtures("fresh_cache")
def test_the_default_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "ROWS_BUDGET", 50_000, raising=False)
    stores = Store.open(), Store.open(tmp_path / "named.sqlite")
    for store in stores:
        for cell in ("old", "mine"):
            store.write([(cell, f"prompt {place}", "q", Outcome("x" * 1000)) for place in range(100)])
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute("UPDATE rows SET written = written - 200000")
        store.write([("new", "prompt", "q", ROW)])
        store.describe({cell: {"λ": 0.1} for cell in ("mine", "new")})
    default, named = (Store(store.path) for store in stores)
    assert default.read("old") == {}
    assert len(default.read("mine")) == 100, "rows that the run at hand may go on from stay"
    assert len(default.read("new")) == 1, "rows of the last day stay"
    assert default.path.stat().st_size < 0.7 * named.path.stat().st_size
    assert len(named.read("old")) == 100, "a file that a person named is theirs"


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    store = Store.open(path)
    with pytest.raises(SteeringError, match="name another file"):
        store.write([("cell", "prompt", "q1", ROW), ("cell", None, "q2", ROW)])  # type: ignore[list-item]
    assert store.read("cell") == {}


def test_it_is_written_ahead_so_that_readers_do_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    store = Store.open(path)
    store.write([("cell", "prompt", "q1", ROW)])
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.execute("BEGIN IMMEDIATE")
        assert store.read("cell") == {"prompt": ROW}


def test_what_made_a_cell_can_be_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "rows.sqlite")
    store.describe({"cell": {"λ": 0.1}})
    store.describe({"cell": {"λ": 0.1}})
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("SELECT * FROM cells").fetchall() == [("cell", '{"λ": 0.1}')]


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is no database, and it shall stay what it is. " * 20, "utf-8")
    before = path.read_bytes()
    with pytest.raises(SteeringError, match=r"letter\.txt"):
        Store.open(path).read("cell")
    assert path.read_bytes() == before
