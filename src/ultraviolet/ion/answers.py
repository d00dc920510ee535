"""Decode JSON from other programs, including invalid JSON and Unicode.

Valid JSON takes the fast path. Other input is repaired: invalid characters become U+FFFD, numbers
out of range become strings, and NUL is removed because PostgreSQL cannot store it.
"""

import json
import math
import re
from typing import Any, cast

import msgspec

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|u[dD][89a-fA-F][0-9a-fA-F]{2}|u0000|.)",
    re.DOTALL,
)
_ESCAPE_LENGTH = len(rb"\ud83d")
_ENCODED_SURROGATES = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\ufffd".encode()
_MAX_DIGITS = 4000
"""Maximum digits of an integer; Python converts at most 4300."""
_NON_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_COMMON_DEPTH = 20
MAX_DEPTH = 200
"""Maximum nesting. ION's responses have a dozen levels; the databases accept 1000."""


class Decoded(msgspec.Struct, frozen=True):
    """A decoded value, and whether it was repaired."""

    value: Any
    repaired: bool = False


def decode(body: bytes) -> Decoded:
    """Decode JSON. Raise ValueError if it cannot be repaired or is nested too deeply."""
    try:
        value: Any = msgspec.json.decode(body)
        repaired = False
    except (msgspec.DecodeError, ValueError, RecursionError):
        written = _ESCAPE.sub(_repair_escape, body) if b"\\" in body else body
        text = _ENCODED_SURROGATES.sub(_REPLACEMENT, written).decode("utf-8-sig", "replace")
        repaired = True
        try:
            value = json.loads(
                text,
                strict=False,
                parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else digits,
                parse_float=_number,
                parse_constant=str,
            )
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
    _check_depth(body, value)
    if repaired or b"\\u0000" in body:
        value = _without_nul(value)
    return Decoded(value, repaired)


def _repair_escape(found: re.Match[bytes]) -> bytes:
    escape = found.group()
    if len(escape) == _ESCAPE_LENGTH:
        return b"" if escape == rb"\u0000" else rb"\ufffd"
    return escape


def _number(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _without_nul(value: Any) -> Any:
    """Remove NUL from all strings and keys. The caller limits the size of `value`."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {
            _without_nul(name): _without_nul(each)
            for name, each in cast("dict[str, Any]", value).items()
        }
    return value


def _check_depth(body: bytes, value: Any) -> None:
    """Raise ValueError if the nesting is too deep; brackets in strings need the slow way."""
    brackets = body.translate(None, _NON_BRACKETS)
    for _ in range(_COMMON_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for each in level:
            inner += cast("dict[str, Any]", each).values() if isinstance(each, dict) else each
        level = [each for each in inner if isinstance(each, dict | list)]
        if not level:
            return
    raise ValueError("it is nested too deeply")
