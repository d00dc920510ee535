"""Drift: each cause is distinguished from the others, and counted with its latency."""

from typing import Any

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.event import listen

from ultraviolet.clock import now_rfc3339
from ultraviolet.db import dialect
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import latency
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.drift import ReceivedEvent, mark_late
from ultraviolet.mirror.observation import Mark, Observation, Origin
from ultraviolet.web.queries import drift
from ultraviolet.web.queries.drift import DriftFilter
from ultraviolet.web.queries.prometheus import prometheus_families

ORDER = "purchase_orders"


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000000+00:00"


def event(second: int, *, sent: int | None = None, id_: str = "1", **fields: Any) -> Observation:
    moment = at(second if sent is None else sent)
    content = {"_updated": moment, **fields}
    return Observation(ORDER, id_, "partial", content, at(second), Origin("event", "7"), moment)


def read(
    began: int, *, id_: str = "1", kind: Any = "heal", first: bool = False, **fields: Any
) -> Observation:
    origin = Origin(kind, None, first)
    return Observation(
        ORDER, id_, "full", fields, at(began), origin, fields.get("_updated"), at(began)
    )


def absent(began: int, *, id_: str = "1") -> Observation:
    return Observation(
        ORDER, id_, "absent", {}, at(began), Origin("fetch"), read_started_at=at(began)
    )


