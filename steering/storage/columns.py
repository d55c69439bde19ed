"""Columns of a table by name: in any case and with spaces around it."""

from collections.abc import Sequence


def normalised(column: str) -> str:
    """A column's name without spaces around it and in lower case."""
    return column.strip().casefold()


def find_column(columns: Sequence[str], key: str, exactly: str = "") -> str | None:
    """The one column of a name, in any case and with spaces around it; None where there is none or several.

    Args:
        columns: as they are written in the file.
        key: the name in lower case.
        exactly: the name as the user wrote it; a column that is spelt so comes first.
    """
    exact = [column for column in columns if column == (exactly or key)]
    alike = exact or [column for column in columns if normalised(column) == key]
    return alike[0] if len(alike) == 1 else None


def column_list(columns: Sequence[str]) -> str:
    """Columns as a comma-separated list for a message; long lists are shortened."""
    text = ", ".join(f"{column!r}"[:60] if column.strip() else "a column without a name" for column in columns[:12])
    return (text + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")) or "none"
