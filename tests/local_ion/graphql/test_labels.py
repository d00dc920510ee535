"""Printed labels contain the values of their objects."""

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()


def printed(ion: Ion, kind: str, template: str, entity: int) -> str:
    made = ion.create("BarcodeTemplate", "id", name="label", entityType=kind, template=template)
    values = {"templateId": made["id"], "entityId": entity}
    return ion.create("BarcodeLabel", "barcode", **values)["barcode"]


@pytest.mark.parametrize("name", ["${%s}", "{{%s}}", "{{ %s }}"])
def test_values_of_a_location_fill_its_label(ion: Ion, name: str) -> None:
    hall = ion.create("Location", "id", name="Hall 1")["id"]
    rack = ion.create("Location", "id entityId", name='Rack "7"', type="RACK", parentId=hall)
    template = f"^FD{name % 'name'}/{name % 'id'}/{name % 'parent.name'}/{name % 'address'}^FS"
    text = printed(ion, "LOCATIONS", template, rack["entityId"])
    assert text == f'^FDRack "7"/{rack["id"]}/Hall 1/^FS'


def test_values_of_inventory_fill_its_label(ion: Ion) -> None:
    part = ion.create("Part", partNumber="P-9", revision="B")["id"]
    values = {"partId": part, "serialNumber": "S1", "quantity": 1}
    piece = ion.create("PartInventory", "id entityId", **values)
    template = (
        "${part.partNumber}-${part.revision} ${serialNumber} ${quantity} ${earliestRunId} ${x}"
    )
    assert printed(ion, "PARTS_INVENTORY", template, piece["entityId"]) == "P-9-B S1 1  ${x}"


def test_options_of_a_template_are_the_values_that_fill_it(ion: Ion) -> None:
    query = """query ($kind: Barcodeentitytypeenum!) {
      barcodeTemplateFieldOptions(templateEntityType: $kind) { options } }"""
    for kind in ("LOCATIONS", "PARTS_INVENTORY", "RUNS", "PARTS_KITS"):
        assert {"id", "entityId"} <= set(ion.data(query, kind=kind)["options"])
    assert "part.partNumber" in ion.data(query, kind="PARTS_INVENTORY")["options"]


def test_changes_of_one_request_have_one_session(ion: Ion) -> None:
    made = ion.create("Location", "id _etag LastSessionId", name="session")
    assert made["LastSessionId"]
    ion.update("location", made["id"], description="moved")
    later = ion.get("location", made["id"], "LastSessionId")["LastSessionId"]
    assert later not in {None, made["LastSessionId"]}
