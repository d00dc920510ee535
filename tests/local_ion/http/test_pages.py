"""The pages of the local ION: lists, editing, creation, deliveries, errors, query runner."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.local_ion.conftest import RECEIVER, SECRET, SUBSCRIPTION, Receiver

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.local_ion.auth.viewers import Credentials
from ultraviolet.local_ion.http.app import create_app
from ultraviolet.local_ion.http.pages.values import is_shown
from ultraviolet.local_ion.server import LocalIonServer, ServeOptions

ORIGIN = "http://testserver.local"
ORDER = "query($id: ID!) { purchaseOrder(id: $id) { id _etag description status supplierId orderedAt cost paid } }"


class Site:
    """The pages as a browser opens them, and the API with the same session."""

    def __init__(self, client: TestClient[Any]) -> None:
        self.client = client
        client.headers.update({"accept": "text/html", "origin": ORIGIN})
        assert client.get("/home").status_code == 200

    def execute(self, query: str, **variables: Any) -> Any:
        """Execute an operation and return its data."""
        body = {"query": query, "variables": variables}
        answer = self.client.post("/graphql", json=body).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def create(self, kind: str, **values: Any) -> Any:
        """Create an object and return its id."""
        name = kind[0].lower() + kind[1:]
        document = (
            f"mutation($i: Create{kind}Input!) {{ create{kind}(input: $i) {{ {name} {{ id }} }} }}"
        )
        return self.execute(document, i=values)[f"create{kind}"][name]["id"]

    def order(self, id_: int) -> Any:
        return self.execute(ORDER, id=id_)["purchaseOrder"]

    def text(self, path: str, status: int = 200) -> str:
        """Return the visible text of a page."""
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return visible(answer.text)

    def edit(self, page: str, field: str, value: str, etag: str | None = None) -> Any:
        """Open the form of a field, enter a value and save."""
        form = self.client.get(f"{page}?edit={field}").text
        given = re.search(r'name="etag" value="([^"]*)"', form)
        assert given, f"{field} has no form"
        data = {"field": field, "value": value, "etag": etag or given.group(1)}
        return self.client.post(page, data=data)


def visible(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    process = LocalIonServer(
        ServeOptions(data=tmp_path_factory.mktemp("ion"), plant=False), Credentials("id", "secret")
    )
    with TestClient(
        create_app(process.app_state, lifespan=[process.lifespan]), base_url=ORIGIN
    ) as client:
        yield Site(client)


@pytest.fixture
def order(site: Site) -> int:
    return site.create("PurchaseOrder", description="bolts")


def test_list_is_searched_by_text_linked_name_and_id(site: Site) -> None:
    supplier = site.create("Supplier", name="Kestrel Metals 100%")
    wanted = site.create("PurchaseOrder", description="one", supplierId=int(supplier))
    other = site.create("PurchaseOrder", description="ANODIZED brackets")
    found = {
        text: re.findall(r'<td[^>]*>\s*<a href="/resources/purchase_orders/(\d+)"', page)
        for text in ("kestrel", "100%", "anodized", str(wanted), "nothing like it")
        for page in [site.client.get("/resources/purchase_orders", params={"q": text}).text]
    }
    assert found["kestrel"] == found["100%"] == [str(wanted)]
    assert found["anodized"] == [str(other)]
    assert str(wanted) in found[str(wanted)]
    assert found["nothing like it"] == []
    linked = site.text(f"/resources/purchase_orders?link=supplierId&id={supplier}")
    assert f"Only those of Supplier {supplier}" in linked
    assert "1–1 of 1" in linked


def test_list_has_pages(site: Site) -> None:
    for number in range(26):
        site.create("Supplier", name=f"Supplier {number}")
    first = site.client.get("/resources/suppliers").text
    assert 'rel="prev"' not in first
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = site.client.get(unescape(following)).text
    assert 'rel="prev"' in second
    assert not set(re.findall(r"/suppliers/(\d+)", first)) & set(
        re.findall(r"/suppliers/(\d+)", second)
    )
    assert "This page is empty" in site.text("/resources/suppliers?page=99")


def test_every_resource_has_a_list_with_labels(site: Site) -> None:
    shown = [name for name, each in load_catalog().resources.items() if is_shown(each)]
    assert len(shown) > 70
    for name in sorted({*shown} - {"validation_functions"}):  # its names are identifiers
        assert not re.search(r"\b[a-z]+_[a-z]+\b", site.text(f"/resources/{name}")), name
    site.text("/resources")


def test_change_is_saved_with_its_deliveries(site: Site, order: int) -> None:
    receiver = Receiver()
    given = {"name": "test", "webhookUri": receiver.url, "sharedSecret": SECRET}
    made = site.execute(RECEIVER, input=given)["createWebhookReceiver"]["webhookReceiver"]
    wanted = {"receiverId": made["id"], "resource": "PURCHASE_ORDERS", "action": "UPDATE"}
    site.execute(SUBSCRIPTION, input=wanted)

    answer = site.edit(f"/resources/purchase_orders/{order}", "status", "REQUESTED")

    assert answer.status_code == 200
    text = visible(answer.text)
    assert "Status saved. ION sent 1 webhook delivery for this change." in text
    assert site.order(order)["status"] == "REQUESTED"
    (delivered,) = receiver.wait(1)
    assert delivered.genuine
    assert delivered.decoded()["changes"]["status"] == {"old": "draft", "new": "requested"}  # type: ignore[index]
    (listed,) = re.findall(r'href="(/deliveries\?transaction=\d+)"', answer.text)
    rows = site.text(listed)
    assert f"Purchase order updated Purchase order {order} test" in rows
    filtered = site.client.get("/deliveries?resource=purchase_orders").text
    assert f"Purchase order updated Purchase order {order} test" in visible(filtered)
    choices = re.findall(r'<option value="([a-z_]+)"', filtered)
    assert "purchase_orders" in choices
    assert "parts" not in choices
    assert "No deliveries of this resource" in site.text("/deliveries?resource=parts")
    unfit = f"{listed}&resource=parts".replace("&amp;", "&")
    assert "No deliveries of this resource of this transaction" in site.text(unfit)
    receiver.close()


@pytest.mark.parametrize(
    ("field", "value", "saved"),
    [
        ("description", "A longer\r\ntext", "A longer\ntext"),
        ("cost", "12.5", 12.5),
        ("orderedAt", "2026-12-01", "2026-12-01T00:00:00.000000+00:00"),
        ("description", "", None),
    ],
)
def test_each_kind_of_field_can_be_edited(
    site: Site, order: int, field: str, value: str, saved: Any
) -> None:
    answer = site.edit(f"/resources/purchase_orders/{order}", field, value)
    assert "saved." in visible(answer.text), answer.text
    assert site.order(order)[field] == saved


def test_link_can_be_edited(site: Site, order: int) -> None:
    supplier = site.create("Supplier", name="Osprey")
    page = f"/resources/purchase_orders/{order}"
    assert "Osprey" in site.client.get(f"{page}?edit=supplierId").text
    assert "Osprey" in visible(site.edit(page, "supplierId", str(supplier)).text)
    assert site.order(order)["supplierId"] == int(supplier)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cost", "many", "Enter a number."),
        ("cost", "1e999", "Enter a number."),
        ("orderedAt", "soon", "Enter a date."),
        ("supplierId", "Kestrel", "Enter the ID of a supplier."),
        ("supplierId", "999999", "Supplier 999999 does not exist (supplierId)."),
        ("status", "LOST", "Select one of the values."),
        ("description", "x" * 10_001, "Enter at most 10,000 characters."),
    ],
)
def test_invalid_value_is_kept_with_its_error(
    site: Site, order: int, field: str, value: str, message: str
) -> None:
    before = site.order(order)
    answer = site.edit(f"/resources/purchase_orders/{order}", field, value)
    assert answer.status_code == 422
    assert message in visible(answer.text)
    assert 'aria-describedby="edit-value-error"' in answer.text
    assert value in answer.text
    assert site.order(order) == before


def test_outdated_etag_is_rejected_and_the_page_has_the_current_one(site: Site, order: int) -> None:
    page = f"/resources/purchase_orders/{order}"
    answer = site.edit(page, "description", "mine", etag="outdated")
    assert answer.status_code == 422
    assert "The etag does not match" in answer.text
    assert "Current value: bolts" in visible(answer.text)
    assert f'name="etag" value="{site.order(order)["_etag"]}"' in answer.text
    assert site.order(order)["description"] == "bolts"


def test_line_is_created_and_a_rule_rejects_it_at_its_field(site: Site, order: int) -> None:
    form = f"/resources/purchase_order_lines/new?purchaseOrderId={order}"
    assert f'<option value="{order}" selected>' in site.client.get(form).text
    values = {"purchaseOrderId": str(order), "quantity": "0", "cost": "3"}
    rejected = site.client.post("/resources/purchase_order_lines/new", data=values)
    assert rejected.status_code == 422
    assert 'id="field-quantity-error">The quantity of a line must be more than 0.' in rejected.text

    created = site.client.post(
        "/resources/purchase_order_lines/new", data=values | {"quantity": "7"}
    )
    assert "Purchase order line created." in visible(created.text)
    assert "Purchase order lines 1" in site.text(f"/resources/purchase_orders/{order}")
    missing = site.client.post("/resources/purchase_order_lines/new", data={"cost": "1"})
    assert "Purchase order is required." in visible(missing.text)


def test_form_shows_required_and_main_fields_first(site: Site) -> None:
    def labels(resource: str) -> list[str]:
        form = site.client.get(f"/resources/{resource}/new").text
        found = re.findall(r"<legend>.*?</legend>|<label.*?</label>", form, re.DOTALL)
        return [visible(each) for each in found]

    orders = labels("purchase_orders")
    assert orders[:4] == ["Main fields", "Supplier", "Status", "Dates"]
    assert orders[orders.index("Other fields") - 1] == "Ordered"
    assert "No field is required." in site.text("/resources/purchase_orders/new")
    assert labels("parts")[:2] == ["Main fields", "Part number (required)"]
    assert labels("purchase_order_lines")[1] == "Purchase order (required)"
    assert "No field is required." not in site.text("/resources/parts/new")


def test_main_resources_can_be_created(site: Site) -> None:
    part = site.create("Part", partNumber="P-100")
    forms = {
        "purchase_orders": {"description": "bolts"},
        "parts": {"partNumber": "P-200", "trackingType": "SERIAL"},
        "parts_inventory": {"partId": str(part), "quantity": "3"},
        "issues": {"title": "Scratched"},
        "suppliers": {"name": "Merlin"},
        "runs": {"title": "Assembly", "partId": str(part), "quantity": "1"},
    }
    for name, values in forms.items():
        assert " created." in visible(
            site.client.post(f"/resources/{name}/new", data=values).text
        ), name


def test_only_pages_of_the_local_ion_can_change_data(site: Site, order: int) -> None:
    page = f"/resources/purchase_orders/{order}"
    data = {"field": "description", "value": "forged", "etag": site.order(order)["_etag"]}
    cookies = dict(site.client.cookies)
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": ""},
        {"origin": "null"},
        {"origin": "http://["},
    ):
        assert site.client.post(page, data=data, headers=headers).status_code == 401
    site.client.cookies.clear()
    refused = site.client.post(page, data=data)
    site.client.cookies.update(cookies)
    assert refused.status_code == 401
    assert "Nothing was changed" in visible(refused.text)
    for path in (page, "/resources/suppliers/new"):
        site.client.cookies.clear()
        assert site.client.post(path, data={"name": "forged"}).status_code == 401
    site.client.cookies.update(cookies)
    assert site.order(order)["description"] == "bolts"
    headers = site.client.get(page).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/resources/nope", 404),
        ("GET", "/resources/purchase_orders/99999999", 404),
        ("GET", "/resources/purchase_orders/1e9", 404),
        ("GET", "/resources/suppliers?page=0", 422),
        ("GET", "/resources/purchase_orders_attributes", 404),
        ("GET", "/resources/roles/new", 404),
        ("DELETE", "/home", 405),
        ("GET", "/graphql?query={me{id}}", 401),
    ],
)
def test_browsers_get_error_pages_and_api_clients_json(
    site: Site, method: str, path: str, status: int
) -> None:
    page = site.client.request(method, path, headers={"origin": ""})
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert "Emulator, not First Resonance ION" in visible(page.text)
    api = site.client.request(method, path, headers={"accept": "*/*", "origin": ""})
    assert api.status_code == status
    assert api.headers.get("allow") == page.headers.get("allow")
    assert isinstance(json.loads(api.content), dict)


def test_query_runner_has_examples_with_a_current_etag(site: Site, order: int) -> None:
    assert order
    page = site.client.get("/?example=update-order").text
    (found,) = re.findall(r'<script type="application/json" id="examples">(.*?)</script>', page)
    examples = {each["name"]: each for each in json.loads(found)}
    assert {"orders", "update-order", "create-receiver", "subscribe"} <= set(examples)
    update, failing = examples["update-order"], examples["outdated-etag"]
    shown = site.order(update["variables"]["input"]["id"])
    assert update["variables"]["input"]["etag"] == shown["_etag"]
    site.execute(update["query"], **update["variables"])
    assert site.order(shown["id"])["description"].endswith("changed in the query runner")
    answer = site.client.post(
        "/graphql", json={"query": failing["query"], "variables": failing["variables"]}
    )
    assert "etag" in answer.json()["errors"][0]["message"]
    receiver = examples["create-receiver"]
    site.execute(receiver["query"], **receiver["variables"])


def test_custom_attributes_can_be_edited_by_their_own_mutation(site: Site) -> None:
    given = {"Note": "first", "Rating": 1.5, "Cleanroom": False, "Colors": ["red"]}
    supplier = site.create(
        "Supplier", name="Heron", attributes=[{"key": k, "value": v} for k, v in given.items()]
    )
    page = f"/resources/suppliers/{supplier}"
    query = """query($id: ID!) { supplier(id: $id) { attributes { key value Etag } } }"""

    def values() -> dict[str, Any]:
        found = site.execute(query, id=supplier)["supplier"]["attributes"]
        return {each["key"]: each["value"] for each in found}

    for key, text, value in (
        ("Note", "a, b", "a, b"),
        ("Rating", "4", 4.0),
        ("Cleanroom", "true", True),
        ("Colors", "red, blue", ["red", "blue"]),
        ("Note", "", None),
    ):
        answer = site.edit(page, f"attributes.{key}", text)
        assert f"{key} saved." in visible(answer.text), answer.text
        assert values()[key] == value
    before = values()
    answer = site.edit(page, "attributes.Rating", "many")
    assert (answer.status_code, values()) == (422, before)
    assert "Enter a number." in visible(answer.text)
    answer = site.edit(page, "attributes.Note", "mine", etag="outdated")
    assert (answer.status_code, values()) == (422, before)
    data = {"field": "attributes.Missing", "value": "x", "etag": ""}
    assert site.client.post(page, data=data).status_code == 422


def test_selection_attribute_offers_its_values(site: Site) -> None:
    read = "query { me { organization { id _etag } } }"
    organization = site.execute(read)["me"]["organization"]
    site.execute(
        """mutation($i: UpdateAttributeSettingsInput!) {
          updateOrganizationSupplierAttributes(input: $i) { __typename }
        }""",
        i={
            "id": organization["id"],
            "etag": organization["_etag"],
            "key": "Grade",
            "type": "SELECT",
            "options": ["first & best", "second"],
        },
    )
    page = f"/resources/suppliers/{site.create('Supplier', name='Ibis')}"
    form = site.client.get(f"{page}?edit=attributes.Grade").text
    assert re.findall(r'<option value="(f[^"]*|s[^"]*)"', form) == ["first &amp; best", "second"]
    assert "Grade saved." in visible(site.edit(page, "attributes.Grade", "second").text)
    assert site.edit(page, "attributes.Grade", "third").status_code == 422


def test_deliveries_are_filtered_by_status(site: Site) -> None:
    assert "No deliveries of this status" in site.text("/deliveries?status=FAILED")
    assert site.client.get("/deliveries?status=lost").status_code == 422
    assert site.client.get("/deliveries?resource=lost").status_code == 422


def sign_in(site: Site, client_id: str, secret: str) -> Any:
    """Ask for a token with an API key."""
    given = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return site.client.post("/realms/api-keys/protocol/openid-connect/token", data=given)


def test_api_key_is_created_with_a_name_listed_and_revoked(site: Site) -> None:
    assert 'href="/api-keys"' in site.client.get("/home").text
    answer = site.client.post("/api-keys", data={"name": "Hub <one>"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    api, auth, client_id, secret = re.findall(r"<dd><code>([^<]+)</code></dd>", answer.text)
    assert api == auth == str(site.client.base_url).rstrip("/")
    listed = site.text("/api-keys")
    times = r"[-\d]+ [:\d]+ UTC"
    unused = rf"Hub <one> {client_id} Active Not since the start {times} Ada Admin Hub <one> Revoke"
    assert re.search(unused, listed), listed
    assert secret not in site.client.get("/api-keys").text

    token = sign_in(site, client_id, secret)
    assert token.status_code == 200, token.text
    used = rf"Hub <one> {client_id} Active {times} {times} Ada Admin Hub <one>"
    assert re.search(used, site.text("/api-keys"))
    headers = {"authorization": token.json()["access_token"], "origin": ""}
    me = site.client.post("/graphql", json={"query": "{ me { name } }"}, headers=headers)
    assert me.json()["data"]["me"]["name"] == "Hub <one>"

    page = f"/api-keys/{client_id}/revoke"
    form = site.client.get(page).text
    assert "Revoke Hub <one>?" in visible(form)
    assert sign_in(site, client_id, secret).status_code == 200  # only the button revokes
    outdated = site.client.post(page, data={"etag": "outdated"})
    assert (outdated.status_code, "etag" in visible(outdated.text)) == (422, True)
    (etag,) = re.findall(r'name="etag" value="([^"]+)"', form)
    answer = site.client.post(page, data={"etag": etag})
    assert "The key Hub <one> is revoked." in visible(answer.text)
    assert f"Hub <one> {client_id} Revoked" in visible(answer.text)
    assert sign_in(site, client_id, secret).status_code == 401
    me = site.client.post("/graphql", json={"query": "{ me { name } }"}, headers=headers)
    assert me.status_code == 401
    assert "no longer active" in site.text(page)
    site.text("/api-keys/unknown/revoke", 404)


def test_long_name_of_an_api_key_is_kept_with_its_error(site: Site) -> None:
    before = site.execute("{ apiKeys { edges { node { id } } } }")
    answer = site.client.post("/api-keys", data={"name": "x" * 101})
    assert answer.status_code == 422
    assert "Enter at most 100 characters." in visible(answer.text)
    assert f'value="{"x" * 101}"' in answer.text
    assert site.execute("{ apiKeys { edges { node { id } } } }") == before


def test_api_key_needs_the_session_of_the_pages(site: Site) -> None:
    before = site.execute("{ apiKeys { edges { node { id enabled } } } }")
    made = site.execute("mutation { createApiKey { apikey { clientId _etag } } }")
    key = made["createApiKey"]["apikey"]
    for path in ("/api-keys", f"/api-keys/{key['clientId']}/revoke"):
        data = {"etag": key["_etag"]}
        answer = site.client.post(path, data=data, headers={"origin": "http://elsewhere.test"})
        assert answer.status_code == 401
    after = site.execute("{ apiKeys { edges { node { id enabled } } } }")
    (added,) = [
        edge for edge in after["apiKeys"]["edges"] if edge not in before["apiKeys"]["edges"]
    ]
    assert added["node"]["enabled"]


def test_form_of_an_older_session_keeps_its_values(site: Site, order: int) -> None:
    page = f"/resources/purchase_orders/{order}"
    etag = site.order(order)["_etag"]
    forms = {
        page: {"field": "description", "value": "typed once", "etag": etag},
        "/resources/suppliers/new": {"name": "typed once"},
        "/api-keys": {"name": "typed once"},
    }
    for path, data in forms.items():
        site.client.cookies.clear()
        answer = site.client.post(path, data=data)
        assert answer.status_code == 401
        assert "The local ION was restarted. Nothing was changed." in visible(answer.text)
        assert 'value="typed once"' in answer.text
        # the page brings the new cookie, so that saving again works
        assert site.client.post(path, data=data).status_code == 200
    site.client.cookies.clear()
    assert site.client.get("/home").status_code == 200
    assert site.order(order)["description"] == "typed once"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/home?unheard_of=1", "“unheard_of” is not a parameter of this page. It has none."),
        ("/resources?q=bolt", "“q” is not a parameter of this page. It has none."),
        ("/resources/suppliers?pag=2", "“pag” is not a parameter of this page. Did you mean page?"),
        ("/resources/suppliers?page=two", "“two” is not a valid page."),
        ("/resources/suppliers?page=0", "“0” is not a valid page."),
        ("/deliveries?state=FAILED", "Did you mean status?"),
        ("/deliveries?transaction=x", "“x” is not a valid transaction."),
        ("/resources/suppliers/new?nam=Osprey", "Did you mean name?"),
        ("/api-keys?name=hub", "“name” is not a parameter of this page. Parameters: revoked."),
        ("/?exampel=orders", "Did you mean example?"),
    ],
)
def test_unknown_parameters_and_invalid_values_are_rejected(
    site: Site, path: str, message: str
) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 422
    assert message in visible(answer.text)
    api = site.client.get(path, headers={"accept": "*/*"})
    assert (api.status_code, message in api.text) == (422, True)


def test_every_page_rejects_an_unknown_parameter(site: Site, order: int) -> None:
    pages = ["/", "/home", "/resources", "/deliveries", "/api-keys", "/resources/suppliers/new"]
    for page in [*pages, "/resources/purchase_orders", f"/resources/purchase_orders/{order}"]:
        assert site.client.get(page).status_code == 200
        assert site.client.get(f"{page}?unheard_of=1").status_code == 422, page


def test_amounts_have_their_currency_and_times_their_zone(site: Site) -> None:
    currency = site.execute("{ currencies(first: 1) { edges { node { id type } } } }")
    shown = currency["currencies"]["edges"][0]["node"]
    values = {"currencyId": shown["id"], "orderedAt": "2026-12-01T08:30:00+01:00"}
    order = site.create("PurchaseOrder", **values)
    part = site.create("Part", partNumber="P-300", cost=2.5, leadTime=12)
    site.create("PurchaseOrderLine", purchaseOrderId=order, partId=part, quantity=2, cost=1250.5)
    page = site.text(f"/resources/purchase_orders/{order}")
    assert f"Total cost 2,501.00 {shown['type']}" in page
    assert f"1,250.50 {shown['type']}" in page  # of the line
    assert re.search(r"Created \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page)
    assert "Ordered 2026-12-01" in page
    assert f"2,501.00 {shown['type']}" in site.text("/resources/purchase_orders")
    assert f"1,250.50 {shown['type']}" in site.text("/resources/purchase_order_lines")
    part_page = site.text(f"/resources/parts/{part}")
    assert "Cost 2.50 Edit" in part_page  # ION names no currency
    assert "Lead time ION does not document its unit 12 Edit" in part_page


def test_text_stays_text_and_percentages_have_their_sign(site: Site, order: int) -> None:
    page = f"/resources/purchase_orders/{order}"
    site.edit(page, "description", "true")
    shown = site.text(page)
    assert "Description true" in shown
    assert "Editable Yes" in shown
    part = site.create("Part", partNumber="P-400", maintenanceIntervalSeconds=3600)
    assert "Maintenance interval 3,600 s" in site.text(f"/resources/parts/{part}")
    run = site.create("Run", title="Assembly", partId=part, quantity=1)
    shown = site.text(f"/resources/runs/{run}")
    assert re.search(r"Percent complete \d+ % ", shown), shown
