"""SECURITY.md promises nothing without a test."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROMISES = re.findall(
    r"^\| (.+) \| `(tests/\w+\.py)::(\w+)` \|$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE
)


def test_there_are_promises_and_every_row_is_read() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len(PROMISES) == len(rows) - sum(line == "| promise | test |" for line in rows) > 20


@pytest.mark.parametrize(("file", "test"), sorted({(file, test) for _, file, test in PROMISES}))
def test_the_test_behind_a_promise_exists(file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
