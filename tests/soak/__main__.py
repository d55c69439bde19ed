"""`make soak`: load, isolation, fuzz and faults; a table at the end, and exit status 0 only if nothing was wrong.

Of the time, two thirds go to pages on the real app, and the rest to faults and damaged files.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from conftest import loaded
from test_bundled import write_gguf
from tiny import save_tiny

from soak.app import App, served
from soak.cancelled import cancel_often
from soak.faults import Survived, fill_disk, kill_often
from soak.fuzz import Fuzzed, fuzz, readers
from soak.load import Alone, Tally, load, settled
from soak.stages import STAGES, Place
from steering.concepts import load_concept
from steering.vectors import extract

CLIENTS = 16
KILLS = 50
MINUTES_OF_ALL_KILLS = 10
MOST_DRIFT = 0.05
MOST_WAIT = 3.0
CANCELLED = 20
MOST_CANCELLED_S = 1.0
KEPT_ALIVE_S = 10.0
"""Longest time for which the server keeps a connection that nobody uses, and some more."""


@dataclass
class Soaked:
    """Everything that was measured.

    Attributes:
        two: two pages at a time.
        many: many pages at a time.
        ties: texts that differ by rounding alone from what one person alone gets.
        cancelled: seconds until nothing of a run works any more that was stopped, or whose page was closed.
        hooks: left on models once no page is open.
        left: pages, runs and vectors of files that the app still holds then.
        drift: growth of memory after warm-up, as a share.
        threads: more at the end than after warm-up.
        files: more open at the end than after warm-up.
        fuzzed: damaged files.
        kills: by stage.
        full: by stage, the sentence on a full disk.
    """

    two: Tally = field(default_factory=Tally)
    many: Tally = field(default_factory=Tally)
    ties: int = 0
    cancelled: list[float] = field(default_factory=lambda: [0.0])
    hooks: int = 0
    left: int = 0
    drift: float = 0.0
    threads: int = 0
    files: int = 0
    fuzzed: Fuzzed = field(default_factory=Fuzzed)
    kills: dict[str, Survived] = field(default_factory=dict)
    full: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """What was wrong, as sentences."""
        survived = [words for each in self.kills.values() for words in each.wrong]
        return [*self.two.wrong, *self.many.wrong, *self.fuzzed.wrong, *survived]

    @property
    def worst_wait(self) -> tuple[float, float]:
        """The longest wait of a page among many, in seconds, and the median."""
        waits = self.many.waits or [0.0]
        return max(waits), statistics.median(waits)

    @property
    def fine(self) -> bool:
        """Whether nothing was wrong, lost or left."""
        worst, median = self.worst_wait
        sentences = all("no sentence" not in words and "hangs" not in words for words in self.full.values())
        return (
            not (self.wrong or self.two.lost or self.many.lost or self.hooks or self.left)
            and self.drift <= MOST_DRIFT
            and self.threads <= 2
            and self.files <= 2
            and worst <= MOST_WAIT * median
            and max(self.cancelled) <= MOST_CANCELLED_S
            and sentences
        )

    def table(self) -> str:
        """The figures as Markdown."""
        worst, median = self.worst_wait
        survived = sum(each.faults for each in self.kills.values()) - sum(
            len(each.wrong) for each in self.kills.values()
        )
        rows = [
            ("clients at a time", f"{self.two.clients}, then {self.many.clients}"),
            ("requests", f"{self.two.requests + self.many.requests}"),
            ("of these stopped, and left by closing the page", f"{self.many.stopped}, {self.many.left}"),
            ("wrong texts", f"{len(self.two.wrong) + len(self.many.wrong)}"),
            ("texts that a tie decided, equal up to rounding", f"{self.ties}"),
            ("lost results", f"{len(self.two.lost) + len(self.many.lost)}"),
            ("hooks left", f"{self.hooks}"),
            ("pages, runs and vectors left", f"{self.left}"),
            ("memory drift after warm-up", f"{100 * self.drift:+.1f} %"),
            ("threads, open files more than after warm-up", f"{self.threads:+d}, {self.files:+d}"),
            ("worst wait (median)", f"{worst:.1f} s ({median:.1f} s)"),
            ("worst end of a cancelled run (of so many)", f"{max(self.cancelled):.2f} s ({len(self.cancelled)})"),
            ("damaged files read or refused (wrong)", f"{self.fuzzed.files} ({len(self.fuzzed.wrong)})"),
            ("kills survived", f"{survived} of {sum(each.faults for each in self.kills.values())}"),
            ("full disks with a sentence or without a loss", f"{len(self.full)} of {len(STAGES)}"),
        ]
        return "\n".join(["| what | figure |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main() -> None:
    """Run everything, print the table, and exit with 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="soak", description="Load, isolation, fuzz and faults against the real app.")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    print(f"Seed {chosen.seed}", flush=True)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    soaked = Soaked()
    with tempfile.TemporaryDirectory(prefix="steering-soak-") as folder:
        home, seconds = Path(folder), 60 * chosen.minutes
        _pages(soaked, home / "pages", seconds * 2 / 3, chosen.clients, chosen.seed)
        _damage(soaked, home / "damaged", seconds / 15, chosen.seed)
        kills = max(2, round(KILLS * min(1.0, chosen.minutes / MINUTES_OF_ALL_KILLS)))
        _faults(soaked, home / "faults", kills, chosen.seed)
    print(soaked.table())
    for words in [*soaked.wrong, *soaked.two.lost, *soaked.many.lost][:20]:
        print(words, file=sys.stderr)
    sys.exit(0 if soaked.fine else 1)


