"""Reset an ordered purchase order to draft, then delete its lines and the order."""

import json
import sys

from ion_api import Ion

ORDERS = """
query Orders($filters: PurchaseOrdersInputFilters) {
  purchaseOrders(filters: $filters) {
    edges { node { id _etag status approvals { id } fees { id } approvalRequests { id } } }
  }
}"""
LINES = """
query Lines($filters: PurchaseOrderLinesInputFilters) {
  purchaseOrderLines(filters: $filters) {
    edges { node { id _etag partInventories { installed kitted received id } purchaseOrder { id _etag status } } }
  }
}"""
ETAG = "query Etag($id: ID!) { purchaseOrderLine(id: $id) { _etag } }"
DRAFT = "mutation D($input: UpdatePurchaseOrderInput!) { updatePurchaseOrder(input: $input) { purchaseOrder { id } } }"
DELETE_LINE = (
    "mutation X($id: ID!, $etag: String!) { deletePurchaseOrderLine(id: $id, etag: $etag) { id } }"
)
DELETE_ORDER = (
    "mutation Y($id: ID!, $etag: String!) { deletePurchaseOrder(id: $id, etag: $etag) { id } }"
)

ion = Ion()
wanted = {"id": {"eq": int(sys.argv[1])}}
(order,) = [edge["node"] for edge in ion.run(ORDERS, filters=wanted)["purchaseOrders"]["edges"]]
ion.run(DRAFT, input={"id": order["id"], "etag": order["_etag"], "status": "DRAFT"})
lines = [
    edge["node"]
    for edge in ion.run(LINES, filters={"purchaseOrderId": {"eq": order["id"]}})[
        "purchaseOrderLines"
    ]["edges"]
]
for line in lines:
    etag = ion.run(ETAG, id=line["id"])["purchaseOrderLine"]["_etag"]
    ion.run(DELETE_LINE, id=line["id"], etag=etag)
(order,) = [edge["node"] for edge in ion.run(ORDERS, filters=wanted)["purchaseOrders"]["edges"]]
ion.run(DELETE_ORDER, id=order["id"], etag=order["_etag"])
left = ion.run(ORDERS, filters=wanted)["purchaseOrders"]["edges"]
print(json.dumps({"deleted": [line["id"] for line in lines], "left": left}))
