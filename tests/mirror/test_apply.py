"""The rules of truth, one by one and under random orders of events and reads."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine
from tests.mirror.observations import LINE, ORDER, Mirror, absence, at, event, read

from ultraviolet.db import dialect
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror.apply import apply, mark_stale
from ultraviolet.mirror.observation import Mark, Observation


def test_full_read_is_stored_with_its_history_and_origin(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    result = mirror(read(1, _updated=at(0), status="DRAFT", supplierId=4))
    assert result.outcomes == ["changed"]
    assert {"_updated": at(0), "status": "DRAFT", "supplierId": 4} == mirror.doc()
    (version,) = mirror.rows("versions")
    assert (
        version.version,
        version.change,
        version.origin,
    ) == (1, "create", {"kind": "heal", "ref": None})
    (link,), (kind,) = mirror.rows("links"), mirror.used_link_kinds()
    assert (kind.resource, kind.field, kind.target_resource) == (ORDER, "supplierId", "suppliers")
    assert (link.id, link.target_id) == ("1", "4")


def test_foreign_key_shared_by_two_links_is_written_once(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(10, resource="users", organizationId=1, _updated=at(5)))

    (link,), (kind,) = mirror.rows("links"), mirror.used_link_kinds()
    assert (link.id, link.target_id, kind.target_resource) == ("1", "1", "organizations")


def test_equal_content_creates_no_version(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(1, _updated=at(0), status="DRAFT"))
    assert mirror(read(5, _updated=at(0), status="DRAFT")).outcomes == ["same"]
    assert len(mirror.rows("versions")) == 1
    assert at(5.5) == mirror.row().observed_at


def test_event_changes_only_its_fields_and_requires_a_read(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(1, _updated=at(0), status="DRAFT", description="bolts", supplierId=4))
    mirror(event(3, _updated=at(2), status="ORDERED", description=None))
    assert {
        "_updated": at(2),
        "status": "ORDERED",
        "description": None,
        "supplierId": 4,
    } == mirror.doc()
    assert {(ORDER, "1")} == mirror.stale()


def test_only_a_read_that_began_after_the_last_mark_confirms_an_object(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(event(3, status="DRAFT"))
    mirror(read(2, _updated=at(2), status="DRAFT", paid=False))
    assert {(ORDER, "1")} == mirror.stale()
    assert mirror.row().completeness == "full"
    mirror(read(4, _updated=at(2), status="DRAFT", paid=False))
    assert set() == mirror.stale()


def test_event_older_than_a_read_changes_nothing(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(4, _updated=at(2), status="ORDERED"))
    assert mirror(event(3, _updated=at(1), status="DRAFT")).outcomes == ["same"]
    assert set() == mirror.stale()
    assert mirror.doc()["status"] == "ORDERED"


def test_late_event_marks_but_does_not_overwrite_newer_content(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(4, _updated=at(2), status="ORDERED"))
    assert mirror(event(5, _updated=at(1), status="DRAFT")).outcomes == ["marked"]
    assert mirror.doc()["status"] == "ORDERED"
    assert {(ORDER, "1")} == mirror.stale()


def test_older_read_never_overwrites_newer_content(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(4, _updated=at(3), status="ORDERED"))
    assert mirror(read(5, _updated=at(2), status="DRAFT")).outcomes == ["older"]
    assert mirror(read(3, _updated=at(3), status="DRAFT")).outcomes == ["older"]
    assert mirror.doc()["status"] == "ORDERED"


def test_older_content_of_a_restored_ion_is_accepted_after_a_minute(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(4, _updated=at(3), status="ORDERED"))
    mirror(read(70, _updated=at(2), status="DRAFT"))
    assert mirror.doc()["status"] == "DRAFT"


def test_events_of_one_object_in_a_batch_are_one_version(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(*(event(n, _updated=at(n), description=str(n)) for n in range(1, 51)))
    assert mirror.doc()["description"] == "50"
    assert len(mirror.rows("versions")) == 1
    (mark,) = mirror.rows("stale")
    assert (50, at(1), at(50)) == (mark.marks, mark.since, mark.marked_at)


@pytest.mark.parametrize("between", [{"status": "B"}, {"name": 1}, {"status": None, "name": [1]}])
def test_batch_that_ends_with_its_first_content_creates_no_version(
    connection: Connection, catalog: Catalog, between: dict[str, object]
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(event(1, status="A", name=None))

    mirror(event(2, **between), event(3, status="A", name=None))

    assert mirror.doc() == {"status": "A", "name": None}
    assert len(mirror.rows("versions")) == 1


def test_deletion_needs_the_proof_of_a_read(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(1, _updated=at(0), supplierId=4))
    mirror(absence(2))
    assert mirror.doc(), "a key that lost a permission reads the same"
    assert {(ORDER, "1")} == mirror.stale()
    mark_stale(connection, 1, [Mark(ORDER, "1", "deletion", at(5))])
    mirror(absence(4))
    assert mirror.doc(), "the read began before the news"
    mirror(absence(6))
    assert mirror.doc() is None
    assert set() == mirror.stale()
    assert mirror.rows("links") == []
    assert [v.change for v in mirror.rows("versions")] == ["create", "delete"]


def test_late_update_does_not_restore_a_deleted_object(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(1, _updated=at(0), status="DRAFT"))
    mark_stale(connection, 1, [Mark(ORDER, "1", "deletion", at(3.5))])
    mirror(absence(4))
    mirror(event(5, _updated=at(2), status="ORDERED"), read(3, _updated=at(2), status="ORDERED"))
    assert mirror.doc() is None
    assert {(ORDER, "1")} == mirror.stale()
    mirror(absence(6))
    assert set() == mirror.stale()
    mirror(read(7, _updated=at(6.5), status="DRAFT"))
    assert {"_updated": at(6.5), "status": "DRAFT"} == mirror.doc()
    assert [v.change for v in mirror.rows("versions")] == ["create", "delete", "restore"]


def test_changed_line_marks_its_former_and_new_order(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(
        read(1, id_="1", _updated=at(0), first=True),
        read(1, id_="2", _updated=at(0), first=True),
        read(1, id_="9", resource=LINE, _updated=at(0), purchaseOrderId=1, first=True),
    )
    assert set() == mirror.stale()
    mirror(read(3, id_="9", resource=LINE, _updated=at(2), purchaseOrderId=2, kind="poll"))
    assert {(ORDER, "1"), (ORDER, "2")} <= mirror.stale()


def test_integrations_are_independent(connection: Connection, catalog: Catalog) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(1, _updated=at(0), status="DRAFT"))
    apply(connection, catalog, 2, [read(1, _updated=at(0), status="ORDERED")])
    mark_stale(connection, 2, [Mark(ORDER, "1", "test", at(9))])
    assert {r.integration_id: r.doc["status"] for r in mirror.rows("objects")} == {
        1: "DRAFT",
        2: "ORDERED",
    }


class Ion:
    """A row in ION over time: value n from second n on; deleted in some seconds."""

    def __init__(self, deleted: set[int]) -> None:
        self.deleted = deleted

    def read(self, second: int) -> Observation:
        if second in self.deleted:
            return absence(second)
        return read(second, _updated=at(second), paid=second % 2 == 0, description=str(second))

    def event(self, second: int, received: int) -> Observation:
        if second in self.deleted:
            return event(received)
        return event(received, _updated=at(second), description=str(second))


drawn_observation = st.tuples(
    st.sampled_from(["read", "event"]), st.integers(1, 20), st.integers(0, 30)
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(drawn_observation, max_size=14),
    st.sets(st.integers(1, 20), max_size=6),
    st.integers(1, 4),
)
def test_any_order_of_observations_converges_and_never_goes_backwards(
    two_plants: Engine,
    catalog: Catalog,
    drawn: list[tuple[str, int, int]],
    deleted: set[int],
    batch: int,
) -> None:
    ion = Ion(deleted)
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        mirror = Mirror(connection, catalog)
        newest = ""
        observations = [
            ion.read(s) if kind == "read" else ion.event(s, s + late) for kind, s, late in drawn
        ]
        for start in range(0, len(observations), batch):
            mirror(*observations[start : start + batch])
            doc = mirror.doc()
            if doc and not deleted:
                assert doc.get("_updated", "") >= newest
                newest = doc.get("_updated", "")
            for state in mirror.rows("objects"):
                assert (
                    state.completeness == "full"
                    or (ORDER, "1") in mirror.stale()
                    or state.deleted_at
                )
        final = read(55, _updated=at(54), paid=True, description="end")
        mirror(final)
        assert {"_updated": at(54), "paid": True, "description": "end"} == mirror.doc()
        assert set() == mirror.stale()
        versions = sorted(v.version for v in mirror.rows("versions"))
        assert list(range(1, len(versions) + 1)) == versions
        connection.rollback()


def test_lagging_replica_does_not_confirm_an_object(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(1, _updated=at(0), status="DRAFT"))
    mirror(event(3, _updated=at(2), status="ORDERED"))
    assert mirror(read(4, _updated=at(0), status="DRAFT")).outcomes == ["older"]
    assert {(ORDER, "1")} == mirror.stale()


@pytest.mark.parametrize("read_first", [True, False])
def test_lagging_read_around_an_event_confirms_nothing_in_either_order(
    connection: Connection, catalog: Catalog, *, read_first: bool
) -> None:
    """The read began after the event arrived, but a lagging replica answered it."""
    mirror = Mirror(connection, catalog)
    mirror(read(10, _updated=at(5), description="old"))
    newer = event(20, _updated=at(19), description="new")
    lagging = read(20.5, _updated=at(5), description="old")
    for each in (lagging, newer) if read_first else (newer, lagging):
        mirror(each)

    assert mirror.doc()["description"] == "new"
    assert {(ORDER, "1")} == mirror.stale()
    mirror(read(21, _updated=at(19), description="new"))
    assert set() == mirror.stale()


def test_lagging_replica_does_not_restore_a_deleted_object(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(10, _updated=at(5), status="DRAFT"))
    mark_stale(connection, 1, [Mark(ORDER, "1", "deletion", at(20))])
    mirror(absence(21))
    assert mirror(read(22, kind="fetch", _updated=at(5), status="DRAFT")).outcomes == ["older"]
    assert mirror.doc() is None
    assert {(ORDER, "1")} == mirror.stale()
    mirror(absence(23))
    assert set() == mirror.stale()


def test_deleted_object_that_returns_unchanged_is_restored_after_a_minute(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(10, _updated=at(5), status="DRAFT"))
    mark_stale(connection, 1, [Mark(ORDER, "1", "deletion", at(20))])
    mirror(absence(21))
    mirror(read(22, _updated=at(5), status="DRAFT"))
    mirror(read(82, _updated=at(5), status="DRAFT"))
    assert {"_updated": at(5), "status": "DRAFT"} == mirror.doc()
    assert set() == mirror.stale()


def test_invalid_times_and_links_do_not_prevent_changes(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    result = mirror(
        read(1, status="draft"),
        event(2, _updated="soon", status="ordered"),
        read(3, id_="2", _updated="never"),
    )
    linked = mirror(read(4, id_="9", resource="suppliers", labels=[None, {"id": 2}]))

    assert {"1", "2", "9"} == {change.id for change in (*result.changes, *linked.changes)}


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_batch_reads_only_its_rows_before_the_table_has_statistics(
    two_plants: Engine, catalog: Catalog
) -> None:
    """Otherwise the first fetch takes quadratic time until PostgreSQL analyzes the table."""
    orders = [read(1, id_=str(number), description="long ago" * 190) for number in range(4000)]
    rows_read = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'objects'"
    with two_plants.connect() as connection:
        Mirror(connection, catalog)(*orders)
        connection.commit()
        Mirror(connection, catalog)(
            *(read(9, id_=str(n), description="now") for n in range(1000, 1050))
        )
        fetched = connection.exec_driver_sql(rows_read).scalar_one()
    assert 50 <= fetched <= 200
