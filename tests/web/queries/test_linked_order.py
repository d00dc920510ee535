"""Lists, pages and exports in the order of a field of linked objects, on both databases."""

import csv
import html
import json
import re
from collections.abc import Callable
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from ultraviolet.mirror import linked_order

PATHS = [
    "purchaseOrder.supplier.name",
    "purchaseOrder.cost",
    "purchaseOrder.orderedAt",
    "purchaseOrder.paid",
    "purchaseOrder.status",
    "purchaseOrder.supplierId",
]
TEXTS = ("purchaseOrder.supplier.name", "purchaseOrder.status")
SUPPLIERS = {1: "Acme", 2: "borealis", 3: "ACME", 4: None, 5: 77, 6: "Deleted", 7: "☃ & Co"}
TIMES = ["2026-11-20T00:00:00Z", "2026-11-20T00:30:00+01:00", None, "soon"]
ORDERS: dict[int, dict[str, Any]] = {
    n: {
        "id": n,
        "supplierId": [*SUPPLIERS, 99, None, "x"][n % 10],
        "cost": [10, -2.5, None, 1e9, "cheap"][n % 5],
        "orderedAt": TIMES[n % 4],
        "paid": [True, False, None][n % 3],
        "status": ["ORDERED", "DRAFT"][n % 2],
    }
    for n in range(1, 31)
}
LINES = {
    n: {"id": n, "purchaseOrderId": [*ORDERS, 500, None][n % 32], "quantity": n % 4}
    for n in range(95, 160)
}
DELETED = {("suppliers", 6), ("purchase_orders", 12), ("purchase_order_lines", 100)}
SECONDS = {TIMES[0]: 1800, TIMES[1]: 0}


