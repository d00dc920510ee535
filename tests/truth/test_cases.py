"""Difficult cases for `apply` and the decoding of events."""

import json
from itertools import count
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, insert, text
from tests.truth.model import BEGIN, answer, event, moment

from ultraviolet.clock import Clock, normalize_rfc3339
from ultraviolet.db import dialect
from ultraviolet.db.tables import events as tables_events
from ultraviolet.hub.ingest.event_row import event_row
from ultraviolet.hub.sync import apply_events
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import decode
from ultraviolet.ion.queries import normalize_document
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Applied, Observation, Origin

ORDERS = "purchase_orders"


class Mirror:
    """The mirror of one integration, which takes observations and deliveries."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self.connection = connection
        self.catalog = catalog
        self.numbers = count(1)

    def observe(self, *seen: Observation) -> Applied:
        return apply(self.connection, self.catalog, 1, seen)

    def receive(self, body: bytes | dict[str, Any], at: float) -> apply_events.AppliedBatch:
        """Store a delivery as received, then apply its event."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        came = {"received_at": moment(at), "signature": "verified", "headers": {}}
        row = event_row(1, 1, raw, decode(self.catalog, raw), **came)
        row["dedupe_key"] = bytes([next(self.numbers)])
        self.connection.execute(insert(tables_events.events), row | {"headers": {}})
        return apply_events.apply_pending(self.connection, self.catalog, 1)

    def doc(self, id_: str = "1", resource: str = ORDERS) -> Any:
        query = "SELECT doc FROM objects WHERE resource = :r AND id = :i AND deleted_at IS NULL"
        found = self.connection.execute(text(query), {"r": resource, "i": id_}).scalar()
        return json.loads(found) if found else None

    def stale(self) -> set[tuple[str, str]]:
        return {
            (r.resource, r.id)
            for r in self.connection.execute(text("SELECT resource, id FROM stale"))
        }

    def outcomes(self) -> list[str]:
        return list(
            self.connection.execute(text("SELECT outcome FROM events ORDER BY seq")).scalars()
        )


@pytest.fixture
def mirror(connection: Connection, catalog: Catalog) -> Mirror:
    return Mirror(connection, catalog)


def row(updated: float, **fields: Any) -> dict[str, Any]:
    return {"id": 1, "_updated": moment(updated), "status": "DRAFT", "description": None} | fields


def read(resource: str, id_: int, began: float, **fields: Any) -> Observation:
    doc = {"id": id_, "_updated": moment(began - 1), **fields}
    return Observation(
        resource,
        str(id_),
        "full",
        doc,
        observed_at=moment(began),
        origin=Origin("fetch", first=True),
        source_time=doc["_updated"],
        read_started_at=moment(began),
    )


def test_changes_in_the_same_second_are_both_applied(mirror: Mirror) -> None:
    mirror.observe(answer(row(0), "1", 1, 1))
    mirror.observe(event({"_updated": moment(5), "status": "ORDERED"}, "1", 5.2, 1))
    mirror.observe(event({"_updated": moment(5), "description": "bolts"}, "1", 5.3, 2))
    mirror.observe(answer(row(5, status="ORDERED", description="bolts"), "1", 6, 6))

    assert row(5, status="ORDERED", description="bolts") == mirror.doc()
    assert set() == mirror.stale()


def test_later_read_counts_despite_an_equal_time_of_change(mirror: Mirror) -> None:
    """A computed value changed: the later read counts, and the earlier one does not return."""
    mirror.observe(answer(row(0, estimatedCost=1.0), "1", 1, 1))
    mirror.observe(answer(row(0, estimatedCost=2.0), "1", 3, 3))
    mirror.observe(answer(row(0, estimatedCost=1.0), "1", 2, 4))

    assert mirror.doc()["estimatedCost"] == 2.0


def test_late_update_does_not_restore_a_deleted_object(mirror: Mirror) -> None:
    mirror.observe(answer(row(0), "1", 1, 1))
    mirror.receive({"resource": "purchase_orders", "id": 1, "action": "DELETE"}, 2)
    mirror.observe(answer(None, "1", 3, 3))
    mirror.receive(
        {
            "resource": "purchase_orders",
            "id": 1,
            "action": "UPDATE",
            "changes": {"status": {"new": "ordered"}},
        },
        4,
    )

    assert mirror.doc() is None, "an event about a deleted object only requires a read"
    assert {(ORDERS, "1")} == mirror.stale()
    mirror.observe(answer(None, "1", 5, 5))
    assert (None, set()) == (mirror.doc(), mirror.stale())


