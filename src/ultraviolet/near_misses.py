"""What was probably meant by a name that nothing has."""

from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 3
_LIKE = 0.6


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give a question to append to a message, with a space before it; nothing where nothing is near."""
    by_plain: dict[str, str] = {}
    for one in known:
        by_plain.setdefault(one.casefold(), one)
    near = get_close_matches(name.casefold(), by_plain, _MOST, _LIKE)
    if not near:
        return ""
    *others, last = (by_plain[one] for one in near)
    return f" Did you mean {', '.join(others) + ' or ' if others else ''}{last}?"
