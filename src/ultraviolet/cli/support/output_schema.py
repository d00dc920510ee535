"""Declare the `--json` output of commands, for the generated reference."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class ReturnType(NamedTuple):
    """The output type: operations of the API, or Structs as `module:Name`."""

    what: tuple[str, ...]
    part: str | None
    plus: dict[str, str]


def returns(
    *what: str, part: str | None = None, plus: dict[str, str] | None = None
) -> Callable[[F], F]:
    """Declare the JSON of a command: one of these types, or `part` of it; `plus` adds fields.

    `GET /api-keys` is an operation of the API, `ultraviolet.cli.doctor.problems:CheckResult` a Struct,
    and `[…]` an array.
    """

    def declare(function: F) -> F:
        vars(function)["__returns__"] = ReturnType(what, part, plus or {})
        return function

    return declare


def returned_type(callback: Any) -> ReturnType | None:
    """Return the declared output type of a command."""
    return getattr(callback, "__returns__", None)
