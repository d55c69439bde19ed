"""Atomic writes, safetensors with a JSON header, the cache, and reading tables in common formats, and what other files are."""

from steering.storage.cache import CACHE_BUDGET, NOT_EVICTED, Kind, cache_kinds, cached, clear_cache
from steering.storage.columns import column_list, find_column, normalised
from steering.storage.files import (
    HEADER,
    atomic,
    cache_dir,
    cache_in,
    data_dir,
    discard,
    full_disk,
    key,
    read_tensors,
    write_tensors,
)
from steering.storage.json_rows import rows_of
from steering.storage.kinds import unreadable
from steering.storage.tables import TABLE_ENDINGS, Contents, parse_table, read_table

__all__ = [
    "CACHE_BUDGET",
    "HEADER",
    "NOT_EVICTED",
    "TABLE_ENDINGS",
    "Contents",
    "Kind",
    "atomic",
    "cache_dir",
    "cache_in",
    "cache_kinds",
    "cached",
    "clear_cache",
    "column_list",
    "data_dir",
    "discard",
    "find_column",
    "full_disk",
    "key",
    "normalised",
    "parse_table",
    "read_table",
    "read_tensors",
    "rows_of",
    "unreadable",
    "write_tensors",
]
