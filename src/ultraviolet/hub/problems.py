"""What keeps ION from answering, told by the process that meets it to those that only show pages."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from ultraviolet.mirror.tables import problems


def note(connection: Connection, found: Mapping[int, str | None]) -> None:
    """Write what each integration's duties meet now; None is nothing."""
    connection.execute(delete(problems).where(problems.c.integration_id.in_(list(found))))
    rows = [{"integration_id": id_, "problem": problem} for id_, problem in found.items() if problem]
    if rows:
        connection.execute(insert(problems), rows)


def of(connection: Connection, integration_id: int) -> str | None:
    """Read what is met by whoever has the duties."""
    return connection.execute(
        select(problems.c.problem).where(problems.c.integration_id == integration_id)
    ).scalar()
