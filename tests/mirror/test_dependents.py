"""Dependents: each way to depend on an object, their times, and the values that name no object."""

from typing import Any

import pytest
from sqlalchemy import Connection
from tests.mirror.observations import LINE, ORDER, Mirror, absence, at, event, read

from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror.dependents import find_dependents, objects_sharing
from ultraviolet.mirror.observation import Observation
from ultraviolet.mirror.repository import load_states

PART = "parts"
INVENTORY = "parts_inventory"
LABEL = "labels"


def stored(resource: str, id_: str, **fields: Any) -> Observation:
    """Return the first fetch of an object, which marks no dependents."""
    return read(1, "fetch", resource=resource, id_=id_, first=True, _updated=at(0), **fields)


def changed(resource: str, id_: str = "1", second: float = 10, **fields: Any) -> Observation:
    updated = at(second - 1)
    return read(second, "poll", resource=resource, id_=id_, _updated=updated, **fields)


@pytest.fixture
def mirror(connection: Connection, catalog: Catalog) -> Mirror:
    return Mirror(connection, catalog)


@pytest.mark.parametrize(
    ("others", "change", "expected"),
    [
        pytest.param(
            [stored(ORDER, "5"), stored(ORDER, "6")],
            changed("purchase_order_fees", purchaseOrderId=5),
            {(ORDER, "5")},
            id="the target of a foreign key",
        ),
        pytest.param(
            [stored(INVENTORY, "8")],
            changed(LINE, purchaseOrderId=None, partInventories=[{"id": 8}, 9, "10"]),
            {(INVENTORY, "8"), (INVENTORY, "9"), (INVENTORY, "10")},
            id="the ids in a list, as numbers, text or objects",
        ),
        pytest.param(
            [stored(INVENTORY, "8", locationId=1), stored(INVENTORY, "9", locationId=11)],
            changed("locations", name="Shelf"),
            {(INVENTORY, "8")},
            id="objects with a foreign key to it",
        ),
        pytest.param(
            [stored(ORDER, "5", labels=[{"id": 2}, {"id": 1}]), stored(ORDER, "6", labels=[])],
            changed(LABEL, value="urgent"),
            {(ORDER, "5")},
            id="objects that list it",
        ),
        pytest.param(
            [stored(PART, "2", partNumber="P-1"), stored(PART, "3", partNumber="p-1")],
            changed(PART, partNumber="P-1"),
            {(PART, "2")},
            id="objects with the same value of a shared field",
        ),
        pytest.param(
            [stored(ORDER, "5"), stored("redlines", "3"), stored("suppliers", "2")],
            changed("organizations", name="Acme"),
            {(ORDER, "5"), ("redlines", "3")},
            id="all objects of a resource",
        ),
    ],
)
def test_change_marks_dependents(
    mirror: Mirror, others: list[Observation], change: Observation, expected: set[tuple[str, str]]
) -> None:
    mirror(*others)
    assert mirror.stale() == set()

    mirror(change)

    assert mirror.stale() == expected


def test_former_and_new_targets_are_marked(mirror: Mirror) -> None:
    mirror(stored(LINE, "1", purchaseOrderId=5, partInventories=[8, 9]))

    mirror(changed(LINE, purchaseOrderId=6, partInventories=[9, 10]))

    inventories = {(INVENTORY, id_) for id_ in ("8", "9", "10")}
    assert mirror.stale() == {(ORDER, "5"), (ORDER, "6"), *inventories}


@pytest.mark.parametrize("known", [True, False])
def test_targets_between_the_former_and_the_new_one_are_marked(
    mirror: Mirror, *, known: bool
) -> None:
    if known:
        mirror(stored(LINE, "1", purchaseOrderId=5))

    mirror(*(event(n, resource=LINE, _updated=at(n), purchaseOrderId=n) for n in (10, 11, 12)))

    orders = [*(["5"] if known else []), "10", "11", "12"]
    assert mirror.stale() == {(LINE, "1"), *((ORDER, id_) for id_ in orders)}