@pytest.fixture
def lines(signed_in: Any, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(linked_order, "_FIRST_TARGETS", 3)
    keep("suppliers", *({"id": n, "name": name} for n, name in SUPPLIERS.items()))
    keep("purchase_orders", *ORDERS.values())
    keep("purchase_order_lines", *LINES.values())
    for resource, id_ in DELETED:
        signed_in.hub.database.write_now(delete, resource, str(id_))
    return signed_in


def delete(connection: Any, resource: str, id_: str) -> None:
    """Delete an object as the mirror does: its links are removed."""
    where = f"integration_id = 1 AND id = '{id_}'"
    connection.exec_driver_sql(
        f"UPDATE objects SET deleted_at = changed_at WHERE resource = '{resource}' AND {where}"
    )
    connection.exec_driver_sql(
        f"DELETE FROM links WHERE {where}"
        f" AND kind IN (SELECT id FROM link_kinds WHERE resource = '{resource}')"
    )


def value(line: dict[str, Any], path: str) -> Any:
    """Return the value by which a line is sorted; None if it has none."""
    order = ORDERS.get(line["purchaseOrderId"])
    if order is None or ("purchase_orders", order["id"]) in DELETED:
        return None
    found = order.get(path.removeprefix("purchaseOrder."))
    match path:
        case "purchaseOrder.supplier.name":
            name = SUPPLIERS.get(order["supplierId"])
            is_deleted = ("suppliers", order["supplierId"]) in DELETED
            return name.lower() if isinstance(name, str) and not is_deleted else None
        case "purchaseOrder.orderedAt":
            return SECONDS.get(found)
        case "purchaseOrder.status":
            return found.lower()
        case _:
            return None if isinstance(found, str) else found


def expected(path: str, *, down: bool, where: Callable[[dict[str, Any]], bool]) -> list[str]:
    """Return the ids of lines in order; those without a value come first in ascending order."""
    chosen = [line for n, line in LINES.items() if ("purchase_order_lines", n) not in DELETED]
    first: Any = "" if path in TEXTS else float("-inf")
    found = [(value(line, path), line["id"]) for line in chosen if where(line)]
    found = [(first if key is None else key, id_) for key, id_ in found]
    found.sort(reverse=down)
    return [str(id_) for _, id_ in found]


def all_ids(edge: Any, query: str) -> list[str]:
    """Return the ids of all pages of a list of the API."""
    cursor, found = "", list[str]()
    while True:
        page = edge.get(f"/objects/purchase_order_lines?limit=7&{query}{cursor}")
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={quote(page['next'])}"


def test_lists_and_exports_follow_a_linked_field(lines: Any, subtests: pytest.Subtests) -> None:
    some = quote(json.dumps({"quantity": {"gt": 0}}))
    for path, sign in product(PATHS, ("", "-")):
        with subtests.test(path, sign=sign):
            order = f"sort={sign}{path}"
            every = expected(path, down=bool(sign), where=lambda _: True)
            assert all_ids(lines, order) == every
            filtered = expected(path, down=bool(sign), where=lambda line: line["quantity"] > 0)
            assert all_ids(lines, f"{order}&filter={some}") == filtered
            assert all_ids(lines, f"{order}&state=fresh") == every
            exported = lines.api("GET", f"/exports/purchase_order_lines?column=id&{order}").text
            assert [row["id"] for row in csv.DictReader(exported.splitlines())] == every


def test_next_and_previous_page_continue_the_linked_order(
    lines: Any, subtests: pytest.Subtests
) -> None:
    address = "/objects/purchase_order_lines"
    for sign in ("", "-"):
        with subtests.test(sign):
            every = expected(PATHS[0], down=bool(sign), where=lambda _: True)
            first = lines.send("GET", f"{address}?sort={sign}{PATHS[0]}").text
            second = follow(lines, address, first, "next")
            back = follow(lines, address, second, "prev")

            assert [shown(page) for page in (first, second, back)] == [
                every[:50],
                every[50:],
                every[:50],
            ]


def shown(page: str) -> list[str]:
    return re.findall(r'id="object-(\d+)"', page)


def follow(edge: Any, address: str, page: str, rel: str) -> str:
    found = re.search(rf'href="(\?[^"]+)" rel="{rel}"', page)
    assert found
    return edge.send("GET", address + html.unescape(found[1])).text


def test_header_of_a_linked_column_sorts(lines: Any) -> None:
    address = "/objects/purchase_order_lines"
    column = "column=quantity&column=purchaseOrder.supplier.name"
    page = lines.send("GET", f"{address}?integration=1&{column}").text
    heads = re.findall(r'<th[^>]*>\s*<a href="([^"]*)">([^<]*)', page)
    [upwards] = [html.unescape(href) for href, label in heads if label.endswith("Name")]

    sorted_page = lines.send("GET", address + upwards).text

    [head] = re.findall(r'<th aria-sort="(\w+)">\s*<a href="([^"]*)">', sorted_page)
    assert head[0] == "ascending"
    assert "sort=-purchaseOrder.supplier.name" in html.unescape(head[1])
    assert shown(sorted_page) == expected(PATHS[0], down=False, where=lambda _: True)[:50]


def test_column_of_a_link_is_sorted_by_the_shown_name(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("suppliers", {"id": 1, "name": "Zinc"}, {"id": 2, "name": "Acme"})
    keep("purchase_orders", {"id": 8, "supplierId": 1}, {"id": 9, "supplierId": 2})
    address = "/objects/purchase_orders"
    column = "column=supplierId"
    page = signed_in.send("GET", f"{address}?integration=1&{column}").text
    [upwards] = re.findall(r'<th>\s*<a href="([^"]*)">Supplier<', page)

    sorted_page = signed_in.send("GET", address + html.unescape(upwards)).text

    assert shown(sorted_page) == ["9", "8"]
    assert re.findall(r'<th aria-sort="(\w+)">\s*<a[^>]*>([^<]*)<', sorted_page) == [
        ("ascending", "Supplier")
    ]
    assert "Supplier › Name" not in sorted_page
    by_id = signed_in.send("GET", f"{address}?{column}&sort=supplierId").text
    assert shown(by_id) == ["8", "9"]


def test_sort_column_is_shown_and_kept_in_a_view(lines: Any) -> None:
    address = "/objects/purchase_order_lines"
    lines.submit(f"{address}/views", name="By supplier", query=f"sort=-{PATHS[0]}")

    page = lines.send("GET", f"{address}?sort=-{PATHS[0]}").text

    assert f"sort=-{PATHS[0]}" in page
    assert re.search(
        r'<th aria-sort="descending">\s*<a[^>]*>Purchase order › Supplier › Name', page
    )


@pytest.mark.parametrize("path", ["purchaseOrder.nonsense", "nonsense.name", "purchaseOrder."])
def test_unknown_linked_field_is_refused(lines: Any, path: str) -> None:
    answer = lines.api("GET", f"/objects/purchase_order_lines?sort={path}")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "sort")


def test_authors_have_no_listed_links_but_sort_and_filter(signed_in: Any, keep: Any) -> None:
    keep("users", {"id": 1, "name": "Bo"}, {"id": 2, "name": "Ada"})
    keep("suppliers", *({"id": n, "createdById": [1, 2, None][n % 3]} for n in range(6)))

    def ids(query: str) -> list[str]:
        return [one["id"] for one in signed_in.get(f"/objects/suppliers?{query}")["items"]]

    assert ids("sort=createdBy.name") == ["2", "5", "1", "4", "0", "3"]
    assert ids("sort=-createdBy.name") == ["3", "0", "4", "1", "5", "2"]
    assert ids('filter={"createdBy": {"name": {"eq": "Ada"}}}') == ["1", "4"]
