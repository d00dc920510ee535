"""The parts of an address of the API: a name is one part, or none at all."""

from urllib.parse import quote

from ultraviolet.errors import InvalidError

_NONE = ("", ".", "..")
"""What whoever is on the way takes out of a path; what remains would name something else."""


def part(value: object) -> str:
    """Write a value as one part of a path; raises InvalidError where it is none.

    Servers read a slash as the end of a part, however it is written.
    """
    text = str(value)
    if text in _NONE or "/" in text:
        raise InvalidError(f"“{text}” names nothing.")
    return quote(text, safe="")
