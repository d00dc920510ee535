"""Decode JSON that another program wrote, also where it breaks the rules of JSON or Unicode.

Standard JSON takes the fast path. Other input is repaired: what is no character becomes U+FFFD, a number that
nothing can hold becomes its text, and NUL is left out because PostgreSQL cannot store it.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, cast

import msgspec

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|u0000|.)",
    re.DOTALL,
)
_ESCAPE_LENGTH = len(rb"\ud83d")
_ENCODED_SURROGATES = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\ufffd".encode()
_MAX_DIGITS = 4000
"""Digits of an integer; Python converts no more than 4300 of them to and from text."""
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_USUAL_DEPTH = 20
_MAX_DEPTH = 200
"""Levels of lists and objects. ION's answers have a dozen; PostgreSQL and SQLite take 1000 and more."""


class Decoded(msgspec.Struct, frozen=True):
    """A decoded value, and whether it had to be repaired."""

    value: Any
    repaired: bool = False


def decode(body: bytes) -> Decoded:
    """Decode JSON; raises ValueError where no repair makes it JSON, or where it is nested too deeply."""
    try:
        value: Any = msgspec.json.decode(body)
        repaired = False
    except (msgspec.DecodeError, ValueError, RecursionError):
        value, repaired = _decode_repaired(body), True
    if not _is_surely_shallow(body):
        _check_depth(value)
    if repaired or b"\\u0000" in body:
        value = _without_nul(value)
    return Decoded(value, repaired)


def repair_text(text: str) -> str:
    """Replace unpaired surrogates by U+FFFD and leave out NUL, so that any database can store the text."""
    return (
        text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")
    )


def _decode_repaired(body: bytes) -> Any:
    written = _ESCAPE.sub(_repair_escape, body) if b"\\" in body else body
    written = _ENCODED_SURROGATES.sub(_REPLACEMENT, written)
    text = written.decode("utf-8-sig", "replace")
    try:
        return json.loads(
            text, strict=False, parse_int=_integer, parse_float=_number, parse_constant=str
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _repair_escape(found: re.Match[bytes]) -> bytes:
    escape = found.group()
    if len(escape) == _ESCAPE_LENGTH:
        return b"" if escape == rb"\u0000" else rb"\ufffd"
    return escape


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _number(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _without_nul(value: Any) -> Any:
    """Leave NUL out of every text and key; the caller bounds the size of `value`."""
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


def _is_surely_shallow(body: bytes) -> bool:
    """Return whether a few levels are all there are; False where brackets within texts leave that open."""
    brackets = body.translate(None, _OTHERS)
    for _ in range(_USUAL_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return False


def _check_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner for each in level for inner in _parts(each) if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()
