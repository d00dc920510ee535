"""ION Actions: rules that check every changed row of a mutation before its commit."""

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from graphql import GraphQLError

from ultraviolet.ion.model import Resource
from ultraviolet.ion.naming import camel
from ultraviolet.local_ion.mutations import action_contexts
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
MAX_EXECUTIONS = 500
"""Executions that the log keeps."""

Outcome = Literal["allowed", "warned", "blocked", "failed"]


class Execution(msgspec.Struct, frozen=True):
    """One execution of a rule, as ION logs it (documented): also of a change that it blocked."""

    rule_id: int
    title: str | None
    target: str
    event: str
    record_id: str
    outcome: Outcome
    message: str
    context: dict[str, Any]


class ActionRules:
    """Applies the active rules to changes and keeps a log of their executions."""

    def __init__(self, run_query: RunQuery) -> None:
        self._run_query = run_query
        self.executions: deque[Execution] = deque(maxlen=MAX_EXECUTIONS)

    def check(self, tx: Transaction, last_action_id: int) -> None:
        """Check the changes after an action; raise GraphQLError if a rule blocks one.

        A warning does not block (documented).
        """
        cursor = tx.connection.execute(SELECT_ACTIVE_RULES)
        names = [c[0] for c in cursor.description]
        rules = [dict(zip(names, row, strict=True)) for row in cursor]
        if not rules or not load_setting(tx, "rules", "enabled"):
            return
        for action in audit_log.actions_after(tx.connection, last_action_id, MAX_ACTIONS):
            resource = tx.catalog.resources.get(action.table_name)
            target = resource.type.lower() if resource else ""
            for rule in rules:
                if rule["target"] == target and rule["event_type"] == action.action.lower():
                    self._execute(tx, rule, action)

    def _execute(self, tx: Transaction, rule: Row, action: LoggedAction) -> None:
        context: dict[str, Any] = {}
        outcome: Outcome = "allowed"
        message = ""
        try:
            context = _context(tx, rule, action, self._run_query)
            warning = action_interpreter.run(rule["code"], context)
            if warning is not None:
                outcome, message = "warned", warning
        except action_interpreter.BlockedError as error:
            outcome, message = "blocked", str(error)
            if not message or message == action_interpreter.BlockedError.__doc__:
                message = rule["title"] or message
            raise GraphQLError(message) from error
        except (action_interpreter.UnsupportedCodeError, GraphQLError) as error:
            # A setting of the rule decides whether its own failure blocks the change.
            outcome, message = "failed", str(error)
            if rule["error_state"] == "block":
                shown = load_setting(tx, "rules", "errorStateMessage")
                raise GraphQLError(shown or f"{rule['title']}: {error}") from error
        finally:
            self.executions.append(
                Execution(
                    rule_id=rule["id"],
                    title=rule["title"],
                    target=rule["target"],
                    event=rule["event_type"],
                    record_id=action.row_id,
                    outcome=outcome,
                    message=message,
                    context=context,
                )
            )


def _context(
    tx: Transaction, rule: Row, action: LoggedAction, run_query: RunQuery
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    resource = tx.catalog.resources[action.table_name]
    if rule["context"]:
        id_ = int(action.row_id) if action.row_id.isdecimal() else action.row_id
        query = action_contexts.direct_query(tx.catalog, resource, rule["context"], id_)
        response = run_query(tx.connection, query, {})
        if response.get("errors"):
            raise action_interpreter.UnsupportedCodeError(
                f"The context fails: {response['errors'][0]['message']}"
            )
        data = action_contexts.unwrap(resource, response["data"])
    user = tx.get("users", tx.actor_id) or {}
    roles = "SELECT r.name FROM user_roles u JOIN roles r ON r.id = u.role_id WHERE u.user_id = ?"
    teams = "SELECT t.name FROM team_users u JOIN teams t ON t.id = u.team_id WHERE u.user_id = ?"
    current_user = {
        "id": tx.actor_id,
        "email": user.get("email"),
        "roles": [name for (name,) in tx.connection.execute(roles, (tx.actor_id,))],
        "teams": [name for (name,) in tx.connection.execute(teams, (tx.actor_id,))],
    }
    return {**data, "changes": _changes(resource, action), "currentUser": current_user}


def _changes(resource: Resource, action: LoggedAction) -> dict[str, Any]:
    """Return `{table: {field: {old, new}}}` with database values.

    Names are those of the database (documented), and also in camel case (seen in older scripts).
    """
    names = {f.column: f.name for f in resource.fields if f.stored}
    changed: dict[str, Any] = {}
    for column, (old, new) in action.changes().items():
        if column in names:
            changed[column] = changed[names[column]] = {"old": old, "new": new}
    return {action.table_name: changed, camel(action.table_name): changed}
