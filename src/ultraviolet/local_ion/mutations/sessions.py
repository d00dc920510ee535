"""Sessions of users at steps of runs: a check-in and the check-out after it."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.validation import STALE_ETAG_MESSAGE
from ultraviolet.local_ion.store.columns import encode
from ultraviolet.local_ion.store.transaction import Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""
# check-ins with the next check-out of the same user at the same step
_SELECT_SESSIONS = """
SELECT i.id, i.run_step_id, i._created, i.created_by_id,
       (SELECT min(o._created) FROM session_events o WHERE o.run_step_id = i.run_step_id
           AND o.created_by_id IS i.created_by_id AND o.event_type = 'check_out' AND o.id > i.id)
  FROM session_events i WHERE i.event_type = 'check_in' AND {} ORDER BY i.id"""


def load_sessions(
    connection: Connection, condition: str, params: Iterable[Any]
) -> list[dict[str, Any]]:
    """Return the sessions whose check-in `i` meets a condition, in order of id."""
    sessions: list[dict[str, Any]] = []
    rows = connection.execute(_SELECT_SESSIONS.format(condition), tuple(params)).fetchall()
    for id_, step, check_in, user, check_out in rows:
        duration = None
        if check_out:
            difference = datetime.fromisoformat(check_out) - datetime.fromisoformat(check_in)
            duration = difference.total_seconds()
        session: dict[str, Any] = {
            "id": str(id_),
            "runStepId": step,
            "Created": check_in,
            "createdById": user,
            "eventType": "CHECK_OUT" if check_out else "CHECK_IN",
            "checkIn": check_in,
            "checkOut": check_out,
            "duration": duration,
            "isValidGrouping": check_out is not None,
            "runStep": step,
            "createdBy": user,
            "timeline": [],
            "_etag": hashlib.sha256(repr((id_, check_in, check_out)).encode()).hexdigest()[:32],
        }
        sessions.append(session)
    return sessions


@MUTATIONS.handles("updateSession")
def _update_session(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Correct the times of a session; a new check-out ends it."""
    given = args["input"]
    found = load_sessions(tx.connection, "i.id = ?", [int(given["id"])])
    ensure(found, f"Session {given['id']} does not exist.")
    (session,) = found
    ensure(session["_etag"] == given["etag"], STALE_ETAG_MESSAGE.format(type="Session"))
    field = tx.catalog.resources["session_events"].field("Created")
    assert field is not None
    times = {
        name: encode(field, given[name]) or session[name]
        for name in ("checkIn", "checkOut")
        if given.get(name) is not None
    }
    begin, end = (times.get(name, session[name]) for name in ("checkIn", "checkOut"))
    ensure(end is None or end >= begin, "A session cannot end before it begins.")
    events = tx.schema.tables["session_events"]
    created = events.created or "_created"
    if "checkIn" in times:
        tx.update("session_events", int(session["id"]), {created: begin})
    if "checkOut" in times:
        row = tx.scalar(
            "SELECT o.id FROM session_events o JOIN session_events i ON i.run_step_id = o.run_step_id"
            " AND i.created_by_id IS o.created_by_id WHERE i.id = ? AND o.id > i.id"
            " AND o.event_type = 'check_out' ORDER BY o._created LIMIT 1",
            int(session["id"]),
        )
        if row is not None:
            tx.update("session_events", row, {created: end})
        else:
            values = {"run_step_id": session["runStepId"], "created_by_id": session["createdById"]}
            tx.insert("session_events", {**values, created: end, "event_type": "check_out"})
    (changed,) = load_sessions(tx.connection, "i.id = ?", [int(given["id"])])
    return {"session": changed}
