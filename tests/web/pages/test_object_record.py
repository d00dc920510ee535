"""The page of one object: key facts, fields with labels, related objects, history."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from ultraviolet import clock
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.health import controller_status
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.ion.queries import is_read
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin
from ultraviolet.web.queries.columns import columns

ORDER = {
    "id": 7,
    "status": "ORDERED",
    "description": "Valves",
    "supplierId": 4,
    "currencyId": 2,
    "estimatedTotalCost": 103388.88,
    "needDate": "2027-01-09T00:00:00.000000+00:00",
    "editable": "false",
    "paid": True,
    "attributes": {
        "Priority": {"id": "7-Priority", "key": "Priority", "type": "SELECT", "value": "high"},
        "Work order": {"id": "7-Work order", "key": "Work order", "type": "STRING", "value": None},
    },
}


@pytest.fixture
def order(signed_in: Any, keep: Callable[..., None]) -> Any:
    """A hub with an order of two lines."""
    keep("suppliers", {"id": 4, "name": "Brightwater"})
    keep("currencies", {"id": 2, "code": "EUR", "title": "EUR"})
    keep("parts", {"id": 3, "partNumber": "TUB-1"})
    keep("purchase_orders", ORDER)
    keep(
        "purchase_order_lines",
        {
            "id": 31,
            "purchaseOrderId": 7,
            "partId": 3,
            "quantity": 4,
            "status": "RECEIVED",
            "cost": 12.5,
            "partInventories": [5, 6],
        },
        {"id": 9, "purchaseOrderId": 7, "partId": 3, "quantity": 10, "status": "ORDERED"},
    )
    return signed_in


def remove(hub: Any, resource: str, id_: str) -> None:
    """Record that ION deleted an object."""
    now = clock.now_rfc3339()
    gone = Observation(resource, id_, "absent", {}, now, Origin("fetch", "1"), read_started_at=now)
    hub.hub.database.write_now(apply, hub.hub.catalog, 1, [gone], [])


def text(page: str, part: str = "main") -> str:
    """Return the text of a page without markup."""
    body = page[page.index(f"<{part}") : page.index(f"</{part}>")]
    return re.sub(r"\s+", " ", re.sub(r'<(?:"[^"]*"|[^">])*>', " ", body))


def test_page_begins_with_identity_and_key_facts(order: Any) -> None:
    shown = text(order.send("GET", "/objects/purchase_orders/7").text)
    assert re.search(r"Purchase order 7 Ordered", shown)
    assert "Supplier Brightwater" in shown
    assert "Total cost 103,388.88 EUR" in shown
    assert "Need date 2027-01-09 " in shown


def test_fields_have_labels_and_booleans_are_yes_or_no(order: Any) -> None:
    shown = text(order.send("GET", "/objects/purchase_orders/7").text)
    assert "Paid Yes" in shown
    assert "Editable No" in shown
    details = shown.partition("Raw document")[0]
    assert re.findall(r"\b[a-z]+[A-Z]\w*", details.replace("mBOM", "")) == []


def test_rich_text_is_shown_as_text_and_links_without_a_title_name_their_resource(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    nodes = [
        {"type": "p", "id": 1, "children": [{"text": "Too "}, {"text": "short", "bold": True}]},
        {"type": "p", "id": 2, "children": [{"text": "Remake it"}]},
    ]
    keep("parts_inventory", {"id": 40})
    keep("issues", {"id": 3, "causeCondition": nodes, "fixPartInventoryId": 40, "updatedById": 1})
    page = signed_in.send("GET", "/objects/issues/3").text.partition("Raw document")[0]
    assert "Too short\nRemake it</span>" in page
    assert "children" not in page
    assert re.search(r">[A-Z][a-z ]+ 40</a>", page)
    assert "User 1" in text(page + "</main>")


def test_custom_attributes_are_fields(order: Any, keep: Callable[..., None]) -> None:
    shown = text(order.send("GET", "/objects/purchase_orders/7").text)
    assert "Priority high" in shown
    changed = {
        **ORDER["attributes"],
        "Priority": {**ORDER["attributes"]["Priority"], "value": "low"},
    }
    keep("purchase_orders", {**ORDER, "attributes": changed})

    history = order.send("GET", "/objects/purchase_orders/7").text.partition('id="history"')[2]
    assert re.search(r"Priority\s*</th>\s*<td>\s*<del>high</del>\s*<ins>low</ins>", history)
    assert "Work order" not in history


def test_lines_are_listed_in_order_of_id(order: Any) -> None:
    page = order.send("GET", "/objects/purchase_orders/7").text
    table = page[page.index('aria-label="Purchase order lines by Purchase order"') :]
    table = table[: table.index("</table>")]
    assert re.findall(r"/objects/purchase_order_lines/(\d+)", table) == ["9", "31"]
    assert "TUB-1" in table
    assert "where=purchaseOrderId%3Ais%3A7" in page


def test_amounts_of_lines_have_the_currency_of_their_order(order: Any) -> None:
    line = order.send("GET", "/objects/purchase_order_lines/31").text
    assert "Cost 12.50 EUR" in text(line)
    assert "12.50 EUR" in text(order.send("GET", "/objects/purchase_orders/7").text)
    assert "12.50 EUR" in text(order.send("GET", "/objects/purchase_order_lines").text)
    assert re.findall(r'href="/objects/parts_inventory/(\d+)\?[^"]*">\1<', line) == ["5", "6"]


def test_time_before_the_first_version_shows_no_values(order: Any) -> None:
    page = order.send("GET", "/objects/purchase_orders/7?at=2020-01-01T00:00").text
    shown = text(page)
    assert "This purchase order did not exist in the mirror at" in shown
    assert "Brightwater" not in shown
    assert "by a full read" not in shown


def test_past_version_does_not_claim_to_be_up_to_date(
    order: Any, keep: Callable[..., None]
) -> None:
    keep("purchase_orders", {**ORDER, "description": "Pipes"})
    old = text(order.send("GET", "/objects/purchase_orders/7?version=1").text)
    assert "You are viewing version 1" in old
    assert "Valves" in old
    drawer = order.send("GET", "/objects/purchase_orders/7?version=1").text
    assert re.findall(r'<details id="(version-\d+)" open>', drawer) == ["version-1"]
    assert "by a full read" not in old
    now = clock.now_rfc3339()
    assert "Pipes" in text(order.send("GET", "/objects/purchase_orders/7", params={"at": now}).text)


def test_page_of_a_user_offers_tables_by_author(order: Any, keep: Callable[..., None]) -> None:
    keep("users", {"id": 5, "name": "Ada"})
    keep("purchase_orders", {"id": 8, "createdById": 5}, {"id": 9, "createdById": 6})

    page = order.send("GET", "/objects/users/5").text
    table = next(
        address.replace("&amp;", "&")
        for address in re.findall(r'href="([^"]*)"', page)
        if "/objects/purchase_orders?" in address and "where=createdById" in address
    )

    shown = text(page)
    assert "Other links to this object" not in shown
    listed = shown.partition("Created and updated by this user Resource Created Updated ")[2]
    assert "Purchase orders Created Updated " in listed
    places = [listed.index(f"{name} Created") for name in ("Purchase orders", "Parts", "Issues")]
    assert places == sorted(places)
    assert set(re.findall(r"/objects/purchase_orders/(\d+)", order.send("GET", table).text)) == {
        "8"
    }


def test_tables_of_one_resource_are_named_by_their_links(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("users", {"id": 5, "name": "Ada"})
    keep("run_steps", {"id": 1, "startedById": 5, "completedById": 5}, {"id": 2, "startedById": 5})
    keep("issues", {"id": 3, "assignedToId": 5})
    shown = text(signed_in.send("GET", "/objects/users/5").text)
    assert "Run steps · Started by 2 " in shown
    assert "Run steps · Completed by 1 " in shown
    assert "Issues 1 " in shown


def test_linked_objects_are_those_of_the_shown_time(order: Any, keep: Callable[..., None]) -> None:
    line = {"purchaseOrderId": 7, "partId": 3}
    keep("purchase_order_lines", {"id": 12, **line, "quantity": 77})
    before = clock.now_rfc3339()
    keep("purchase_order_lines", {"id": 9, **line, "quantity": 44})
    keep("purchase_order_lines", {"id": 50, **line, "quantity": 55})
    remove(order, "purchase_order_lines", "12")
    remove(order, "suppliers", "4")
    keep("purchase_orders", {**ORDER, "supplierId": 5})
    path = "/objects/purchase_orders/7"

    def lines(page: str) -> dict[str, str]:
        table = page.partition("<tbody>")[2].partition("</tbody>")[0]
        found = r'purchase_order_lines/(\d+)\?.*?data-label="Quantity"[^>]*>(\d+)<'
        return dict(re.findall(found, table, re.DOTALL))

    now = order.send("GET", path).text
    assert lines(now) == {"9": "44", "31": "4", "50": "55"}
    then = order.send("GET", path, params={"at": before}).text
    assert lines(then) == {"9": "10", "12": "77", "31": "4"}
    assert "Supplier Brightwater" in text(then)
    assert "purchase_order_lines/" not in order.send("GET", f"{path}?version=1").text


def test_list_has_labels_and_default_columns(order: Any) -> None:
    page = order.send("GET", "/objects/purchase_orders").text
    heads = re.findall(r"<th[^>]*>\s*<a[^>]*>([^<]+)</a>", page)
    assert heads[:4] == ["ID", "Status", "Supplier", "Total cost"]
    assert "103,388.88 EUR" in page


def test_index_groups_resources_with_descriptions(order: Any) -> None:
    page = order.send("GET", "/objects").text
    groups = re.findall(r'<h2 id="group-\d+-title">([^<]+)</h2>', page)
    assert groups[:2] == ["Purchasing", "Parts"]
    assert "An order of parts from a supplier." in page
    rest = page.partition('<details class="card bare fold" id="empty-resources"')[2]
    assert re.findall(r'data-words="[^"]*purchase_order_fees[^"]*"><a href="([^"?]+)', rest) == [
        "/objects/purchase_order_fees"
    ]
    titles = re.findall(r"data-words=[^>]*><a[^>]*>([^<]+)</a>", rest)
    assert titles == sorted(titles, key=str.casefold)


def test_versions_name_what_changed_and_fold_what_ion_sets_itself(
    order: Any, keep: Callable[..., None]
) -> None:
    stamped = {**ORDER, "_etag": "b", "LastSessionId": 9, "description": "Pipes", "paid": False}
    keep("purchase_orders", stamped)
    keep("purchase_orders", {**stamped, "_etag": "c"})
    page = order.send("GET", "/objects/purchase_orders/7").text
    summaries = [text(one + "</summary>", "summary") for one in page.split("</summary>")[:-1]]
    versions = [one.partition("Version ")[2] for one in summaries if "Version " in one]
    assert [one.rpartition(",")[0].strip() for one in versions] == [
        "3: No visible change",
        "2: Description, Paid",
        "1: create",
    ]
    second = page.partition('<details id="version-2"')[2].partition('id="version-1"')[0]
    assert second.index("Pipes") < second.index("2 technical fields") < second.index("Last session")


def test_time_at_midnight_is_shown_as_a_date(order: Any, keep: Callable[..., None]) -> None:
    keep("receipts", {"id": 1, "receivedAt": "2026-12-01T00:00:00.000000+00:00"})
    keep("receipts", {"id": 2, "receivedAt": "2026-12-02T08:30:00"})
    for path in ("/objects/receipts", "/objects/receipts/1"):
        page = order.send("GET", path).text
        assert (
            '<time datetime="2026-12-01T00:00:00.000000+00:00" class="nowrap">2026-12-01<' in page
        )
    assert "2026-12-02 08:30:00" in order.send("GET", "/objects/receipts").text


def test_every_resource_has_default_columns_that_the_mirror_reads() -> None:
    for resource in load_catalog().mirrorable:
        names = resource_label(resource.name).columns
        assert [name for name in names if name in columns(resource) and is_read(name)], resource
        assert set(names) <= columns(resource).keys()
        assert not {"_etag", "depth", "avatar"} & set(names)


def test_one_term_for_inventory_items() -> None:
    labels = {field_label(field.name).label for r in load_catalog().mirrored for field in r.fields}
    assert "Inventory item" in labels
    assert not [one for one in labels if re.search("[Pp]arts? inventor", one)]
    assert field_label("buildRequirements").label == "Build requirements"


def test_lists_and_objects_report_an_unreadable_ion(order: Any) -> None:
    pages = ("/objects/purchase_orders/7", "/objects/purchase_orders?integration=1")
    text = "Changes in ION since then are not shown here."
    assert all(text not in order.send("GET", page).text for page in pages)
    order.hub.database.write_now(controller_status.record, {1: "ION does not respond: refused."})
    found = [order.send("GET", page).text for page in pages]

    assert all(text in page and "ION does not respond: refused." in page for page in found)


def test_lists_and_objects_report_webhooks_that_cannot_arrive(order: Any) -> None:
    pages = ("/objects/purchase_orders/7", "/objects/purchase_orders?integration=1")
    database = order.hub.database

    def shown(text: str) -> list[bool]:
        return [text in " ".join(order.send("GET", page).text.split()) for page in pages]

    def set_up(connection: Any) -> None:
        url, _ = webhook_urls.create_url(connection, "test", 1, "Violet")
        webhook_urls.set_subscribed(connection, url.id)

    database.write_now(set_up)
    moved = Finding("receiver", "error", "Receiver 3 posts to another address", "", None, "address")
    database.write_now(finding_store.add_findings, 1, [moved])
    assert shown("Receiver 3 posts to another address.") == [True, True]
    assert shown("Changes in ION arrive only with the next sync.") == [True, True]
    database.write_now(controller_status.record, {1: "ION does not respond: refused."})
    assert shown("Changes in ION since then are not shown here.") == [True, True]
    missing = Finding("receiver", "error", "3 subscriptions are missing", "", None, "missing")
    database.write_now(finding_store.save_findings, 1, ("receiver",), [missing])
    database.write_now(controller_status.record, {1: None})
    assert shown("Changes without a subscription arrive only with the next sync.") == [True, True]

    database.write_now(finding_store.save_findings, 1, ("receiver",), [])
    assert shown("next sync") == [False, False]
    database.write_now(controller_status.record, {1: "Invalid client credentials"})
    assert shown("Changes still arrive by webhooks, but the hub cannot read them") == [True, True]
    assert shown("are not shown here") == [False, False]


def test_inventory_item_of_an_issue_is_a_link(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("parts_inventory", {"id": 41, "serialNumber": "SN-41"})
    keep("issues", {"id": 4, "title": "Scratched", "partInventoryId": 41})
    page = signed_in.send("GET", "/objects/issues/4").text
    assert re.search(r"/objects/parts_inventory/41[^>]*>\s*SN-41", page), text(page)
    assert "Scratched" in text(signed_in.send("GET", "/objects/parts_inventory/41").text)
    assert signed_in.get("/objects/issues/4")["links"]["partInventory"]["title"] == "SN-41"


def test_fields_follow_the_main_list_and_further_lists_are_short_or_folded(
    order: Any, keep: Callable[..., None]
) -> None:
    keep("users", {"id": 5, "name": "Ada"})
    linked = {"assignedToId": 5, "supervisorId": 5, "receivedById": 5}
    for resource in ("purchase_orders", "runs", "issues", "locations", "teams", "receipts"):
        keep(resource, *({"id": n, **linked} for n in range(101, 113)))
    page = order.send("GET", "/objects/purchase_orders/7").text
    assert page.index("Purchase order lines by") < page.index('aria-label="Details"')

    page = order.send("GET", "/objects/users/5").text
    shown, _, folded = page.partition('<details id="more-lists">')
    first, _, further = shown.partition('aria-label="Details"')
    assert [part.count("View all") for part in (first, further, folded)] == [1, 3, 2]
    assert "<summary>2 more lists</summary>" in folded
    tables = re.findall(r'<table class="cards">.*?</table>', page, re.DOTALL)
    assert [table.count("<tr>") for table in tables] == [1 + 5] * 6
