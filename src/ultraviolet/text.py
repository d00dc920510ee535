"""What was probably meant by a name that nothing has."""

from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import quote

from ultraviolet.errors import InvalidError

_MOST = 3
_LIKE = 0.6


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question to append to a message, with a space before it; nothing where nothing is near."""
    by_plain: dict[str, str] = {}
    for one in known:
        by_plain.setdefault(one.casefold(), one)
    near = get_close_matches(name.casefold(), by_plain, _MOST, _LIKE)
    if not near:
        return ""
    *others, last = (by_plain[one] for one in near)
    return f" Did you mean {', '.join(others) + ' or ' if others else ''}{last}?"


_NONE = ("", ".", "..")
"""What whoever is on the way takes out of a path; what remains would name something else."""


def path_segment(value: object) -> str:
    """Write a value as one part of a path; raises InvalidError where it is none.

    Servers read a slash as the end of a part, however it is written.
    """
    text = str(value)
    if text in _NONE or "/" in text:
        raise InvalidError(f"“{text}” names nothing.")
    return quote(text, safe="")
