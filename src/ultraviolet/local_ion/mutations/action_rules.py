"""When ION Actions are asked: after each mutation, about every row it changed, before it is committed."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.rules import action_interpreter
from ultraviolet.local_ion.rules.organization import setting
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.audit_log import LoggedAction
from ultraviolet.local_ion.store.store import Row, Transaction

Look = Callable[[sqlite3.Connection, str, Mapping[str, Any]], Mapping[str, Any]]
"""Answers a rule's context, a GraphQL query, from what the transaction has written."""
# the rules that are on
ENABLED = """
SELECT id, title, target, event_type, code, context, error_state FROM rules
 WHERE enabled AND status = 'active' AND code IS NOT NULL"""


def enforce(tx: Transaction, since: int, look: Look) -> None:
    """Ask the rules about what was changed since an action of the log; raises GraphQLError where one blocks it."""
    rules = _rules(tx)
    if not rules or not setting(tx, "rules", "enabled"):
        return
    for action in audit_log.since(tx.connection, since, 10_000):
        resource = tx.catalog.resources.get(action.table_name)
        target = resource.type.lower() if resource else ""
        for rule in rules:
            if rule["target"] == target and rule["event_type"] == action.action.lower():
                _ask(tx, rule, action, look)


def _rules(tx: Transaction) -> list[Row]:
    cursor = tx.connection.execute(ENABLED)
    names = [c[0] for c in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _ask(tx: Transaction, rule: Row, action: LoggedAction, look: Look) -> None:
    try:
        action_interpreter.judge(rule["code"], _context(tx, rule, action, look))
    except action_interpreter.BlockedError as error:
        told = str(error)
        raise GraphQLError(
            told if told and told != action_interpreter.BlockedError.__doc__ else rule["title"] or told
        ) from error
    except action_interpreter.UnreadableError as error:
        # what a rule does that fails is its own setting: let the change through, or not
        if rule["error_state"] == "block":
            message = setting(tx, "rules", "errorStateMessage")
            raise GraphQLError(message or f"{rule['title']}: {error}") from error


def _context(tx: Transaction, rule: Row, action: LoggedAction, look: Look) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rule["context"]:
        id_ = int(action.row_id) if action.row_id.isdecimal() else action.row_id
        answer = look(tx.connection, rule["context"].replace("$id", json.dumps(id_)), {})
        if answer.get("errors"):
            raise action_interpreter.UnreadableError(f"The context fails: {answer['errors'][0]['message']}")
        found = dict(answer["data"])
    return {**found, "changes": dict(_changes(tx.catalog, action)), "currentUser": _user(tx)}


def _changes(catalog: Catalog, action: LoggedAction) -> Iterator[tuple[str, Any]]:
    """Give `changes.<table>.<field>.{old, new}`, the table and fields in camel case, values as the database has them."""
    resource = catalog.resources[action.table_name]
    names = {f.column: f.name for f in resource.fields if f.stored}
    changed = {
        names[column]: {"old": old, "new": new}
        for column, (old, new) in action.changes().items()
        if column in names
    }
    head, *tail = action.table_name.split("_")
    yield head + "".join(word.capitalize() for word in tail), changed


def _user(tx: Transaction) -> dict[str, Any]:
    user = tx.get("users", tx.actor_id) or {}
    roles = "SELECT r.name FROM user_roles u JOIN roles r ON r.id = u.role_id WHERE u.user_id = ?"
    teams = "SELECT t.name FROM team_users u JOIN teams t ON t.id = u.team_id WHERE u.user_id = ?"
    return {
        "id": tx.actor_id,
        "email": user.get("email"),
        "roles": [name for (name,) in tx.connection.execute(roles, (tx.actor_id,))],
        "teams": [name for (name,) in tx.connection.execute(teams, (tx.actor_id,))],
    }
