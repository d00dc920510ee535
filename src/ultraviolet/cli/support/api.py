"""Paths and values of the API, without the imports of its client."""

from typing import Any, LiteralString, NewType

from ultraviolet.text import path_segment

Json = dict[str, Any]
Address = NewType("Address", str)
"""A path below the API's root, created by `to`."""
Path = LiteralString | Address
"""A path of the API: a literal or a checked address, never text from user input."""


def to(template: LiteralString, *parts: object) -> Address:
    """Return a path with the values as segments. Raise InvalidError for an invalid segment."""
    return Address(template.format(*map(path_segment, parts)))