def test_former_and_new_sharers_are_marked(mirror: Mirror) -> None:
    mirror(
        *(stored(PART, id_, partNumber=number) for id_, number in zip("123", "ABC", strict=True))
    )

    mirror(changed(PART, partNumber="B"), changed("suppliers", name="Acme"))
    assert mirror.stale() == {(PART, "2")}

    mirror.settle()
    mirror(changed(PART, second=20, partNumber="C"))
    assert mirror.stale() == {(PART, "2"), (PART, "3")}


def test_deletion_marks_the_objects_that_depended_on_it(mirror: Mirror) -> None:
    mirror(stored(LINE, "1", purchaseOrderId=5), stored(ORDER, "6", labels=[{"id": 2}]))
    mirror(stored(LABEL, "2", value="urgent"))

    mirror(absence(10, "fetch", resource=LINE), absence(10, "fetch", resource=LABEL, id_="2"))

    assert mirror.stale() == {(ORDER, "5"), (ORDER, "6")}


def test_deleted_objects_are_not_dependents_until_they_return(mirror: Mirror) -> None:
    mirror(stored(ORDER, "5", labels=[{"id": 1}]), stored(ORDER, "6"), stored(LABEL, "1", value=""))
    mirror(*(absence(10, "fetch", id_=id_) for id_ in ("5", "6")))
    mirror.settle()

    mirror(changed(LABEL, second=20, value="a"), changed("organizations", second=20, name="Acme"))
    assert mirror.stale() == set()

    mirror(changed(ORDER, "5", 30, labels=[{"id": 1}]))
    mirror(changed(LABEL, second=40, value="b"))
    assert mirror.stale() == {(ORDER, "5")}


def test_dependents_of_another_integration_are_not_marked(
    mirror: Mirror, connection: Connection, catalog: Catalog
) -> None:
    other = Mirror(connection, catalog, 2)
    other(stored(ORDER, "5", labels=[{"id": 1}]), stored(PART, "2", partNumber="P-1"))

    mirror(changed(LABEL, value="a"), changed(PART, partNumber="P-1"))
    mirror(changed("organizations", name="Acme"))

    assert (mirror.stale(), other.stale()) == (set(), set())


@pytest.mark.parametrize(
    "change",
    [{"quantity": 5}, {"_etag": "new"}, {"LastSessionId": "new"}, {"updatedById": 7}],
    ids=["computed value", "etag", "session", "author"],
)
def test_value_not_used_by_computed_values_marks_nothing(
    mirror: Mirror, change: dict[str, Any]
) -> None:
    mirror(stored(PART, "1", partNumber="P-1", quantity=4), stored(INVENTORY, "8", partId=1))

    mirror(read(10, "poll", resource=PART, _updated=at(0), partNumber="P-1", **change))
    assert len(mirror.rows("versions")) == 3
    assert mirror.stale() == set()

    mirror(changed(PART, second=20, partNumber="P-1", description="bolt", **change))
    assert mirror.stale() == {(INVENTORY, "8")}


def test_event_marks_dependents_even_if_it_changes_nothing(mirror: Mirror) -> None:
    """The first fetch may have read the order before the line, and so before the change."""
    mirror(stored(LINE, "1", purchaseOrderId=5, status="ORDERED"))

    mirror(event(10, resource=LINE, _updated=at(0), status="ORDERED"))

    assert mirror.stale() == {(LINE, "1"), (ORDER, "5")}


def test_event_older_than_the_last_read_marks_dependents(mirror: Mirror) -> None:
    mirror(read(20, resource=LINE, first=True, _updated=at(0), purchaseOrderId=5))

    assert mirror(event(10, resource=LINE, _updated=at(0))).outcomes == ["same"]

    assert mirror.stale() == {(ORDER, "5")}


@pytest.mark.parametrize(
    "value", [None, "", "five", -5, True, 5.0, {"id": None}, "5" * 40, "५", " 5", [[5]]]
)
def test_foreign_key_that_is_not_an_id_marks_nothing(mirror: Mirror, value: Any) -> None:
    mirror(
        changed("purchase_order_fees", purchaseOrderId=value),
        changed(LINE, partInventories=[value, {"id": value}, {}, None]),
        changed(LINE, "2", partInventories=value),
    )

    assert mirror.stale() == set()