def test_read_decides_if_a_deletion_arrives_before_the_creation(mirror: Mirror) -> None:
    """ION delivered a creation and a deletion in the wrong order; a later read decides."""
    gone = {"resource": ORDERS, "id": 1, "action": "DELETE", "timestamp": moment(2)}
    made = {"resource": ORDERS, "id": 1, "action": "CREATE", "timestamp": moment(1)}
    mirror.receive(gone, 3)
    mirror.observe(answer(None, "1", 4, 4))
    mirror.receive({**made, "changes": {"status": {"new": "draft"}}}, 5)
    assert mirror.doc() is not None
    mirror.observe(answer(None, "1", 20, 20))

    assert (None, set()) == (mirror.doc(), mirror.stale())


def test_empty_read_after_a_creation_event_does_not_prove_absence(mirror: Mirror) -> None:
    """ION sends an event of a row that its reads do not return yet: this does not prove absence."""
    mirror.receive(
        {
            "resource": "purchase_orders",
            "id": 1,
            "action": "CREATE",
            "changes": {"status": {"new": "draft"}},
        },
        2,
    )
    mirror.observe(answer(None, "1", 2.1, 2.1))
    assert {(ORDERS, "1")} == mirror.stale()

    mirror.observe(answer(row(2), "1", 3, 3))
    assert (row(2), set()) == (mirror.doc(), mirror.stale())


def test_object_hidden_from_the_key_is_kept(mirror: Mirror) -> None:
    """Empty reads only mark the object, until an event or a full fetch shows a deletion."""
    mirror.observe(answer(row(0), "1", 1, 1))
    mirror.receive(
        {"resource": "purchase_orders", "id": 1, "changes": {"status": {"new": "ordered"}}}, 2
    )
    assert mirror.observe(answer(None, "1", 100, 100)).outcomes == ["unproven"]
    assert (row(0), {(ORDERS, "1")}) == (mirror.doc(), mirror.stale())


def test_undone_creation_leaves_nothing(mirror: Mirror) -> None:
    mirror.receive(
        {
            "resource": "purchase_orders",
            "id": 1,
            "action": "CREATE",
            "changes": {"status": {"new": "draft"}},
        },
        2,
    )
    mirror.receive({"resource": "purchase_orders", "id": 1, "action": "DELETE"}, 3)
    mirror.observe(answer(None, "1", 10, 10))

    assert (None, set()) == (mirror.doc(), mirror.stale())


def test_partial_body_changes_only_its_fields(mirror: Mirror) -> None:
    """`null`, absent and unresolved are different."""
    changes = {"description": {"old": "bolts", "new": None}, "_updated": {"new": moment(1.5)}}
    mirror.observe(answer(row(0, description="bolts", supplierId=4), "1", 1, 1))
    mirror.receive({"resource": "purchase_orders", "id": 1, "changes": changes}, 2)
    assert (None, 4, "DRAFT") == tuple(
        mirror.doc()[n] for n in ("description", "supplierId", "status")
    )

    mirror.receive({"resource": "purchase_orders", "id": 1}, 3)
    assert (None, 4, "DRAFT") == tuple(
        mirror.doc()[n] for n in ("description", "supplierId", "status")
    )


NOT_UNDERSTOOD: dict[str, bytes] = {
    "unknown resource": b'{"resource": "hyperdrives", "action": "UPDATE", "id": 3}',
    "no id": b'{"resource": "purchase_orders", "action": "UPDATE"}',
    "an invalid id": b'{"resource": "purchase_orders", "action": "UPDATE", "id": "seven"}',
    "no JSON": b"<order id='1'/>",
    "UTF-16": '{"resource": "purchase_orders", "id": 1}'.encode("utf-16"),
    "nothing": b"",
    "a bomb of nesting": b"[" * 100_000,
    "a list of many": b'[{"resource": "purchase_orders", "id": 1}, {"resource": "purchase_orders", "id": 2}]',
    "half of a body": b'{"resource": "purchase_orders", "id": 1, "cha',
}


def test_text_of_a_delivery_that_is_not_utf_8_is_replaced(mirror: Mirror) -> None:
    body = b'{"resource": "purchase_orders", "id": 1, "changes": {"description": "A\xff"}}'
    assert not mirror.receive(body, 1).lost
    assert mirror.doc() == {"description": "A\ufffd"}
    assert body == mirror.connection.execute(text("SELECT body FROM events")).scalar_one()


