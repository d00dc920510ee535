"""The exports that a list of objects links to contain the rows and columns of the list."""

import csv
import html
import io
import json
import re
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from pyarrow import parquet

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.labels import field_label
from ultraviolet.mirror import export, xlsx


@pytest.fixture
def orders(signed_in: Any, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hub with 70 orders, more than one page of a list, exported in several batches."""
    monkeypatch.setattr(export, "PAGE_ROWS", 30)
    keep("suppliers", {"id": 4, "name": "Bolts & Co"})
    made = [
        {
            "id": n,
            "description": f"50% of Order {n}" if n % 3 else None,
            "status": "ORDERED" if n % 2 else "RECEIVED",
            "cost": (n * 7) % 71,
            "supplierId": 4 if n % 5 else None,
        }
        for n in range(1, 71)
    ]
    keep("purchase_orders", *made)
    keep("purchase_orders", *({**order, "cost": 99} for order in made[10:13]))
    signed_in.hub.database.write_now(
        lambda connection: (
            connection.exec_driver_sql(
                "UPDATE objects SET deleted_at = changed_at"
                " WHERE resource = 'purchase_orders' AND id IN ('20', '21')"
            )
            and None
        )
    )
    return signed_in


def listed(edge: Any, query: str) -> tuple[list[str], list[str], str]:
    """Return the ids of all pages of a list, its column heads, and its first page."""
    address, ids = f"/objects/purchase_orders?{query}", list[str]()
    first = edge.send("GET", address).text
    page = first
    while True:
        ids += re.findall(r'id="object-(\d+)"', page)
        following = re.search(r'href="(\?[^"]*cursor=[^"]+)" rel="next"', page)
        if following is None:
            break
        page = edge.send("GET", f"/objects/purchase_orders{html.unescape(following[1])}").text
    heads = re.findall(r"<th(?: [^>]*)?>\s*(?:<a[^>]*>)?\s*([^<]*?)\s*<", first)
    return ids, heads, first


def exported(edge: Any, page: str, as_format: str) -> bytes:
    link = re.search(rf'href="(/api/v1/exports/[^"]*format={as_format})"', page)
    assert link
    answer = edge.send("GET", html.unescape(link[1]))
    assert answer.status_code == 200, answer.text
    return answer.content


LINKED = {"supplier.name": "Supplier › Name"}
LABELS = LINKED | {
    field.column: field_label(field.name).label
    for field in load_catalog().resources["purchase_orders"].fields
}
"""The head of each column in a list, by its name in an export."""
CASES = [
    ("", 68),
    ("where=status:is:ordered", 34),
    ("where=status:not:ORDERED&where=cost:from:30&sort=-cost", None),
    ("where=description:empty:", 22),
    ("where=description:has:50%25%20of%20order%202", None),
    ("where=supplierId:is:4&sort=supplierId", None),
    ("where=status:from:p", 34),
    ("q=order%207", None),
    ("state=deleted", 2),
    ("state=stale", 0),
    ("sort=description", 68),
    ("sort=-status&column=cost&column=status&column=supplier.name", 68),
    ("where=cost:lt:10&where=or&where=supplier.name:is:bolts%20%26%20co", None),
    ("sort=cost&where=status:is:ORDERED&q=order&state=fresh&column=description", None),
]


def test_export_has_the_rows_and_columns_of_its_list(
    orders: Any, subtests: pytest.Subtests
) -> None:
    for query, number in CASES:
        with subtests.test(query=query):
            ids, heads, page = listed(orders, query)
            assert number in (None, len(ids))
            assert ids or number == 0

            rows = list(csv.reader(io.StringIO(exported(orders, page, "csv").decode())))

            assert [row[0] for row in rows[1:]] == ids
            assert (rows[0][0], rows[0][-2:]) == ("id", ["mirror_state", "mirror_changed_at"])
            if ids:
                shown = heads[1:-1]
                assert shown == [
                    LABELS[name]
                    for name in rows[0][1:-2]
                    if f"{name}_id" not in rows[0] and name != "currency"
                ]
                states = {"deleted"} if "state=deleted" in query else {"fresh"}
                assert {row[-2] for row in rows[1:]} == states


def test_all_formats_have_the_same_rows(orders: Any) -> None:
    ids, _, page = listed(orders, "where=cost:to:40&sort=-cost&column=cost")
    assert len(ids) > 1
    lines = [json.loads(line) for line in exported(orders, page, "jsonl").splitlines()]
    table = parquet.read_table(io.BytesIO(exported(orders, page, "parquet")))
    assert [line["id"] for line in lines] == table.column("id").to_pylist() == ids
    assert [line["cost"] for line in lines] == table.column("cost").to_pylist()
    assert list(lines[0]) == ["id", "cost", "currency", "mirror_state", "mirror_changed_at"]
    book = openpyxl.load_workbook(io.BytesIO(exported(orders, page, "xlsx")), read_only=True)
    head, *rows = book.active.iter_rows(values_only=True)
    assert list(head) == ["ID", "Cost", "Currency", "Sync state", "Changed"]
    assert len(head) == len(table.column_names)
    assert [(str(row[0]), row[1]) for row in rows] == [(line["id"], line["cost"]) for line in lines]


def test_amounts_keep_their_currency(orders: Any, keep: Callable[..., None]) -> None:
    keep("currencies", {"id": 2, "code": "EUR", "title": "EUR"}, {"id": 3, "title": "GBP"})
    keep("purchase_orders", {"id": 101, "cost": 5, "currencyId": 2, "status": "DRAFT"})
    keep("purchase_orders", {"id": 102, "cost": 6, "currencyId": 3, "status": "DRAFT"})
    keep("purchase_order_lines", {"id": 1, "purchaseOrderId": 102, "cost": 1.1, "quantity": 2})
    query = "column=cost&column=currencyId&where=status:is:DRAFT&sort=id"
    page = orders.send("GET", f"/objects/purchase_orders?{query}").text
    rows = list(csv.reader(io.StringIO(exported(orders, page, "csv").decode())))
    assert [row[1:4] for row in rows] == [
        ["cost", "currency", "currency_id"],
        ["5.0", "EUR", "2"],
        ["6.0", "GBP", "3"],
    ]
    page = orders.send("GET", "/objects/purchase_order_lines").text
    for as_format in ("jsonl", "parquet", "xlsx", "csv"):
        content = exported(orders, page, as_format)
        if as_format == "jsonl":
            assert (row := json.loads(content))["currency"] == "GBP"
            assert list(row)[list(row).index("cost") + 1] == "currency"
        elif as_format == "parquet":
            table = parquet.read_table(io.BytesIO(content))
            assert table.column("currency").to_pylist() == ["GBP"]
        elif as_format == "xlsx":
            head, row = openpyxl.load_workbook(io.BytesIO(content)).active.values
            assert row[head.index("Currency")] == "GBP"
        else:
            [line] = csv.DictReader(io.StringIO(content.decode()))
            assert (line["cost"], line["currency"]) == ("1.1", "GBP")


def test_list_too_large_for_excel_is_reported_before_the_download(
    orders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "MAX_ROWS", 60)
    answer = orders.api("GET", "/exports/purchase_orders?format=xlsx")
    assert answer.status_code == 422
    assert "68 rows" in answer.json()["detail"]
    assert orders.api("GET", "/exports/purchase_orders?format=csv").status_code == 200


def test_api_exports_contain_the_listed_objects(orders: Any) -> None:
    for query in (
        "sort=-cost",
        "filter=%7B%22cost%22%3A%7B%22gt%22%3A40%7D%7D&sort=cost",
        "state=any&sort=changed",
        "q=order&state=fresh",
    ):
        items = orders.get(f"/objects/purchase_orders?{query}&limit=1000")["items"]
        answer = orders.api("GET", f"/exports/purchase_orders?{query}&column=id&column=supplierId")
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert rows[0] == ["id", "supplier", "supplier_id"], query
        assert {tuple(row[1:]) for row in rows[1:]} <= {("Bolts & Co", "4"), ("", "")}, query
        assert [row[0] for row in rows[1:]] == [item["id"] for item in items], query
        assert len(rows) > 1, query


def test_csv_for_excel_has_recognizable_dates_and_booleans(
    orders: Any, keep: Callable[..., None]
) -> None:
    order = {
        "id": 900,
        "needDate": "2027-01-08T00:00:00.000000+00:00",
        "orderedAt": "2026-12-01T09:30:15+01:00",
        "paid": False,
        "isOpen": True,
        "editable": "true",
        "description": "=1+1",
        "estimatedTotalCost": 12.0,
        "currencyId": 7,
        "supplierId": 4,
    }
    keep("purchase_orders", order)
    names = [*order, "supplier.name"]
    columns = "&".join(f"column={name}" for name in names)
    wanted = "filter=%7B%22id%22%3A%7B%22eq%22%3A900%7D%7D"
    answer = orders.api("GET", f"/exports/purchase_orders?{wanted}&{columns}&for_spreadsheets=true")
    text = answer.content.decode("utf-8-sig")
    assert len(text.encode()) + 3 == len(answer.content), "a byte order mark"
    [head, row] = csv.reader(io.StringIO(text))
    assert head[-1] == "Supplier › Name"
    assert row == [
        *("900", "2027-01-08", "2026-12-01 08:30:15", "FALSE", "TRUE", "TRUE", "'=1+1", "12"),
        *("Currency 7", "7"),  # a link to an object that the mirror does not have
        *("Bolts & Co", "4", "Bolts & Co"),
    ]


def test_formats_for_people_have_the_labels_of_the_list(
    orders: Any, keep: Callable[..., None]
) -> None:
    """Programs get names and codes."""
    keep("purchase_order_lines", {"id": 5, "purchaseOrderId": 7, "status": "PARTIALLY_RECEIVED"})
    names = ["id", "status", "purchaseOrderId", "purchaseOrder.status", "mirror_state"]
    query = "&".join(f"column={name}" for name in names)
    address = f"/exports/purchase_order_lines?{query}"
    head = ["ID", "Status", "Purchase order", "Purchase order ID", "Purchase order › Status"]
    values = ["Partially received", "Purchase order 7", "7", "Ordered", "fresh"]

    sheet = csv.reader(
        orders.api("GET", f"{address}&for_spreadsheets=true")
        .content.decode("utf-8-sig")
        .split("\r\n")
    )
    book = openpyxl.load_workbook(
        io.BytesIO(orders.api("GET", f"{address}&format=xlsx").content), read_only=True
    )
    raw = orders.api("GET", f"{address}&format=jsonl").json()

    assert [row for row in sheet if row] == [[*head, "Sync state"], ["5", *values]]
    excel = list(book.active.iter_rows(values_only=True))
    assert [[str(cell) for cell in row] for row in excel] == [[*head, "Sync state"], ["5", *values]]
    assert (excel[1][0], excel[1][3]) == (5, 7), "an id is a number, so that lookups find it"
    assert (raw["status"], raw["purchase_order.status"]) == ("PARTIALLY_RECEIVED", "ORDERED")


def test_unknown_column_is_rejected_with_a_suggestion(orders: Any) -> None:
    answer = orders.api("GET", "/exports/purchase_orders?column=statuss")
    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert (problem["field"], problem["source"]) == ("column", "query")
    assert "Did you mean status?" in problem["message"]


def test_pages_and_api_filter_equally(orders: Any) -> None:
    for where, written in (
        ("status:is:ordered", {"status": {"ilike": "ordered"}}),
        ("status:from:p", {"status": {"gte": "P"}}),
        ("status:to:ordered", {"status": {"lte": "ORDERED"}}),
        ("cost:to:40", {"cost": {"lte": 40}}),
        ("description:has:50%", {"description": {"like": "%50\\%%"}}),
        ("supplierId:is:4", {"supplier": {"name": {"eq": "Bolts & Co"}}}),
    ):
        by_page = orders.send(
            "GET", "/objects/purchase_orders", params={"where": where, "sort": "id"}
        ).text
        shown = re.findall(r'id="object-(\d+)"', by_page)
        by_api = orders.send(
            "GET",
            "/api/v1/objects/purchase_orders",
            params={"filter": json.dumps(written), "limit": 50},
        ).json()["items"]
        assert shown == [item["id"] for item in by_api], where
        assert shown
