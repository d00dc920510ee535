"""Saved views: a user's named filters of object tables."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, select, text, update

from ultraviolet.db.locks import for_update, unique_or_conflict
from ultraviolet.db.tables.accounts import saved_views
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.hub.core.validation import check_characters

_MAX_QUERY_CHARACTERS = 2000
_UPSERT = text(
    """INSERT INTO saved_views (user_name, resource, name, query)
    VALUES (:user, :resource, :name, :query)
    ON CONFLICT (user_name, resource, name) DO UPDATE SET query = excluded.query RETURNING id"""
)


class SavedView(msgspec.Struct, frozen=True):
    """A named table; `query` is the query string of its URL."""

    id: int
    resource: str
    name: str
    query: str


def list_views(connection: Connection, user: str, resource: str | None = None) -> list[SavedView]:
    """Return a user's views of one resource or all, ordered by name."""
    query = _select_views(user).order_by(saved_views.c.resource, saved_views.c.name)
    if resource is not None:
        query = query.where(saved_views.c.resource == resource)
    return [SavedView(*row) for row in connection.execute(query)]


def get_view(
    connection: Connection, user: str, view_id: int, *, to_change: bool = False
) -> SavedView:
    """Return a user's view; raise NotFoundError for an unknown or another user's view.

    With `to_change`, lock its row in this transaction.
    """
    query = _select_views(user).where(saved_views.c.id == view_id)
    row = connection.execute(for_update(query, to_change=to_change)).one_or_none()
    if row is None:
        raise NotFoundError(f"You have no saved view {view_id}.")
    return SavedView(*row)


def create_view(
    connection: Connection, user: str, resource: str, name: str, query: str
) -> SavedView:
    """Create a view, or replace the view of the same name."""
    values = {"user": user, "resource": resource, **_validate(name, query)}
    return get_view(connection, user, connection.execute(_UPSERT, values).scalar_one())


def update_view(
    connection: Connection, user: str, view_id: int, name: str, query: str
) -> SavedView:
    """Change a user's view; raise NotFoundError, or ConflictError for a name in use."""
    get_view(connection, user, view_id)
    values = _validate(name, query)
    with unique_or_conflict(connection, f"You already have a view named {values['name']}."):
        connection.execute(update(saved_views).where(saved_views.c.id == view_id).values(**values))
    return get_view(connection, user, view_id)


def delete_view(connection: Connection, user: str, view_id: int) -> None:
    """Delete a user's view; ignore an unknown or another user's view."""
    connection.execute(
        delete(saved_views).where(saved_views.c.id == view_id, saved_views.c.user_name == user)
    )


def delete_all_views(connection: Connection, user: str) -> None:
    """Delete all views of a user."""
    connection.execute(delete(saved_views).where(saved_views.c.user_name == user))


def _select_views(user: str) -> Select[Any, Any, Any, Any]:
    view = saved_views.c
    return select(view.id, view.resource, view.name, view.query).where(view.user_name == user)


def _validate(name: str, query: str) -> dict[str, str]:
    if not name.strip():
        raise InvalidError("A view needs a name.", field="name")
    check_characters(name.strip())
    return {"name": name.strip(), "query": query[:_MAX_QUERY_CHARACTERS]}
