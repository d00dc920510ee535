"""Import units, locations, parts, lots, a bill of materials and a run in batches."""

import json

from ion_api import Ion

UNIT = "mutation U($input: CreateUnitOfMeasurementInput!) { createUnitOfMeasurement(input: $input) { unitOfMeasurement { id type } } }"
PLACE = "mutation L($input: CreateLocationInput!) { createLocation(input: $input) { location { id name } } }"
PART = (
    "mutation P($input: CreatePartInput!) { createPart(input: $input) { part { id partNumber } } }"
)
LOT = """
mutation I($input: CreatePartInventoryInput!) {
  createPartInventory(input: $input) { partInventory { id _etag lotNumber serialNumber part { partNumber } } }
}"""
BILL = "mutation B($input: CreateMBomInput!) { createMbom(input: $input) { mbom { id } } }"
ITEM = (
    "mutation M($input: CreateMBomItemInput!) { createMbomItem(input: $input) { mbomItem { id } } }"
)
RUN = "mutation R($input: CreateRunInput!) { createRun(input: $input) { run { id title procedureId partInventoryId } } }"
AS_BUILT = """
mutation A($id: ID!, $etag: String!) {
  createAbomForPartInventory(id: $id, etag: $etag) { abomItem { id partInventoryId children { id } } }
}"""
KNOWN = "query K($filters: PartsInputFilters) { parts(filters: $filters) { edges { node { id partNumber } } } }"

ion = Ion()
(unit,) = ion.batch(UNIT, [{"type": "furlong"}])
places = ion.batch(PLACE, [{"name": name} for name in ("Imported shelf", "Imported rack")])
ion.batch(
    PART, [{"partNumber": number, "description": "Imported"} for number in ("IMP-1", "IMP-2")]
)
edges = ion.run(KNOWN, filters={"partNumber": {"in": ["IMP-1", "IMP-2"]}})["parts"]["edges"]
parts = {edge["node"]["partNumber"]: edge["node"]["id"] for edge in edges}
lot = {
    "quantity": 5,
    "lotNumber": "L-1",
    "unitOfMeasureId": unit["createUnitOfMeasurement"]["unitOfMeasurement"]["id"],
    "locationId": places[0]["createLocation"]["location"]["id"],
}
lots = ion.batch(
    LOT,
    [
        {"partId": parts["IMP-1"], "quantity": 1, "serialNumber": "S-1", "lotNumber": None},
        {"partId": parts["IMP-2"], **lot},
    ],
)
assembly = lots[0]["createPartInventory"]["partInventory"]
ion.run(BILL, input={"partId": parts["IMP-1"]})
ion.run(ITEM, input={"partId": parts["IMP-2"], "parentId": parts["IMP-1"], "quantity": 2})
answers = ion.send(
    [
        {
            "query": RUN,
            "variables": {
                "input": {
                    "title": "Imported",
                    "partId": parts["IMP-1"],
                    "partInventoryId": assembly["id"],
                }
            },
        },
        {"query": AS_BUILT, "variables": {"id": assembly["id"], "etag": assembly["_etag"]}},
        {"query": PART, "variables": {"input": {"partNumber": "IMP-1"}}},
    ]
)
print(
    json.dumps(
        {"lots": [lot["createPartInventory"]["partInventory"] for lot in lots], "answers": answers}
    )
)
