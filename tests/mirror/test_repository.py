"""Rows of the mirror: they are saved and loaded unchanged, and links agree with the documents."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from tests.mirror.observations import LINE, ORDER, Mirror, absence, at, event, fresh, read

from ultraviolet.db import dialect, representation
from ultraviolet.db.tables.events import events
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import repository
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.drift import Drift
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Mark, Observation, Origin

IDS = ["1", "9223372036854775808", "é☃𝄞", "a'b\"c", "100%s", ":id", "\\N", "tab\tline\n", "x" * 100]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
ids_or_other = st.integers().map(str) | st.integers() | values
times_or_other = (
    st.datetimes().map(lambda time: f"{time.isoformat(timespec='microseconds')}+00:00")
    | st.builds("2026-{:02}-{:02}".format, st.integers(1, 13), st.integers(1, 32))
    | values
)
on_one_database = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def mirror(connection: Connection, catalog: Catalog) -> Mirror:
    return Mirror(connection, catalog)


def test_unknown_objects_have_an_empty_state(connection: Connection) -> None:
    states = repository.load_states(connection, 1, [(ORDER, "1"), ("no_resource", "2")])

    assert states == {
        (ORDER, "1"): ObjectState(ORDER, "1"),
        ("no_resource", "2"): ObjectState("no_resource", "2"),
    }
    assert repository.load_states(connection, 1, []) == {}


@on_one_database
@given(documents=st.lists(st.dictionaries(texts, values, max_size=5), min_size=1, max_size=4))
def test_any_document_is_loaded_unchanged(
    two_plants: Engine, catalog: Catalog, documents: list[dict[str, Any]]
) -> None:
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        mirror = Mirror(connection, catalog)
        for second, document in enumerate(documents):
            observation = read(100 * second, kind="fetch", id_="1")
            mirror(msgspec.structs.replace(observation, fields=document))

        [state] = repository.load_states(connection, 1, [(ORDER, "1")]).values()
        assert state.doc == documents[-1]
        assert mirror.rows("versions")[-1].doc == documents[-1]
        connection.rollback()


def test_any_text_is_an_id(mirror: Mirror, connection: Connection) -> None:
    mirror(*(event(5, id_=id_, supplierId=id_) for id_ in IDS))
    mirror(*(read(10, id_=id_, supplierId=id_, description=id_) for id_ in IDS))

    states = repository.load_states(connection, 1, [(ORDER, id_) for id_ in IDS])
    assert [state.doc["description"] for state in states.values()] == IDS
    assert {state.version for state in states.values()} == {2}
    assert mirror.links() == {(ORDER, id_, "supplierId", id_) for id_ in IDS}
    assert mirror.stale() == set()

    mirror(*(absence(20, "fetch", id_=id_) for id_ in IDS))
    assert mirror.links() == set()
    assert len(mirror.rows("versions")) == 3 * len(IDS)


@pytest.mark.parametrize("number", [1, 99, 100, 101, 450])
def test_batches_of_any_size_are_saved(mirror: Mirror, number: int) -> None:
    ids = [str(n) for n in range(number)]

    mirror(*(read(5, id_=id_, _updated=at(1), status="DRAFT", supplierId=id_) for id_ in ids))
    mirror(*(read(10, id_=id_, _updated=at(2), status="OPEN", supplierId=id_) for id_ in ids))

    assert {
        row.id: (row.version, row.doc["status"]) for row in mirror.rows("objects")
    } == dict.fromkeys(ids, (2, "OPEN"))
    assert sorted((row.id, row.version) for row in mirror.rows("versions")) == sorted(
        (id_, version) for id_ in ids for version in (1, 2)
    )


def test_version_records_change_fields_origin_and_times(mirror: Mirror) -> None:
    mirror(read(5, "fetch", _updated=at(1), status="DRAFT", paid=False))
    mirror(event(10, _updated=at(9), status="OPEN"))
    mirror(read(20, _updated=at(9), paid=False, cost=5))
    mirror(absence(30, "fetch"))

    rows = mirror.rows("versions")
    assert [(row.version, row.change, row.changed) for row in rows] == [
        (1, "create", ["_updated", "paid", "status"]),
        (2, "update", ["_updated", "status"]),
        (3, "update", ["cost", "status"]),
        (4, "delete", ["_updated", "cost", "paid"]),
    ]
    assert [row.origin["kind"] for row in rows] == ["fetch", "event", "heal", "fetch"]
    assert rows[1].origin["ref"] == "7"
    assert [row.source_time for row in rows] == [at(1), at(9), at(9), None]
    assert [row.observed_at for row in rows] == [at(5.5), at(10), at(20.5), at(30.5)]
    row = mirror.row()
    assert (row.version, row.deleted_at, row.changed_at) == (4, at(30.5), at(30.5))


def test_objects_of_several_resources_are_saved_together(mirror: Mirror) -> None:
    result = mirror(
        read(5, id_="1", _updated=at(1), supplierId=7),
        read(5, id_="1", resource=LINE, _updated=at(1), purchaseOrderId=1),
        read(5, id_="1", resource="suppliers", _updated=at(1), name="Acme"),
    )

    assert [change.version for change in result.changes] == [1, 1, 1]
    assert mirror.links() == {
        (ORDER, "1", "supplierId", "7"),
        (LINE, "1", "purchaseOrderId", "1"),
    }


def test_values_that_do_not_fit_are_kept_and_reported_when_they_change(mirror: Mirror) -> None:
    def apply(second: float, **fields: Any) -> frozenset[str]:
        return mirror(read(second, _updated=at(second - 1), **fields)).refitted

    assert apply(10, paid="yes", description="a") == {ORDER}
    assert mirror.row().invalid_values == {"paid": "yes"}
    assert mirror.row().doc["paid"] == "yes"
    assert apply(20, paid="yes", description="b") == set()
    assert apply(30, paid="no", description="b") == {ORDER}
    assert apply(40, paid=True, description="b") == {ORDER}
    assert mirror.row().invalid_values is None
    assert apply(50, paid=False, description="b") == set()


def test_values_of_a_deleted_object_no_longer_count(mirror: Mirror) -> None:
    mirror(read(10, _updated=at(9), paid="yes"))

    assert mirror(absence(20, "fetch")).refitted == {ORDER}
    assert mirror(read(90, _updated=at(89), paid="yes")).refitted == {ORDER}


def test_values_of_an_unknown_resource_always_fit(catalog: Catalog) -> None:
    unknown = ObjectState("no_resource", "1", doc={"paid": "yes"})
    fitting = ObjectState(ORDER, "1", doc={"paid": None, "other": "yes"})
    invalid = ObjectState(ORDER, "2", doc={"paid": 1})

    found = repository.invalid_values(catalog, [unknown, fitting, invalid])

    assert found == {(ORDER, "2"): '{"paid":1}'}


@on_one_database
@given(
    documents=st.lists(
        st.fixed_dictionaries(
            {
                "id": ids_or_other,
                "paid": st.booleans() | values,
                "cost": st.integers(-(2**54), 2**54) | st.floats(allow_nan=False) | values,
                "needDate": times_or_other,
            },
            optional={"attributes": st.dictionaries(texts, values | st.just({"type": "NUMBER"}))},
        ),
        min_size=1,
        max_size=6,
    )
)
def test_batch_has_the_invalid_values_of_its_documents(
    catalog: Catalog, documents: list[dict[str, Any]]
) -> None:
    kinds = catalog.resources[ORDER].kinds
    states = [ObjectState(ORDER, str(n), doc=doc) for n, doc in enumerate(documents)]
    one_by_one = {
        state.ref: msgspec.json.encode(found).decode()
        for state in states
        if (found := representation.invalid_values(kinds, state.doc))
    }

    assert repository.invalid_values(catalog, states) == one_by_one


def test_repeated_mark_keeps_its_next_attempt_unless_the_reason_is_stronger(
    mirror: Mirror, connection: Connection
) -> None:
    mark_stale(connection, 1, [Mark(ORDER, "1", "event", at(10))])
    connection.execute(text("UPDATE stale SET next_attempt_at = :at"), {"at": at(500)})

    mark_stale(connection, 1, [Mark(ORDER, "1", "event", at(20))])
    [row] = mirror.rows("stale")
    assert (row.since, row.marked_at, row.marks) == (at(10), at(20), 2)
    assert row.next_attempt_at == at(500)

    mark_stale(connection, 1, [Mark(ORDER, "1", "deletion", at(30))])
    [row] = mirror.rows("stale")
    assert (row.reason, row.next_attempt_at) == ("deletion", at(30))


def test_marks_of_a_batch_are_counted_once_per_object(
    mirror: Mirror, connection: Connection
) -> None:
    mirror(read(20, _updated=at(1)))
    wanted = [Mark(ORDER, "1", "poll", at(10)), *(Mark(ORDER, "2", "poll", at(n)) for n in (3, 2))]

    assert mark_stale(connection, 1, wanted) == 1
    assert mirror.stale() == {(ORDER, "2")}
    assert mark_stale(connection, 1, []) == 0


def test_confirmed_object_loses_its_mark_only_in_its_integration(
    mirror: Mirror, connection: Connection, catalog: Catalog
) -> None:
    other = Mirror(connection, catalog, 2)
    for each in (mirror, other):
        each(event(10, _updated=at(9), status="DRAFT"))

    mirror(read(20, _updated=at(9), status="DRAFT"))

    assert (mirror.stale(), other.stale()) == (set(), {(ORDER, "1")})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (7, "7"),
        ("7", "7"),
        (-1, "-1"),
        (2**70, str(2**70)),
        ("☃", "☃"),
        ("x" * 100, "x" * 100),
        ("x" * 101, None),
        ("", None),
        (None, None),
        (True, None),
        (7.0, None),
        ([7], None),
        ({"id": 7}, None),
    ],
)
def test_link_needs_a_number_or_a_text_of_limited_length(
    mirror: Mirror, target: Any, expected: str | None
) -> None:
    mirror(
        read(5, supplierId=target),
        read(5, id_="2", labels=[{"id": target}, {}, None, 3, {"id": 4}]),
        read(5, id_="3", labels=target),
    )

    found = {(id_, field, linked_id) for _, id_, field, linked_id in mirror.links()}
    assert found == {
        *([("1", "supplierId", expected), ("2", "labels", expected)] if expected else []),
        ("2", "labels", "4"),
    }


def test_no_links_to_authors(mirror: Mirror) -> None:
    mirror(read(10, _updated=at(9), supplierId=1, createdById=2, updatedById=3))
    mirror(read(20, _updated=at(19), supplierId=1, createdById=2, updatedById=4))

    assert mirror.links() == {(ORDER, "1", "supplierId", "1")}


def test_links_to_absent_objects_are_kept(mirror: Mirror) -> None:
    mirror(read(5, supplierId=7, labels=[{"id": 8}]))
    mirror(read(5, resource="suppliers", id_="7"))

    mirror(absence(20, "fetch", resource="suppliers", id_="7"))

    assert mirror.links() == {(ORDER, "1", "supplierId", "7"), (ORDER, "1", "labels", "8")}


def test_link_kinds_are_created_once_for_all_integrations(
    mirror: Mirror, connection: Connection, catalog: Catalog
) -> None:
    mirror(read(5, supplierId=7))
    kinds = mirror.rows("link_kinds")

    Mirror(connection, catalog, 2)(read(5, supplierId=7))
    mirror(read(10, id_="2", _updated=at(9), supplierId=8))

    assert mirror.rows("link_kinds") == kinds
    assert len({(kind.resource, kind.field, kind.target_resource) for kind in kinds}) == len(kinds)


def linked(mirror: Mirror) -> set[tuple[str, str, str, str]]:
    """Return the links that the current documents contain."""
    found: set[tuple[str, str, str, str]] = set()
    for row in mirror.rows("objects"):
        doc: dict[str, Any] = {} if row.deleted_at else row.doc
        if doc.get("supplierId") is not None:
            found.add((ORDER, row.id, "supplierId", str(doc["supplierId"])))
        labels: list[dict[str, Any]] = doc.get("labels") or []
        found |= {(ORDER, row.id, "labels", str(label["id"])) for label in labels}
    return found


ids = st.sampled_from(["1", "2"])
contents = st.fixed_dictionaries(
    {},
    optional={
        "supplierId": st.none() | st.integers(1, 3),
        "labels": st.none()
        | st.lists(st.fixed_dictionaries({"id": st.integers(1, 3)}), max_size=3),
    },
)
steps = st.tuples(st.sampled_from(["read", "event", "absence"]), ids, contents)


@on_one_database
@given(batches=st.lists(st.lists(steps, min_size=1, max_size=5), min_size=1, max_size=5))
def test_links_agree_with_the_documents_after_any_batches(
    two_plants: Engine, catalog: Catalog, batches: list[list[tuple[str, str, dict[str, Any]]]]
) -> None:
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        mirror = Mirror(connection, catalog)
        second = 0
        for batch in batches:
            observations: list[Observation] = []
            for kind, id_, fields in batch:
                second += 10
                if kind == "absence":
                    observations.append(absence(second, "fetch", id_=id_))
                else:
                    make = read if kind == "read" else event
                    observations.append(make(second, id_=id_, _updated=at(second - 1), **fields))
            mirror(*observations)
            assert mirror.links() == linked(mirror)
        connection.rollback()


def test_object_that_is_new_and_updated_in_one_batch_has_its_links(mirror: Mirror) -> None:
    mirror(event(10, _updated=at(9), supplierId=7), event(12, _updated=at(11), status="OPEN"))

    assert mirror.links() == {(ORDER, "1", "supplierId", "7")}
    [version] = mirror.rows("versions")
    assert (version.change, version.changed) == ("create", ["_updated", "status", "supplierId"])


def test_object_that_is_new_deleted_and_new_in_one_batch_has_its_links(mirror: Mirror) -> None:
    created, created_again = (read(n, _updated=at(n), supplierId=7) for n in (10, 30))

    mirror(created, absence(20, "fetch"), created_again)

    assert mirror.links() == {(ORDER, "1", "supplierId", "7")}


def test_object_that_returns_twice_in_a_batch_has_its_links(mirror: Mirror) -> None:
    mirror(read(10, _updated=at(9), supplierId=7))
    mirror(absence(20, "fetch"))

    mirror(
        read(30, _updated=at(29), supplierId=7),
        absence(40, "fetch"),
        read(50, _updated=at(49), supplierId=7),
    )

    assert mirror.links() == {(ORDER, "1", "supplierId", "7")}
    assert [row.change for row in mirror.rows("versions")] == ["create", "delete", "restore"]


def test_last_deletion_event_is_loaded(connection: Connection) -> None:
    def received(id_: str, action: str, source_time: str | None, received_at: str) -> None:
        values = {"integration_id": 1, "webhook_url_id": 1, "resource": ORDER, "object_id": id_}
        values |= {"action": action, "source_time": source_time, "received_at": received_at}
        values |= {"dedupe_key": received_at.encode(), "body": b"{}", "signature": "verified"}
        connection.execute(events.insert().values(**values, headers={}))

    received("1", "DELETE", at(10), at(50))
    received("1", "DELETE", at(20), at(40))
    received("1", "UPDATE", at(30), at(60))
    received("2", "DELETE", None, at(70))
    states = {id_: ObjectState(ORDER, id_) for id_ in "123"}

    repository.load_deletion_times(connection, 1, states.values())
    assert [s.deletion_event_time for s in states.values()] == [at(20), at(70), None]

    other = ObjectState(ORDER, "1")
    repository.load_deletion_times(connection, 2, [other])
    assert other.deletion_event_time is None


def test_only_corrections_are_saved(mirror: Mirror, connection: Connection) -> None:
    def drift(id_: str, kind: Any, cause: Any) -> Drift:
        state = fresh(10)
        state.id, state.change_time, state.latency_seconds = id_, at(8), 1.5
        state.observation = msgspec.structs.replace(read(10), origin=Origin(kind, "4"))
        return Drift(state, cause, ["status"])

    drifts = [drift(id_, "event", cause) for id_ in "123" for cause in ("late", "link")]
    drifts += [drift(id_, "heal", "computed") for id_ in "45"]
    repository.save_drift(connection, 1, drifts, at(12))
    repository.save_drift(connection, 1, [], at(13))

    rows = mirror.rows("drift")
    assert [(row.id, row.cause) for row in rows] == [
        ("4", "computed"),
        ("5", "computed"),
    ]
    assert (rows[0].fields, rows[0].healed_by) == (["status"], {"kind": "heal", "ref": "4"})
    assert (rows[0].wrong_since, rows[0].seconds, rows[0].healed_at) == (at(8), 1.5, at(12))
