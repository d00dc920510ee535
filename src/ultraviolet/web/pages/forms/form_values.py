"""Read values of submitted forms."""

from typing import Any

from ultraviolet.errors import InvalidError

_MAX_NUMBER_DIGITS = 18


def confirm(sent: Any, name: str, kept: str) -> None:
    """Raise InvalidError unless the form repeats the name."""
    if str(sent.get("confirm", "")).strip() != name:
        message = f"{kept} To confirm, type “{name}” exactly as shown."
        raise InvalidError(message, field="confirm")


def number_in(sent: Any, field: str) -> int:
    """Read a number that the form must have; raises InvalidError."""
    given = str(sent.get(field, ""))
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_NUMBER_DIGITS):
        raise InvalidError(
            f"“{given[:_MAX_NUMBER_DIGITS]}” is not a valid choice. Select an entry of the list.",
            field=field,
        )
    return int(given)
