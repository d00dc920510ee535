"""The parts of an address of the API: a name is one part, whatever is in it."""

from urllib.parse import quote

from ultraviolet.errors import InvalidError

_NONE = ("", ".", "..")
"""What whoever is on the way takes out of a path; what remains would name something else."""


def part(value: object) -> str:
    """Write a value as one part of a path; raises InvalidError where it names nothing."""
    text = str(value)
    if text in _NONE:
        raise InvalidError(f"“{text}” names nothing.")
    return quote(text, safe="")
