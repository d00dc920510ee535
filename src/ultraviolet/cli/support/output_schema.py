"""What a command prints with `--json`, named where the command is, so that the reference can tell every field of it."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class ReturnType(NamedTuple):
    """Where the shape of an answer is written down: an operation of the API, or a Struct as `module:Name`."""

    what: tuple[str, ...]
    part: str | None
    plus: dict[str, str]


def returns(
    *what: str, part: str | None = None, plus: dict[str, str] | None = None
) -> Callable[[F], F]:
    """Say what the JSON of a command is: one of these, or that part of it; `plus` names fields added to it.

    `GET /api-keys` is an operation of the API, `ultraviolet.cli.doctor.problems:CheckResult` a Struct, and `[…]` around it an array.
    """

    def note(function: F) -> F:
        function.__gives__ = ReturnType(what, part, plus or {})  # pyright: ignore[reportFunctionMemberAccess]
        return function

    return note


def returned_type(callback: Any) -> ReturnType | None:
    """Read what a command said of itself."""
    return getattr(callback, "__gives__", None)
