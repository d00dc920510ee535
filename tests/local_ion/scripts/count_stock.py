"""Print the available inventory at a location by part: in one request, then in pages."""

import json
import sys
from collections import Counter

from ion_api import Ion

STOCK = """
query Stock($filters: PartInventoriesInputFilters) {
  partInventories(filters: $filters) { edges { node { id quantity partId part { partNumber revision } } } }
}"""
PAGES = """
query Pages($after: String) {
  partInventories(first: 50, after: $after) {
    edges { node { id locationId status } } pageInfo { hasNextPage endCursor totalCount }
  }
}"""

ion = Ion()
location = int(sys.argv[1])
filters = {"locationId": {"eq": location}, "status": {"neq": "INSTALLED"}}
found = [edge["node"] for edge in ion.run(STOCK, filters=filters)["partInventories"]["edges"]]
counts: Counter[str] = Counter()
for node in found:
    counts[node["part"]["partNumber"]] += node["quantity"]

seen, after, more = [], "", True
while more:
    page = ion.run(PAGES, after=after)["partInventories"]
    seen += [edge["node"] for edge in page["edges"]]
    after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
there = [n for n in seen if n["locationId"] == location and n["status"] != "INSTALLED"]

print(
    json.dumps(
        {
            "found": sorted(node["id"] for node in found),
            "paged": sorted(node["id"] for node in there),
            "seen": len({node["id"] for node in seen}),
            "total": page["pageInfo"]["totalCount"],
            "counts": counts,
        }
    )
)
