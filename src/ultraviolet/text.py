"""Numbers and short texts for people, suggestions for mistyped names, and URL path segments."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from urllib.parse import quote

from ultraviolet.errors import InvalidError

_MAX_SUGGESTIONS = 3
_MAX_LISTED = 5
_MIN_SIMILARITY = 0.6
_MAX_EXACT_AMOUNT = 1e9
"""Larger amounts are rounded to cents."""
_IDENTIFIER = re.compile(r"(?:^|[. _])(?:id|seq|version|port|pid)$|Id$")
_UNUSABLE_SEGMENTS = ("", ".", "..")
"""HTTP clients and proxies remove these from a path, which would then address something else."""


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its words, such as "1 delivery" or "2,000 deliveries are late".

    `many` is by default `one` with an s.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def number_text(value: object, name: str = "") -> str:
    """Return a number with thousands separators and without floating point noise.

    A number whose name tells that it identifies something has no separators.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    comma = "" if _IDENTIFIER.search(name) else ","
    return f"{value:{comma}.15g}" if isinstance(value, float) else f"{value:{comma}}"


def money_text(value: object) -> str:
    """Return an amount with two decimals, or more if it has them."""
    if not isinstance(value, int | float):
        return str(value)
    exact = f"{value:,.10g}" if abs(value) < _MAX_EXACT_AMOUNT else f"{value:,.2f}"
    decimals = len(exact.partition(".")[2])
    return f"{value:,.2f}" if decimals <= 2 else exact  # noqa: PLR2004


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question to append to a message, with a leading space; empty without a match."""
    by_casefolded: dict[str, str] = {}
    for candidate in known:
        by_casefolded.setdefault(candidate.casefold(), candidate)
    matches = get_close_matches(name.casefold(), by_casefolded, _MAX_SUGGESTIONS, _MIN_SIMILARITY)
    if not matches:
        return ""
    *others, last = (by_casefolded[match] for match in matches)
    return f" Did you mean {', '.join(others) + ' or ' if others else ''}{last}?"


def shorten(text: str, limit: int) -> str:
    """Return a text with at most `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def listed(values: Sequence[str]) -> str:
    """Return the first values of a list, and the number of the others."""
    more = len(values) - _MAX_LISTED
    return ", ".join(values[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def path_segment(value: object) -> str:
    """Return a value as a URL path segment; raise InvalidError for an unusable value.

    Servers treat a slash as a separator even if it is percent-encoded.
    """
    text = str(value)
    if text in _UNUSABLE_SEGMENTS or "/" in text:
        raise InvalidError(f"“{text}” is not a valid id or name.")
    return quote(text, safe="")
