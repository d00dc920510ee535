"""The audit log is append-only and pages from the newest entry."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from ultraviolet.hub.core import audit


def test_entries_are_listed_newest_first_in_pages(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in ("first", "second", "third"):
            audit.record(connection, "Kim", "key.create", name, {"role": "viewer"})

    with engine.connect() as connection:
        page = audit.list_recent(connection, limit=2)
        rest = audit.list_recent(connection, before=page[-1].seq)

    assert [entry.subject for entry in page] == ["third", "second"]
    assert [(entry.actor, entry.action, entry.subject, entry.detail) for entry in rest] == [
        ("Kim", "key.create", "first", {"role": "viewer"})
    ]


@pytest.mark.parametrize(
    "change", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"]
)
def test_database_refuses_to_change_the_audit_log(engine: Engine, change: str) -> None:
    with engine.begin() as connection:
        audit.record(connection, "Kim", "key.create", "ci")
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(change))
    with engine.connect() as connection:
        assert [entry.actor for entry in audit.list_recent(connection)] == ["Kim"]
