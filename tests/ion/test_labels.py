"""Names of resources and fields for people."""

import re

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.labels import field_label, resource_label

CATALOG = load_catalog()
IDENTIFIER = re.compile(r"[a-z]+_[a-z]+|\b[a-z]+[A-Z]")
TERMS = re.compile(r"\b(mBOMs?|aBOMs?)\b")
"""Terms of ION that have this spelling."""


def is_identifier(label: str) -> bool:
    return bool(IDENTIFIER.search(TERMS.sub("", label)))


def test_resources_have_names_a_group_and_a_description() -> None:
    assert len(CATALOG.resources) > 100
    for name, resource in CATALOG.resources.items():
        label = resource_label(name)
        assert not is_identifier(label.singular), name
        assert not is_identifier(label.plural), name
        assert label.group, name
        assert label.description.endswith("."), name
        assert resource.title == label.plural


def test_names_of_resources_are_unique() -> None:
    plurals = [resource_label(name).plural for name in CATALOG.resources]
    assert sorted(set(plurals)) == sorted(plurals)


def test_fields_have_distinct_names_without_identifiers() -> None:
    for name, resource in CATALOG.resources.items():
        labels = {field.name: field_label(field.name).label for field in resource.fields}
        assert [label for label in labels.values() if is_identifier(label)] == [], name
        shown = [label for field, label in labels.items() if not field.startswith("_")]
        assert sorted(set(shown)) == sorted(shown), name


def test_links_and_relations_have_names_without_identifiers() -> None:
    names = {
        each.field
        for resource in CATALOG.resources.values()
        for each in (*resource.links, *resource.relations)
    }
    labels = {name: field_label(name).label for name in names}
    assert {name: label for name, label in labels.items() if is_identifier(label)} == {}
    assert [name for name, label in labels.items() if name == label and name[0].islower()] == []
    assert field_label("shipToLocation").label == field_label("shipToLocationId").label


def test_default_columns_are_fields() -> None:
    assert [] == [
        (name, one)
        for name, resource in CATALOG.resources.items()
        for one in resource_label(name).columns
        if resource.field(one) is None
    ]


def test_dates_and_amounts_have_a_format() -> None:
    assert field_label("needDate").format == "date"
    assert field_label("estimatedTotalCost").format == "money"
    assert field_label("_updated").format == "time"


def test_unknown_names_are_their_own_label() -> None:
    assert field_label("newInIon").label == "newInIon"
    assert resource_label("new_things").plural == "New things"