class Mirror:
    """A mirror with one order, and its recorded drift."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self.connection = connection
        self.catalog = catalog
        self(
            read(
                1,
                _updated=at(0),
                status="DRAFT",
                orderedAt=None,
                supplierId=1,
                first=True,
                kind="fetch",
            )
        )

    def __call__(self, *observations: Observation, marks: Any = ()) -> None:
        apply(self.connection, self.catalog, 1, observations, marks)

    def causes(self) -> list[str]:
        return list(self.connection.execute(text("SELECT cause FROM drift ORDER BY seq")).scalars())

    def counts(self) -> dict[str, int]:
        query = text("SELECT cause, sum(count) FROM arrivals GROUP BY cause HAVING sum(count) > 0")
        return {cause: int(count) for cause, count in self.connection.execute(query)}


def test_change_without_an_event_is_drift(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(4, _updated=at(3), status="ORDERED", orderedAt=None, supplierId=1, kind="fetch"))
    mirror(read(4, id_="2", _updated=at(3), status="DRAFT", kind="poll"))
    mirror(absent(9, id_="2"))
    assert ["no_event_sent", "no_event_sent", "no_event_sent"] == mirror.causes()
    assert {"": 3, "no_event_sent": 3} == mirror.counts()


def test_change_announced_completely_and_in_time_is_not_drift(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(event(5, status="ORDERED"))
    mirror(read(6, _updated=at(5), status="ORDERED", orderedAt=None, supplierId=1))
    mirror(Observation(ORDER, "1", "partial", {}, at(7), Origin("event")))
    assert [] == mirror.causes()
    assert {"": 1} == mirror.counts()


def test_documented_limitations_are_counted_and_those_of_reads_are_corrections(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(event(5, orderedAt=at(5)))
    mirror(event(7, supplierId=2))
    mirror(event(8, id_="3", status="DRAFT"))
    mirror(read(9, id_="3", _updated=at(8), status="DRAFT", estimatedCost=7.0))
    mirror(event(10, status="ORDERED"))
    mirror(read(11, _updated=at(10), status="ORDERED", orderedAt=at(5), supplierId=3))
    assert ["partial_create", "link"] == mirror.causes()
    assert {
        "": 6,
        "empty_to_populated": 1,
        "link": 2,
        "partial_create": 1,
    } == mirror.counts()
    report = drift.get_report(connection, 1, DriftFilter(), "day")
    assert {(one.cause, one.count, *one.healed_by) for one in report.causes} == {
        ("partial_create", 1, "heal"),
        ("link", 1, "heal"),
    }
    assert {(one.cause, one.count, *one.healed_by) for one in report.understood} == {
        ("link", 1, "event"),
        ("empty_to_populated", 1, "event"),
    }
    assert (report.changes, report.wrong, report.objects) == (6, 2, 2)
    assert [point.causes for point in report.over_time] == [{"partial_create": 1, "link": 1}]
    assert drift.count_corrections(connection, 1, at(0)) == 2
    [metric] = [
        family for family in prometheus_families(connection) if family.name == "ultraviolet_drift"
    ]
    assert {sample.labels["cause"]: sample.value for sample in metric.samples} == {
        "partial_create": 1,
        "link": 1,
    }


def test_incomplete_event_and_computed_value_are_causes_of_drift(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(event(5, status="ORDERED"))
    mirror(read(6, _updated=at(5), status="CANCELED", orderedAt=None, supplierId=1))
    mirror(marks=[Mark(ORDER, "1", "purchase_order_lines changed", at(7))])
    mirror(read(8, _updated=at(5), status="RECEIVED", orderedAt=None, supplierId=1))
    assert ["told_in_part", "computed"] == mirror.causes()
    computed = connection.execute(text("SELECT wrong_since FROM drift ORDER BY seq DESC")).scalar()
    assert computed == at(7)  # a computed value has no time of its own


def test_event_recovered_from_ion_was_lost(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    recovered = event(50, sent=5, status="ORDERED")
    mirror(msgspec.structs.replace(recovered, origin=Origin("event", "8", lost=True)))
    assert ["event_lost"] == mirror.causes()


def test_late_event_is_drift(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    mirror(event(50, sent=5, status="ORDERED"))
    assert {"": 1, "late": 1} == mirror.counts()
    assert [] == mirror.causes()  # not a correction


def test_event_after_the_read_that_found_the_change_corrects_the_cause(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    began = now_rfc3339()
    found: dict[str, Any] = {"status": "ORDERED", "orderedAt": None, "supplierId": 1}
    mirror(read(4, _updated=at(3), **found, kind="fetch"))
    mirror(read(4, id_="2", _updated=began, **found, kind="fetch"))
    assert ["no_event_sent", "no_event_sent"] == mirror.causes()

    mark_late(
        connection,
        1,
        [
            ReceivedEvent(ORDER, "1", now_rfc3339(), at(3)),
            ReceivedEvent(ORDER, "2", now_rfc3339(), began),
        ],
    )

    assert ["late"] == mirror.causes()  # the other event arrived in time
    assert {"": 2, "late": 1} == mirror.counts()


def test_event_that_could_not_be_interpreted_is_the_cause(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    connection.execute(
        text(
            """INSERT INTO events (integration_id, webhook_url_id, dedupe_key, object_id, received_at, body, headers,
              signature, outcome) VALUES (1, 1, :key, '1', :at, :key, '{}', 'verified',
              'not_understood')"""
        ),
        {"key": b"?", "at": at(4)},
    )
    mirror(read(6, _updated=at(3), status="ORDERED", orderedAt=None, supplierId=1, kind="fetch"))
    assert ["event_not_understood"] == mirror.causes()


def test_missing_permission_is_the_cause(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    mirror(event(5, status="ORDERED"))
    connection.execute(
        text("UPDATE stale SET error = 'User does not have permission to read this resource.'")
    )
    mirror(read(6, _updated=at(5), status="CANCELED", orderedAt=None, supplierId=1))
    assert ["permission"] == mirror.causes()


def test_histogram_estimates_quantiles_within_a_fifth() -> None:
    counts = {latency.latency_bucket(second / 10): 1 for second in range(1, 1000)}
    for late in (0.0001, 0.02, 0.4, 3.0, 90.0, 5000.0):
        found = latency.quantile(
            {latency.latency_bucket(late): 7, latency.UNKNOWN_BUCKET: 100}, 0.5
        )
        assert found is not None
        assert abs(found - max(late, 0.001)) <= 0.2 * max(late, 0.001)
    assert latency.quantile({}, 0.5) is None
    assert latency.quantile(counts, 0.99) is not None


def test_search_for_uninterpreted_events_uses_their_index(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    executed: list[tuple[str, Any]] = []
    listen(connection, "before_cursor_execute", lambda *given: executed.append(given[2:4]))
    mirror(read(4, _updated=at(3), status="ORDERED", orderedAt=None, supplierId=1, kind="fetch"))

    [(statement, given)] = [each for each in executed if "FROM events" in each[0]]

    if dialect.is_postgresql(connection):
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = str(connection.exec_driver_sql(f"EXPLAIN {statement}", given).all())
        assert "_integration_id_object_id_idx" in plan
    else:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all())
        assert "events_not_understood" in plan
    assert "resource_object_id" not in plan
    assert "events_by_object" not in plan
