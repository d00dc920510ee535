"""Remove secrets from logged paths, headers and messages."""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

from structlog.typing import EventDict, WrappedLogger

_MAX_DECODINGS = 8
_MASK = "…"
_NAMES = (
    r"(?:secret|passw(?:or)?d|signature|token|authorization|api[_-]?key|cookie|csrf|session"
    r"|credential)"
)
_SECRET_NAME = re.compile(rf"(?i){_NAMES}s?$")
_PATTERNS = (
    # Tokens of the hub: webhook URLs, API keys, sign-in links, sessions.
    (re.compile(r"(?i)(uv[a-z]_)[\w-]{6,}"), rf"\1{_MASK}"),
    # Path segments that grant access, even if the token is malformed.
    (re.compile(r"(?i)\b((?:hooks|sign-in)[/\\]+)[^\s/?#\"'…]{12,}"), rf"\1{_MASK}"),
    # JSON web tokens.
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}"), f"eyJ{_MASK}"),
    # The whole value of a header with credentials.
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)"
            r"(['\"]?\s*[:=,]\s*b?['\"]?)[^\s\"'…][^\n\"'…]*"
        ),
        rf"\1\2{_MASK}",
    ),
    (re.compile(r"(?i)\b(Bearer|Basic)(\s+)[\w.~+/=-]{8,}"), rf"\1\2{_MASK}"),
    # A name and its value: in a query, a header, JSON, or a Python literal.
    (
        re.compile(
            rf"(?i)({_NAMES}[\w-]{{0,20}})"
            r"(['\"]?\s*(?:[=:]|,\s*b?(?=['\"]))\s*b?['\"]?)[^\s\"'&,;)}\]…]+"
        ),
        rf"\1\2{_MASK}",
    ),
    # User and password in a URL.
    (re.compile(r"(://)[^/\s:@\"']*:[^/\s@\"']+@"), rf"\1{_MASK}@"),
)
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_WORD = re.compile(r"[^\s\"'<>]+")


def redact(text: str) -> str:
    """Return a text without secrets, including percent-encoded ones."""
    if _ENCODED.search(text):
        text = _WORD.sub(lambda word: _redact_encoded(word[0]), text)
    return _redact_plain(text)


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Remove secrets from a log event; the last structlog processor before rendering."""
    return cast("EventDict", _redact_value(event))


def _redact_plain(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _redact_encoded(word: str) -> str:
    decoded = word
    for _ in range(_MAX_DECODINGS):
        if not _ENCODED.search(decoded):
            break
        decoded = unquote(decoded)
    else:
        return _MASK  # such nested encoding is deliberate
    redacted = _redact_plain(decoded)
    return word if redacted == decoded else redacted


def _redact_value(value: Any) -> Any:
    match value:
        case str():
            return redact(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {
                key: _MASK if _SECRET_NAME.search(str(key)) and item else _redact_value(item)
                for key, item in cast("Mapping[Any, Any]", value).items()
            }
        case list() | tuple() | set() | frozenset():
            return [_redact_value(item) for item in cast("list[Any]", value)]
        case bytes():
            return redact(value.decode("utf-8", "backslashreplace"))
        case _:
            return redact(str(value))
