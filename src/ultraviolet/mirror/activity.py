"""How busy the mirror is: for each minute, how many contents changed and how long they took from ION to here.

The door counts as it writes, one row a minute, so that a chart reads sixty rows however much there is.
The first pass over a resource is not counted: what it finds is news to nobody.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, text

from ultraviolet.db.tables.stats import DELAYS
from ultraviolet.mirror.object_state import ObjectState

_COLUMNS = [f"within_{number}" for number in range(len(DELAYS) + 1)]
_NOTE = text(
    f"""INSERT INTO activity (integration_id, minute, changes, {", ".join(_COLUMNS)})
    VALUES (:integration, :minute, :changes, {", ".join(f":{name}" for name in _COLUMNS)})
    ON CONFLICT (integration_id, minute) DO UPDATE SET changes = activity.changes + excluded.changes,
      {", ".join(f"{name} = activity.{name} + excluded.{name}" for name in _COLUMNS)}"""
)


def record_activity(
    connection: Connection, integration_id: int, news: Sequence[ObjectState], moment: str
) -> None:
    """Count what a batch changed, as `arrivals.measure` has measured it."""
    if not news:
        return
    took = Counter([bisect_left(DELAYS, state.late) for state in news if state.late is not None])
    counts = {name: took[number] for number, name in enumerate(_COLUMNS)}
    given = {"integration": integration_id, "minute": moment[:16], "changes": len(news)}
    connection.execute(_NOTE, given | counts)
