"""Names that people give: what commands and addresses can tell from numbers, and from each other."""

from ultraviolet.characters import find_control_character
from ultraviolet.errors import InvalidError


def check_name(name: str) -> None:
    """Raise InvalidError for a name that cannot be shown safely, is only a number, or has a slash.

    A number names another thing, and a slash ends the name in an address.
    """
    check_characters(name)
    if name.isdecimal():
        raise InvalidError(
            "A name is not just a number, so that commands can tell names and numbers apart",
            field="name",
        )
    if "/" in name:
        raise InvalidError("A name has no slash, as it stands in addresses", field="name")


def check_characters(name: str) -> None:
    """Raise InvalidError for a name with characters that command terminals or change the direction of text."""
    found = find_control_character(name)
    if found:
        raise InvalidError(
            f"The name contains the character {found}, which controls how text is displayed."
            " Nothing was saved; leave that character out.",
            field="name",
        )
