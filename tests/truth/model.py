"""A model of ION for the rules of truth: its objects over time, its events and its responses."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from ultraviolet.mirror.observation import Observation, Origin

RESOURCE = "purchase_orders"
BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)

Row = dict[str, Any]


def moment(seconds: float) -> str:
    """Return a time of the model as RFC 3339 text."""
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


class ModelIon:
    """Rows by id and their history; `skew` is the number of seconds by which ION's clock is ahead."""

    def __init__(self, skew: float) -> None:
        self.skew = skew
        self.rows: dict[str, Row] = {}
        self.past: list[tuple[float, dict[str, Row]]] = [(-1e9, {})]

    def write(self, now: float, id_: str, **fields: Any) -> Row:
        """Create or change a row; return the columns that an event would contain."""
        columns = {**fields, "_updated": moment(now + self.skew)}
        self.rows[id_] = {
            "status": "DRAFT",
            "description": None,
            "estimatedCost": 0.0,
            "id": int(id_),
        } | (self.rows.get(id_, {}) | columns)
        self._keep(now)
        return columns

    def compute(self, now: float, id_: str, cost: float) -> None:
        """Change a computed value: no `_updated`, no event."""
        self.rows[id_]["estimatedCost"] = cost
        self._keep(now)

    def delete(self, now: float, id_: str) -> None:
        """Delete a row."""
        del self.rows[id_]
        self._keep(now)

    def restore(self, now: float, then: float) -> None:
        """Go back to a backup."""
        self.rows = deepcopy(self.as_of(then))
        self._keep(now)

    def as_of(self, then: float) -> dict[str, Row]:
        """Return all rows as of a time."""
        return next(rows for at, rows in reversed(self.past) if at <= then)

    def states(self, id_: str, since: float) -> list[Row | None]:
        """Return the states of a row before this time and since."""
        before = next(rows for at, rows in reversed(self.past) if at < since)
        return [before.get(id_), *(rows.get(id_) for at, rows in self.past if at >= since)]

    def _keep(self, now: float) -> None:
        self.past.append((now, deepcopy(self.rows)))


def event(columns: Row, id_: str, received: float, number: int) -> Observation:
    """Return the observation of a delivery."""
    return Observation(
        RESOURCE,
        id_,
        "partial",
        columns,
        observed_at=moment(received),
        origin=Origin("event", str(number)),
        source_time=columns.get("_updated"),
    )


def answer(
    row: Row | None, id_: str, began: float, answered: float, origin: str = "heal"
) -> Observation:
    """Return the observation of an answer of ION about one row."""
    return Observation(
        RESOURCE,
        id_,
        "full" if row else "absent",
        dict(row or {}),
        observed_at=moment(answered),
        origin=Origin(origin, "1"),  # type: ignore[arg-type]
        source_time=(row or {}).get("_updated"),
        read_started_at=moment(began),
    )
