"""ION Actions: rules that check every changed row of a mutation before its commit."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.ion.naming import camel
from ultraviolet.local_ion.rules import action_interpreter
from ultraviolet.local_ion.rules.organization import load_setting
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.audit_log import LoggedAction
from ultraviolet.local_ion.store.transaction import Row, Transaction

RunQuery = Callable[[sqlite3.Connection, str, Mapping[str, Any]], Mapping[str, Any]]
"""Execute the GraphQL query of a rule's context inside the transaction."""
# active rules
SELECT_ACTIVE_RULES = """
SELECT id, title, target, event_type, code, context, error_state FROM rules
 WHERE enabled AND status = 'active' AND code IS NOT NULL"""

MAX_ACTIONS = 10_000
"""Changes of one mutation that rules check."""


def check_rules(tx: Transaction, last_action_id: int, run_query: RunQuery) -> None:
    """Apply the active rules to the changes after an action; raise GraphQLError if one blocks."""
    cursor = tx.connection.execute(SELECT_ACTIVE_RULES)
    names = [c[0] for c in cursor.description]
    rules = [dict(zip(names, row, strict=True)) for row in cursor]
    if not rules or not load_setting(tx, "rules", "enabled"):
        return
    for action in audit_log.actions_after(tx.connection, last_action_id, MAX_ACTIONS):
        resource = tx.catalog.resources.get(action.table_name)
        target = resource.type.lower() if resource else ""
        for rule in rules:
            if rule["target"] != target or rule["event_type"] != action.action.lower():
                continue
            try:
                action_interpreter.run(rule["code"], _context(tx, rule, action, run_query))
            except action_interpreter.BlockedError as error:
                message = str(error)
                if not message or message == action_interpreter.BlockedError.__doc__:
                    message = rule["title"] or message
                raise GraphQLError(message) from error
            except action_interpreter.UnsupportedCodeError as error:
                # A setting of the rule decides whether its own failure blocks the change.
                if rule["error_state"] == "block":
                    message = load_setting(tx, "rules", "errorStateMessage")
                    raise GraphQLError(message or f"{rule['title']}: {error}") from error


def _context(
    tx: Transaction, rule: Row, action: LoggedAction, run_query: RunQuery
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if rule["context"]:
        id_ = int(action.row_id) if action.row_id.isdecimal() else action.row_id
        query = rule["context"].replace("$id", json.dumps(id_))
        response = run_query(tx.connection, query, {})
        if response.get("errors"):
            raise action_interpreter.UnsupportedCodeError(
                f"The context fails: {response['errors'][0]['message']}"
            )
        data = dict(response["data"])
    # `{table: {field: {old, new}}}` with names in camel case and database values
    resource = tx.catalog.resources[action.table_name]
    names = {f.column: f.name for f in resource.fields if f.stored}
    changed = {
        names[column]: {"old": old, "new": new}
        for column, (old, new) in action.changes().items()
        if column in names
    }
    user = tx.get("users", tx.actor_id) or {}
    roles = "SELECT r.name FROM user_roles u JOIN roles r ON r.id = u.role_id WHERE u.user_id = ?"
    teams = "SELECT t.name FROM team_users u JOIN teams t ON t.id = u.team_id WHERE u.user_id = ?"
    current_user = {
        "id": tx.actor_id,
        "email": user.get("email"),
        "roles": [name for (name,) in tx.connection.execute(roles, (tx.actor_id,))],
        "teams": [name for (name,) in tx.connection.execute(teams, (tx.actor_id,))],
    }
    return {**data, "changes": {camel(action.table_name): changed}, "currentUser": current_user}
