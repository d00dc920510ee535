"""Fetches and their progress by resource."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, select

from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db.tables.sync import fetch_steps, fetches
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.health.controller_status import problem_of
from ultraviolet.web.queries.rows import struct_columns


class Fetch(msgspec.Struct, frozen=True):
    """One sync and its progress; `total` is the number of objects that ION reported."""

    id: int
    integration_id: int
    mode: str
    state: str
    requested_by: str
    started_at: str
    finished_at: str | None
    error: str | None
    resources: int
    resources_done: int
    total: int
    read: int
    changed: int
    deleted: int

    @property
    def left(self) -> float | None:
        """Estimated seconds until the end at the current rate; None if unknown or below a second.

        ION reports the total of a resource when its first page is read, so nothing is known while
        all objects of the reported totals are read but resources remain.
        """
        if self.state != "running" or not self.read or self.read >= self.total:
            return None
        elapsed = (utc_now() - datetime.fromisoformat(self.started_at)).total_seconds()
        left = elapsed * (self.total - self.read) / self.read
        return left if left >= 1 else None

    @property
    def took(self) -> float | None:
        """Duration in seconds; None while it runs."""
        if self.finished_at is None:
            return None
        end, start = (
            datetime.fromisoformat(self.finished_at),
            datetime.fromisoformat(self.started_at),
        )
        return (end - start).total_seconds()

    @property
    def rate(self) -> float | None:
        """Objects read per second; None while it runs or if nothing was read."""
        return self.read / self.took if self.read and self.took else None


class FetchStep(msgspec.Struct, frozen=True):
    """Progress of one resource in a sync."""

    resource: str
    state: str
    total: int | None
    read: int
    changed: int
    deleted: int
    started_at: str | None
    finished_at: str | None
    error: str | None

    @property
    def took(self) -> float | None:
        """Duration in seconds; None before the end."""
        if self.started_at is None or self.finished_at is None:
            return None
        end, start = map(datetime.fromisoformat, (self.finished_at, self.started_at))
        return (end - start).total_seconds()

    @property
    def rate(self) -> float | None:
        """Objects read per second; None before the end or if nothing was read."""
        return self.read / self.took if self.read and self.took else None


class FetchDetail(Fetch, frozen=True):
    """One sync with its progress by resource."""

    steps: list[FetchStep]
    waits_because: str | None
    """Why a running sync makes no progress, such as an error of ION. It continues by itself."""


MODES = ("incremental", "full")
STATES = ("running", "done", "failed", "cancelled")


class FetchFilter(msgspec.Struct, frozen=True):
    """The fetches to list."""

    integration_id: int | None = None
    mode: str | None = None
    state: str | None = None
    since: str | None = None
    """RFC 3339; fetches that started at or after this time."""


def last_full_since(connection: Connection, integration_id: int, since: str) -> int | None:
    """Return the id of the newest complete full fetch that started after a time."""
    query = select(func.max(fetches.c.id)).where(
        fetches.c.integration_id == integration_id,
        fetches.c.mode == "full",
        fetches.c.state == "done",
        fetches.c.started_at > since,
    )
    return connection.execute(query).scalar()


def list_fetches(
    connection: Connection, fetch_filter: FetchFilter, before: int | None, limit: int
) -> list[Fetch]:
    """Return fetches with an id below `before`, newest first."""
    query = _select_fetches().order_by(fetches.c.id.desc()).limit(limit)
    for name in ("integration_id", "mode", "state"):
        if (value := getattr(fetch_filter, name)) is not None:
            query = query.where(fetches.c[name] == value)
    if fetch_filter.since is not None:
        query = query.where(fetches.c.started_at >= fetch_filter.since)
    if before is not None:
        query = query.where(fetches.c.id < before)
    return [Fetch(**row) for row in connection.execute(query).mappings()]


def list_running(connection: Connection, integration_id: int) -> list[Fetch]:
    """Return the running fetches of an integration."""
    is_running = fetches.c.state == "running", fetches.c.started_at <= now_rfc3339()
    query = _select_fetches().where(fetches.c.integration_id == integration_id, *is_running)
    return [Fetch(**row) for row in connection.execute(query.order_by(fetches.c.id)).mappings()]


def get_fetch(connection: Connection, fetch_id: int) -> FetchDetail:
    """Return one fetch with its steps; raise NotFoundError."""
    row = (
        connection.execute(_select_fetches().where(fetches.c.id == fetch_id))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFoundError(f"Sync {fetch_id} does not exist.")
    query = (
        select(*struct_columns(fetch_steps, FetchStep))
        .where(fetch_steps.c.fetch_id == fetch_id)
        .order_by(fetch_steps.c.resource)
    )
    steps = [FetchStep(**step) for step in connection.execute(query).mappings()]
    is_running = row["state"] == "running"
    problem = problem_of(connection, row["integration_id"]) if is_running else None
    return FetchDetail(**row, steps=steps, waits_because=problem)


def _select_fetches() -> Select[Any]:
    steps = fetch_steps.c
    done = func.count().filter(steps.state.in_(("done", "skipped", "failed")))
    sums = (
        select(
            steps.fetch_id,
            func.count().label("resources"),
            done.label("resources_done"),
            *(
                func.coalesce(func.sum(steps[name]), 0).label(name)
                for name in ("total", "read", "changed", "deleted")
            ),
        )
        .group_by(steps.fetch_id)
        .subquery()
    )
    added = [
        func.coalesce(column, 0).label(column.name)
        for column in sums.c
        if column.name != "fetch_id"
    ]
    return select(*struct_columns(fetches, Fetch), *added).outerjoin(
        sums, sums.c.fetch_id == fetches.c.id
    )
