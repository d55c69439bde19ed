"""Rows of the tasks that are bundled, as JSON Lines."""

from typing import Any

from steering.storage import parse_table


def jsonl(text: str, name: str) -> list[Any]:
    """Rows of JSON Lines.

    Args:
        text: what the file holds.
        name: what messages call it.

    Raises:
        SteeringError: a line that is not JSON.
    """
    return list(parse_table(text, "jsonl", name).data)
