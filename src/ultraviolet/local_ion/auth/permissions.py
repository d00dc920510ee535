"""Permissions: one group for each query and mutation, roles that hold groups, and what a user may do by them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.store.store import Transaction

ADMIN = "Admin"
_OFFICE = r"Comment|Label|FileAttachment|Asset|^notification|UserSubscription|UserNotification"
_PRIVATE = re.compile(r"^(apiKey|webhook|permission|integration|logs|prismatic)", re.IGNORECASE)
_ADMINISTRATION = re.compile(
    r"ApiKey|Webhook|Organization|Role|Team|User$|Invite|Integration|Rule$|EmbeddedAnalytics"
)
_HANDS: Mapping[str, re.Pattern[str]] = {
    "Buyer": re.compile(
        rf"Purchase|Supplier|Receipt|Inventory|Currenc|Requirement|Contact|Location|{_OFFICE}"
    ),
    "Technician": re.compile(rf"Run|checkIn|checkOut|Inventory|Kit|Datagrid|Abom|Issue|{_OFFICE}"),
    "Quality": re.compile(rf"Issue|Redline|Approval|Review|Validation|Disposition|{_OFFICE}"),
}
ROLES = (ADMIN, *_HANDS, "Manager")
"""The roles an ION has from its first day (assumed, as is what each may do)."""

# the names of the groups that a user holds by a role of their own or of a team
HELD = """
SELECT g.name FROM permission_groups g JOIN permission_group_roles gr ON gr.permission_group_id = g.id
 WHERE gr.role_id IN (SELECT role_id FROM user_roles WHERE user_id = ?1 UNION
                      SELECT tr.role_id FROM team_users tu JOIN team_roles tr ON tr.team_id = tu.team_id
                       WHERE tu.user_id = ?1)"""
IS_ADMIN = """
SELECT 1 FROM user_roles u JOIN roles r ON r.id = u.role_id WHERE u.user_id = ? AND r.name = 'Admin'"""


def of_user(tx: Transaction, user_id: int | None) -> frozenset[str] | None:
    """Give the names of the queries and mutations a user may use; None for an administrator, who may use all."""
    if tx.scalar(IS_ADMIN, user_id):
        return None
    return frozenset(name for (name,) in tx.connection.execute(HELD, (user_id,)))


def may(role: str, query: bool, name: str) -> bool:
    """Tell whether a role of the first day holds the group of a query or mutation."""
    if role == ADMIN:
        return True
    if query:
        return not _PRIVATE.match(name)
    return not _ADMINISTRATION.search(name) if role == "Manager" else bool(_HANDS[role].search(name))


def seed(tx: Transaction, catalog: Catalog) -> None:
    """Make the groups with their permissions, and the roles that hold them; none of it is in the audit log.

    It is what the software brings along, not what somebody did.
    """
    roles = {name: tx.insert("roles", {"name": name}) for name in ROLES}
    groups: list[tuple[Any, ...]] = []
    rows: list[tuple[Any, ...]] = []
    held: list[tuple[Any, int]] = []
    for id_, (query, name, kind, listed) in enumerate(_roots(catalog), start=1):
        groups.append((id_, name, _family(name), tx.now, tx.now))
        verb, place = _action(query, name), "query" if query else "mutation"
        rows.append((id_, verb, name, place, kind, int(listed), tx.now, tx.now))
        held.extend((role, id_) for title, role in roles.items() if may(title, query, name))
    write = tx.connection.executemany
    write(
        f"INSERT INTO permission_groups (id, name, family, _created, _updated) VALUES ({_marks(5)})", groups
    )
    write(
        "INSERT INTO permissions (id, action, resource, resource_type_name, field_type_name, is_connection,"
        f" _created, _updated) VALUES ({_marks(8)})",
        rows,
    )
    tied = [(id_, id_) for id_, *_ in groups]
    write("INSERT INTO permission_permission_groups (permission_group_id, permission_id) VALUES (?, ?)", tied)
    write("INSERT INTO permission_group_roles (role_id, permission_group_id) VALUES (?, ?)", held)
    tx.connection.execute("DELETE FROM logged_actions WHERE table_name LIKE 'permission%'")


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _roots(catalog: Catalog) -> Iterable[tuple[bool, str, str, bool]]:
    lists = {r.list for r in catalog.resources.values()}
    for query, root in ((True, catalog.schema.query_type), (False, catalog.schema.mutation_type)):
        assert root is not None
        for name, field in root.fields.items():
            yield query, name, str(field.type), name in lists


def _action(query: bool, name: str) -> str:
    if query:
        return "read"
    verb = next((v for v in ("create", "delete", "update") if name.startswith(v)), "update")
    return "upsert" if "OrUpdate" in name else verb


def _family(name: str) -> str:
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name).split()
    return " ".join(words[1:]).capitalize() or name.capitalize()
