"""Rows that were computed, kept in SQLite as they finish, so that a killed run loses at most the batch in flight.

A row is found by what made it: a hash of model, vector, λ and settings (its *cell*), and one of the prompt. So a baseline is
shared by all vectors, and a smaller run's rows serve a larger one. Nothing here knows whether a row is right.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.evaluation.scoring import Outcome
from steering.storage import cache_dir

_TABLES = """
CREATE TABLE IF NOT EXISTS cells (cell TEXT PRIMARY KEY, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    cell TEXT NOT NULL, prompt TEXT NOT NULL, item TEXT NOT NULL, outcome TEXT NOT NULL,
    written REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (cell, prompt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    cell TEXT PRIMARY KEY, result TEXT NOT NULL, written REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 1
);
"""

ROWS_BUDGET = 500_000_000
"""Bytes of the default file from which on a run that begins forgets rows of other runs: about a million rows."""

_KEPT_S = 86_400.0
"""Rows of the last day are not forgotten: a run that was stopped may go on from them."""

WAIT_S = 60.0
"""How long a process waits for another one that writes into the same file."""


def default_store() -> Path:
    """File that rows are kept in unless another one is named."""
    return cache_dir() / "runs" / "rows.sqlite"


@dataclass(frozen=True)
class Store:
    """A file of rows.

    Attributes:
        path: the SQLite file; made when it is missing.
        since: rows from before this time, in seconds since 1970, are not read, and are replaced when they are computed
            again. 0 reads all: that is how a run is resumed.
    """

    path: Path
    since: float = field(default=0.0)

    @staticmethod
    def open(path: Path | None = None, *, resume: bool = False) -> "Store":
        """A store for a run that begins now, or for one that goes on with whatever rows there are."""
        return Store(path or default_store(), 0.0 if resume else time.time())

    def read(self, cell: str) -> dict[str, Outcome]:
        """The rows of one cell by prompt.

        Raises:
            SteeringError: the file is no store, or cannot be read.
        """
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT prompt, outcome FROM rows WHERE cell = ? AND written >= ?", (cell, self.since)
            ).fetchall()
        return {prompt: _outcome(json.loads(text)) for prompt, text in rows}

    def describe(self, cells: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down what made each cell, for people who open the file; called when a run begins.

        Rows of other cells are forgotten where the default file has outgrown `ROWS_BUDGET`. A file that a person named is
        never made smaller.
        """
        if self.path == default_store() and self.path.is_file() and self.path.stat().st_size > ROWS_BUDGET:
            self._forget_others(cells)
        with self._connection() as connection:
            rows = [(cell, json.dumps(settings, ensure_ascii=False)) for cell, settings in cells.items()]
            connection.executemany("INSERT OR IGNORE INTO cells VALUES (?, ?)", rows)

    def write(self, rows: Iterable[tuple[str, str, str, Outcome]]) -> None:
        """Keep the rows of one batch, all or none.

        Args:
            rows: cell, prompt, the question's id, and what the model did. A row that is there already is replaced, and
                its `attempts` count one more.

        Raises:
            SteeringError: the file cannot be written.
        """
        now = time.time()
        values = [
            (cell, prompt, item, json.dumps(asdict(outcome), ensure_ascii=False), now)
            for cell, prompt, item, outcome in rows
        ]
        with self._connection() as connection:
            connection.executemany(
                "INSERT INTO rows (cell, prompt, item, outcome, written) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (cell, prompt) DO UPDATE SET outcome = excluded.outcome, written = excluded.written, "
                "attempts = attempts + 1",
                values,
            )

    def results(self) -> dict[str, dict[str, Any]]:
        """What `keep_result` kept, by cell.

        Raises:
            SteeringError: the file is no store, or cannot be read.
        """
        with self._connection() as connection:
            rows = connection.execute("SELECT cell, result FROM results WHERE written >= ?", (self.since,)).fetchall()
        return {cell: json.loads(text) for cell, text in rows}

    def keep_result(self, cell: str, result: Mapping[str, Any]) -> None:
        """Keep what a whole cell of a study gave; an earlier result is replaced, and its `attempts` count one more.

        Raises:
            SteeringError: the file cannot be written.
        """
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO results (cell, result, written) VALUES (?, ?, ?) ON CONFLICT (cell) DO UPDATE SET "
                "result = excluded.result, written = excluded.written, attempts = attempts + 1",
                (cell, json.dumps(result, ensure_ascii=False), time.time()),
            )

    def _forget_others(self, cells: Iterable[str]) -> None:
        """Delete what is older than a day and belongs to none of the cells, and give the room back."""
        with self._connection() as connection:
            connection.execute("CREATE TEMP TABLE mine (cell TEXT PRIMARY KEY)")
            connection.executemany("INSERT OR IGNORE INTO mine VALUES (?)", [(cell,) for cell in cells])
            connection.execute(
                "DELETE FROM rows WHERE written < ? AND cell NOT IN (SELECT cell FROM mine)", (time.time() - _KEPT_S,)
            )
            connection.execute("DELETE FROM cells WHERE cell NOT IN (SELECT cell FROM rows)")
        with self._connection() as connection:
            connection.commit()
            connection.execute("VACUUM")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # Opened for each transaction: a connection must not be carried to another thread, and opening takes a millisecond.
        connection = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=WAIT_S)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)
            with connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise SteeringError(
                f"Rows cannot be kept in {self.path}: {error}. Free some space, name another file, or move this one away."
            ) from error
        finally:
            if connection is not None:
                connection.close()


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**fields, "scores": tuple(fields["scores"])})
