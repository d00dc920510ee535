"""Events about rows that are not mirrored: they concern the mirrored objects that they name."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hub.sync.plant import full, hold
from tests.hub.table_ion import CATALOG

from ultraviolet.db.database import Database
from ultraviolet.hub.sync.event_targets import find_targets
from ultraviolet.ion.deliveries import Envelope
from ultraviolet.mirror.observation import Ref

MIRRORED = {resource.name for resource in CATALOG.mirrored}
COMPOSITE = sorted(
    name
    for name, resource in CATALOG.resources.items()
    if len(resource.key) > 1 and name not in MIRRORED
)
OWNED = sorted(name for name, resource in CATALOG.resources.items() if resource.owner_key)


def targets(database: Database, name: str, **event: Any) -> list[Ref]:
    envelope = Envelope(resource=name, **event)
    return database.read_now(find_targets, CATALOG, 1, CATALOG.resources[name], envelope)


def linked(name: str, ids: dict[str, str]) -> set[Ref]:
    """Return the mirrored objects that a row links to by id, except its authors."""
    return {
        (link.resource, ids[link.key])
        for link in CATALOG.resources[name].links
        if link.key in ids
        and link.resource in MIRRORED
        and link.key not in CATALOG.shared.get(link.resource, ())
    }


@pytest.mark.parametrize("name", COMPOSITE)
def test_composite_id_names_the_related_objects(database: Database, name: str) -> None:
    """A deletion contains only the id of the row."""
    keys = CATALOG.resources[name].key
    ids = {key: str(number) for number, key in enumerate(keys, start=11)}

    found = targets(database, name, action="DELETE", object_id=":".join(ids.values()))

    assert sorted(linked(name, ids)) == found


def test_relation_of_a_part_and_a_procedure_concerns_both(database: Database) -> None:
    found = targets(database, "part_procedures", action="CREATE", object_id="3:7")
    assert {("parts", "3"), ("procedures", "7")} == set(found)


@pytest.mark.parametrize("id_", ["3", "3:7:9", "", "3:seven", "x:y"])
def test_invalid_composite_id_names_only_valid_parts(database: Database, id_: str) -> None:
    found = targets(database, "part_procedures", action="DELETE", object_id=id_)
    assert ([("parts", "3")] if id_ == "3:seven" else []) == found


@pytest.mark.parametrize("name", OWNED)
def test_attribute_concerns_its_owner(database: Database, name: str) -> None:
    resource = CATALOG.resources[name]
    owner = (resource.owner, "12")
    assert owner in targets(database, name, action="DELETE", object_id="12-color")
    key = resource.owner_key or ""
    assert owner in targets(database, name, action="UPDATE", object_id="5", fields={key: 12})
    assert owner in targets(database, name, action="UPDATE", object_id="5", keys={key: "12"})


@pytest.mark.parametrize("id_", ["color", "x-color", "-", "12"])
def test_attribute_without_an_owner_concerns_nothing(database: Database, id_: str) -> None:
    assert [] == targets(database, "part_attributes", action="DELETE", object_id=id_)


def test_moved_row_concerns_the_old_and_the_new_object(database: Database) -> None:
    found = targets(
        database,
        "part_procedures",
        action="UPDATE",
        object_id="3:7",
        old={"partId": 3},
        fields={"partId": 4},
    )
    assert {("parts", "3"), ("parts", "4"), ("procedures", "7")} == set(found)


def test_authors_of_a_row_are_not_concerned(database: Database) -> None:
    found = targets(
        database,
        "part_procedures",
        action="UPDATE",
        object_id="3:7",
        fields={"createdById": 5, "updatedById": 6},
    )
    assert "users" not in {name for name, _ in found}


def test_label_concerns_the_objects_of_its_entity(database: Database) -> None:
    hold(
        database,
        [
            full("parts", 1, entityId=50),
            full("suppliers", 2, entityId=50),
            full("parts", 3, entityId=51),
        ],
    )
    both = [("parts", "1"), ("suppliers", "2")]
    found = targets(database, "entity_labels", action="CREATE", object_id="50:9")
    fields = {"entityId": 50, "labelId": 9}
    named = targets(database, "entity_labels", action="CREATE", object_id="50:9", fields=fields)
    assert set(both) <= set(named)
    assert ("parts", "3") not in named
    old = targets(database, "entity_labels", action="DELETE", object_id="50:9", old=fields)
    assert set(both) <= set(old)
    assert set(both) <= set(found), "a deletion may contain only the id of the row"


@given(
    name=st.sampled_from(COMPOSITE),
    values=st.lists(st.one_of(st.integers(), st.text(max_size=5), st.none()), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_any_id_names_only_mirrored_objects_with_valid_ids(
    module_database: Database, name: str, values: list[Any]
) -> None:
    found = targets(module_database, name, object_id=":".join(map(str, values)))
    assert found == sorted(set(found))
    assert all(resource in MIRRORED and id_.isdecimal() for resource, id_ in found)
