"""Saved views: tables of objects that someone wants to come back to, each person their own."""

import msgspec
from sqlalchemy import Connection, delete, insert, select

from ultraviolet.errors import InvalidError
from ultraviolet.mirror.tables import saved_views


class SavedView(msgspec.Struct, frozen=True):
    """A table under a name; `query` is the query part of its address."""

    id: int
    name: str
    query: str


def list_(connection: Connection, user: str, resource: str) -> list[SavedView]:
    """Read someone's views of a resource by name."""
    query = select(saved_views.c.id, saved_views.c.name, saved_views.c.query).where(
        saved_views.c.user_name == user, saved_views.c.resource == resource
    )
    return [SavedView(*row) for row in connection.execute(query.order_by(saved_views.c.name))]


def save(connection: Connection, user: str, resource: str, name: str, query: str) -> None:
    """Keep a view; the same name again replaces it."""
    if not name.strip():
        raise InvalidError("A view needs a name.")
    where = (saved_views.c.user_name == user, saved_views.c.resource == resource)
    connection.execute(delete(saved_views).where(*where, saved_views.c.name == name.strip()))
    values = {"user_name": user, "resource": resource, "name": name.strip(), "query": query[:2000]}
    connection.execute(insert(saved_views).values(**values))


def forget(connection: Connection, user: str, view_id: int) -> None:
    """Drop one of someone's views; one that is not theirs or not there stays as it is."""
    connection.execute(
        delete(saved_views).where(saved_views.c.id == view_id, saved_views.c.user_name == user)
    )
