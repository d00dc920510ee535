"""Changes between the first fetch and the subscriptions are found automatically."""

from typing import Any

SUPPLIERS = "{ suppliers(first: 2, sort: [ID_DESC]) { edges { node { id _etag name } } } }"
RENAME = (
    "mutation ($input: UpdateSupplierInput!) { updateSupplier(input: $input) { supplier { id } } }"
)
DELETE = "mutation ($id: ID!, $etag: String!) { deleteSupplier(id: $id, etag: $etag) { id } }"
CREATE = (
    "mutation ($input: CreateSupplierInput!) { createSupplier(input: $input) { supplier { id } } }"
)


def test_changes_between_first_fetch_and_subscriptions_are_found(
    start_hub: Any, start_ion: Any, wait: Any
) -> None:
    ion, hub = start_ion(), start_hub()
    given = {"name": "plant", "api_url": ion.url, "auth_url": ion.url, "requests_per_second": 500}
    given |= {"client_id": ion.client_id, "client_secret": ion.client_secret}
    integration = hub.api("POST", "/integrations", given)
    path = f"/integrations/{integration['id']}"
    made = ion.execute(CREATE, input={"name": "Here today"})["createSupplier"]["supplier"]["id"]

    def fetches() -> Any:
        found = hub.api("GET", f"{path}/fetches")["items"]
        return found if found and all(one["state"] == "done" for one in found) else None

    assert ["first connection"] == [
        one["requested_by"] for one in wait(fetches, 60, "the first fetch")
    ]
    gone, kept = (edge["node"] for edge in ion.execute(SUPPLIERS)["suppliers"]["edges"])
    assert gone["id"] == made
    ion.execute(DELETE, id=gone["id"], etag=gone["_etag"])
    ion.execute(
        RENAME, input={"id": kept["id"], "etag": kept["_etag"], "name": "Renamed in between"}
    )
    hub.api("POST", f"{path}/setup", {"mode": "automatic"})

    wait(
        lambda: (
            hub.api("GET", f"/objects/suppliers/{kept['id']}")["fields"]["name"]
            == "Renamed in between"
        ),
        60,
        "the change without an event",
    )
    done = wait(fetches, 60, "the second fetch")
    assert ["subscribed", "first connection"] == [one["requested_by"] for one in done]
    hub.assert_equal_to_ion(integration)
    hub.api("POST", f"{path}/setup", {"mode": "automatic"})
    assert done[0]["id"] == hub.api("GET", f"{path}/fetches")["items"][0]["id"]
