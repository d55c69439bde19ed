"""The command `cache`: listing the cache and clearing it."""

import time

import click

from steering.cli.steps import show
from steering.formatting import duration
from steering.storage import CACHE_BUDGET, NOT_EVICTED, Kind, cache_dir, cache_kinds, clear_cache

_ALL = "all"
_HOUR_S = 3600


@click.command(name="cache")
@click.option(
    "--clear",
    "kind",
    is_flag=False,
    flag_value=_ALL,
    metavar="[KIND]",
    help="Delete one kind; without a name, all kinds that are quickly made again.",
    show_default=False,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def cache_command(kind: str | None, as_json: bool) -> None:
    """List what the cache holds, by kind with sizes and ages, or clear it.

    Converted models and the rows of runs are only deleted where they are named.
    """
    chosen = [] if kind is None else [kind]
    if kind == _ALL:
        chosen = [each.name for each in cache_kinds() if each.name not in NOT_EVICTED]
    freed = sum(map(clear_cache, chosen))
    kinds = cache_kinds()
    data = {
        "folder": str(cache_dir()),
        "budget_bytes": CACHE_BUDGET,
        "kinds": [_row(each) for each in kinds],
        "cleared": chosen,
        "freed_bytes": freed,
    }
    lines = [f"{each.name:12} {each.entries:5} entries {_size(each.size)}   used {_ages(each)}" for each in kinds]
    if kind is not None:
        lines.insert(0, f"Cleared {', '.join(chosen) or 'nothing'}: {_size(freed).strip()} freed.")
    total = sum(each.size for each in kinds if each.name not in NOT_EVICTED)
    lines.append(
        f"{cache_dir()}: {_size(total).strip()} of {_size(CACHE_BUDGET).strip()} that results may take; beyond it those go "
        f"that were used longest ago. {' and '.join(sorted(NOT_EVICTED))} do not count."
    )
    show(data, "\n".join(lines), as_json)


def _row(kind: Kind) -> dict[str, object]:
    now = time.time()
    return {
        "kind": kind.name,
        "entries": kind.entries,
        "bytes": kind.size,
        "oldest_hours": (now - kind.oldest) / _HOUR_S,
        "newest_hours": (now - kind.newest) / _HOUR_S,
        "evicted": kind.name not in NOT_EVICTED,
    }


def _ages(kind: Kind) -> str:
    now = time.time()
    newest, oldest = duration(now - kind.newest), duration(now - kind.oldest)
    return f"{newest} ago" if newest == oldest else f"{newest} to {oldest} ago"


def _size(size: int) -> str:
    return f"{size / 1e6:9.1f} MB" if size < 1e9 else f"{size / 1e9:9.2f} GB"


COMMANDS = (cache_command,)