def _pages(soaked: Soaked, home: Path, seconds: float, clients: int, seed: int) -> None:
    home.mkdir()
    parent, child = (
        str(save_tiny(home / "first", "llama", layers=3, width=32)),
        str(save_tiny(home / "second", "qwen2", layers=4, width=40, seed=1)),
    )
    alone = Alone(parent, child, home / "alone")
    with served(home / "home", "--parent", parent, "--child", child, "--log-json") as app:
        soaked.two = load(app, alone, 2, seconds * 0.1, runs=3, seed=seed)
        soaked.cancelled = cancel_often(app, CANCELLED, seed)
        load(app, alone, clients, seconds * 0.2, seed=seed + 1)  # Warm-up.
        before = _rested(app)
        soaked.many = load(app, alone, clients, seconds * 0.7, runs=2, seed=seed + 2)
        _compare(soaked, before, _rested(app), app)
    soaked.ties = alone.ties


def _rested(app: App) -> dict[str, Any]:
    """What the app says about itself once connections that nobody uses any more are closed too."""
    settled(app)
    time.sleep(KEPT_ALIVE_S)
    return settled(app)


def _compare(soaked: Soaked, before: dict[str, float], after: dict[str, float], app: App) -> None:
    soaked.hooks = int(after["hooks"])
    soaked.left = int(after["pages"] + after["runs"] + after["file_vectors"] + after["states"])
    soaked.drift = after["memory"] / before["memory"] - 1
    soaked.threads = int(after["threads"] - before["threads"])
    soaked.files = int(after["files"] - before["files"])
    failed = [line for line in app.log.read_text().splitlines() if "Traceback" in line]
    soaked.many.wrong += [f"the log holds a traceback: {line[:300]}" for line in failed]


def _damage(soaked: Soaked, home: Path, seconds: float, seed: int) -> None:
    home.mkdir()
    model = loaded("llama")
    kinds = readers(home, model, extract(model, load_concept("sentiment"), "mean"))
    soaked.fuzzed = fuzz(home, kinds, 500, seconds, seed)


def _faults(soaked: Soaked, home: Path, kills: int, seed: int) -> None:
    home.mkdir()
    place = Place.make(home, write_gguf)
    for name in STAGES:
        soaked.full[name] = fill_disk(place, name)
        soaked.kills[name] = kill_often(place, name, kills, seed)


if __name__ == "__main__":
    main()
