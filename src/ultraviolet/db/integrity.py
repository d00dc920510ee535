"""Check the integrity of a database: its revision, its file and the consistency of its tables."""

import msgspec
from sqlalchemy import Connection, text

from ultraviolet.db import dialect
from ultraviolet.db.migrations import LATEST, NewerTablesError, current_revision, is_newer

_CHECKS = {
    "the history contains the current version of every object": """SELECT count(*) FROM objects o
      WHERE NOT EXISTS (
      SELECT 1 FROM versions v WHERE v.integration_id = o.integration_id
        AND v.resource = o.resource AND v.id = o.id AND v.version = o.version)""",
    "version numbers of objects are unique": """SELECT count(*) FROM (SELECT 1 FROM versions
      GROUP BY integration_id, resource, id, version HAVING count(*) > 1) AS twice""",
    "every event has its key": """SELECT count(*) FROM events e WHERE NOT EXISTS (
      SELECT 1 FROM event_keys k
      WHERE k.integration_id = e.integration_id AND k.dedupe_key = e.dedupe_key)""",
    "every link belongs to an object": """SELECT count(*) FROM links l
      JOIN link_kinds k ON k.id = l.kind WHERE NOT EXISTS (
        SELECT 1 FROM objects o WHERE o.integration_id = l.integration_id
        AND o.resource = k.resource AND o.id = l.id AND o.deleted_at IS NULL)""",
    "every partial object is marked as stale": """SELECT count(*) FROM objects o
      WHERE o.completeness = 'partial' AND o.deleted_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM stale s WHERE s.integration_id = o.integration_id
        AND s.resource = o.resource AND s.id = o.id)""",
}


class IntegrityFinding(msgspec.Struct, frozen=True):
    """The result of one check."""

    what: str
    well: bool
    detail: str


def check_integrity(connection: Connection) -> list[IntegrityFinding]:
    """Run all checks, without changes."""
    found = [check_revision(connection)]
    if not found[0].well:
        return found
    if not dialect.is_postgresql(connection):
        problems = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check(5)")]
        problems += [
            f"{row[0]} refers to a missing row of {row[2]}"
            for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
        ]
        found.append(IntegrityFinding("file", problems == ["ok"], "; ".join(problems[:5])))
    for what, question in _CHECKS.items():
        wrong = connection.execute(text(question)).scalar_one()
        found.append(
            IntegrityFinding(what, wrong == 0, "yes" if wrong == 0 else f"violated by {wrong}")
        )
    return found


def check_revision(connection: Connection) -> IntegrityFinding:
    """Check that the tables are those of this release."""
    at = current_revision(connection)
    well = at == LATEST
    if well:
        return IntegrityFinding("tables", well, LATEST)
    what = NewerTablesError.__doc__ if is_newer(at) else "run `ultraviolet db upgrade`"
    return IntegrityFinding(
        "tables", well, f"{at or 'none'}, but this release needs {LATEST}: {what}"
    )
