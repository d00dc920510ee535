"""Validation of names that users choose."""

from ultraviolet.characters import find_control_character
from ultraviolet.errors import InvalidError

_MAX_CHARACTERS = 255
"""Enough for an email address."""


def check_name(name: str) -> None:
    """Raise InvalidError for a name with unsafe characters, a number, or a name with a slash.

    A number would be taken for an id, and a slash would end the name in a URL path.
    """
    check_characters(name)
    if name.isdecimal():
        raise InvalidError(
            "A name must not be just a number, so that commands can distinguish names from ids",
            field="name",
        )
    if "/" in name:
        raise InvalidError(
            "A name must not contain a slash, because it is part of URLs", field="name"
        )


def check_characters(name: str) -> None:
    """Raise InvalidError for control characters and those of the text direction, or too many."""
    if len(name) > _MAX_CHARACTERS:
        raise InvalidError(
            f"A name has at most {_MAX_CHARACTERS} characters; this one has {len(name):,}."
            " Shorten it.",
            field="name",
        )
    found = find_control_character(name)
    if found:
        raise InvalidError(
            f"The name contains the character {found}, which controls how text is displayed."
            " Nothing was saved; remove the character.",
            field="name",
        )