@pytest.mark.parametrize("body", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_uninterpretable_body_is_kept_and_blocks_nothing(mirror: Mirror, body: bytes) -> None:
    """It also requests a fetch, because something changed."""
    taken = mirror.receive(body, 1)
    assert taken.lost
    mirror.receive(
        {"resource": "purchase_orders", "id": 9, "changes": {"status": {"new": "draft"}}}, 2
    )

    assert mirror.outcomes() == ["not_understood", "applied"]
    assert (
        body
        == mirror.connection.execute(text("SELECT body FROM events ORDER BY seq")).scalars().first()
    )
    assert mirror.doc("9") == {"status": "DRAFT"}


@pytest.mark.parametrize(
    "body",
    [
        {
            "resource": "purchase_orders",
            "id": 1,
            "action": "TELEPORT",
            "changes": {"status": {"new": "ordered"}},
        },
        {
            "resource": "purchase_orders",
            "id": 1,
            "changes": {"risk_score": {"new": 3}, "status": {"new": "ordered"}},
        },
        {"resource": "PURCHASE_ORDER", "id": "1", "changes": {"status": "ordered"}},
        {
            "table": "purchaseOrders",
            "object_id": 1,
            "row": {"status": "ordered"},
            "x": {"y": [{}] * 1000},
        },
    ],
    ids=[
        "unknown action",
        "unknown field",
        "singular, upper case, bare value",
        "other names, much beside",
    ],
)
def test_unfamiliar_body_is_applied_as_far_as_understood(
    mirror: Mirror, body: dict[str, Any]
) -> None:
    mirror.observe(answer(row(0), "1", 0.5, 0.5))
    mirror.receive(body, 1)

    assert mirror.outcomes() == ["applied"]
    assert "riskScore" not in mirror.doc()
    assert {(ORDERS, "1")} == mirror.stale()


def test_unknown_enum_value_is_kept(mirror: Mirror) -> None:
    mirror.receive(
        {"resource": "purchase_orders", "id": 1, "changes": {"status": {"new": "on_hold"}}}, 1
    )
    assert mirror.doc() == {"status": "ON_HOLD"}

    mirror.observe(answer(row(0, status="ON_HOLD"), "1", 2, 2))
    assert (mirror.doc()["status"], mirror.stale()) == ("ON_HOLD", set())


def test_read_that_overlaps_an_event_does_not_confirm_the_object(mirror: Mirror) -> None:
    mirror.observe(answer(row(0), "1", 1, 1))
    mirror.receive(
        {"resource": "purchase_orders", "id": 1, "changes": {"status": {"new": "ordered"}}}, 5
    )
    mirror.observe(answer(row(0), "1", 4, 6))
    assert {(ORDERS, "1")} == mirror.stale(), "it may have read the state before the event"

    mirror.observe(answer(row(4.5, status="ORDERED"), "1", 7, 7))
    assert ("ORDERED", set()) == (mirror.doc()["status"], mirror.stale())


def test_changes_are_applied_after_the_clock_was_corrected(mirror: Mirror) -> None:
    """An event after the correction is applied, and a read confirms the object at once."""
    machine = {"wall": 0.0, "elapsed": 0.0}
    clock = Clock(
        lambda: round((BEGIN.timestamp() + machine["wall"]) * 1e9),
        lambda: round(machine["elapsed"] * 1e9),
    )

    def at(wall: float, elapsed: float) -> float:
        machine.update(wall=wall, elapsed=elapsed)
        return (clock.now() - BEGIN).total_seconds()

    mirror.observe(answer(row(0), "1", at(86_400, 1), at(86_401, 2)))

    changes = {"status": {"new": "ordered"}, "_updated": {"new": moment(3)}}
    mirror.receive({"resource": "purchase_orders", "id": 1, "changes": changes}, at(3, 3))
    assert ("ORDERED", {(ORDERS, "1")}) == (mirror.doc()["status"], mirror.stale())

    mirror.observe(answer(row(3, status="ORDERED"), "1", at(4, 4), at(5, 5)))
    assert set() == mirror.stale()


def test_id_reused_after_a_restored_backup_is_accepted(mirror: Mirror) -> None:
    """The row of the id is another, older one: accepted when no replica can lag so far."""
    mirror.observe(answer(row(100, description="lost with the backup"), "1", 101, 101))
    mirror.receive(
        {"resource": "purchase_orders", "id": 1, "changes": {"description": {"new": "another"}}},
        110,
    )
    mirror.observe(answer(row(50, description="another"), "1", 111, 111))
    assert {(ORDERS, "1")} == mirror.stale()

    mirror.observe(answer(row(50, description="another"), "1", 200, 200))
    assert (row(50, description="another"), set()) == (mirror.doc(), mirror.stale())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2038-01-19T03:14:08", "2038-01-19T03:14:08.000000+00:00"),
        ("2106-02-07T06:28:16Z", "2106-02-07T06:28:16.000000+00:00"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00.000000+00:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000000+00:00"),
        ("2026-12-31T23:59:59.999999-12:00", "2027-01-01T11:59:59.999999+00:00"),
        ("1969-12-31T23:59:59", "1969-12-31T23:59:59.000000+00:00"),
        ("2026-01-01T00:00:00.1", "2026-01-01T00:00:00.100000+00:00"),
    ],
)
def test_times_after_2038_and_in_any_time_zone_are_normalized(
    catalog: Catalog, written: str, meant: str
) -> None:
    assert normalize_rfc3339(written) == meant
    doc = normalize_document(catalog.resources[ORDERS], {"id": 1, "_updated": written})
    assert doc["_updated"] == meant
    assert (
        decode(
            catalog, b'{"resource":"runs","id":1,"timestamp":"%b"}' % written.encode()
        ).source_time
        == meant
    )


