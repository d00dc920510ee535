"""Set the quantity of a lot with a current etag; then try again with the old one."""

import json
import sys

from ion_api import Ion

READ = "query Lot($id: ID!) { partInventory(id: $id) { _etag id quantity status abomItems { id _etag } } }"
UPDATE = """
mutation Correct($input: UpdatePartInventoryInput!) {
  updatePartInventory(input: $input) { partInventory { _etag id quantity part { partNumber } } }
}"""

ion = Ion()
lot, quantity = sys.argv[1], float(sys.argv[2])
before = ion.run(READ, id=lot)["partInventory"]
wanted = {"id": lot, "quantity": quantity, "etag": before["_etag"]}
after = ion.run(UPDATE, input=wanted)["updatePartInventory"]["partInventory"]
again = ion.send({"query": UPDATE, "variables": {"input": wanted}})
print(
    json.dumps(
        {
            "quantity": after["quantity"],
            "new_etag": after["_etag"] != before["_etag"],
            "refused": [error["message"] for error in again.get("errors", [])],
        }
    )
)
