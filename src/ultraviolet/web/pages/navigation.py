"""The navigation of the pages: groups, entries, icons, shortcuts and badges."""

import msgspec
from litestar import get
from sqlalchemy import Connection

from ultraviolet.hub.accounts.users import Role
from ultraviolet.hub.alerts.service import MAX_ACTIVE
from ultraviolet.web.middleware.auth import VIEWER, Caller, GivenHub
from ultraviolet.web.queries.badges import Badge, list_badges, make_badge


class Entry(msgspec.Struct, frozen=True):
    """A page of the navigation; `key` opens it after `g`."""

    address: str
    name: str
    icon: str
    key: str
    role: Role = "viewer"


class Group(msgspec.Struct, frozen=True):
    """Entries under a heading; the first group has no heading."""

    name: str
    entries: tuple[Entry, ...]


GROUPS = (
    Group("", (Entry("/", "Overview", "layout-dashboard", "h"),)),
    Group("Data", (Entry("/objects", "Objects", "database", "o"),)),
    Group(
        "Pipeline",
        (
            Entry("/events", "Events", "zap", "e"),
            Entry("/fetches", "Syncs", "refresh-cw", "s"),
            Entry("/drift", "Corrections", "wand-sparkles", "c"),
            Entry("/verifications", "Verify", "shield-check", "v"),
            Entry("/freshness", "Freshness", "clock", "f"),
        ),
    ),
    Group(
        "Connect",
        (
            Entry("/integrations", "Integrations", "plug", "i"),
            Entry("/webhooks", "Webhooks", "webhook", "w"),
        ),
    ),
    Group(
        "Settings",
        (
            Entry("/settings", "People", "users", "p", "admin"),
            Entry("/settings/keys", "API keys", "key-round", "k", "admin"),
            Entry("/settings/alerts", "Alerts", "bell", "a", "admin"),
            Entry("/settings/retention", "Retention", "archive", "r", "admin"),
            Entry("/settings/audit", "Audit log", "scroll-text", "l", "admin"),
        ),
    ),
    Group(
        "Help",
        (
            Entry("/docs", "Documentation", "book-open", "d"),
            Entry("/api/docs", "API reference", "code-xml", "x"),
            Entry("/about", "About", "info", "b"),
        ),
    ),
)


def visible_groups(caller: Caller | None) -> list[Group]:
    """Return the groups with the entries that the caller may open."""
    groups = [
        Group(
            group.name,
            tuple(entry for entry in group.entries if caller and caller.actor.may(entry.role)),
        )
        for group in GROUPS
    ]
    return [group for group in groups if group.entries]


def current_address(path: str) -> str:
    """Return the address of the entry that a path belongs to; empty for a page outside of it."""
    if path.startswith("/integrations/") and path.endswith("/freshness"):
        return "/freshness"
    addresses = [entry.address for group in GROUPS for entry in group.entries]
    above = (one for one in addresses if path == one or (one != "/" and path.startswith(f"{one}/")))
    return max(above, key=len, default="")


@get("/navigation/badges", guards=VIEWER)
async def show_badges(hub: GivenHub) -> list[Badge]:
    """Return the badges of the navigation: waiting events, running syncs, findings and problems."""

    def read(connection: Connection) -> list[Badge]:
        badges, active = list_badges(connection), len(hub.alerts.list_active(connection))
        if active:
            badges.append(make_badge("/settings/alerts", active, MAX_ACTIVE, "active", "bad"))
        return badges

    return await hub.database.read(read)
