"""Permissions: groups of mutations, roles that include groups, and users with roles."""

import re
from collections.abc import Mapping
from sqlite3 import Connection
from typing import Any

from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.auth.permission_groups import Group, group_of, published_groups
from ultraviolet.local_ion.store.transaction import Transaction

ADMIN_ROLE = "Admin"
_COMMON = "Comment|Label|FileAttachment|Asset|UserSubscription|UserNotification"
_PRIVATE_QUERIES = re.compile(
    r"^(apiKey|webhook|permission|integration|logs|prismatic)", re.IGNORECASE
)
_ADMIN_MUTATIONS = re.compile(
    r"APIKey|Webhook|Organization|Role|Team|User$|Invite|Integration|AnalyticsCredential"
)
_ROLE_MUTATIONS: Mapping[str, re.Pattern[str]] = {
    "Buyer": re.compile(
        r"Purchase|Supplier|Receipt|Inventory|Currenc|Requirement|Contact|Location|" + _COMMON
    ),
    "Technician": re.compile(
        rf"Run|CheckIn|CheckOut|Inventory|Kit|Data[gG]rid|A[bB]om|ABom|Issue|{_COMMON}"
    ),
    "Quality": re.compile(rf"Issue|Redline|Approval|Review|Validation|Disposition|{_COMMON}"),
}
ROLES = (ADMIN_ROLE, *_ROLE_MUTATIONS, "Manager")
"""The predefined roles and their permissions (assumed)."""

# the roles of a user and of their teams
SELECT_USER_ROLES = """
SELECT role_id FROM user_roles WHERE user_id = ?1 UNION
SELECT tr.role_id FROM team_users tu JOIN team_roles tr ON tr.team_id = tu.team_id WHERE tu.user_id = ?1"""
# names of the groups that these roles have
SELECT_USER_GROUPS = f"""
SELECT g.name FROM permission_groups g
  JOIN permission_group_roles gr ON gr.permission_group_id = g.id
 WHERE gr.role_id IN ({SELECT_USER_ROLES})"""
SELECT_IS_ADMIN = """
SELECT 1 FROM user_roles u JOIN roles r ON r.id = u.role_id WHERE u.user_id = ? AND r.name = 'Admin'"""


def load_user_permissions(
    connection: Connection, catalog: Catalog, user_id: int | None
) -> frozenset[str] | None:
    """Return the root fields that a user may use; None (all) for an administrator.

    Reads need no permission (documented), unless this ION has groups for queries.
    """
    if connection.execute(SELECT_IS_ADMIN, (user_id,)).fetchone():
        return None
    groups = {name for (name,) in connection.execute(SELECT_USER_GROUPS, (user_id,))}
    queries, mutations = _root_fields(catalog)
    has_query = "SELECT 1 FROM permission_groups WHERE name = ?"
    if not connection.execute(has_query, (queries[0],)).fetchone():
        groups.update(queries)
    allowed = (name for name in mutations if group_of(name, catalog) in groups)
    return frozenset((*groups.intersection(queries), *allowed))


def role_includes(role: str, name: str, *, is_query: bool) -> bool:
    """Return whether a predefined role includes a group."""
    if role == ADMIN_ROLE:
        return True
    if is_query:
        return not _PRIVATE_QUERIES.match(name)
    if role == "Manager":
        return not _ADMIN_MUTATIONS.search(name)
    return bool(_ROLE_MUTATIONS[role].search(name))


def seed(tx: Transaction, catalog: Catalog, *, for_queries: bool) -> None:
    """Create the permission groups and the predefined roles; ION has no groups for queries.

    The audit log omits them because no user created them.
    """
    roles = {name: tx.insert("roles", {"name": name}) for name in ROLES}
    queries = _root_fields(catalog)[0] if for_queries else []
    made = [
        *published_groups(catalog),
        *(Group(name, name[:1].upper() + name[1:]) for name in queries),
    ]
    groups: list[tuple[Any, ...]] = []
    permissions: list[tuple[Any, ...]] = []
    group_roles: list[tuple[Any, int]] = []
    for id_, (name, family) in enumerate(made, start=1):
        is_query = name in queries
        groups.append((id_, name, family, tx.now, tx.now))
        operation = "query" if is_query else "mutation"
        verbs = (verb for verb in ("Create", "Delete", "Update") if name.startswith(verb))
        action = "read" if is_query else next(verbs, "update").lower()
        permissions.append((id_, action, name, operation, family, 0, tx.now, tx.now))
        group_roles.extend(
            (role_id, id_)
            for role, role_id in roles.items()
            if role_includes(role, name, is_query=is_query)
        )
    write = tx.connection.executemany
    write(
        "INSERT INTO permission_groups (id, name, family, _created, _updated)"
        " VALUES (?, ?, ?, ?, ?)",
        groups,
    )
    write(
        "INSERT INTO permissions (id, action, resource, resource_type_name, field_type_name,"
        " is_connection, _created, _updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        permissions,
    )
    write(
        "INSERT INTO permission_permission_groups (permission_group_id, permission_id)"
        " VALUES (?, ?)",
        [(id_, id_) for id_, *_ in groups],
    )
    write(
        "INSERT INTO permission_group_roles (role_id, permission_group_id) VALUES (?, ?)",
        group_roles,
    )
    tx.connection.execute("DELETE FROM logged_actions WHERE table_name LIKE 'permission%'")


def _root_fields(catalog: Catalog) -> tuple[list[str], list[str]]:
    """Return the names of the queries and of the mutations."""
    query, mutation = catalog.schema.query_type, catalog.schema.mutation_type
    assert query is not None
    assert mutation is not None
    return list(query.fields), list(mutation.fields)
