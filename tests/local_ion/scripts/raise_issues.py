"""Create issues in bulk, set a custom attribute of each, and read suppliers' attributes."""

import json

from ion_api import Ion

RAISE = "mutation R($input: CreateIssueInput!) { createIssue(input: $input) { issue { id title causeCondition } } }"
READ = "{ issues { edges { node { id attributes { Etag key value } } } } }"
SET = """
mutation S($input: UpdateIssueAttributeInput!) {
  updateIssueAttribute(input: $input) { issueAttribute { Etag key value } }
}"""
SUPPLIERS = """
query Suppliers($first: Int, $after: String) {
  suppliers(first: $first, after: $after) {
    edges { node { id name Attributes { key value type } } } pageInfo { hasNextPage endCursor }
  }
}"""

ion = Ion()
raised = []
for text in ("Scratched", "Bent"):
    rich = [{"children": [{"type": "p", "children": [{"text": text}]}]}]
    made = ion.run(RAISE, input={"title": text, "causeCondition": rich})
    raised.append(made["createIssue"]["issue"])

changed = []
for edge in ion.run(READ)["issues"]["edges"]:
    for attribute in edge["node"]["attributes"]:
        if (
            edge["node"]["id"] in [issue["id"] for issue in raised]
            and attribute["key"] == "Severity"
        ):
            wanted = {
                "issueId": edge["node"]["id"],
                "key": "Severity",
                "value": "minor",
                "etag": attribute["Etag"],
            }
            done = ion.run(SET, input=wanted)["updateIssueAttribute"]["issueAttribute"]
            changed.append((done["value"], done["Etag"] != attribute["Etag"]))

suppliers, after, more = [], None, True
while more:
    page = ion.run(SUPPLIERS, first=4, **({"after": after} if after else {}))["suppliers"]
    suppliers += [edge["node"] for edge in page["edges"]]
    after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

print(json.dumps({"raised": raised, "changed": changed, "suppliers": suppliers}))
