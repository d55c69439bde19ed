"""Lists and objects that were written into one cell of a table: as JSON, or as Python and NumPy print them."""

import ast
import io
import json
import tokenize
from collections.abc import Iterator
from typing import Any

_UNREADABLE = (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError)
_WRAPPERS = ("array", "str_", "int64", "float64")
"""What NumPy prints around values, as in `array([...])` and `np.str_('a')`."""


def read_literal(text: str) -> Any:
    """The list or object that a text spells, such as `["a", "b"]`, `['a', 'b']`, `['a' 'b']` or `{'text': array([...])}`.

    Nothing is run: names, operators and calls other than NumPy's own `array` are refused.

    Raises:
        ValueError: it spells none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        # NumPy prints no commas, and Python would join the texts of ['a' 'b'] into one.
        return _value(ast.parse(_with_commas(text.strip()), mode="eval").body)
    except _UNREADABLE as error:
        raise ValueError("it is neither JSON nor a list as Python prints it") from error


def _with_commas(text: str) -> str:
    values = {tokenize.STRING, tokenize.NUMBER}
    pieces: list[str] = []
    last: tokenize.TokenInfo | None = None
    for token in _tokens(text):
        if last is not None and last.type in values and token.type in values:
            pieces.append(",")
        pieces.append(token.string)
        last = token
    return " ".join(pieces)


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    skipped = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    return (token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in skipped)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(entry) for entry in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {
            _value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key is not None
        }
    if isinstance(node, ast.Call) and ast.unparse(node.func).removeprefix("np.") in _WRAPPERS and node.args:
        return _value(node.args[0])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand)
        if isinstance(value, int | float):
            return -value
    raise ValueError("it is more than a list of values")
