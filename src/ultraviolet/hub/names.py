"""Names that people give: what commands and addresses can tell from numbers, and from each other."""

from ultraviolet.errors import InvalidError


def check_name(name: str) -> None:
    """Raise InvalidError for a name that is only a number, which names another, or has a slash, which ends it in an address."""
    if name.isdecimal():
        raise InvalidError(
            "A name is not just a number, so that commands can tell names and numbers apart", field="name"
        )
    if "/" in name:
        raise InvalidError("A name has no slash, as it stands in addresses", field="name")
