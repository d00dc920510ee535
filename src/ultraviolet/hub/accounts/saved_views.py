"""Saved views: tables of objects that someone wants to come back to, each person their own."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, select, text, update

from ultraviolet.db.locks import for_update, unique_or_conflict
from ultraviolet.db.tables.accounts import saved_views
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.hub.core.validation import check_characters

_LONGEST = 2000
_SAVE = text(
    """INSERT INTO saved_views (user_name, resource, name, query) VALUES (:user, :resource, :name, :query)
    ON CONFLICT (user_name, resource, name) DO UPDATE SET query = excluded.query RETURNING id"""
)


class SavedView(msgspec.Struct, frozen=True):
    """A table under a name; `query` is the query part of its address."""

    id: int
    resource: str
    name: str
    query: str


def list_views(connection: Connection, user: str, resource: str | None = None) -> list[SavedView]:
    """Read someone's views by name, of one resource or all."""
    query = _of(user).order_by(saved_views.c.resource, saved_views.c.name)
    if resource is not None:
        query = query.where(saved_views.c.resource == resource)
    return [SavedView(*row) for row in connection.execute(query)]


def get_view(
    connection: Connection, user: str, view_id: int, *, to_change: bool = False
) -> SavedView:
    """Read one of someone's views; raises NotFoundError, also for one that is not theirs.

    Nobody else changes one `to_change` before the transaction ends.
    """
    query = _of(user).where(saved_views.c.id == view_id)
    row = connection.execute(for_update(query, to_change=to_change)).one_or_none()
    if row is None:
        raise NotFoundError(f"You have no saved view {view_id}.")
    return SavedView(*row)


def create_view(
    connection: Connection, user: str, resource: str, name: str, query: str
) -> SavedView:
    """Keep a view; the same name again replaces it."""
    values = {"user": user, "resource": resource, **_checked(name, query)}
    return get_view(connection, user, connection.execute(_SAVE, values).scalar_one())


def update_view(
    connection: Connection, user: str, view_id: int, name: str, query: str
) -> SavedView:
    """Let one of someone's views be another; raises ConflictError for a name in use."""
    get_view(connection, user, view_id)
    values = _checked(name, query)
    with unique_or_conflict(connection, f"You have another view named {values['name']} already."):
        connection.execute(update(saved_views).where(saved_views.c.id == view_id).values(**values))
    return get_view(connection, user, view_id)


def delete_view(connection: Connection, user: str, view_id: int) -> None:
    """Drop one of someone's views; one that is not theirs or not there stays as it is."""
    connection.execute(
        delete(saved_views).where(saved_views.c.id == view_id, saved_views.c.user_name == user)
    )


def delete_all_views(connection: Connection, user: str) -> None:
    """Drop all of someone's views."""
    connection.execute(delete(saved_views).where(saved_views.c.user_name == user))


def _of(user: str) -> Select[Any, Any, Any, Any]:
    kept = saved_views.c
    return select(kept.id, kept.resource, kept.name, kept.query).where(kept.user_name == user)


def _checked(name: str, query: str) -> dict[str, str]:
    if not name.strip():
        raise InvalidError("A view needs a name.", field="name")
    check_characters(name.strip())
    return {"name": name.strip(), "query": query[:_LONGEST]}
