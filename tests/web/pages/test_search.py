"""The search: by id or by any text, across all resources."""

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from tests.web.conftest import NEW

from ultraviolet.db import engine as db_engine
from ultraviolet.db import sql
from ultraviolet.hub.runtime.search_indexer import SearchIndexer
from ultraviolet.hub.sync import fetch
from ultraviolet.mirror import field_indexes, search_index


def test_ids_and_texts_are_found_in_every_resource(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("suppliers", {"id": 7, "name": "Café Müller GmbH"})
    keep(
        "parts",
        {"id": 7, "partNumber": "BRK-100", "description": "Bracket 100% steel"},
        {"id": 8, "partNumber": "X"},
    )

    by_id = signed_in.send("GET", "/search?q=7").text
    assert "/objects/suppliers/7?" in by_id
    assert "/objects/parts/7?" in by_id
    assert (
        "/objects/suppliers/7?"
        in signed_in.send("GET", "/search", params={"q": "café müller"}).text
    )
    assert "/objects/parts/7?" in signed_in.send("GET", "/search", params={"q": "100% STEEL"}).text


def test_matched_values_are_shown_as_on_other_pages(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    nodes = [{"type": "p", "children": [{"text": "Bore is oversize"}]}]
    keep("issues", {"id": 3, "title": "Bracket", "causeCondition": nodes})
    keep("purchase_order_lines", {"id": 8, "cost": 12770.5})
    keep("parts", {"id": 9, "partNumber": "1000000", "acceptableParts": [4012, 4013]})
    shown = {
        sought: signed_in.send("GET", "/search", params={"q": sought}).text
        for sought in ("oversize", "12770", "1000000", "4013")
    }
    assert "<span data-value>Bore is oversize</span>" in shown["oversize"]
    assert "<span data-value>12,770.50</span>" in shown["12770"]
    assert "<span data-value>1000000</span>" in shown["1000000"]
    assert "<span data-value>4012, 4013</span>" in shown["4013"]


def test_only_the_values_of_custom_attributes_are_searched(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    def row(id_: str, value: Any) -> dict[str, Any]:
        return {"id": id_, "key": id_.partition("-")[2], "type": "STRING", "value": value}

    drawing, none = row("7-Drawing", 'DWG-3612 "A"'), row("212-Certificate", None)
    keep("purchase_order_lines", {"id": 7, "attributes": {"Drawing": drawing}})
    keep("purchase_order_lines", {"id": 8, "attributes": {"Certificate": none}})
    for _ in ("changed beyond the index", "and when that followed"):
        page = signed_in.send("GET", "/search?q=dwg-3612").text
        assert '<span class="quiet">Drawing:</span>' in page
        assert "<span data-value>DWG-3612 &#34;A&#34;</span>" in page
        [offered] = signed_in.send("GET", "/palette", params={"q": '3612 "a'}).json()
        assert offered["detail"] == 'Purchase order line 7 · Drawing: DWG-3612 "A"'
        for text in ("212", "21", "certificate", "STRING"):
            assert "No results for" in signed_in.send("GET", f"/search?q={text}").text, text
        indexed(signed_in)


def test_lists_of_ids_match_whole_ids_and_come_last(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("abom_items", *({"id": n, "acceptablePartIds": [3, 412]} for n in range(100, 170)))
    keep("labels", {"id": 1, "value": "Rev 412"})
    keep("comments", {"id": 2, "text": "see 412"})
    indexed(signed_in)
    page = signed_in.send("GET", "/search?q=412").text
    found = re.findall(r'<td data-value><a[^>]*href="/objects/(\w+)/\d+\?', page)
    assert found == ["labels", "comments", *["abom_items"] * 10]
    assert "No results for" in signed_in.send("GET", "/search?q=3, 4").text


def test_five_resources_and_the_chosen_one_are_offered_before_a_menu(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    named = ("purchase_orders", "parts", "runs", "issues", "suppliers", "receipts", "labels")
    for resource in named:
        keep(resource, {"id": 77})

    def offered(address: str) -> tuple[list[str], list[str]]:
        row = signed_in.send("GET", address).text.partition('aria-label="Resource"')[2]
        shown, _, menu = row.partition("</nav>")[0].partition("<summary>More</summary>")
        first, rest = (re.findall(r"resource=(\w+)", part) for part in (shown, menu))
        return first, rest

    assert offered("/search?q=77") == ([*named[:5]], [*named[5:]])
    assert offered("/search?q=77&resource=labels") == ([*named[:5], "labels"], ["receipts"])


def test_palette_suggests_main_resources_first_and_access_last(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("permission_groups", *({"id": n, "name": f"Ordering {n}"} for n in range(1, 120)))
    keep("comments", {"id": 3, "text": "reorder soon"})
    for _ in ("changed beyond the index", "and when that followed"):
        found = signed_in.send("GET", "/palette?q=ord").json()
        titles = [one["title"] for one in found[:3]]
        assert titles == ["Purchase orders", "Purchase order lines", "Purchase order fees"]
        resources = [one["address"].split("/")[2] for one in found[5:]]
        assert resources == ["comments", *["permission_groups"] * 11]
        indexed(signed_in)
    assert signed_in.send("GET", "/palette?q=part").json()[0]["title"] == "Parts"


def test_object_is_found_by_the_name_of_its_resource_and_its_id(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    for resource in ("abom_edges", "abom_items", "comments", "parts", "purchase_order_lines"):
        keep(resource, {"id": 12})
    keep("suppliers", {"id": 5, "name": "Granite Fasteners"})
    keep("purchase_orders", {"id": 12, "supplierId": 5}, {"id": 7, "description": "12 seals"})
    keep("parts", {"id": 3, "partNumber": "IGN-10000"})

    def found(text: str, **more: str) -> list[str]:
        page = signed_in.send("GET", "/search", params={"q": text, **more}).text
        return re.findall(r'<td data-value><a[^>]*href="/objects/(\w+/\d+)\?', page)

    order = "purchase_orders/12"
    for text in ("purchase order 12", "Purchase orders 12", "po 12", "PO-12", "po12", "order #12"):
        assert found(text)[0] == order, text
        offered = signed_in.send("GET", "/palette", params={"q": text}).json()
        assert offered[0]["title"] == "Purchase order 12", text
    assert found("part IGN-10000")[0] == "parts/3"
    assert found("POL 12")[0] == "purchase_order_lines/12"
    ranked = found("12")
    assert ranked[:3] == [order, "parts/12", "purchase_order_lines/12"]
    assert ranked.index("comments/12") > ranked.index("abom_items/12")
    assert found("12", resource="parts") == ["parts/12"]
    assert found("granite") == ["suppliers/5", order]
    assert "Purchase order 12" in str(signed_in.send("GET", "/palette?q=12").json())


def test_all_purchase_orders_of_a_found_supplier_are_linked(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("suppliers", {"id": 5, "name": "Halden North"}, {"id": 6, "name": "Halden South"})
    keep("purchase_orders", *({"id": n, "supplierId": 5} for n in range(20, 32)))
    keep("purchase_orders", *({"id": n, "supplierId": 6} for n in range(40, 43)))

    for address in ("/search?q=halden", "/search?q=halden&resource=purchase_orders"):
        page = signed_in.send("GET", address).text
        shown = re.findall(r'<td data-value><a[^>]*href="/objects/purchase_orders/(\d+)\?', page)
        assert (len(shown), {"40", "41", "42"} <= set(shown)) == (13, True)
        assert re.search(r'>Purchase orders <span class="quiet">13\+<', page)
        assert re.search(r'>Suppliers <span class="quiet">2<', page)
        [(link, name)] = re.findall(r'href="([^"]*)">All purchase orders of ([^<]*)<', page)
        assert name == "Halden North"
        listed = signed_in.send("GET", link.replace("&amp;", "&")).text
        assert "1–12 of 12" in listed


def test_field_names_are_not_searched(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("parts", {"id": 7, "partNumber": "BRK-100"})
    assert "No results for" in signed_in.send("GET", "/search?q=partNumber").text


def test_resource_is_found_by_its_name_in_each_integration(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    def named() -> list[tuple[str, str]]:
        page = signed_in.send("GET", "/search?q=purchase order").text
        return re.findall(r'href="(/objects/purchase_orders[^"]*)">([^<]*)<', page)

    assert named() == [("/objects/purchase_orders?integration=1", "Purchase orders")]
    signed_in.api("POST", "/integrations", {**NEW, "name": "second"})
    found = named()
    assert [name for _, name in found] == ["Purchase orders of plant", "Purchase orders of second"]
    assert [200, 200] == [signed_in.send("GET", address).status_code for address, _ in found]


def indexed(edge: Any) -> int:
    """Index all versions; return their number."""

    def take(connection: Any) -> int:
        return search_index.index_versions(connection, edge.hub.catalog, 1, 2)

    return sum(iter(lambda: edge.hub.database.write_now(take), 0))


def test_index_follows_changes(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("suppliers", {"id": 1, "name": 'Gaskets & "Seals" 100%'}, {"id": 2, "name": "Bolts"})
    keep("parts", {"id": 3, "partNumber": "GSK-1", "supplierPartNumber": "seals"})
    assert indexed(signed_in) == 3
    assert signed_in.hub.database.read_now(search_index.outdated_integrations) == []
    for said in ("seals", '& "SEALS"', "100%", "gaskets &"):
        assert (
            "/objects/suppliers/1?" in signed_in.send("GET", "/search", params={"q": said}).text
        ), said
        table = signed_in.send("GET", "/objects/suppliers", params={"q": said}).text
        assert "Seals" in table, said
        assert "Bolts" not in table, said

    keep("suppliers", {"id": 1, "name": "Rings"}, {"id": 2, "name": "Bolts and seals"})
    for _ in ("changed beyond the index", "and when that followed"):
        page = signed_in.send("GET", "/search?q=seals").text
        assert "/objects/suppliers/2?" in page
        assert "/objects/suppliers/1?" not in page
        assert "/objects/parts/3?" in page
        assert "Rings" not in signed_in.send("GET", "/objects/suppliers?q=seals").text
        indexed(signed_in)
    assert "No results for" in signed_in.send("GET", "/search?q=gaskets").text


def test_text_condition_finds_indexed_and_new_objects(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("suppliers", {"id": 1, "name": "Nozzles", "address": "bolts"}, {"id": 2, "name": "Bolts"})
    indexed(signed_in)
    keep("suppliers", {"id": 3, "name": "New bolts"})
    page = signed_in.send("GET", "/objects/suppliers?where=name:has:OLTS&sort=id").text
    assert re.findall(r'id="object-(\d+)"', page) == ["2", "3"]


async def follow(hub: Any, mine: set[int]) -> None:
    """Run an indexer of these integrations until no index is outdated."""
    indexer = SearchIndexer(hub.database, hub.catalog, hub.changes, lambda: mine).task
    indexer.start()
    while await hub.database.read(search_index.outdated_integrations):  # noqa: ASYNC110  the condition is in the database
        await asyncio.sleep(0.01)
    await indexer.stop()


def test_indexer_finishes_during_a_fetch(signed_in: Any, keep: Callable[..., None]) -> None:
    hub = signed_in.hub
    keep("suppliers", {"id": 1, "name": "Gaskets"})
    hub.database.write_now(
        fetch.request_fetch, 1, "full", "test"
    )  # the indexer waits for it, but not forever
    signed_in.runner.run(asyncio.wait_for(follow(hub, {1}), 20))
    assert indexed(signed_in) == 0


def test_paused_integration_is_indexed(signed_in: Any, keep: Callable[..., None]) -> None:
    hub = signed_in.hub
    keep("suppliers", {"id": 1, "name": "Gaskets"})
    hub.database.write_now(fetch.request_fetch, 1, "full", "test")
    signed_in.api("POST", "/integrations/1/pause")
    signed_in.runner.run(asyncio.wait_for(follow(hub, set()), 5))
    assert indexed(signed_in) == 0


def field_indexes_of(edge: Any) -> set[str]:
    def names(connection: Any) -> set[str]:
        return sql.index_names(connection, "objects_by_field_")

    return edge.hub.database.read_now(names)


@pytest.mark.parametrize("said", ["se%00als", "seals%00"])
def test_nul_characters_are_ignored(signed_in: Any, keep: Callable[..., None], said: str) -> None:
    keep("suppliers", {"id": 1, "name": "Seals"})
    indexed(signed_in)
    for page in (
        f"/search?q={said}",
        f"/objects/suppliers?q={said}",
        f"/objects/suppliers?where=name:has:{said}",
    ):
        found = signed_in.send("GET", page)
        assert found.status_code == 200, page
        assert "/objects/suppliers/1" in found.text, page


def test_columns_of_a_large_list_are_indexed_without_a_request(
    signed_in: Any, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_indexes, "MIN_OBJECTS", 10)
    monkeypatch.setattr(field_indexes, "LISTED_OBJECTS", range(10, 20))
    keep("parts", *({"id": n, "partNumber": f"P-{n}"} for n in range(1, 15)))
    assert "Create index" in signed_in.send("GET", "/objects/parts?sort=partNumber").text
    signed_in.runner.run(signed_in.hub.field_indexes.index_lists())
    signed_in.runner.run(signed_in.hub.field_indexes.settled())
    for field in ("partNumber", "cost", "_created"):
        assert "Create index" not in signed_in.send("GET", f"/objects/parts?sort={field}").text
    assert "Create index" in signed_in.send("GET", "/objects/parts?sort=_updated").text


def test_long_texts_are_sorted_and_compared_with_an_index(
    signed_in: Any, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_indexes, "MIN_OBJECTS", 10)

    def long(seed: int) -> str:
        return "".join(random.Random(seed).choices("äöüßabcdefghij", k=5000))

    same = "x" * field_indexes.INDEXED_CHARACTERS
    keep("parts", *({"id": n, "description": long(n)} for n in range(1, 15)))
    keep("parts", {"id": 20, "description": f"{same}a"}, {"id": 21, "description": f"{same}B"})
    page = signed_in.send("GET", "/objects/parts?sort=description").text
    assert "Create index" in page
    assert field_indexes_of(signed_in) == set(), "looking at a page changes nothing"
    asked = {"query": "sort=description", "integration": "1", "field": "description"}
    sent = signed_in.submit("/objects/parts/indexes", **asked)
    assert (sent.status_code, sent.headers["location"]) == (303, "/objects/parts?sort=description")
    signed_in.runner.run(signed_in.hub.field_indexes.settled())
    assert len(field_indexes_of(signed_in)) == 1
    assert "Create index" not in signed_in.send("GET", "/objects/parts?sort=description").text
    again = signed_in.api("POST", "/objects/parts/indexes", {"fields": ["description"]})
    assert (again.status_code, again.json()["creating"]) == (202, [])
    refused = signed_in.api("POST", "/objects/parts/indexes", {"fields": ["nonsense"]})
    assert refused.status_code == 422

    keep("parts", {"id": 30, "description": long(30)})

    for where, ids in (
        (f"is:{same}b", ["21"]),
        (f"is:{same}", []),
        (f"from:{same}aa", ["21"]),
        (f"from:{same}", ["20", "21"]),
    ):
        page = signed_in.send(
            "GET", f"/objects/parts?where=description:{where}&sort=description"
        ).text
        assert [
            one for one in re.findall(r'id="object-(\d+)"', page) if one in ("20", "21")
        ] == ids, where


def test_failed_index_creation_leaves_no_index(postgresql: Any) -> None:
    engine = db_engine.make_engine(postgresql.new_database())
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE long AS SELECT string_agg(md5(n::text), '') AS said FROM generate_series(1, 500) AS n"
        )
    with pytest.raises(DBAPIError, match="ProgramLimitExceeded"):
        sql.create_index(engine, "too_long", "ON long (said)")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('too_long')").scalar() is None
    engine.dispose()


def test_index_is_suggested_and_keeps_the_order_of_a_list(
    signed_in: Any, keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_indexes, "MIN_OBJECTS", 10)
    keep("parts", *({"id": n, "partNumber": f"PN-{n % 7}", "cost": 50 - n} for n in range(1, 31)))
    keep("parts", {"id": 99, "partNumber": None, "cost": None})
    asked = (
        "sort=cost",
        "sort=-partNumber",
        "where=cost:from:30&sort=cost",
        "where=partNumber:is:pn-3&sort=id",
    )
    before = {one: signed_in.send("GET", f"/objects/parts?{one}").text for one in asked}
    assert all("Create index" in page for page in before.values())
    signed_in.api("POST", "/objects/parts/indexes", {"fields": ["cost", "partNumber", "id"]})
    signed_in.runner.run(signed_in.hub.field_indexes.settled())

    names = field_indexes_of(signed_in)
    assert len(names) == 3
    for one, page in before.items():
        rows = re.findall(r'id="object-(\d+)"', page)
        assert rows
        assert (
            re.findall(r'id="object-(\d+)"', signed_in.send("GET", f"/objects/parts?{one}").text)
            == rows
        )
    signed_in.api("POST", "/objects/suppliers/indexes", {"fields": ["name"]})
    signed_in.runner.run(signed_in.hub.field_indexes.settled())
    assert names == field_indexes_of(signed_in)
