"""How lists are cut: `{items, next}`, where `next` is passed back as `cursor` until it is null."""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from ultraviolet.errors import InvalidError

T = TypeVar("T")

Limit = Annotated[
    int, QueryParameter(name="limit", ge=1, le=1000, description="How many items at most.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", description="The `next` of the page before; opaque.", required=False
    ),
]


class Page(msgspec.Struct, Generic[T]):
    """A part of a list."""

    items: list[T]
    next: str | None = None


def full_page(items: Sequence[T]) -> Page[T]:
    """Make the only page of a short list."""
    return Page(list(items))


def page_of(items: Sequence[T], limit: int, key: Callable[[T], str | int]) -> Page[T]:
    """Make a page of at most `limit` from a query for one more than that; `key` is where the next begins."""
    kept = list(items[:limit])
    return Page(kept, encode(str(key(kept[-1]))) if len(items) > limit else None)


def encode(key: str) -> str:
    """Write a cursor."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str | None:
    """Read a cursor; raises InvalidError for one that was not given out here."""
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise InvalidError(
            "This cursor was not given out here; begin the list anew without one.", field="cursor"
        ) from error


def number(cursor: str | None) -> int | None:
    """Read a cursor that stands for a number."""
    key = decode(cursor)
    if key is not None and not key.isdecimal():
        raise InvalidError(
            "This cursor belongs to another list; begin anew without one.", field="cursor"
        )
    return None if key is None else int(key)
