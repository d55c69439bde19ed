"""Decoding a file's bytes, with detection of their encoding."""

import codecs
import re
from dataclasses import dataclass

from steering.errors import SteeringError

_BYTE_ORDER_MARKS = (  # UTF-32's mark begins with UTF-16's, so it comes first.
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_SAVE = "Save it as UTF-8 and try again."
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MAX_NON_ASCII = 0.3
"""Western texts have fewer letters outside ASCII than this share; Cyrillic, Greek or Chinese read as Windows-1252 has more."""


@dataclass(frozen=True)
class Decoded:
    """A text and how it was read.

    Attributes:
        text: without a byte order mark.
        encoding: "UTF-8", "UTF-16", "UTF-32" or "Windows-1252".
    """

    text: str
    encoding: str


def decode(data: bytes, name: str) -> Decoded:
    """Read bytes as text: by their byte order mark, as UTF-8, as UTF-16 without a mark, or as Windows-1252.

    Windows-1252 is assumed only for bytes that are plausible as such: no damaged UTF-8, no control characters, mostly ASCII.

    Args:
        data: a file's bytes.
        name: of the file, for messages.

    Raises:
        SteeringError: not a text, or its encoding cannot be determined.
    """
    if data.startswith(_LFS_POINTER):
        raise SteeringError(f"{name} is a Git LFS pointer, not the file itself. Fetch the file with: git lfs pull")
    for mark, codec, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return Decoded(_strict(data, codec, encoding, name).lstrip("\ufeff"), encoding)
    if b"\0" in data:
        order = _utf16_order(data)
        if order is None:
            raise SteeringError(f"{name} cannot be read as UTF-8 text: it holds zero bytes. {_SAVE}")
        return Decoded(_strict(data, order, "UTF-16", name), "UTF-16")
    try:
        return Decoded(data.decode("utf-8"), "UTF-8")
    except UnicodeDecodeError as error:
        reason = f"byte {data[error.start]:#04x} at position {error.start}"
        return Decoded(_western(data, name, reason), "Windows-1252")


def _strict(data: bytes, codec: str, encoding: str, name: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise SteeringError(
            f"{name} begins like {encoding}, but cannot be read as that ({error.reason} at byte {error.start}): "
            f"it may be cut off. {_SAVE}"
        ) from error


def _utf16_order(data: bytes) -> str | None:
    """The byte order of UTF-16 without a mark: ASCII characters have a zero as the first or as the second byte of each pair."""
    first, second = data[::2].count(0), data[1::2].count(0)
    if len(data) % 2 or first + second < len(data) / 20 or min(first, second):
        return None
    return "utf-16-le" if second else "utf-16-be"


def _damaged_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8 with few errors or cut off at the end; nearly all accented letters of Windows-1252 are errors."""
    replaced = data.decode("utf-8", "replace")
    errors = replaced.count("\ufffd")
    n_decoded = sum(not character.isascii() for character in replaced) - errors
    return n_decoded > errors or (errors == 1 and replaced.endswith("\ufffd"))


def _western(data: bytes, name: str, reason: str) -> str:
    error = SteeringError(
        f"{name} cannot be read as UTF-8 text ({reason}), and does not look like Windows-1252 either. {_SAVE}"
    )
    if codecs.BOM_UTF16_LE in data or codecs.BOM_UTF16_BE in data:
        raise error  # A byte order mark in the middle: files of two encodings that were joined.
    if _damaged_utf8(data):
        raise SteeringError(
            f"{name} cannot be read as UTF-8 text: it begins as that, but {reason} is not. "
            f"The file is damaged or cut off, or holds two encodings. {_SAVE}"
        )
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise error from None
    letters = [character for character in text if character.isalpha()]
    non_ascii = sum(not character.isascii() for character in letters)
    if _CONTROL_CHARACTER.search(text) or non_ascii > _MAX_NON_ASCII * len(letters):
        raise error
    return text
