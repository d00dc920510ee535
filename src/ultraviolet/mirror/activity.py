"""How busy the mirror is: for each minute, how many contents changed and how long they took from ION to here.

The door counts as it writes, one row a minute, so that a chart reads sixty rows however much there is.
The first pass over a resource is not counted: what it finds is news to nobody.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Connection, text

from ultraviolet.mirror import arrivals
from ultraviolet.mirror.state import State
from ultraviolet.mirror.tables import DELAYS
from ultraviolet.times import now

_COLUMNS = [f"within_{number}" for number in range(len(DELAYS) + 1)]
_NOTE = text(
    f"""INSERT INTO activity (integration_id, minute, changes, {", ".join(_COLUMNS)})
    VALUES (:integration, :minute, :changes, {", ".join(f":{name}" for name in _COLUMNS)})
    ON CONFLICT (integration_id, minute) DO UPDATE SET changes = activity.changes + excluded.changes,
      {", ".join(f"{name} = activity.{name} + excluded.{name}" for name in _COLUMNS)}"""
)


def note(connection: Connection, integration_id: int, changed: Iterable[State]) -> None:
    """Count what a batch changed."""
    news = [state for state in changed if state.origin and not state.origin.first]
    if not news:
        return
    moment = now()
    took = Counter(
        bisect_left(DELAYS, delay) for state in news if (delay := _delay(state, moment)) is not None
    )
    counts = {name: took[number] for number, name in enumerate(_COLUMNS)}
    given = {"integration": integration_id, "minute": moment[:16], "changes": len(news)}
    connection.execute(_NOTE, given | counts)


def _delay(state: State, moment: str) -> float | None:
    """Give the seconds since ION's own time of a change; None where ION gives none, as of computed fields."""
    stamp, before = _updated(state.doc), _updated(state.before or {})
    if state.change == "delete" or stamp is None or stamp == before:
        return None
    try:
        return arrivals.seconds(stamp, moment)
    except (ValueError, TypeError):
        return None


def _updated(doc: dict[str, object]) -> str | None:
    stamp = doc.get("_updated") or doc.get("Updated")
    return str(stamp) if stamp else None
