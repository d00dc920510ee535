"""Saved views: named filters of object tables, private or shared with all users."""

from contextlib import AbstractContextManager
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, insert, or_, select, update

from ultraviolet.db.locks import for_update, unique_or_conflict
from ultraviolet.db.tables.accounts import saved_views
from ultraviolet.errors import ForbiddenError, InvalidError, NotFoundError
from ultraviolet.hub.core.validation import check_characters

_MAX_QUERY_CHARACTERS = 8000
_COLUMNS = [
    saved_views.c[name] for name in ("id", "resource", "name", "query", "shared", "user_name")
]


class ViewContent(msgspec.Struct, forbid_unknown_fields=True):
    """A name, the query string of an object list page, and whether all users see the view."""

    name: str
    query: str
    shared: bool = False


class SavedView(msgspec.Struct, frozen=True):
    """A named table; `query` is the query string of its URL."""

    id: int
    resource: str
    name: str
    query: str
    shared: bool
    """Whether all users see it; its owner and administrators can change it."""
    owner: str | None
    """The user who saved it; null if that user was removed."""


def list_views(connection: Connection, user: str, resource: str | None = None) -> list[SavedView]:
    """Return the views that a user sees, of one resource or all, ordered by name."""
    view = saved_views.c
    query = _select_views(user).order_by(view.resource, view.name, view.id)
    if resource is not None:
        query = query.where(view.resource == resource)
    return [SavedView(*row) for row in connection.execute(query)]


def get_view(
    connection: Connection, user: str, view_id: int, *, to_change: bool = False
) -> SavedView:
    """Return a view; raise NotFoundError for one that is unknown or another user's private view.

    With `to_change`, lock its row in this transaction.
    """
    query = _select_views(user).where(saved_views.c.id == view_id)
    row = connection.execute(for_update(query, to_change=to_change)).one_or_none()
    if row is None:
        raise NotFoundError(f"You have no saved view {view_id}.")
    return SavedView(*row)


def create_view(
    connection: Connection, user: str, resource: str, content: ViewContent
) -> SavedView:
    """Create a view; raise ConflictError if the user has one of this name."""
    values = _validate(content)
    new = insert(saved_views).values(user_name=user, resource=resource, **values)
    with _unique(connection, values["name"]):
        return SavedView(*connection.execute(new.returning(*_COLUMNS)).one())


def update_view(
    connection: Connection, user: str, view_id: int, content: ViewContent, *, is_admin: bool
) -> SavedView:
    """Change a view; raise NotFoundError, ForbiddenError, or ConflictError for a name in use."""
    view = get_view(connection, user, view_id, to_change=True)
    _check_may_change(view, user, is_admin=is_admin)
    values = _validate(content)
    if view.owner is None and not content.shared:  # otherwise nobody would see it
        values["user_name"] = user
    with _unique(connection, values["name"]):
        connection.execute(update(saved_views).where(saved_views.c.id == view_id).values(**values))
    changed = select(*_COLUMNS).where(saved_views.c.id == view_id)
    return SavedView(*connection.execute(changed).one())


def delete_view(connection: Connection, user: str, view_id: int, *, is_admin: bool) -> None:
    """Delete a view; ignore one that the user does not see; raise ForbiddenError."""
    row = connection.execute(_select_views(user).where(saved_views.c.id == view_id)).one_or_none()
    if row is not None:
        _check_may_change(SavedView(*row), user, is_admin=is_admin)
        connection.execute(delete(saved_views).where(saved_views.c.id == view_id))


def may_change(view: SavedView, user: str, *, is_admin: bool) -> bool:
    """Return whether a user can change a view: the owner, and administrators a shared one."""
    return view.owner == user or (view.shared and is_admin)


def remove_owner(connection: Connection, user: str) -> None:
    """Delete the private views of a user; shared views remain, without an owner."""
    of_user = saved_views.c.user_name == user
    connection.execute(delete(saved_views).where(of_user, saved_views.c.shared.is_(False)))
    connection.execute(update(saved_views).where(of_user).values(user_name=None))


def _unique(connection: Connection, name: str) -> AbstractContextManager[None]:
    taken = f"There is already a view named {name}. Choose another name, or edit that view."
    return unique_or_conflict(connection, taken)


def _check_may_change(view: SavedView, user: str, *, is_admin: bool) -> None:
    if not may_change(view, user, is_admin=is_admin):
        owner = f"{view.owner} or an administrator" if view.owner else "an administrator"
        raise ForbiddenError(f"Only {owner} can change this view. Save a view of your own instead.")


def _select_views(user: str) -> Select[Any]:
    """Return a query for the views that a user sees."""
    view = saved_views.c
    return select(*_COLUMNS).where(or_(view.user_name == user, view.shared.is_(True)))


def _validate(content: ViewContent) -> dict[str, Any]:
    name = content.name.strip()
    if not name:
        raise InvalidError("A view needs a name.", field="name")
    check_characters(name)
    if len(content.query) > _MAX_QUERY_CHARACTERS:
        raise InvalidError(
            f"A view can have at most {_MAX_QUERY_CHARACTERS:,} characters. Remove some filters.",
            field="query",
        )
    return {"name": name, "query": content.query, "shared": content.shared}
