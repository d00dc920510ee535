"""The objects pages: a resource as a table one can sort, filter and keep; an object with its links and history."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.web.conftest import NEW

from ultraviolet import clock
from ultraviolet.web.pages.objects.history_slider import history_slider, moment
from ultraviolet.web.queries.versions import VersionStart


@pytest.fixture
def plant(signed_in: Any, keep: Callable[..., None]) -> Any:
    """A hub that knows a supplier, its orders and their lines."""
    keep("suppliers", {"id": 4, "name": "Bolts & Co"})
    orders = [
        {
            "id": n,
            "description": f"Order {n}",
            "status": "REQUESTED" if n % 2 else "RECEIVED",
            "cost": 100 - n,
            "supplierId": 4,
        }
        for n in range(1, 121)
    ]
    keep("purchase_orders", *orders)
    keep(
        "purchase_order_lines",
        {"id": 900, "purchaseOrderId": 17, "quantity": 5},
        {"id": 901, "purchaseOrderId": 17},
    )
    return signed_in


def ids(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'id="object-(\d+)"', page)]


def test_a_table_is_sorted_by_what_its_head_says(plant: Any) -> None:
    upwards = plant.send("GET", "/objects/purchase_orders?sort=cost").text
    assert ids(upwards)[:3] == [120, 119, 118]
    assert 'aria-sort="ascending"' in upwards
    assert ids(plant.send("GET", "/objects/purchase_orders?sort=-cost").text)[:3] == [1, 2, 3]
    assert ids(plant.send("GET", "/objects/purchase_orders?sort=id").text)[:3] == [1, 2, 3]
    assert plant.send("GET", "/objects/purchase_orders?sort=nonsense").status_code == 422


def test_pages_follow_each_other_without_gap_or_double(
    plant: Any, subtests: pytest.Subtests
) -> None:
    for order in ("cost", "-cost", "status", "-status", "id", "changed", "-changed", "description"):
        with subtests.test(order=order):
            address, seen = f"/objects/purchase_orders?sort={order}", list[int]()
            while address:
                page = plant.send("GET", address).text
                seen += ids(page)
                found = re.search(r'href="(\?[^"]*cursor=[^"]+)"', page)
                address = (
                    f"/objects/purchase_orders{found.group(1)}".replace("&amp;", "&")
                    if found
                    else ""
                )
            assert sorted(seen) == list(range(1, 121))
            assert len(seen) == 120


def test_conditions_narrow_a_table(plant: Any, subtests: pytest.Subtests) -> None:
    for where, expected in {
        "cost:is:95": [5],
        "cost:from:98": [1, 2],
        "cost:to:-19": [119, 120],
        "description:is:order 7": [7],
        "description:has:ER 11": [11, *range(110, 120)],
        "supplierId:not:4": [],
        "description:empty:": [],
    }.items():
        with subtests.test(where=where):
            page = plant.send(
                "GET", "/objects/purchase_orders", params={"where": where, "sort": "id"}
            ).text
            assert expected == ids(page)


def test_a_time_is_compared_however_it_is_written(
    plant: Any, keep: Callable[..., None], subtests: pytest.Subtests
) -> None:
    keep(
        "parts",
        {"id": 1, "_created": "2026-11-24T08:00:00+00:00"},
        {"id": 2, "_created": "2026-11-24T21:00:00.500000+00:00"},
        {"id": 3, "_created": "2026-11-25T00:00:00+00:00"},
        {"id": 4},
    )
    for where, expected in {
        "from:2026-11-24T08:00:00Z": [1, 2, 3],
        "from:2026-11-24T08:00:00.000001Z": [2, 3],
        "from:2026-11-24 21:00": [2, 3],
        "from:2026-11-24T23:00:00.5+02:00": [2, 3],
        "from:2026-11-25": [3],
        "to:2026-11-24T21:00:00.50Z": [1, 2],
        "to:2026-11-24T21:00:00Z": [1],
        "is:2026-11-24T09:00:00+01:00": [1],
        "is:2026-11-24T21:00:00.5": [2],
        "not:2026-11-25T00:00": [1, 2, 4],
        "has:24T21": [2],
    }.items():
        with subtests.test(where=where):
            asked = {"where": f"_created:{where}", "sort": "id"}
            assert expected == ids(plant.send("GET", "/objects/parts", params=asked).text)
    assert plant.send("GET", "/objects/parts?where=_created:from:noon").status_code == 422


def test_a_time_beyond_the_years_there_are_is_shown_as_it_is(
    plant: Any, keep: Callable[..., None]
) -> None:
    last = "9999-12-31T23:59:59-05:00"
    keep("parts", {"id": 1, "_created": last})
    assert last in plant.send("GET", "/objects/parts/1").text
    assert last in plant.send("GET", "/objects/parts?column=_created").text


def test_the_filter_form_adds_to_the_conditions(plant: Any) -> None:
    address = "/objects/purchase_orders?where=status:is:requested&field=cost&operator=from&value=97&sort=id"
    assert ids(plant.send("GET", address).text) == [1, 3]
    assert plant.send("GET", "/objects/purchase_orders?where=cost:is:much").status_code == 422
    assert plant.send("GET", "/objects/purchase_orders?where=nonsense").status_code == 422


def test_each_condition_can_be_dropped_alone(plant: Any) -> None:
    address = "/objects/purchase_orders?where=cost%3Afrom%3A97&sort=id&field=status&operator=is&value=requested"
    page = plant.send("GET", address).text
    form = page.partition('aria-label="Filter Purchase orders"')[2].partition("</form>")[0]
    assert re.findall(r'name="where" value="([^"]*)"', form) == [
        "cost:from:97",
        "status:is:requested",
    ]

    badges = [html.unescape(href) for href in re.findall(r'class="badge" href="([^"]*)"', page)]
    without_cost, without_status = (
        plant.send("GET", f"/objects/purchase_orders{href}").text for href in badges
    )
    assert ids(without_cost) == [*range(1, 100, 2)]
    assert ids(without_status) == [1, 2, 3]


def test_the_search_looks_at_values_of_any_field(plant: Any) -> None:
    assert ids(plant.send("GET", "/objects/purchase_orders?q=order 42").text) == [42]
    assert ids(plant.send("GET", "/objects/purchase_orders?q=description").text) == []


def test_a_saved_view_is_its_owners(plant: Any) -> None:
    kept = plant.submit(
        "/objects/purchase_orders/views", name="Dear", query="where=cost%3Afrom%3A90&cursor=abc"
    )
    assert (kept.status_code, "cursor" in kept.headers["location"]) == (303, False)
    page = plant.send("GET", "/objects/purchase_orders").text
    assert '">Dear</a>' in page
    plant.submit("/objects/purchase_orders/views/1/forget")
    assert '">Dear</a>' not in plant.send("GET", "/objects/purchase_orders").text


def test_forgetting_a_view_leaves_the_table_as_it_is(plant: Any) -> None:
    plant.api("POST", "/integrations", {**NEW, "name": "second"})
    table = "integration=1&where=cost%3Afrom%3A97"
    plant.submit("/objects/purchase_orders/views", name="Dear", query=table)
    page = plant.send("GET", f"/objects/purchase_orders?{table}").text
    sent = re.search(r'/forget">.*?name="query" value="([^"]*)"', page, re.DOTALL)
    assert sent

    done = plant.submit(
        "/objects/purchase_orders/views/1/forget", query=html.unescape(sent.group(1))
    )
    assert done.headers["location"] == f"/objects/purchase_orders?{table}"
    assert sorted(ids(plant.send("GET", done.headers["location"]).text)) == [1, 2, 3]


def test_links_are_followed_both_ways(plant: Any) -> None:
    order = plant.send("GET", "/objects/purchase_orders/17").text
    assert re.search(r'/objects/suppliers/4\?integration=1">Bolts &amp; Co</a>', order)
    assert "/objects/purchase_order_lines/900?" in order
    assert "Purchase order lines" in order
    supplier = plant.send("GET", "/objects/suppliers/4").text
    assert "where=supplierId%3Ais%3A4" in supplier
    assert re.search(r"Purchase orders <span[^>]*>120</span>", supplier)


def test_each_field_says_where_it_comes_from(plant: Any, keep: Callable[..., None]) -> None:
    keep(
        "purchase_orders",
        {"id": 17, "description": "Changed", "status": "REQUESTED", "cost": 83, "supplierId": 4},
    )
    page = plant.send("GET", "/objects/purchase_orders/17").text
    row = re.search(r'<tr>\s*<th scope="row"[^>]*>Description</th>.*?</tr>', page, re.DOTALL)
    assert row
    assert 'href="#version-2"' in row.group()
    assert "confirmed" in page


def test_an_object_is_shown_as_it_was(plant: Any, keep: Callable[..., None]) -> None:
    keep(
        "purchase_orders",
        {"id": 17, "description": "Changed", "status": "REQUESTED", "cost": 83, "supplierId": 4},
    )
    page = plant.send("GET", "/objects/purchase_orders/17?version=1").text
    assert "You are viewing version" in page
    fields = page.partition('aria-label="Details"')[2].partition("</section>")[0]
    assert "Order 17" in fields
    assert "Changed" not in fields


def test_the_object_is_shown_as_of_a_time(plant: Any, keep: Callable[..., None]) -> None:
    between = clock.now_rfc3339()
    keep("purchase_orders", {"id": 17, "description": "Changed", "status": "REQUESTED"})

    page = plant.send("GET", "/objects/purchase_orders/17", params={"at": between}).text
    assert "You are viewing version" in page
    fields = page.partition('aria-label="Details"')[2].partition("</section>")[0]
    assert "Order 17" in fields
    assert "Changed" not in fields
    assert page.partition('class="life"')[2].partition("</svg>")[0].count("<rect") == 2
    assert "Next version" in page
    now = plant.send("GET", "/objects/purchase_orders/17").text
    assert "You are viewing version" not in now
    assert "Previous version" in now
    early = plant.send("GET", "/objects/purchase_orders/17?at=2001-01-01T00:00").text
    assert re.search(r"did not exist in the mirror at\s+<time[^>]*>2001-01-01 00:00:59", early)
    assert plant.send("GET", "/objects/purchase_orders/17?at=tomorrow").status_code == 422


def test_a_time_to_the_second_means_its_end() -> None:
    assert moment("2026-11-24T12:03:07") == "2026-11-24T12:03:07.999999+00:00"
    assert moment("2026-11-24T12:03") == "2026-11-24T12:03:59.999999+00:00"
    assert moment("2026-11-24T12:03:07.5Z") == "2026-11-24T12:03:07.500000+00:00"
    assert moment("2026-11-24T14:03:07+02:00") == "2026-11-24T12:03:07.999999+00:00"
    assert moment("") is None


def test_the_slider_spans_a_life() -> None:
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    moments = [
        VersionStart(n, clock.format_rfc3339(begin + timedelta(days=n))) for n in range(1, 6)
    ]
    found = history_slider(moments, 3, moments[2].observed_at, begin + timedelta(days=11))

    assert (found.end - found.start) % found.step == 0
    assert found.start == int((begin + timedelta(days=1)).timestamp())
    assert found.end >= int((begin + timedelta(days=11)).timestamp())
    assert [round(mark.x) for mark in found.marks] == [0, 100, 200, 300, 400]
    assert found.value - found.start == 2 * 86400
    assert (found.earlier, found.later) == (moments[1], moments[3])
