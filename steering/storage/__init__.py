"""Files: whole or absent, safetensors with a JSON header, the cache; and tables that people keep, as rows."""

from steering.storage.files import (
    HEADER,
    atomic,
    cache_dir,
    cached,
    data_dir,
    key,
    read_tensors,
    write_tensors,
)
from steering.storage.json_rows import rows_of
from steering.storage.tables import TABLE_ENDINGS, Contents, parse_table, read_table

__all__ = [
    "HEADER",
    "TABLE_ENDINGS",
    "Contents",
    "atomic",
    "cache_dir",
    "cached",
    "data_dir",
    "key",
    "parse_table",
    "read_table",
    "read_tensors",
    "rows_of",
    "write_tensors",
]
