"""History: the mirror as it was at a time, two times compared, and who made each change."""

from collections.abc import Callable
from typing import Any

import pytest

from ultraviolet.clock import now_rfc3339
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin


def at(hour: int) -> str:
    return f"2026-05-04T{hour:02}:00:00.000000+00:00"


@pytest.fixture
def seen(edge: Any, integration: dict[str, Any]) -> Callable[..., None]:
    """Apply states of a purchase order that ION had half an hour before each full hour."""

    def seen(hour: int, id_: str, kind: Any = "full", **fields: Any) -> None:
        stamp = f"2026-05-04T{hour - 1:02}:30:00.000000+00:00"
        doc = (
            {"id": int(id_), "_updated": stamp, "updatedById": 7, **fields}
            if kind == "full"
            else {}
        )
        origin = Origin("fetch", "1")
        one = Observation("purchase_orders", id_, kind, doc, at(hour), origin, stamp, at(hour))
        edge.hub.database.write_now(apply, edge.hub.catalog, integration["id"], [one])

    return seen


@pytest.fixture
def orders(edge: Any, seen: Callable[..., None], keep: Callable[..., None]) -> None:
    """Two orders: one that changes at 8 and 10, one that is created at 9 and deleted at 11."""
    keep("users", {"id": 7, "name": "Ada"})
    seen(8, "1", status="DRAFT")
    seen(9, "2", status="DRAFT")
    seen(10, "1", status="ORDERED")
    seen(11, "2", kind="absent")


def test_object_is_returned_as_of_a_time(edge: Any, orders: None) -> None:
    path = "/objects/purchase_orders/1"
    assert edge.get(f"{path}?at=2026-05-04T09:00:00Z")["fields"]["status"] == "DRAFT"
    assert edge.get(f"{path}?at=2026-05-04T10:00:00Z")["fields"]["status"] == "ORDERED"
    assert edge.get(f"{path}?at=2026-05-04T09:45:00Z")["fields"]["status"] == "DRAFT"
    assert edge.get(f"{path}?at=2026-05-04T09:45:00Z&clock=ion")["fields"]["status"] == "ORDERED"
    assert edge.api("GET", f"{path}?at=2026-05-04T07:00:00Z").status_code == 404
    assert edge.get("/objects/purchase_orders/2?at=2026-05-04T12:00:00Z")["deleted"] is True
    assert edge.api("GET", f"{path}?at=yesterday").status_code == 422


def test_list_is_returned_as_of_a_time(edge: Any, orders: None) -> None:
    def ids(hour: int, more: str = "") -> list[str]:
        answer = edge.get(f"/objects/purchase_orders?at=2026-05-04T{hour:02}:00:00Z{more}")
        return [one["id"] for one in answer["items"]]

    assert [ids(hour) for hour in (7, 8, 9, 10, 11)] == [[], ["1"], ["1", "2"], ["1", "2"], ["1"]]
    first = edge.get("/objects/purchase_orders?at=2026-05-04T10:00:00Z&limit=1")
    assert ids(10, f"&limit=1&cursor={first['next']}") == ["2"]
    assert (
        edge.api("GET", "/objects/purchase_orders?at=2026-05-04T10:00:00Z&q=x").status_code == 422
    )


def test_object_diff_lists_changed_fields_and_versions(edge: Any, orders: None) -> None:
    compared = edge.get(
        "/objects/purchase_orders/1/diff?from=2026-05-04T09:00:00Z&to=2026-05-04T12:00:00Z"
    )
    changes = {one["name"]: (one["old"], one["new"]) for one in compared["changes"]}
    assert changes["status"] == ("DRAFT", "ORDERED")
    assert [one["version"] for one in compared["versions"]] == [2]
    assert compared["versions"][0]["by"] == {"id": "7", "name": "Ada", "source": "object"}
    assert (compared["before"]["version"], compared["after"]["version"]) == (1, 2)


@pytest.mark.parametrize("path", ["/diffs/purchase_orders", "/objects/purchase_orders/1/diff"])
def test_diff_requires_the_earlier_time_first(edge: Any, orders: None, path: str) -> None:
    refused = edge.api("GET", f"{path}?from=2026-05-04T12:00:00Z&to=2026-05-04T09:00:00Z")
    assert (422, "from") == (refused.status_code, refused.json()["errors"][0]["field"])


def test_resource_diff_lists_changed_objects(edge: Any, orders: None) -> None:
    def changes(begin: int, end: int) -> list[tuple[str, str]]:
        query = f"from=2026-05-04T{begin:02}:00:00Z&to=2026-05-04T{end:02}:00:00Z"
        answer = edge.get(f"/diffs/purchase_orders?{query}")
        return [(one["id"], one["change"]) for one in answer["items"]]

    assert changes(7, 9) == [("1", "created"), ("2", "created")]
    assert changes(9, 12) == [("1", "changed"), ("2", "deleted")]
    assert changes(7, 12) == [("1", "created")]  # the other was created and deleted between
    assert edge.get(f"/diffs/purchase_orders?from={now_rfc3339()}")["items"] == []
