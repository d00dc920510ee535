"""Resources that the last fetches could not read, including those of a running fetch."""

from sqlalchemy import Connection, text

_ENDED = text(
    """SELECT f.mode, s.resource, s.state, s.error
    FROM fetches AS f JOIN fetch_steps AS s ON s.fetch_id = f.id
    WHERE s.state IN ('done', 'failed', 'skipped') AND f.id IN (
      SELECT id FROM fetches WHERE integration_id = :integration AND state = 'running'
      UNION SELECT max(id) FROM fetches
        WHERE integration_id = :integration AND state IN ('done', 'failed')
      UNION SELECT max(id) FROM fetches
        WHERE integration_id = :integration AND state IN ('done', 'failed') AND mode = 'full')
    ORDER BY f.id DESC"""
)


def failed_steps(connection: Connection, integration_id: int) -> dict[str, str]:
    """Return the error of each resource that the last fetch or the last full fetch could not read.

    An incremental fetch does not read every object that a full fetch reads.
    """
    ended, failed = set[tuple[str, str]](), dict[str, str]()
    for row in connection.execute(_ENDED, {"integration": integration_id}):
        modes = ("any", "full") if row.mode == "full" else ("any",)
        scopes = {(mode, str(row.resource)) for mode in modes}
        if scopes - ended and row.state == "failed":
            failed.setdefault(row.resource, row.error)
        ended |= scopes
    return failed
