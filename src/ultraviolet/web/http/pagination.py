"""Cursor pagination: `{items, next}`, where `next` is the `cursor` of the next page or null."""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from ultraviolet.errors import InvalidError, OtherListCursorError

T = TypeVar("T")

Limit = Annotated[
    int, QueryParameter(name="limit", ge=1, le=1000, description="Maximum number of items.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", description="The `next` of the previous page; opaque.", required=False
    ),
]


class Page(msgspec.Struct, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = None


def part_of(items: Sequence[T], cursor: str | None, limit: int) -> Page[T]:
    """Return a page of a short list, which is read whole; its cursor is a position."""
    start = number(cursor) or 0
    end = start + limit
    return Page(list(items[start:end]), encode(str(end)) if len(items) > end else None)


def page_of(items: Sequence[T], limit: int, key: Callable[[T], str | int]) -> Page[T]:
    """Return a page of `limit` items from up to `limit + 1`.

    `key` returns the cursor of an item.
    """
    page = list(items[:limit])
    return Page(page, encode(str(key(page[-1]))) if len(items) > limit else None)


def encode(key: str) -> str:
    """Encode a cursor."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str | None:
    """Decode a cursor; raise InvalidError if it is malformed."""
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise InvalidError(
            "Invalid cursor. Repeat the request without a cursor.", field="cursor"
        ) from error


def number(cursor: str | None) -> int | None:
    """Decode a cursor that is a number; raise InvalidError."""
    key = decode(cursor)
    if key is not None and not key.isdecimal():
        raise OtherListCursorError
    return None if key is None else int(key)