def test_change_of_2038_is_newer_than_one_of_2037(mirror: Mirror) -> None:
    mirror.observe(answer(row(0) | {"_updated": "2037-12-31T23:59:59.000000+00:00"}, "1", 1, 1))
    mirror.observe(
        answer(
            row(0, status="ORDERED") | {"_updated": "2038-01-19T03:14:08.000000+00:00"}, "1", 2, 2
        )
    )
    mirror.observe(answer(row(0) | {"_updated": "2037-12-31T23:59:59.000000+00:00"}, "1", 3, 3))

    assert mirror.doc()["status"] == "ORDERED"


def test_attribute_event_marks_its_owner(mirror: Mirror) -> None:
    mirror.observe(read(ORDERS, 1, 1, entityId=77))
    mirror.receive(
        {
            "resource": "purchase_orders_attributes",
            "id": "1-color",
            "changes": {"value": {"new": "red"}},
        },
        2,
    )
    assert {(ORDERS, "1")} == mirror.stale()


def test_attachment_event_marks_its_owner(mirror: Mirror) -> None:
    mirror.observe(read(ORDERS, 1, 1, entityId=77))
    mirror.receive(
        {
            "resource": "file_attachments",
            "id": 5,
            "action": "CREATE",
            "changes": {"entity_id": {"new": 77}},
        },
        2,
    )
    assert {(ORDERS, "1")} == mirror.stale()


def test_event_older_than_a_first_read_marks_dependents(mirror: Mirror) -> None:
    """The pass read a run, then its step changed, then the pass read the step: the event's news is old, the run wrong."""

    mirror.observe(read("runs", 1, 1, percentComplete=0))
    mirror.observe(read("run_steps", 1, 3, runId=1, status="COMPLETE"))
    assert set() == mirror.stale()
    mirror.receive(
        {
            "resource": "run_steps",
            "id": 1,
            "action": "UPDATE",
            "changes": {"status": {"new": "complete"}},
        },
        4,
    )

    assert ("runs", "1") in mirror.stale()


def test_renamed_label_makes_its_objects_stale(mirror: Mirror) -> None:
    red = [{"id": 8, "value": "red"}]
    mirror.observe(
        read(ORDERS, 1, 1, labels=red),
        read(ORDERS, 2, 1, labels=[]),
        read("labels", 8, 1, value="red"),
    )
    renamed = read("labels", 8, 5, value="crimson")
    mirror.observe(msgspec.structs.replace(renamed, origin=Origin("heal")))

    assert {(ORDERS, "1")} == mirror.stale()


def test_new_version_makes_its_family_stale(mirror: Mirror) -> None:
    """`isLatestVersion` of earlier versions changes without an event and without `_updated`."""
    mirror.observe(
        read("procedures", 1, 1, familyId=4, version=1),
        read("procedures", 2, 1, familyId=5, version=1),
    )
    made = read("procedures", 3, 5, familyId=4, version=2)
    mirror.observe(msgspec.structs.replace(made, origin=Origin("poll")))

    assert {("procedures", "1")} == mirror.stale()


def test_label_of_a_family_makes_all_its_versions_stale(mirror: Mirror) -> None:
    mirror.observe(read("procedures", 1, 1, familyId=4), read("procedures", 2, 1, familyId=4))
    mirror.observe(read("procedures", 4, 1, familyId=9))
    mirror.receive({"resource": "procedure_family_labels", "id": "4:8", "action": "CREATE"}, 5)

    assert {("procedures", "1"), ("procedures", "2")} <= mirror.stale()
    assert ("procedures", "4") not in mirror.stale()


def test_change_of_the_organization_makes_orders_stale(mirror: Mirror) -> None:
    mirror.observe(read(ORDERS, 1, 1, approved=True), read("organizations", 1, 1, name="plant"))
    changed = read("organizations", 1, 5, name="plant 2")
    mirror.observe(msgspec.structs.replace(changed, origin=Origin("heal")))

    assert (ORDERS, "1") in mirror.stale()


def test_failed_transaction_leaves_nothing(mirror: Mirror) -> None:
    """Rule 1 in the mirror: changes and outcomes of a batch are committed together."""
    mirror.connection.commit()
    dialect.begin_write(mirror.connection)
    mirror.receive(
        {"resource": "purchase_orders", "id": 1, "changes": {"status": {"new": "draft"}}}, 1
    )
    mirror.connection.rollback()

    assert (None, set(), []) == (mirror.doc(), mirror.stale(), mirror.outcomes())
