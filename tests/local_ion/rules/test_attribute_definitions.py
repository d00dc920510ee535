"""An attribute that is defined later appears on existing objects, unset."""

from pathlib import Path

from tests.local_ion.in_process_ion import Ion, shared_ion

from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.store import audit_log

ion = shared_ion()
SHOWN = "attributes { key type value Etag }"


def test_existing_objects_have_the_attribute_unset_with_an_etag(ion: Ion) -> None:
    supplier = ion.create("Supplier", "id _etag", name="Early")
    last = audit_log.last_action_id(ion.ion.store.connection)
    ion.update_settings("updateOrganizationSupplierAttributes", key="Cert", type="NUMBER")
    (row,) = ion.get("supplier", supplier["id"], SHOWN)["attributes"]
    assert (row["key"], row["type"], row["value"]) == ("Cert", "NUMBER", None)
    assert ion.etag("supplier", supplier["id"]) == supplier["_etag"]
    actions = audit_log.actions_after(ion.ion.store.connection, last)
    assert {each.table_name for each in actions} == {"organizations"}
    values = {"supplierId": supplier["id"], "key": "Cert", "value": 3, "etag": row["Etag"]}
    changed = ion.mutate("updateSupplierAttribute", "supplierAttribute { value }", **values)
    assert changed == {"supplierAttribute": {"value": 3}}
    ion.update_settings("updateOrganizationSupplierAttributes", key="Cert", type="NUMBER")
    assert len(ion.get("supplier", supplier["id"], SHOWN)["attributes"]) == 1


def test_existing_objects_do_not_have_it_without_the_quirk(tmp_path: Path) -> None:
    old = Ion(tmp_path, Quirks.without(["attributes_on_existing_objects"]))
    supplier = old.create("Supplier", name="Early")["id"]
    old.update_settings("updateOrganizationSupplierAttributes", key="Cert", type="NUMBER")
    assert old.get("supplier", supplier, SHOWN)["attributes"] == []
    old.ion.close()