def marked_at(mirror: Mirror, resource: str, id_: str) -> str:
    return next(
        row.marked_at for row in mirror.rows("stale") if (row.resource, row.id) == (resource, id_)
    )


def test_dependents_may_differ_since_the_change_was_seen(mirror: Mirror) -> None:
    lines: dict[str, Any] = {str(n): {"purchaseOrderId": n} for n in range(1, 5)}
    mirror(*(stored(LINE, id_, **fields) for id_, fields in lines.items()))

    mirror(
        event(20, resource=LINE, id_="1", _updated=at(19), status="ORDERED"),
        changed(LINE, "2", 30, status="ORDERED", **lines["2"]),
        read(40, "heal", resource=LINE, id_="3", _updated=at(39), status="NEW", **lines["3"]),
        read(50, "fetch", resource=LINE, id_="4", _updated=at(49), status="NEW", **lines["4"]),
    )

    found = [marked_at(mirror, ORDER, id_) for id_ in lines]
    assert found == [at(20), at(30.5), at(40), at(50.5)]


@pytest.mark.parametrize("latest_first", [True, False])
def test_dependent_of_several_changes_may_differ_since_the_last(
    connection: Connection, catalog: Catalog, *, latest_first: bool
) -> None:
    """Also if it is found by the value of a field that the changed objects share."""
    mirror = Mirror(connection, catalog)
    mirror(*(stored(PART, id_, partNumber="P-1") for id_ in "123"))
    mirror(*(stored(LINE, id_, purchaseOrderId=5) for id_ in "12"))
    states = load_states(connection, 1, [(name, id_) for name in (PART, LINE) for id_ in "12"])
    for (resource, id_), state in states.items():
        second = 20 + int(id_)
        fields = {**state.doc, "description": "new"}
        state.set_content(fields, event(second, resource=resource, id_=id_), at(second))
    news = sorted(states.values(), key=lambda state: state.id, reverse=latest_first)

    marks = {mark.ref: mark for mark in find_dependents(connection, catalog, 1, news)}

    assert marks.keys() == {(PART, "3"), (ORDER, "5")}
    assert {mark.at for mark in marks.values()} == {at(22)}
    assert marks[PART, "3"].reason == "parts changed"


def test_changed_sharers_do_not_mark_each_other(mirror: Mirror) -> None:
    mirror(*(stored(PART, id_, partNumber="P-1") for id_ in "123"))

    mirror(*(changed(PART, id_, partNumber="P-1", description="new") for id_ in "12"))

    assert mirror.stale() == {(PART, "3")}


def test_many_dependents_are_found(mirror: Mirror) -> None:
    mirror(*(stored(ORDER, str(n), labels=[{"id": n % 40}]) for n in range(1200)))

    mirror(*(changed(LABEL, str(n), value="new") for n in range(20)))

    assert mirror.stale() == {(ORDER, str(n)) for n in range(1200) if n % 40 < 20}


def test_objects_sharing_a_value_are_found(mirror: Mirror, connection: Connection) -> None:
    numbers = ["P-1", "P-1", "ünïcode ☃", "it's 100%", "", "42", "\\N", "tab\there"]
    mirror(*(stored(PART, str(n), partNumber=number) for n, number in enumerate(numbers)))
    mirror(stored(PART, "8", partNumber=42), stored(PART, "9", partNumber=None))

    def sharing(*values: str, field: str = "partNumber") -> set[str]:
        return set(objects_sharing(connection, 1, PART, field, values))

    assert sharing("P-1") == {"0", "1"}
    assert sharing("ünïcode ☃", "it's 100%", "\\N", "tab\there") == {"2", "3", "6", "7"}
    assert sharing("42") == {"5", "8"}
    assert sharing() == sharing("") == sharing("p-1") == sharing("P-1", field="id") == set()
    assert set(objects_sharing(connection, 2, PART, "partNumber", ["P-1"])) == set()
