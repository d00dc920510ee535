"""The objects pages: tables to sort, filter and save; objects with links and history."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection
from tests.web.conftest import NEW

from ultraviolet import clock
from ultraviolet.db.tables.mirror import objects
from ultraviolet.web.pages.objects.history_slider import history_slider, moment
from ultraviolet.web.queries.object_lists import count as list_count
from ultraviolet.web.queries.versions import VersionStart


@pytest.fixture
def plant(signed_in: Any, keep: Callable[..., None]) -> Any:
    """A hub with a supplier, its orders and their lines."""
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


def test_table_is_sorted_by_the_selected_column(plant: Any) -> None:
    upwards = plant.send("GET", "/objects/purchase_orders?sort=cost").text
    assert ids(upwards)[:3] == [120, 119, 118]
    assert 'aria-sort="ascending"' in upwards
    assert ids(plant.send("GET", "/objects/purchase_orders?sort=-cost").text)[:3] == [1, 2, 3]
    assert ids(plant.send("GET", "/objects/purchase_orders?sort=id").text)[:3] == [1, 2, 3]
    assert plant.send("GET", "/objects/purchase_orders?sort=nonsense").status_code == 422


def test_pages_neither_repeat_nor_skip_objects(plant: Any, subtests: pytest.Subtests) -> None:
    for order in ("cost", "-cost", "status", "-status", "id", "changed", "-changed", "description"):
        with subtests.test(order=order):
            address, seen = f"/objects/purchase_orders?sort={order}", list[int]()
            while address:
                page = plant.send("GET", address).text
                seen += ids(page)
                found = re.search(r'href="(\?[^"]*cursor=[^"]+)" rel="next"', page)
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


def test_times_are_compared_in_any_notation(
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


def test_time_beyond_the_last_year_is_shown_unchanged(
    plant: Any, keep: Callable[..., None]
) -> None:
    last = "9999-12-31T23:59:59-05:00"
    keep("parts", {"id": 1, "_created": last})
    assert last in plant.send("GET", "/objects/parts/1").text
    assert last in plant.send("GET", "/objects/parts?column=_created").text


def test_filter_builder_adds_changes_and_removes_conditions(plant: Any) -> None:
    address = "/objects/purchase_orders"
    picker = plant.send("GET", f"{address}/filter?sort=id").text
    names = re.findall(r'name="field" value="([^"]*)"', picker)
    assert {"status", "supplierId", "supplier.name"} <= set(names)
    assert names.index("supplier.name") < names.index("_etag")
    editor = plant.send("GET", f"{address}/filter?sort=id&field=status").text
    assert {"REQUESTED", "RECEIVED"} <= set(re.findall(r'name="value" value="(\w+)"', editor))

    def apply(query: str) -> str:
        """Submit the form of a condition; return the query of the list."""
        answer = plant.send("GET", f"{address}/filter?{query}&apply=1")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].partition("?")[2]

    first = apply("sort=id&field=status&operator=any&value=REQUESTED&value=DRAFT")
    both = apply(f"{first}&field=cost&operator=from&value=97")
    assert ids(plant.send("GET", f"{address}?{both}").text) == [1, 3]
    either = apply(f"{both}&field=cost&operator=between&value=-20&upper=-19&group=1")
    assert ids(plant.send("GET", f"{address}?{either}").text) == [1, 3, 119, 120]
    less = apply(f"{either}&field=cost&operator=from&value=99&edit=1")
    page = plant.send("GET", f"{address}?{less}").text
    assert ids(page) == [1, 119, 120]
    chips = re.findall(r'title="Edit filter">([^<]*)</a>', page)
    assert chips == [
        "Status is any of Requested or Draft",
        "Cost ≥ 99",
        "Cost is between -20 and -19",
    ]
    removed = re.findall(r'class="remove" href="([^"]*)"', page)
    assert [ids(plant.send("GET", address + html.unescape(link)).text) for link in removed] == [
        [1, 119, 120],
        [*range(1, 100, 2), 119, 120][:50],
        [1],
    ]


def test_invalid_value_is_explained_in_the_form(plant: Any) -> None:
    address = "/objects/purchase_orders/filter?field=cost&operator=is&apply=1"
    for value, reason in (("much", "Cost must be a number"), ("", "Enter a value.")):
        answer = plant.send("GET", f"{address}&value={value}")
        assert answer.status_code == 422
        assert reason in answer.text
        assert f'name="value" inputmode="decimal" value="{value}"' in answer.text
    for where in ("cost:is:much", "nonsense", "cost:is", "nobody.name:is:x", "cost:above:status"):
        assert plant.send("GET", f"/objects/purchase_orders?where={where}").status_code == 422


def test_value_that_does_not_fit_its_field_is_corrected_in_the_form(
    plant: Any, subtests: pytest.Subtests
) -> None:
    """Both in the form and in the address of a list, which keeps its other conditions."""
    address = "/objects/purchase_orders"
    for condition, reason, kept in (
        ("status:is:REQUESTD", "Did you mean Requested?", 'value="REQUESTD" checked'),
        ("status:not:nonsense", "Use one of: ", 'value="nonsense" checked'),
        ("status:any:RECEIVED,REQUESTD", "“REQUESTD” is not", 'value="RECEIVED" checked'),
        ("status:none:", "is not a value of Status", 'name="operator"'),
        ("cost:is:much", "Cost must be a number; “much” is not.", 'value="much"'),
        ("cost:between:1", "enter two values", 'name="value" inputmode="decimal" value="1"'),
        ("cost:above:status", "cannot be compared", 'value="status" selected'),
        ("cost:today:", "Cost is not a time.", 'name="operator"'),
        ("_created:from:noon", "must be a date such as", 'value="noon"'),
        ("_created:next:ten", "number of days", 'value="ten"'),
        ("editable:is:maybe", "Editable must be yes or no", 'value="maybe" selected'),
        ("supplier.name:today:", "is not a time", 'name="operator"'),
        ("supplierInstructions:gt:5", "supports only", 'name="operator"'),
    ):
        with subtests.test(condition=condition):
            query = {"where": ["id:from:1", condition], "sort": "id"}
            answer = plant.send("GET", address, params=query)
            assert answer.status_code == 422
            assert reason in html.unescape(answer.text)
            assert kept in answer.text
            assert (
                'aria-describedby="form-error"' in answer.text or 'id="form-error"' in answer.text
            )
            assert 'name="where" value="id:from:1"' in answer.text
            assert 'name="edit" value="1"' in answer.text
    applied = plant.send("GET", f"{address}/filter?field=status&operator=any&value=DRAF&apply=1")
    assert (applied.status_code, "Did you mean Draft?" in applied.text) == (422, True)


def test_enum_values_are_written_in_any_case(plant: Any) -> None:
    for where in ("status:is:received", "status:any:Received"):
        page = plant.send("GET", f"/objects/purchase_orders?sort=id&where={where}").text
        assert ids(page)[:2] == [2, 4]
        assert "Status is Received" in page
    others = plant.send("GET", "/objects/purchase_orders?sort=id&where=status:not:received").text
    assert ids(others)[:2] == [1, 3]


def test_flags_are_yes_or_no_however_ion_writes_them(plant: Any, keep: Callable[..., None]) -> None:
    keep(
        "purchase_orders",
        {"id": 1, "editable": "true", "paid": True},
        {"id": 2, "editable": "false"},
    )
    for where in ("editable:is:yes", "editable:is:true", "paid:is:yes"):
        assert ids(plant.send("GET", f"/objects/purchase_orders?where={where}").text) == [1]


def test_time_to_the_minute_means_the_whole_minute(
    plant: Any, keep: Callable[..., None], subtests: pytest.Subtests
) -> None:
    keep(
        "parts",
        {"id": 1, "_created": "2026-11-24T21:00:00+00:00"},
        {"id": 2, "_created": "2026-11-24T21:00:59.500000+00:00"},
        {"id": 3, "_created": "2026-11-24T21:01:00+00:00"},
    )
    for where, expected in {
        "is:2026-11-24T21:00": [1, 2],
        "gt:2026-11-24T21:00": [3],
        "to:2026-11-24T21:00": [1, 2],
        "between:2026-11-24T21:00..2026-11-24T21:00": [1, 2],
    }.items():
        with subtests.test(where=where):
            page = plant.send("GET", f"/objects/parts?sort=id&where=_created:{where}").text
            assert ids(page) == expected
    edited = plant.send(
        "GET", "/objects/parts/filter?where=_created:is:2026-11-24T22:00%2B01:00&edit=0"
    )
    assert 'type="datetime-local" value="2026-11-24T21:00"' in edited.text


def test_linked_object_is_found_by_name(plant: Any, keep: Callable[..., None]) -> None:
    keep("suppliers", {"id": 5, "name": "Bolt World"}, {"id": 6, "name": "Nuts"})
    address = "/objects/purchase_orders/filter?field=supplierId&operator=is&apply=1"
    found = plant.send("GET", f"{address}&value=nuts")
    assert found.headers["location"].endswith("where=supplierId%3Ais%3A6")
    several = plant.send("GET", f"{address}&value=bolt")
    assert (several.status_code, "Several match" in several.text) == (422, True)
    candidates = re.findall(r'href="([^"]*value=\d+&amp;apply=1)"\s*>([^<]*)</a>', several.text)
    assert [label for _, label in candidates] == ["Bolts &amp; Co · 4", "Bolt World · 5"]
    chosen = plant.send("GET", html.unescape(candidates[1][0]))
    assert chosen.headers["location"].endswith("where=supplierId%3Ais%3A5")
    # The form shows the name, and sends the id along; the name may be that of several objects.
    form = plant.send("GET", f"{address.removesuffix('&apply=1')}&value=5").text
    assert 'name="value" value="Bolt World"' in form
    assert 'name="linked" value="5"' in form
    keep("suppliers", {"id": 7, "name": "Nuts"})
    named = plant.send("GET", f"{address}&value=Nuts&linked=7")
    assert named.headers["location"].endswith("where=supplierId%3Ais%3A7")
    # The id of another object than the name does not count.
    named = plant.send("GET", f"{address}&value=Bolt%20World&linked=7")
    assert named.headers["location"].endswith("where=supplierId%3Ais%3A5")
    keep("suppliers", {"id": 7, "name": "Washers"})
    first = plant.send("GET", "/palette?resource=suppliers&integration=1").json()
    assert ("7", "Washers") in {(each["id"], each["title"]) for each in first}
    assert plant.send("GET", f"{address}&value=nobody").status_code == 422
    suggested = plant.send("GET", "/palette?q=bolt&resource=suppliers").json()
    assert {(each["id"], each["title"]) for each in suggested} == {
        ("4", "Bolts & Co"),
        ("5", "Bolt World"),
    }

    second = plant.api("POST", "/integrations", {**NEW, "name": "second"}).json()["id"]
    keep("suppliers", *({"id": n, "name": f"Nuts {n}"} for n in range(100, 160)), into=second)
    found = plant.send("GET", f"{address}&value=nuts&integration=1")
    assert found.headers["location"].endswith("where=supplierId%3Ais%3A6")
    suggested = plant.send("GET", "/palette?q=nuts&resource=suppliers&integration=1").json()
    assert [each["id"] for each in suggested] == ["6"]


def test_fields_of_linked_objects_are_columns_and_filters(plant: Any) -> None:
    chooser = plant.send("GET", "/objects/purchase_order_lines/columns").text
    assert 'value="purchaseOrder.supplierId"' in chooser
    deeper = plant.send(
        "GET", "/objects/purchase_order_lines/columns?path=purchaseOrder.supplier"
    ).text
    assert 'value="purchaseOrder.supplier.name"' in deeper
    query = (
        "where=purchaseOrder.supplier.name:has:bolts&where=quantity:filled:&column=quantity"
        "&column=purchaseOrder.supplierId&column=purchaseOrder.supplier.name"
    )
    page = plant.send("GET", f"/objects/purchase_order_lines?{query}").text
    assert ids(page) == [900]
    assert "Purchase order › Supplier › Name" in page
    assert re.search(r'/objects/suppliers/4\?integration=1">Bolts &amp; Co</a>', page)
    [line] = plant.get(
        "/objects/purchase_order_lines?column=quantity&column=purchaseOrder.supplier.name"
        "&filter=%7B%22quantity%22%3A%7B%22eq%22%3A5%7D%7D"
    )["items"]
    assert (line["fields"], line["linked"]) == (
        {"quantity": 5},
        {"purchaseOrder.supplier.name": "Bolts & Co"},
    )


def test_condition_and_its_negation_cover_the_list(
    plant: Any, keep: Callable[..., None], subtests: pytest.Subtests
) -> None:
    """Also without a value, a link or the linked object, as if its resource is not selected."""
    keep(
        "purchase_orders",
        {"id": 200, "supplierId": 99, "supplierInstructions": []},
        {"id": 201, "supplierInstructions": {"type": "doc"}},
    )
    keep(
        "purchase_order_lines",
        {"id": 902, "purchaseOrderId": 77_777, "quantity": 1},
        {"id": 903, "purchaseOrderId": 200, "needDate": "soon"},
        {"id": 904, "purchaseOrderId": 201, "needDate": "2026-11-24T10:00:00Z"},
        {"id": 905},
    )
    opposites = (("is", "not"), ("has", "hasnot"), ("any", "none"), ("filled", "empty"))
    conditions = (
        ("purchaseOrder.supplier.name", "Bolts & Co", opposites[:2]),
        ("purchaseOrder.status", "RECEIVED,REQUESTED", opposites[2:]),
        ("purchaseOrder.shipToLocation.type", "WAREHOUSE", opposites[2:]),
        ("purchaseOrder.supplierInstructions", "doc", (opposites[1], opposites[3])),
        ("purchaseOrderId", "17", (opposites[0], opposites[3])),
        ("needDate", "2026-11-24", (opposites[0], opposites[3])),
        ("quantity", "5", (opposites[0], opposites[3])),
    )
    for field, value, pairs in conditions:
        for pair in pairs:
            with subtests.test(field=field, operators=pair):
                matching, others = (
                    ids(
                        plant.send(
                            "GET",
                            f"/objects/purchase_order_lines?sort=id&where={field}:{operator}:"
                            f"{quote(value)}&where=or&where=id:is:0",
                        ).text
                    )
                    for operator in pair
                )
                assert sorted(matching + others) == list(range(900, 906))


def test_times_are_compared_with_today_and_other_fields(
    plant: Any, keep: Callable[..., None], subtests: pytest.Subtests
) -> None:
    today = clock.utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = {1: -31, 2: -1, 3: 0, 4: 14, 5: 15}
    keep(
        "purchase_order_lines",
        *(
            {
                "id": id_,
                "needDate": clock.format_rfc3339(today + timedelta(days=after)),
                "estimatedArrivalDate": clock.format_rfc3339(today),
            }
            for id_, after in days.items()
        ),
    )
    for where, expected in {
        "needDate:overdue:": [1, 2],
        "needDate:today:": [3],
        "needDate:next:14": [3, 4],
        "needDate:last:30": [2, 3],
        "needDate:lt:today+15d": [1, 2, 3, 4],
        "estimatedArrivalDate:above:needDate": [1, 2],
        "estimatedArrivalDate:below:needDate": [4, 5],
        "estimatedArrivalDate:same:needDate": [3],
        "needDate:empty:": [900, 901],
        f"needDate:is:{today.date()}": [3],
        f"needDate:to:{today.date()}": [1, 2, 3],
    }.items():
        with subtests.test(where=where):
            asked = {"where": where, "sort": "id"}
            page = plant.send("GET", "/objects/purchase_order_lines", params=asked).text
            assert expected == ids(page)


def test_pages_are_numbered_in_both_directions(plant: Any) -> None:
    address = "/objects/purchase_orders"

    def turn(page: str, rel: str) -> str:
        found = re.search(rf'href="([^"]*)" rel="{rel}"', page)
        assert found, rel
        return plant.send("GET", address + html.unescape(found[1])).text

    def shown(page: str) -> str:
        found = re.search(r'range-text">(.*?)</p>', page, re.DOTALL)
        assert found
        return " ".join(found[1].split())

    first = plant.send("GET", f"{address}?sort=cost").text
    second = turn(first, "next")
    last = turn(second, "next")
    assert [shown(each) for each in (first, second, last)] == [
        "1–50 of 120",
        "51–100 of 120",
        "101–120 of 120",
    ]
    assert 'rel="next"' not in last
    assert ids(turn(last, "prev")) == ids(second)
    back = turn(turn(last, "prev"), "prev")
    assert (shown(back), ids(back)) == ("1–50 of 120", ids(first))
    assert 'rel="prev"' not in back
    assert plant.send("GET", f"{address}?cursor=nonsense").status_code == 422


def test_count_is_limited_even_if_few_objects_match(
    plant: Any, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("purchase_orders", {"id": 1000, "cost": 1000})
    names = [column.name for column in objects.columns]
    copied = ["CAST(n AS TEXT)" if name == "id" else name for name in names]
    copy = (
        f"INSERT INTO objects ({', '.join(names)}) WITH RECURSIVE numbers(n) AS"
        " (SELECT 1001 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9000)"
        f" SELECT {', '.join(copied)} FROM objects, numbers WHERE objects.id = '1000'"
    )

    def write(connection: Connection) -> None:
        connection.exec_driver_sql(copy)

    plant.hub.database.write_now(write)
    monkeypatch.setattr(list_count, "MAX_SECONDS", 0.001)
    page = plant.send("GET", "/objects/purchase_orders?where=cost:lt:1000&sort=id").text
    assert "1–50 of more than 50" in " ".join(page.split())


def test_list_shows_states_only_of_objects_that_are_not_fresh(plant: Any) -> None:
    page = plant.send("GET", "/objects/purchase_orders").text
    assert "Sync state</th>" not in page
    cells = re.findall(r'<td class="changed-at"[^>]*>(.*?)</td>', page, re.DOTALL)
    assert len(cells) == 50
    assert all("<time" in cell and "badge" not in cell for cell in cells)
    plant.hub.database.write_now(
        lambda connection: (
            connection.exec_driver_sql(
                "UPDATE objects SET completeness = 'partial' WHERE resource = 'suppliers'"
            )
            and None
        )
    )
    page = plant.send("GET", "/objects/suppliers").text
    [cell] = re.findall(r'<td class="changed-at"[^>]*>(.*?)</td>', page, re.DOTALL)
    assert "<time" in cell
    assert '<span class="badge warn">partial</span>' in cell


def test_search_matches_values_of_any_field(plant: Any) -> None:
    assert ids(plant.send("GET", "/objects/purchase_orders?q=order 42").text) == [42]
    assert ids(plant.send("GET", "/objects/purchase_orders?q=description").text) == []


def test_shared_view_is_changed_by_its_owner_and_administrators(plant: Any) -> None:
    users = {name: plant.api("POST", "/users", {"name": name, "role": "viewer"}) for name in "bc"}
    assert {answer.status_code for answer in users.values()} == {201}

    def sign_in(name: str) -> None:
        plant.client.cookies.clear()
        link = plant.api("POST", f"/users/{name}/sign-in-links").json()["url"]
        plant.send("POST", link.removeprefix("http://hub.test"))

    address = "/objects/purchase_orders"
    sign_in("b")
    plant.submit(f"{address}/views", name="Ours", query="sort=cost", shared="yes")
    plant.submit(f"{address}/views", name="Mine", query="sort=id")
    sign_in("c")
    page = plant.send("GET", address).text
    assert ("Ours" in page, "Mine" in page, "Edit the view" in page) == (True, False, False)
    assert plant.submit(f"{address}/views/1", name="Theirs").status_code == 403
    assert plant.submit(f"{address}/views/1/forget").status_code == 403
    sign_in("ada")
    plant.submit(f"{address}/views/1", name="All", query="sort=-cost", replace="1", shared="yes")
    plant.api("DELETE", "/users/b")
    sign_in("c")
    page = plant.send("GET", address).text
    assert ("Shared by a removed user" in page, "?sort=-cost" in page) == (True, True)
    assert plant.submit(f"{address}/views", name="Long", query="q=" + "x" * 9000).status_code == 422
    sign_in("ada")
    plant.submit(f"{address}/views/1", name="Adopted")
    assert 'title="Private"\n  >Adopted</a>' in plant.send("GET", address).text


def test_saved_view_is_listed_until_it_is_deleted(plant: Any) -> None:
    kept = plant.submit(
        "/objects/purchase_orders/views", name="Dear", query="where=cost%3Afrom%3A90&cursor=abc"
    )
    assert (kept.status_code, "cursor" in kept.headers["location"]) == (303, False)
    page = plant.send("GET", "/objects/purchase_orders").text
    assert ">Dear</a>" in page
    plant.submit("/objects/purchase_orders/views/1/forget")
    assert ">Dear</a>" not in plant.send("GET", "/objects/purchase_orders").text


def test_search_offers_filters_for_linked_objects_that_the_list_shows(plant: Any) -> None:
    address = "/objects/purchase_orders?integration=1"
    conditions = "where=cost:from:97&where=or&where=cost:to:-18"
    page = plant.send("GET", f"{address}&{conditions}&q=bolts %26").text
    assert "No results" in page
    offered = re.search(r'<a href="([^"]*)">Supplier is Bolts &amp; Co</a>', page)
    assert offered

    found = plant.send("GET", "/objects/purchase_orders" + html.unescape(offered[1])).text

    assert sorted(ids(found)) == [1, 2, 3, 118, 119, 120]
    assert "q=bolts" not in offered[1]
    for other in ("q=bolts&column=cost", "q=Order", "q=requested"):
        assert "Supplier is" not in plant.send("GET", f"{address}&{other}").text


def test_view_is_not_replaced_by_a_new_one_of_its_name(plant: Any) -> None:
    address = "/objects/purchase_orders"
    plant.submit(f"{address}/views", name="Dear", query="sort=cost", shared="yes")
    [before] = plant.get("/saved-views")["items"]

    page = f"{address}?integration=1"
    refused = plant.submit(f"{address}/views", page=page, name="Dear", query="sort=id")

    assert refused.status_code == 409
    form = refused.text[refused.text.index(f'action="{address}/views"') :].partition("</form>")[0]
    assert "There is already a view named Dear." in form
    assert 'aria-describedby="form-error"' in form
    assert plant.get("/saved-views")["items"] == [before]
    sent = {"resource": "purchase_orders", "name": "Cheap", "query": "sort=id"}
    answers = [plant.api("POST", "/saved-views", {**sent, "name": n}) for n in ("Cheap", " Cheap ")]
    assert [201, 409] == [answer.status_code for answer in answers]


def test_deletion_of_a_view_keeps_the_current_filters(plant: Any) -> None:
    plant.api("POST", "/integrations", {**NEW, "name": "second"})
    table = "integration=1&where=cost%3Afrom%3A97"
    plant.submit("/objects/purchase_orders/views", name="Dear", query=table)
    page = plant.send("GET", f"/objects/purchase_orders?{table}").text
    sent = re.search(r'/views/1">.*?name="query" value="([^"]*)"', page, re.DOTALL)
    assert sent

    done = plant.submit(
        "/objects/purchase_orders/views/1/forget", query=html.unescape(sent.group(1))
    )
    assert done.headers["location"] == f"/objects/purchase_orders?{table}"
    assert sorted(ids(plant.send("GET", done.headers["location"]).text)) == [1, 2, 3]


def test_linked_objects_are_shown_in_both_directions(plant: Any) -> None:
    order = plant.send("GET", "/objects/purchase_orders/17").text
    assert re.search(r'/objects/suppliers/4\?integration=1">Bolts &amp; Co</a>', order)
    assert "/objects/purchase_order_lines/900?" in order
    assert "Purchase order lines" in order
    supplier = plant.send("GET", "/objects/suppliers/4").text
    assert "where=supplierId%3Ais%3A4" in supplier
    assert re.search(r"Purchase orders <span[^>]*>120</span>", supplier)


def test_each_field_links_to_the_version_that_changed_it(
    plant: Any, keep: Callable[..., None]
) -> None:
    keep(
        "purchase_orders",
        {"id": 17, "description": "Changed", "status": "REQUESTED", "cost": 83, "supplierId": 4},
    )
    page = plant.send("GET", "/objects/purchase_orders/17").text
    row = re.search(r'<tr>\s*<th scope="row"[^>]*>Description</th>.*?</tr>', page, re.DOTALL)
    assert row
    assert 'href="#version-2"' in row.group()
    assert "Confirmed" in page


def test_past_version_of_an_object_is_shown(plant: Any, keep: Callable[..., None]) -> None:
    keep(
        "purchase_orders",
        {"id": 17, "description": "Changed", "status": "REQUESTED", "cost": 83, "supplierId": 4},
    )
    page = plant.send("GET", "/objects/purchase_orders/17?version=1").text
    assert "You are viewing version" in page
    fields = page.partition('aria-label="Details"')[2].partition("</section>")[0]
    assert "Order 17" in fields
    assert "Changed" not in fields


def test_object_is_shown_as_of_a_time(plant: Any, keep: Callable[..., None]) -> None:
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


def test_time_to_the_second_includes_the_whole_second() -> None:
    assert moment("2026-11-24T12:03:07") == "2026-11-24T12:03:07.999999+00:00"
    assert moment("2026-11-24T12:03") == "2026-11-24T12:03:59.999999+00:00"
    assert moment("2026-11-24T12:03:07.5Z") == "2026-11-24T12:03:07.500000+00:00"
    assert moment("2026-11-24T14:03:07+02:00") == "2026-11-24T12:03:07.999999+00:00"
    assert moment("") is None


def test_history_slider_spans_all_versions() -> None:
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
